/**
 * The register of a partition: who holds each of the connections whose ids fall into it (rule 20).
 * A connection that was never taken over has no record; its first key says who holds it.
 *
 * One request of a connection is under way at a time, the others wait behind it:
 *
 *   claim ─▶ asking the holder ──it holds, or is silent──▶ committing ──in the log──▶ granted
 *      │ holder gone, not for long ─────────────────────────▲ │
 *      │                         ──it ended──▶ refusing ──────┘ (a Confirm in the log) ▶ refused
 *      └ key retired, of another lineage, or of a home long gone ──▲
 *
 * Nothing is answered before an append of ours is in the log after the question: a former master
 * knows neither new claims nor retired keys. The holder is asked because nobody else knows of a
 * CLOSE or an expiry; it decides nothing, so that one that is silent delays and never prevents.
 */

import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Entry } from '../log/entry.ts'
import {
  type Claim,
  type ClaimRecord,
  type FromRegister,
  type Holding,
  type HoldingTold,
  isSameRequest,
  type Life,
  type Prove,
  type ToRegister
} from '../peer/claim-message.ts'
import { viewVersionOf } from '../peer/epoch.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { laterRefusal, refusalOf } from './claim-refusals.ts'

/**
 * What is known of an incarnation: it is listed; it was removed so lately that its sessions live
 * on; it was removed before that; nobody here has heard of it, yet or any more.
 */
export type Fate = 'listed' | 'gone' | 'longGone' | 'unheard'

/** What a register needs from its partition. */
export interface RegisterPorts {
  readonly deadlines: Deadlines
  now(): Now
  viewVersion(): number
  fateOf(incarnation: string): Fate
  send(place: Place, message: FromRegister): void
  /** Adds to what waits for the log; returns the entry's number. */
  append(entry: Entry): number
}

interface Request {
  readonly from: Place
  readonly message: Claim | Prove
}

/** The request of one connection that is under way. */
interface UnderWay extends Request {
  readonly waiting: Request[]
  /** Who is asked for what it holds, if anybody is. */
  asked: Life | undefined
  /** Set: the answer is this one, whatever the holder says. */
  refusal: ErrorInfo | undefined
  deadline: Deadline | undefined
  hasWaited: boolean
}

type Held = Pick<Holding & { kind: 'held' }, 'claim' | 'past'>

const nothingHeld: Held = { claim: 0, past: { doubtfulThrough: -1, saidThrough: undefined } }

interface Kept {
  readonly record: ClaimRecord
  readonly atMs: number
}

export class ClaimRegister {
  readonly #ports: RegisterPorts
  /** Committed ones, in the order in which they were. */
  readonly #records = new Map<string, Kept>()
  readonly #underWay = new Map<string, UnderWay>()
  /** What follows when an entry is in the log, by its number. */
  readonly #onCommit = new Map<number, () => void>()
  /** Late repeats of a request are answered as the first was. */
  readonly #answered = new Map<string, { answer: FromRegister; atMs: number }>()
  /** What came before the partition was claimed. */
  readonly #early = new Map<string, Request>()
  #lineage: string | undefined
  /** The newest view that the log has seen. */
  #seenView = 0

  constructor(ports: RegisterPorts) {
    this.#ports = ports
  }

  /** How many connections were taken over lately. */
  get size(): number {
    return this.#records.size
  }

  /** True while time alone will let something go. */
  get isShrinking(): boolean {
    return this.#records.size > 0 || this.#answered.size > 0
  }

  *sizes(): Generator<Size> {
    const kept = Math.max(this.#records.size, this.#underWay.size, this.#answered.size)
    yield ['claimsPerPartitionMax', kept]
    yield ['confirmingMax', this.#early.size]
    for (const { waiting } of this.#underWay.values()) yield ['claimsWaitingMax', waiting.length]
  }

  /** The committed records, for a snapshot. */
  state(): ClaimRecord[] {
    return [...this.#records.values()].map(({ record }) => record)
  }

  /** Takes a record from the log or its snapshot, oldest first; its time counts in full again. */
  restore(record: ClaimRecord): void {
    this.#keep(record)
  }

  /** The partition is ours, in this lineage and epoch, and everything is restored. */
  begin(lineage: string, epoch: number): void {
    this.#lineage = lineage
    this.#seenView = viewVersionOf(epoch)
    for (const { record } of this.#records.values()) this.#tellFormers(record)
    const early = [...this.#early.values()]
    this.#early.clear()
    for (const { from, message } of early) this.onMessage(from, message)
  }

  /** The mastership is over: what is under way is asked again, of the next master. */
  end(): void {
    for (const { deadline } of this.#underWay.values()) this.#ports.deadlines.cancel(deadline)
    this.#lineage = undefined
    for (const map of [this.#records, this.#underWay, this.#onCommit, this.#answered]) map.clear()
  }

  onMessage(from: Place, message: ToRegister): void {
    if (message.kind === 'holding') this.#onHolding(from, message)
    else if (this.#lineage !== undefined) this.#onRequest({ from, message })
    else if (message.kind === 'claim' && this.#early.size < limits.confirmingMax) {
      this.#early.set(message.claimId, { from, message })
    }
  }

  /** An entry is in the log. */
  onCommitted(entry: Entry, number: number): void {
    if (entry.kind === 'claim') this.#keep(entry.record)
    if (this.#onCommit.size === 0) return
    const then = this.#onCommit.get(number)
    this.#onCommit.delete(number)
    then?.()
  }

  /** A place is gone, or has a new life: who was asked there does not answer. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    for (const underWay of [...this.#underWay.values()]) {
      if (underWay.asked !== undefined && isGone(underWay.asked)) this.#judgeAgain(underWay)
    }
  }

  /** What was said to `place` may be lost. */
  onLinkReset(place: Place): void {
    for (const { record } of this.#records.values()) this.#tellFormers(record, place)
    for (const underWay of this.#underWay.values()) {
      const { asked, message } = underWay
      if (asked === undefined || !isSamePlace(asked, place)) continue
      if (message.kind === 'claim') this.#sayStillHeld(message, asked, underWay.refusal)
    }
  }

  /** Lets go what nobody can ask for any more: claims live as long as ids (rule 17). */
  expire(nowMs: number): void {
    for (const [connectionId, { atMs }] of this.#records) {
      if (nowMs - atMs < limits.idKeptMs) break
      this.#records.delete(connectionId)
    }
    for (const [claimId, { atMs }] of this.#answered) {
      if (nowMs - atMs < 2 * limits.claimAnswerMs) break
      this.#answered.delete(claimId)
    }
  }

  #onRequest(request: Request): void {
    const { from, message } = request
    if (message.kind === 'claim') {
      // Behind in views, we may not know the home, or the holder that is in the log; the request
      // comes again, and so does the view.
      if (Math.max(message.viewVersion, this.#seenView) > this.#ports.viewVersion()) return
      const answered = this.#answered.get(message.claimId)
      if (answered !== undefined) {
        this.#send(from, this.#stillTrue(answered.answer, message))
        return
      }
    }
    const underWay = this.#underWay.get(message.connectionId)
    if (underWay === undefined) {
      if (this.#underWay.size < limits.claimsPerPartitionMax) this.#begin(request, [])
      return
    }
    const { waiting } = underWay
    const isKnown = [underWay, ...waiting].some((other) => isSameRequest(other.message, message))
    if (!isKnown && waiting.length < limits.claimsWaitingMax) waiting.push(request)
  }

  /** What was granted may be another's by now, whose client need not have the newer key. */
  #stillTrue(answer: FromRegister, { keyClaim }: Claim): FromRegister {
    if (answer.kind !== 'claimGranted') return answer
    const { connectionId, claimId } = answer
    const record = this.#records.get(connectionId)?.record
    if (record === undefined || record.claimId === claimId) return answer
    return { kind: 'claimRefused', connectionId, claimId, error: laterRefusal(record, keyClaim) }
  }

  #begin({ from, message }: Request, waiting: Request[]): void {
    const underWay: UnderWay = {
      from, message, waiting,
      asked: undefined, refusal: undefined, deadline: undefined, hasWaited: false
    }
    this.#underWay.set(message.connectionId, underWay)
    if (message.kind === 'claim') this.#judge(underWay, message)
    else this.#prove(underWay, message)
  }

  #judge(underWay: UnderWay, claim: Claim): void {
    const record = this.#records.get(claim.connectionId)?.record
    if (record?.claimId === claim.claimId) {
      this.#answer(underWay, claim, this.#grantOf(record))
      return
    }
    // What is repeated late must not win over a later one, though a former master granted it.
    const wasGranted = record?.formerClaimIds.includes(claim.claimId) === true
    if (record !== undefined && (wasGranted || claim.keyClaim < record.proven)) {
      this.#refuse(underWay, claim, laterRefusal(record, claim.keyClaim))
      return
    }
    const isFull = record === undefined && this.#records.size >= limits.claimsPerPartitionMax
    const isForeign = claim.lineage !== undefined && claim.lineage !== this.#lineage
    if (isFull || isForeign) underWay.refusal = errors.connectionExpired().info
    const holder = record !== undefined && record.claim >= claim.keyClaim ? record.holder
      : claim.home
    const fate = this.#fateOf(holder, claim)
    if (fate === 'listed') {
      underWay.asked = holder
      this.#sayStillHeld(claim, holder, underWay.refusal)
      // Silent, it may be cut off from us alone: the claim in the log is what ends it then.
      this.#later(underWay, () => this.#grant(underWay, claim, holder, nothingHeld))
    } else if (fate === 'gone') {
      this.#grant(underWay, claim, holder, nothingHeld)
    } else if (fate === 'unheard' && !underWay.hasWaited) {
      underWay.hasWaited = true
      this.#later(underWay, () => this.#judge(underWay, claim))
    } else {
      this.#refuse(underWay, claim, errors.connectionExpired().info)
    }
  }

  /**
   * Of who holds it, or issued the key. A node that was removed may not know, and live: who was
   * given a connection lately held it then, whenever it was removed. When that was is in the log,
   * for a record that is restored begins to be kept anew.
   */
  #fateOf(holder: Life, { connectionId }: Claim): Fate {
    const fate = this.#ports.fateOf(holder.incarnation)
    const kept = this.#records.get(connectionId)
    if (fate !== 'longGone' || kept?.record.holder !== holder) return fate
    const { monoMs, wallMs } = this.#ports.now()
    const ageMs = Math.max(monoMs - kept.atMs, wallMs - kept.record.heldAtMs)
    return ageMs <= limits.connectionStateTtlMs ? 'gone' : fate
  }

  #judgeAgain(underWay: UnderWay): void {
    this.#ports.deadlines.cancel(underWay.deadline)
    underWay.asked = undefined
    if (underWay.message.kind === 'claim') this.#judge(underWay, underWay.message)
  }

  #later(underWay: UnderWay, run: () => void): void {
    const atMs = this.#ports.now().monoMs + limits.holderAnswerMs
    underWay.deadline = this.#ports.deadlines.at(atMs, run)
  }

  #sayStillHeld(claim: Claim, { generation, ...place }: Life, refusal?: ErrorInfo): void {
    const { connectionId, claimId } = claim
    const record = this.#records.get(connectionId)?.record
    const isRecorded = record !== undefined && isSamePlace(record.holder, place)
    const heldAs = isRecorded ? record.claimId : undefined
    const mustEnd = refusal !== undefined
    this.#send(place, { kind: 'stillHeld', connectionId, claimId, generation, heldAs, mustEnd })
  }

  #onHolding(from: Place, { connectionId, claimId, holding }: HoldingTold): void {
    const underWay = this.#underWay.get(connectionId)
    if (underWay?.asked === undefined || underWay.message.kind !== 'claim') return
    const { asked, message } = underWay
    if (message.claimId !== claimId || !isSamePlace(asked, from)) return
    this.#ports.deadlines.cancel(underWay.deadline)
    const refusal = refusalOf(holding, message)
    if (refusal !== undefined) this.#refuse(underWay, message, refusal)
    else this.#grant(underWay, message, asked, holding.kind === 'held' ? holding : nothingHeld)
  }

  #grant(underWay: UnderWay, message: Claim, holder: Life, held: Held): void {
    if (underWay.refusal !== undefined) {
      this.#refuse(underWay, message, underWay.refusal)
      return
    }
    underWay.asked = undefined
    const { connectionId, keyClaim, claimId, generation } = message
    const { from } = underWay
    const known = this.#records.get(connectionId)?.record
    const claim = Math.max(keyClaim, known?.claim ?? 0, held.claim) + 1
    // Who shows a key has it, and uses none before it any more.
    const proven = Math.max(keyClaim, known?.proven ?? 0)
    const former = { incarnation: holder.incarnation, worker: holder.worker }
    const formers = [former, ...(known?.formers ?? []).filter((each) => !isSamePlace(each, former))]
      .filter((each) => !isSamePlace(each, from))
      .slice(0, limits.claimFormersMax)
    const formerClaimIds = known === undefined ? []
      : [known.claimId, ...known.formerClaimIds].slice(0, limits.claimFormersMax)
    const holding = { incarnation: from.incarnation, worker: from.worker, generation }
    const record: ClaimRecord = {
      connectionId, claim, claimId, holder: holding, proven, formers, formerClaimIds,
      heldAtMs: this.#ports.now().wallMs
    }
    const number = this.#ports.append({ kind: 'claim', record })
    this.#onCommit.set(number, () => {
      this.#answer(underWay, message, this.#grantOf(record, held.past))
      this.#tellFormers(record)
    })
  }

  #grantOf({ connectionId, claimId, claim }: ClaimRecord, past = nothingHeld.past): FromRegister {
    const lineage = this.#lineage!
    return { kind: 'claimGranted', connectionId, claimId, claim, lineage, past }
  }

  #refuse(underWay: UnderWay, { connectionId, claimId }: Claim, error: ErrorInfo): void {
    underWay.asked = undefined
    const number = this.#ports.append({ kind: 'confirm' })
    this.#onCommit.set(number, () => {
      const answer: FromRegister = { kind: 'claimRefused', connectionId, claimId, error }
      this.#answer(underWay, underWay.message, answer)
    })
  }

  #prove(underWay: UnderWay, { connectionId, claim }: Prove): void {
    const record = this.#records.get(connectionId)?.record
    const isNews = record !== undefined && record.proven < claim
    const heldAtMs = record?.claim === claim ? this.#ports.now().wallMs : record?.heldAtMs ?? 0
    const entry: Entry = isNews ? { kind: 'claim', record: { ...record, proven: claim, heldAtMs } }
      : { kind: 'confirm' }
    this.#onCommit.set(this.#ports.append(entry), () => {
      this.#answer(underWay, underWay.message, { kind: 'proved', connectionId, claim })
    })
  }

  #answer(underWay: UnderWay, message: Claim | Prove, answer: FromRegister): void {
    const { from, waiting } = underWay
    if (message.kind === 'claim') {
      this.#answered.set(message.claimId, { answer, atMs: this.#ports.now().monoMs })
      if (this.#answered.size > limits.claimsPerPartitionMax) this.#forgetAnswer()
    }
    this.#send(from, answer)
    this.#underWay.delete(message.connectionId)
    const next = waiting.shift()
    if (next !== undefined) this.#begin(next, waiting)
  }

  #forgetAnswer(): void {
    for (const oldest of this.#answered.keys()) {
      this.#answered.delete(oldest)
      return
    }
  }

  #tellFormers({ connectionId, claim, formers }: ClaimRecord, only?: Place): void {
    for (const place of formers) {
      if (only !== undefined && !isSamePlace(only, place)) continue
      this.#send(place, { kind: 'superseded', connectionId, claim })
    }
  }

  #keep(record: ClaimRecord): void {
    this.#records.delete(record.connectionId)
    this.#records.set(record.connectionId, { record, atMs: this.#ports.now().monoMs })
  }

  /** A link to a place that is gone would ask it for ever. */
  #send(place: Place, message: FromRegister): void {
    const fate = this.#ports.fateOf(place.incarnation)
    if (fate === 'listed' || fate === 'unheard') this.#ports.send(place, message)
  }
}
