/**
 * Frames as a client of the protocol reads and writes them, apart from the server's own codec: an
 * encoder that is wrong about both directions would otherwise agree with itself.
 */

import { decode, encode } from '@msgpack/msgpack'

/** The actions of frames. */
export const Does = {
  HEARTBEAT: 0,
  ACK: 1,
  NACK: 2,
  CONNECTED: 4,
  DISCONNECTED: 6,
  CLOSE: 7,
  CLOSED: 8,
  ERROR: 9,
  ATTACH: 10,
  ATTACHED: 11,
  DETACH: 12,
  DETACHED: 13,
  PRESENCE: 14,
  MESSAGE: 15,
  SYNC: 16,
  AUTH: 17
} as const

/** The action of messages that the service says of itself. */
export const META = 3

/** The code of a token that was revoked. */
export const REVOKED = 40141

/** A flag of ATTACHED: what was missed, or is rewound, follows. */
export const HAS_BACKLOG = 2

/** Modes, as flags of ATTACH and ATTACHED. */
export const Mode = {
  PRESENCE: 1 << 16,
  PUBLISH: 1 << 17,
  SUBSCRIBE: 1 << 18,
  PRESENCE_SUBSCRIBE: 1 << 19
} as const

export interface WireError {
  readonly code: number
  readonly statusCode: number
  readonly message: string
}

export interface WireItem {
  readonly action?: number
  readonly id?: string
  readonly name?: string
  readonly data?: string
  readonly encoding?: string
  readonly extras?: Readonly<Record<string, unknown>>
}

export interface WirePresence {
  readonly action?: number
  readonly clientId?: string
  readonly connectionId?: string
  readonly id?: string
  readonly timestamp?: number
  readonly data?: string
}

/** What a frame says, as far as these clients read it. */
export interface Wire {
  readonly action: number
  readonly id?: string
  readonly flags?: number
  readonly channel?: string
  readonly channelSerial?: string
  readonly connectionId?: string
  readonly connectionKey?: string
  readonly connectionDetails?: {
    readonly connectionKey?: string
    readonly maxIdleInterval?: number
  }
  readonly msgSerial?: number
  readonly timestamp?: number
  readonly count?: number
  readonly error?: WireError
  readonly messages?: readonly WireItem[]
  readonly presence?: readonly WirePresence[]
  readonly res?: readonly { readonly serials: readonly (string | null)[] }[]
  readonly params?: Readonly<Record<string, string>>
  readonly auth?: { readonly accessToken: string }
}

export type WireFormat = 'json' | 'msgpack'

const text = new TextDecoder()

/** What a run of whole, unmasked WebSocket frames says; undefined for a ping. */
export function* readFrames(bytes: Uint8Array): Generator<Wire | undefined> {
  let at = 0
  while (at < bytes.length) {
    const opcode = bytes[at]! & 0x0f
    let size = bytes[at + 1]! & 0x7f
    let start = at + 2
    if (size === 126) {
      size = bytes[at + 2]! * 256 + bytes[at + 3]!
      start = at + 4
    } else if (size === 127) {
      size = Number(new DataView(bytes.buffer, bytes.byteOffset + at + 2, 8).getBigUint64(0))
      start = at + 10
    }
    const payload = bytes.subarray(start, start + size)
    at = start + size
    if (opcode === 9) yield undefined
    else yield (opcode === 2 ? decode(payload) : JSON.parse(text.decode(payload))) as Wire
  }
}

/** What a client sends: text for JSON, bytes for MessagePack. */
export function writeFrame(wire: Wire, format: WireFormat): string | Uint8Array {
  if (format === 'json') return JSON.stringify(wire)
  return encode(wire, { ignoreUndefined: true })
}

/** The name of the derived channel that shows a channel's messages of the name `f`. */
export function derivedOf(channel: string): string {
  return `[filter=${Buffer.from("name == 'f'").toString('base64')}]${channel}`
}

export function isDerived(channel: string): boolean {
  return channel.startsWith('[filter=')
}

/** A position, out of a channelSerial. */
export interface Point {
  readonly lineage: string
  readonly epoch: number
  readonly entry: number
  readonly seq: number
}

export function pointOf(channelSerial: string): Point {
  const [, lineage, epoch, entry, seq] = channelSerial.split('~')
  return {
    lineage: lineage ?? '',
    epoch: Number(epoch),
    entry: parseInt(entry ?? '', 36),
    seq: parseInt(seq ?? '', 36)
  }
}
