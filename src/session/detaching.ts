/**
 * Channels whose client wants to be detached, until nobody of its connection is present there any
 * more: it is told DETACHED when the log has that, for a node that dies right after it could have
 * kept it to itself. Where the log is away it is told so nevertheless, before SDKs give up to wait;
 * the members leave when that is possible.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'

interface Waiting {
  readonly answer: () => void
  readonly deadline: Deadline
}

export class Detaching {
  readonly #deadlines: Deadlines
  readonly #waiting = new Map<string, Waiting>()

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  /** Its DETACHED is to come; who asks again meanwhile is answered by that one. */
  isWaiting(wireName: string): boolean {
    return this.#waiting.has(wireName)
  }

  /**
   * `answer` is called once: when what is returned is, when all is to be settled, or after a time;
   * or never, if all is stopped before.
   */
  begin(wireName: string, nowMs: number, answer: () => void): () => void {
    const atMs = nowMs + limits.detachAnswerMs
    const deadline = this.#deadlines.at(atMs, () => this.settle(wireName))
    const waiting = { answer, deadline }
    this.#waiting.set(wireName, waiting)
    return () => {
      if (this.#waiting.get(wireName) === waiting) this.settle(wireName)
    }
  }

  /** Its client goes on, and is told what comes first. */
  settle(wireName: string): void {
    const waiting = this.#waiting.get(wireName)
    if (waiting === undefined) return
    this.#waiting.delete(wireName)
    this.#deadlines.cancel(waiting.deadline)
    waiting.answer()
  }

  /** Nobody is there any more to be told. */
  stop(): void {
    for (const { deadline } of this.#waiting.values()) this.#deadlines.cancel(deadline)
    this.#waiting.clear()
  }
}
