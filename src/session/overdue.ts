/**
 * The bound on outcomes (rule 18): a publish whose outcome is not known in time ends the socket,
 * retriable, and its client sends it again. One that a former socket of the connection was ended
 * for is not asked for again: its NACK (50003) says that nobody knows.
 *
 * One deadline for all that is owed: it looks at the oldest, and again when that was young.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import { errors } from '../wire/errors.ts'
import type { Acks } from './acks.ts'

export interface OverdueOwner {
  /** Some are answered now. */
  onAnswersReady(): void
  /** An outcome is not known in time, nor any after it up to `doubtfulThrough`. */
  onOverdue(doubtfulThrough: number): void
}

export class Overdue {
  readonly #acks: Acks
  readonly #owner: OverdueOwner
  readonly #deadlines: Deadlines
  /** Publishes up to this msgSerial had no outcome in time once before. */
  readonly #doubtfulThrough: number
  #deadline: Deadline | undefined

  constructor(acks: Acks, doubtfulThrough: number, owner: OverdueOwner, deadlines: Deadlines) {
    this.#acks = acks
    this.#doubtfulThrough = doubtfulThrough
    this.#owner = owner
    this.#deadlines = deadlines
  }

  /** Something is owed since `atMs`. */
  watch(atMs: number): void {
    if (this.#deadline !== undefined) return
    this.#deadline = this.#deadlines.at(atMs + limits.publishOutcomeMs, (nowMs) => {
      this.#deadline = undefined
      this.#look(nowMs)
    })
  }

  stop(): void {
    this.#deadlines.cancel(this.#deadline)
    this.#deadline = undefined
  }

  #look(nowMs: number): void {
    const receivedByMs = nowMs - limits.publishOutcomeMs
    const refused = { kind: 'refused', error: errors.timeout().info } as const
    if (this.#acks.settleDoubtful(this.#doubtfulThrough, receivedByMs, refused)) {
      this.#owner.onAnswersReady()
    }
    const oldest = this.#acks.oldestUnknown()
    if (oldest === undefined) return
    if (oldest.receivedAtMs > receivedByMs) this.watch(oldest.receivedAtMs)
    else this.#owner.onOverdue(this.#acks.unknownThrough())
  }
}
