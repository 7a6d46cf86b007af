/**
 * How much one connection may say in a second: frames of any kind, messages (presence items and
 * requests for SYNC count as such), attaches. What is too much is refused, each in its own way;
 * who floods, or goes on and on with too much, is asked to go (protocol 20, 22).
 *
 * Counts are of whole seconds of the worker's clock, so that they cost a comparison and an
 * addition. A publish of many messages is let in whole while there is anything left, and paid for
 * by the seconds after it.
 */

import { limits } from '../base/limits.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'

const SECOND_MS = 1_000

export class Intake {
  readonly #messagesPerSecond: number
  #second: number
  #frameCount = 0
  #messageCount = 0
  #attachCount = 0
  #hasRefused = false
  /** Seconds in a row in which something was refused. */
  #excessCount = 0

  constructor(messagesPerSecond: number, nowMs: number) {
    this.#messagesPerSecond = messagesPerSecond
    this.#second = Math.floor(nowMs / SECOND_MS)
  }

  /** Takes a frame, whatever it says; or says why the socket is to end. */
  onFrame(nowMs: number): ErrorInfo | undefined {
    const second = Math.floor(nowMs / SECOND_MS)
    if (second !== this.#second) this.#begin(second)
    if (++this.#frameCount > limits.framesPerSecondMax) return errors.tooManyFrames().info
    if (this.#excessCount < limits.excessSecondsMax) return undefined
    return errors.rateExceeded().info
  }

  /** Lets so many messages in; false: too many came before. */
  takeMessages(count: number): boolean {
    if (this.#messageCount >= this.#messagesPerSecond) {
      this.#hasRefused = true
      return false
    }
    this.#messageCount += count
    return true
  }

  takeAttach(): boolean {
    if (this.#attachCount < limits.attachesPerSecondMax) {
      this.#attachCount++
      return true
    }
    this.#hasRefused = true
    return false
  }

  #begin(second: number): void {
    const passed = second - this.#second
    this.#second = second
    this.#frameCount = 0
    this.#attachCount = 0
    this.#messageCount = Math.max(0, this.#messageCount - passed * this.#messagesPerSecond)
    this.#excessCount = this.#hasRefused && passed === 1 ? this.#excessCount + 1 : 0
    this.#hasRefused = false
  }
}
