/**
 * The publishes that a ChannelClient has been given and has no answer for. They are numbered per
 * (client, epoch) and sent in order; whoever becomes master, they are sent again, in order, until
 * each is answered (rule 16). The ids in them make the repetition harmless.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { PublishOp, Submit } from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'

interface Op {
  /** Whose submit it is; undefined when that worker is gone. */
  worker: number | undefined
  readonly submitId: number
  readonly op: PublishOp
  /** It was submitted again, and taken beyond the bound. */
  readonly isAgain: boolean
  opNo: number
  wasSent: boolean
}

/** An op with its number, ready to be sent. */
export interface NumberedOp {
  readonly opNo: number
  readonly answeredThrough: number
  readonly op: PublishOp
}

export class Unanswered {
  /** In order of submission; numbered ones first. */
  #ops = new Map<Op, Op>()
  #byNo = new Map<number, Op>()
  /** By worker and submitId: a group that lost its home submits again what is here already. */
  readonly #bySubmit = new Map<string, Op>()
  /** By worker: why submits were refused, while their group may not have heard of it. */
  readonly #refusals = new Map<number, Map<number, ErrorInfo>>()
  #unsent: Op[] = []
  #epoch = 0
  #nextOpNo = 1
  #bytes = 0

  get size(): number {
    return this.#ops.size
  }

  /** True if some master may have taken the oldest one. */
  get hasSent(): boolean {
    for (const { wasSent } of this.#ops.values()) return wasSent
    return false
  }

  *sizes(): Generator<Size> {
    let [count, bytes] = [0, 0]
    for (const { isAgain, op } of this.#ops.values()) {
      if (isAgain) continue
      count++
      bytes += op.payload.byteLength
    }
    yield ['unansweredPerClientMax', count]
    yield ['unansweredPerClientBytesMax', bytes]
  }

  /**
   * Takes a publish, or says why not: the bound is reached, or it was refused already. Its group
   * submits again what it has no answer for; what was refused once must not be taken then, and
   * what was not is taken beyond the bound: it may be in the log, and what groups may hold has
   * bounds of its own.
   */
  add(worker: number, submit: Submit): ErrorInfo | undefined {
    const key = submitKey(worker, submit.submitId)
    if (this.#bySubmit.has(key)) return undefined
    this.#forgetRefusals(worker, submit.answeredThrough)
    const refusal = this.#refusals.get(worker)?.get(submit.submitId) ?? this.#take(worker, submit)
    if (refusal !== undefined) this.#remember(worker, submit.submitId, refusal)
    return refusal
  }

  #take(worker: number, submit: Submit): ErrorInfo | undefined {
    const key = submitKey(worker, submit.submitId)
    const bytes = submit.op.payload.byteLength
    const isTooMuch = this.#ops.size >= limits.unansweredPerClientMax ||
      this.#bytes + bytes > limits.unansweredPerClientBytesMax
    if (isTooMuch && !submit.isAgain) {
      return errors.rateLimited('Too many publishes of this channel are under way').info
    }
    const { submitId, isAgain = false } = submit
    const op: Op = { worker, submitId, op: submit.op, isAgain, opNo: 0, wasSent: false }
    this.#ops.set(op, op)
    this.#bySubmit.set(key, op)
    this.#unsent.push(op)
    this.#bytes += bytes
    return undefined
  }

  /**
   * A Join was answered: everything unanswered is to be sent again. With the numbers of before if
   * the mastership still is at them (some may have been taken), otherwise numbered anew from
   * where it says that it is: it may be a new one, or have forgotten us meanwhile.
   */
  startEpoch(epoch: number, nextOpNo: number): void {
    const isOurs = nextOpNo > this.#answeredThrough() && nextOpNo <= this.#nextOpNo
    const isSame = epoch === this.#epoch && isOurs
    this.#epoch = epoch
    this.#unsent = [...this.#ops.values()]
    if (isSame) return
    this.#byNo.clear()
    this.#nextOpNo = nextOpNo
    for (const op of this.#unsent) op.opNo = 0
  }

  /** What is to be sent now, in order. */
  *takeUnsent(): Generator<NumberedOp> {
    const unsent = this.#unsent
    this.#unsent = []
    for (const op of unsent) {
      if (op.opNo === 0) {
        op.opNo = this.#nextOpNo++
        this.#byNo.set(op.opNo, op)
      }
      op.wasSent = true
      yield { opNo: op.opNo, answeredThrough: this.#answeredThrough(), op: op.op }
    }
  }

  /**
   * A worker is gone. What it submitted is carried to its end, but nobody is told: its heir
   * numbers its submits anew, and would take the outcome for another one's.
   */
  forgetWorker(worker: number): void {
    this.#refusals.delete(worker)
    for (const op of this.#ops.values()) {
      if (op.worker !== worker) continue
      this.#bySubmit.delete(submitKey(worker, op.submitId))
      op.worker = undefined
    }
  }

  /** Who submitted op `opNo` of `epoch`; it is answered now. Undefined for a repeated answer. */
  answer(
    epoch: number,
    opNo: number,
    refusal?: ErrorInfo
  ): Pick<Op, 'worker' | 'submitId'> | undefined {
    if (epoch !== this.#epoch) return undefined
    const op = this.#byNo.get(opNo)
    if (op === undefined) return undefined
    this.#byNo.delete(opNo)
    this.#ops.delete(op)
    if (op.worker !== undefined) this.#bySubmit.delete(submitKey(op.worker, op.submitId))
    this.#bytes -= op.op.payload.byteLength
    const { worker, submitId } = op
    if (worker !== undefined && refusal !== undefined) this.#remember(worker, submitId, refusal)
    return op
  }

  #remember(worker: number, submitId: number, refusal: ErrorInfo): void {
    const refusals = this.#refusals.get(worker) ?? new Map<number, ErrorInfo>()
    this.#refusals.set(worker, refusals.set(submitId, refusal))
  }

  #forgetRefusals(worker: number, answeredThrough: number): void {
    const refusals = this.#refusals.get(worker)
    for (const submitId of refusals?.keys() ?? []) {
      if (submitId <= answeredThrough) refusals!.delete(submitId)
    }
  }

  #answeredThrough(): number {
    for (const opNo of this.#byNo.keys()) return opNo - 1
    return this.#nextOpNo - 1
  }
}

function submitKey(worker: number, submitId: number): string {
  return `${worker}/${submitId}`
}
