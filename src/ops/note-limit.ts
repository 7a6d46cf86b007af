/**
 * Bounds what a worker has to say for the log: clients can make it say something with every frame
 * they send, and a log that is flooded hides what matters. What is left out is counted.
 */

import { limits } from '../base/limits.ts'
import { TokenBucket } from '../base/rate.ts'

export class NoteLimit {
  readonly #say: (text: string) => void
  readonly #bucket: TokenBucket
  #leftOutCount = 0

  constructor(say: (text: string) => void, nowMs: number) {
    this.#say = say
    this.#bucket = new TokenBucket(limits.notesPerSecondMax, nowMs)
  }

  /** Says it, or leaves it out; what was left out is told with the next one. */
  note(text: string, nowMs: number): void {
    if (!this.#bucket.take(nowMs)) {
      this.#leftOutCount++
      return
    }
    if (this.#leftOutCount > 0) this.#say(`${this.#leftOutCount} notes were left out`)
    this.#leftOutCount = 0
    this.#say(text)
  }
}
