/**
 * What a session owes its client: an answer to every frame that wants one, contiguous and in order
 * (rule 18). A publish whose outcome is not known in time is answered by nobody; the session ends
 * its socket, and its client sends it again.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import { Acks, type Owed } from './acks.ts'
import { Overdue } from './overdue.ts'

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
  /** Publishes up to this msgSerial had no outcome in time; −1: none. */
  doubtfulThrough: number

  constructor(doubtfulThrough: number, owner: DebtsOwner, deadlines: Deadlines) {
    this.doubtfulThrough = doubtfulThrough
    this.#owner = owner
    this.#overdue = new Overdue(this.#acks, doubtfulThrough, {
      onAnswersReady: () => owner.onAnswersReady(),
      onOverdue: (through) => {
        this.doubtfulThrough = through
        owner.onOverdue()
      }
    }, deadlines)
  }

  get length(): number {
    return this.#acks.length
  }

  *sizes(): Generator<Size> {
    yield ['owedPerSessionMax', this.length]
    yield ['unansweredPerSessionMax', this.#acks.unknownCount]
  }

  /** True while more may be owed: what is refused waits behind what has no outcome yet. */
  get hasRoom(): boolean {
    return this.#acks.length < limits.owedPerSessionMax
  }

  /** True when what has no outcome yet is as much as it may be. */
  get isFull(): boolean {
    return this.#acks.length > limits.unansweredPerSessionMax
  }

  /** A frame wants an answer. */
  owe(msgSerial: number, nowMs: number): Owed {
    this.#overdue.watch(nowMs)
    return this.#acks.owe(msgSerial, nowMs)
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
