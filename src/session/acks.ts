/**
 * The answers that a socket is owed. SDKs take an ACK that jumps ahead as success of what it
 * skipped, so answers cover exactly the msgSerials that were received, in order, contiguous, and
 * never twice (rule 18): an outcome that comes early waits for those before it.
 *
 * What is contiguous at the end of a turn goes out in as few frames as it can: one ACK for a run
 * of successes, one NACK for a run of the same error.
 */

import { Queue } from '../base/queue.ts'
import { Action } from '../wire/actions.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import type { Outcome } from './door.ts'

/** One received frame that wants an answer. */
export interface Owed {
  readonly msgSerial: number
  readonly receivedAtMs: number
  /** Of the frame. */
  readonly bytes: number
  /** The client had said it before its connection was resumed. */
  readonly isAgain: boolean
  outcome: Outcome | undefined
}

/** The count and the bytes of some frames. */
export interface Amount {
  readonly count: number
  readonly bytes: number
}

export class Acks {
  readonly #owed = new Queue<Owed>()
  #bytes = 0

  /** How many frames have no answer yet. */
  get length(): number {
    return this.#owed.length
  }

  /** The bytes of the frames that have no answer yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** Those of them that have no outcome yet, beside what is said again. */
  get unknown(): Amount {
    let [count, bytes] = [0, 0]
    for (const owed of this.#owed) {
      if (owed.outcome !== undefined || owed.isAgain) continue
      count++
      bytes += owed.bytes
    }
    return { count, bytes }
  }

  /** A frame was received; settle its outcome by setting it and taking `answers`. */
  owe(msgSerial: number, receivedAtMs: number, { bytes = 0, isAgain = false } = {}): Owed {
    const owed = { msgSerial, receivedAtMs, bytes, isAgain, outcome: undefined }
    this.#owed.push(owed)
    this.#bytes += bytes
    return owed
  }

  /** The oldest frame whose outcome is not known, if there is one. */
  oldestUnknown(): Owed | undefined {
    for (const owed of this.#owed) if (owed.outcome === undefined) return owed
    return undefined
  }

  /** The highest msgSerial whose outcome is not known; −1 if all are. */
  unknownThrough(): number {
    let highest = -1
    for (const { msgSerial, outcome } of this.#owed) {
      if (outcome === undefined) highest = Math.max(highest, msgSerial)
    }
    return highest
  }

  /** Gives `outcome` to those up to `through` that have waited since `receivedByMs` for theirs. */
  settleDoubtful(through: number, receivedByMs: number, outcome: Outcome): boolean {
    let hasSettled = false
    for (const owed of this.#owed) {
      if (owed.receivedAtMs > receivedByMs) break
      if (owed.outcome !== undefined || owed.msgSerial > through) continue
      owed.outcome = outcome
      hasSettled = true
    }
    return hasSettled
  }

  /** The frames that can be sent now, in order. */
  *answers(): Generator<ProtocolMessage> {
    for (;;) {
      const first = this.#owed.peek()
      if (first?.outcome === undefined) return
      if (first.outcome.kind === 'committed') yield this.#ackRun(first)
      else yield this.#nackRun(first, first.outcome.error)
    }
  }

  #ackRun(first: Owed): ProtocolMessage {
    const res: { serials: string[] }[] = []
    for (let owed: Owed | undefined = first; owed !== undefined; owed = this.#owed.peek()) {
      const isNext = owed.msgSerial === first.msgSerial + res.length
      if (!isNext || owed.outcome?.kind !== 'committed') break
      res.push({ serials: [...owed.outcome.serials] })
      this.#shift(owed)
    }
    return { action: Action.ACK, msgSerial: first.msgSerial, count: res.length, res }
  }

  #nackRun(first: Owed, error: ErrorInfo): ProtocolMessage {
    let count = 0
    for (let owed: Owed | undefined = first; owed !== undefined; owed = this.#owed.peek()) {
      const { outcome } = owed
      const isNext = owed.msgSerial === first.msgSerial + count
      if (!isNext || outcome?.kind !== 'refused' || outcome.error.code !== error.code) break
      count++
      this.#shift(owed)
    }
    return { action: Action.NACK, msgSerial: first.msgSerial, count, error }
  }

  /** The first one has its answer. */
  #shift({ bytes }: Owed): void {
    this.#owed.shift()
    this.#bytes -= bytes
  }
}
