/**
 * The questions to peers' private ports that are under way, and when a node that hears nobody asks
 * them: a listed node learns so that it alone is cut off (rule 11), and one that wants in learns
 * that no listed incarnation lives, so that it may propose (rule 7).
 */

import type { Member } from '../peer/membership.ts'
import { ringLimits, type Timing } from '../ring/timing.ts'
import type { MemberOutbox } from './member-ports.ts'

/** Why a private port was asked. */
export interface Probe {
  readonly member: Member
  readonly purpose: 'watch' | 'cutOff' | 'orphan'
}

export class ProbeDesk {
  readonly #timing: Timing
  readonly #outbox: MemberOutbox
  readonly #open = new Map<number, Probe>()
  #ticket = 0
  #heardAnyAtMs = 0
  #askAtMs = Infinity
  #aloneSinceMs: number | undefined

  constructor(timing: Timing, outbox: MemberOutbox) {
    this.#timing = timing
    this.#outbox = outbox
  }

  /** Somebody was heard, or nobody could have been. */
  onHeard(nowMs: number): void {
    this.#heardAnyAtMs = nowMs
  }

  /** True if nobody was heard for as long as others need to notice that we are silent. */
  hasHeardNobody(nowMs: number): boolean {
    return nowMs - this.#heardAnyAtMs >= this.#timing.cutOffMs
  }

  /** When `askIfAlone` will have something to do, or Infinity. */
  nextDeadlineMs(): number {
    return this.#askAtMs
  }

  /** Asks `member`'s private port. */
  ask(member: Member, purpose: Probe['purpose']): void {
    const ticket = ++this.#ticket
    this.#open.set(ticket, { member, purpose })
    const { host, privatePort, incarnation } = member
    this.#outbox.push({ kind: 'probe', ticket, host, privatePort, incarnation })
  }

  /** What was asked with this ticket, once. */
  take(ticket: number): Probe | undefined {
    const probe = this.#open.get(ticket)
    this.#open.delete(ticket)
    return probe
  }

  /** A listed node: asks a few others, if nobody at all was heard for long. */
  askIfAlone(others: readonly Member[], nowMs: number): void {
    this.#aloneSinceMs = undefined
    const asked = others.slice(0, ringLimits.askedPeersMax)
    this.#askIfUnheard(asked, 'cutOff', this.#heardAnyAtMs, nowMs)
  }

  /**
   * A candidate: asks all who are listed, if none of them was heard for long. Other candidates
   * may be heard all the while: they wait for the same dead.
   */
  askIfOrphan(listed: readonly Member[], heardAtMs: number, nowMs: number): void {
    this.#aloneSinceMs ??= nowMs
    this.#askIfUnheard(listed, 'orphan', Math.max(heardAtMs, this.#aloneSinceMs), nowMs)
  }

  #askIfUnheard(
    asked: readonly Member[], purpose: Probe['purpose'], heardAtMs: number, nowMs: number
  ): void {
    if (asked.length === 0) {
      this.#askAtMs = Infinity
      return
    }
    const dueMs = heardAtMs + this.#timing.cutOffMs
    if (nowMs < dueMs) this.#askAtMs = dueMs
    if (nowMs < this.#askAtMs) return
    this.#askAtMs = nowMs + this.#timing.cutOffMs
    for (const member of asked) this.ask(member, purpose)
  }
}
