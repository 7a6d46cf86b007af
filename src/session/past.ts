/**
 * What a connection's client said before it came with this socket. It says again, at once and in
 * order, all that it has no answer to (protocol 4.2), and is to be told what the first answer was.
 * So what is said again is let in however much it is: it was judged by the rates once, and may be
 * taken already, which its channel knows by its id.
 *
 * Nobody knows what was said to a home that has died. Then what comes in the time in which every
 * frame has its answer, or its socket is ended, counts as said again.
 */

import { limits } from '../base/limits.ts'

export interface Past {
  /** Publishes up to this msgSerial had no outcome in time (rule 18); −1: none. */
  readonly doubtfulThrough: number
  /** Frames up to this msgSerial were received; −1: none; undefined: nobody knows. */
  readonly saidThrough: number | undefined
}

/** That of a new connection. */
export const nothingSaid: Past = { doubtfulThrough: -1, saidThrough: -1 }

/** Tells what is said again: each frame once, and no more than a client may wait for. */
export class Repeats {
  readonly #through: number
  readonly #untilMs: number
  /** The highest msgSerial that was received, on former sockets or this one. */
  saidThrough: number
  #lastRepeated = -1
  #leftCount: number = limits.owedPerSessionMax

  constructor(saidThrough: number | undefined, nowMs: number) {
    const isKnown = saidThrough !== undefined
    this.#through = isKnown ? saidThrough : Infinity
    this.#untilMs = isKnown ? Infinity : nowMs + limits.publishOutcomeMs
    this.saidThrough = saidThrough ?? -1
  }

  /** Takes a frame; true if it was said before. */
  take(msgSerial: number, nowMs: number): boolean {
    this.saidThrough = Math.max(this.saidThrough, msgSerial)
    const isRepeat = msgSerial > this.#lastRepeated && msgSerial <= this.#through &&
      nowMs <= this.#untilMs && this.#leftCount > 0
    if (!isRepeat) return false
    this.#lastRepeated = msgSerial
    this.#leftCount--
    return true
  }
}
