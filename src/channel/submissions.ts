/**
 * A group's publishes on their way to the node's ChannelClient: each is kept until its outcome is
 * known, and submitted again where the client's worker has forgotten it (rule 16).
 */

import type { PublishOp, PublishOutcome, Submit, Submitted } from '../peer/message.ts'

export type Submitter = (outcome: PublishOutcome) => void

interface Submission {
  readonly op: PublishOp
  readonly submitter: Submitter
}

export class Submissions {
  readonly #channel: string
  readonly #toClient: (message: Submit) => void
  readonly #unanswered = new Map<number, Submission>()
  #nextSubmitId = 1

  constructor(channel: string, toClient: (message: Submit) => void) {
    this.#channel = channel
    this.#toClient = toClient
  }

  /** How many have no outcome yet. */
  get size(): number {
    return this.#unanswered.size
  }

  submit(op: PublishOp, submitter: Submitter): void {
    const submitId = this.#nextSubmitId++
    this.#unanswered.set(submitId, { op, submitter })
    this.#send(submitId, op)
  }

  /** Whose outcome it is, once; who submitted it is to be told. */
  answered({ submitId }: Submitted): Submission | undefined {
    const submission = this.#unanswered.get(submitId)
    this.#unanswered.delete(submitId)
    return submission
  }

  /** Everything without outcome, in order. */
  submitAgain(): void {
    for (const [submitId, { op }] of this.#unanswered) this.#send(submitId, op, true)
  }

  #send(submitId: number, op: PublishOp, isAgain?: true): void {
    const [oldest = submitId] = this.#unanswered.keys()
    const answeredThrough = oldest - 1
    const channel = this.#channel
    this.#toClient({ kind: 'submit', channel, submitId, answeredThrough, isAgain, op })
  }
}
