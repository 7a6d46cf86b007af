/**
 * How load speaks to each server. Both are sent and send messages of the same size: the bare one
 * is given, to pass on, the very frame that Ringcast's subscribers get.
 */

import type { SocketPlan } from './load-messages.ts'
import type { Server } from './processes.ts'
import { aroundStamp, stampOf } from './stamp.ts'

const DATA_BYTES = 128
const ATTACH = 10
const MESSAGE = 15

/** What is to be known of a server. */
export type Spoken = Pick<Server, 'isBare' | 'key'>

/** The parts of a message before and after its stamp; `#` stands for its number. */
export interface Template {
  readonly before: string
  readonly after: string
}

/** A socket that subscribes to the channel. */
export function subscriberOf(
  server: Spoken, channel: string, format: 'json' | 'msgpack' = 'json'
): SocketPlan {
  if (server.isBare) return { path: `/subscribe/${channel}`, hello: undefined, readyAfter: 0 }
  // Each frame says by its opcode what it is in, so the attach can be JSON for both.
  const hello = JSON.stringify({ action: ATTACH, channel })
  return { path: connectPath(server, format), hello, readyAfter: 2 }
}

/** A socket that publishes to the channel. */
export function publisherOf(server: Spoken, channel: string): SocketPlan {
  if (server.isBare) return { path: `/publish/${channel}`, hello: undefined, readyAfter: 0 }
  return { path: connectPath(server, 'json'), hello: undefined, readyAfter: 1 }
}

/** What a publisher sends to Ringcast. */
export function publishTemplate(channel: string): Template {
  const data = stampOf(0).padEnd(DATA_BYTES, '.')
  const message = { action: MESSAGE, channel, msgSerial: 0, messages: [{ name: 'tick', data }] }
  const text = JSON.stringify(message).replace('"msgSerial":0', '"msgSerial":#')
  return aroundStamp(text)
}

/** What a publisher sends to the bare server: what a subscriber of Ringcast was sent. */
export function relayTemplate(sample: string): Template {
  return aroundStamp(sample)
}

function connectPath(server: Spoken, format: 'json' | 'msgpack'): string {
  const key = encodeURIComponent(server.key)
  return `/?v=3&key=${key}&format=${format}&heartbeats=false`
}
