/**
 * How the bench asks a measured server process about itself. Each thread of it runs `probe.ts`.
 */

import { BroadcastChannel } from 'node:worker_threads'
import { type Counts, PROBE_CHANNEL, type ProbeMessage } from './probe-messages.ts'

export interface ServerReady {
  readonly port: number
  /** The API key, where the server wants one. */
  readonly key: string
}

export type ServerRequest =
  /** CPU time of all threads since the process started. */
  | { readonly kind: 'cpu' }
  /** Collects garbage in every thread, then says how much memory is resident. */
  | { readonly kind: 'memory' }
  /** Starts counting anew in every thread. */
  | { readonly kind: 'countAnew' }
  /** What was counted since. */
  | { readonly kind: 'counts' }

export interface ServerAnswer {
  readonly cpuSeconds: number
  readonly residentBytes: number
  /** By thread; only where the probe counts. */
  readonly counts: readonly Counts[]
}

const PROBE_MS = 300

/** Says that the server is ready, answers questions, ends the process with its parent. */
export function serveBench(ready: ServerReady): void {
  const probes = new BroadcastChannel(PROBE_CHANNEL)
  const heard: Counts[] = []
  probes.onmessage = ({ data }) => {
    const message = data as ProbeMessage
    if (message.kind === 'counted') heard.push(message.counts)
  }
  const answer = async (request: ServerRequest): Promise<ServerAnswer> => {
    heard.length = 0
    if (request.kind !== 'cpu') {
      probes.postMessage({ kind: request.kind } satisfies ProbeMessage)
      // Threads do not say that they have collected; they have by then, or the next reading of a
      // series that settles shows it.
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS))
    }
    const { user, system } = process.cpuUsage()
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
      counts: [...heard]
    }
  }
  process.on('message', (request: ServerRequest) => {
    void answer(request).then((reply) => process.send?.(reply))
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.(ready)
}
