/**
 * A socket that is not connected yet: what it came with, and what its client sends without waiting
 * for CONNECTED, which is kept until then, up to a bound.
 */

import type { ConnectionFacts } from '../auth/connection-key.ts'
import { limits } from '../base/limits.ts'
import type { ConnectParams } from '../wire/params.ts'
import type { SocketSlot } from './outbox.ts'

/** What a socket came with. */
export interface Arrival extends ConnectParams {
  readonly isTls: boolean
}

/** A socket that wants to be connected. */
export interface Newcomer {
  readonly slot: SocketSlot
  readonly params: Arrival
  /** What the key says that it came with, if that is one of the region. */
  readonly facts: ConnectionFacts | undefined
  readonly early: EarlyFrames
}

export interface EarlyFrame {
  readonly data: Uint8Array | string
  readonly isBinary: boolean
}

/** What a frame costs at least. */
const FRAME_BYTES = 64

export class EarlyFrames {
  #frames: EarlyFrame[] | undefined
  #bytes = 0

  /** Keeps one; false: it is too much. */
  add(frame: EarlyFrame): boolean {
    this.#bytes += FRAME_BYTES + frame.data.length
    if (this.#bytes > limits.earlyBytesMax) return false
    this.#frames ??= []
    this.#frames.push(frame)
    return true
  }

  /** All of them, in order; none is kept afterwards. */
  take(): readonly EarlyFrame[] {
    const frames = this.#frames ?? []
    this.#frames = undefined
    return frames
  }
}
