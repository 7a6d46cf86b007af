/**
 * The questions to peers' private ports that are under way, and when a node that hears nobody asks
 * them: a listed node learns so that it alone is cut off (rule 11), and one that wants in learns
 * that no listed incarnation lives, so that it may propose (rule 7).
 */

import type { Member } from '../peer/membership.ts'
import type { Roster } from '../ring/roster.ts'
import { ringLimits, type Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
import type { Watcher } from '../ring/watcher.ts'
import type { MemberOutbox, ProbeOutcome, Standing } from './member-ports.ts'

/** What the desk works with: who it is, who is told of answers, where questions go. */
export interface ProbeParts {
  readonly self: string
  readonly timing: Timing
  readonly roster: Roster
  readonly watcher: Watcher
  readonly outbox: MemberOutbox
}

/** A question under way, and why it was asked. */
interface Probe {
  readonly member: Member
  readonly purpose: 'watch' | 'cutOff' | 'orphan'
  readonly askedAtMs: number
}

export class ProbeDesk {
  readonly #self: string
  readonly #timing: Timing
  readonly #roster: Roster
  readonly #watcher: Watcher
  readonly #outbox: MemberOutbox
  readonly #open = new Map<number, Probe>()
  #ticket = 0
  #heardAnyAtMs = 0
  #askAtMs = Infinity
  #aloneSinceMs: number | undefined
  /** When a peer first said that it has its mesh, while we heard nobody. */
  #aloneAtMs: number | undefined
  /** Everybody else in the view that was last looked at. */
  #others: { readonly view: View; readonly members: readonly Member[] } | undefined

  constructor({ self, timing, roster, watcher, outbox }: ProbeParts) {
    this.#self = self
    this.#timing = timing
    this.#roster = roster
    this.#watcher = watcher
    this.#outbox = outbox
  }

  /** Somebody was heard, or nobody could have been. */
  onHeard(nowMs: number): void {
    this.#heardAnyAtMs = nowMs
    this.#aloneAtMs = undefined
  }

  /** When `step` will have something to do, or Infinity. */
  nextDeadlineMs(): number {
    return this.#askAtMs
  }

  /** Asks the private port of a member that the watcher misses. */
  ask(member: Member, nowMs: number): void {
    this.#ask(member, 'watch', nowMs)
  }

  /** Asks peers' private ports when the mesh alone cannot tell. */
  step(view: View, standing: Standing, isMeshUp: boolean, nowMs: number): void {
    const others = this.#othersIn(view)
    if (standing === 'candidate') {
      this.#askIfOrphan(others, nowMs)
    } else if (standing === 'joining' || standing === 'serving') {
      this.#aloneSinceMs = undefined
      // Two nodes that do not hear each other, both with a mesh, cannot tell who is cut off.
      const canTell = others.length > 1 || !isMeshUp
      const asked = canTell ? others.slice(0, ringLimits.askedPeersMax) : []
      this.#askIfUnheard(asked, 'cutOff', this.#heardAnyAtMs, nowMs)
    } else {
      this.#askAtMs = Infinity
    }
  }

  /** An answer. If it shows that this node is cut off: the peer that has its mesh. */
  onProbed(ticket: number, outcome: ProbeOutcome, nowMs: number): Member | undefined {
    const probe = this.#open.get(ticket)
    if (probe === undefined) return undefined
    this.#open.delete(ticket)
    const { member, purpose, askedAtMs } = probe
    const { incarnation } = member
    const isFailed = outcome === 'silent' || outcome === 'refused'
    if (outcome === 'otherIncarnation') {
      this.#roster.onFoundGone(incarnation, 'another incarnation answers in its place')
    }
    if (purpose === 'watch') {
      this.#watcher.onProbed(incarnation, isFailed, nowMs)
    } else if (purpose === 'orphan' && isFailed && this.#isOrphanSince(askedAtMs)) {
      this.#roster.onUnanswering(incarnation)
    } else if (purpose === 'cutOff' && outcome === 'alive') {
      return this.#isCutOff(nowMs) ? member : undefined
    }
    return undefined
  }

  /** One answer is not believed: after an outage, peers may have their mesh back before us. */
  #isCutOff(nowMs: number): boolean {
    const { cutOffMs, silenceMs } = this.#timing
    if (nowMs - this.#heardAnyAtMs < cutOffMs) return false
    if (this.#aloneAtMs === undefined) {
      this.#aloneAtMs = nowMs
      this.#askAtMs = nowMs + silenceMs
    }
    return nowMs - this.#aloneAtMs >= silenceMs
  }

  /** A question of a candidate may be answered when it is listed, or has heard of who lives. */
  #isOrphanSince(askedAtMs: number): boolean {
    if (this.#aloneSinceMs === undefined || this.#aloneSinceMs > askedAtMs) return false
    const listed = this.#others?.members ?? []
    return listed.every(({ incarnation }) => this.#roster.heardAtMs(incarnation) < askedAtMs)
  }

  #othersIn(view: View): readonly Member[] {
    if (this.#others?.view === view) return this.#others.members
    const members = view.members.filter(({ incarnation }) => incarnation !== this.#self)
    this.#others = { view, members }
    return members
  }

  #ask(member: Member, purpose: Probe['purpose'], askedAtMs: number): void {
    const ticket = ++this.#ticket
    this.#open.set(ticket, { member, purpose, askedAtMs })
    const { host, privatePort, incarnation } = member
    this.#outbox.push({ kind: 'probe', ticket, host, privatePort, incarnation })
  }

  /**
   * A candidate: asks all who are listed, if none of them was heard for long. Other candidates
   * may be heard all the while: they wait for the same dead.
   */
  #askIfOrphan(listed: readonly Member[], nowMs: number): void {
    this.#aloneSinceMs ??= nowMs
    const heardAtMs = listed.map(({ incarnation }) => this.#roster.heardAtMs(incarnation))
    this.#askIfUnheard(listed, 'orphan', Math.max(...heardAtMs, this.#aloneSinceMs), nowMs)
  }

  #askIfUnheard(
    asked: readonly Member[], purpose: Probe['purpose'], heardAtMs: number, nowMs: number
  ): void {
    if (asked.length === 0) {
      this.#askAtMs = Infinity
      return
    }
    const dueMs = heardAtMs + this.#timing.cutOffMs
    if (nowMs < dueMs || this.#askAtMs === Infinity) this.#askAtMs = dueMs
    if (nowMs < this.#askAtMs) return
    this.#askAtMs = nowMs + this.#timing.cutOffMs
    for (const member of asked) this.#ask(member, purpose, nowMs)
  }
}
