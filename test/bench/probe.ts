/**
 * Preloaded into every thread of a measured server (`--import`): collects garbage when told, which
 * each thread must do for its own heap.
 */

import { BroadcastChannel } from 'node:worker_threads'
import { PROBE_CHANNEL, type ProbeMessage } from './probe-messages.ts'

const channel = new BroadcastChannel(PROBE_CHANNEL)
channel.onmessage = ({ data }) => {
  if ((data as ProbeMessage).kind === 'memory') globalThis.gc?.()
}
channel.unref()
