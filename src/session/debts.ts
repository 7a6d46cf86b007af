/**
 * What a session owes its client: an answer to every frame that wants one, contiguous and in order
 * (rule 18). A publish whose outcome is not known in time is answered by nobody; the session ends
 * its socket, and its client sends it again.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import { Acks, type Owed } from './acks.ts'
import { Overdue } from './overdue.ts'
import { type Past, Repeats } from './past.ts'

export interface DebtsOwner {
  /** Some answers may be given now. */
  onAnswersReady(): void
  /** An outcome is not known in time. */
  onOverdue(): void
}

export class Debts {
  readonly #acks = new Acks()
  readonly #overdue: Overdue
  readonly #owner: DebtsOwner
  readonly #repeats: Repeats
  #doubtfulThrough: number

  constructor(past: Past, nowMs: number, owner: DebtsOwner, deadlines: Deadlines) {
    this.#repeats = new Repeats(past.saidThrough, nowMs)
    this.#doubtfulThrough = past.doubtfulThrough
    this.#owner = owner
    this.#overdue = new Overdue(this.#acks, past.doubtfulThrough, {
      onAnswersReady: () => owner.onAnswersReady(),
      onOverdue: (through) => {
        this.#doubtfulThrough = through
        owner.onOverdue()
      }
    }, deadlines)
  }

  /** What the connection's next session is to know. */
  get past(): Past {
    return { doubtfulThrough: this.#doubtfulThrough, saidThrough: this.#repeats.saidThrough }
  }

  get length(): number {
    return this.#acks.length
  }

  *sizes(): Generator<Size> {
    yield ['owedPerSessionMax', this.length]
    const { count, bytes } = this.#acks.unknown
    yield ['unansweredPerSessionMax', count]
    yield ['unansweredPerSessionBytesMax', bytes]
  }

  /** True while more may be owed: what is refused waits behind what has no outcome yet. */
  get hasRoom(): boolean {
    return this.#acks.length < limits.owedPerSessionMax
  }

  /** Why the frame that came last may not be let in, if it is new: too much waits for answers. */
  get refusal(): ErrorInfo | undefined {
    const { length, bytes } = this.#acks
    const isTooMuch = length > limits.unansweredPerSessionMax ||
      bytes > limits.unansweredPerSessionBytesMax
    if (!isTooMuch) return undefined
    return errors.rateLimited('Too many publishes without acknowledgement').info
  }

  /** A frame of so many bytes wants an answer. */
  owe(msgSerial: number, bytes: number, nowMs: number): Owed {
    this.#overdue.watch(nowMs)
    const isAgain = this.#repeats.take(msgSerial, nowMs)
    return this.#acks.owe(msgSerial, nowMs, { bytes, isAgain })
  }

  refuse(owed: Owed, error: ErrorInfo): void {
    owed.outcome = { kind: 'refused', error }
    this.#owner.onAnswersReady()
  }

  /** The answers that can be given now, in order; what is taken is given. */
  answers(): Iterable<ProtocolMessage> {
    return this.#acks.answers()
  }

  stop(): void {
    this.#overdue.stop()
  }
}
