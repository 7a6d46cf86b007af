/**
 * When and what a node proposes (rule 7): it judges which change the view needs, waits for its
 * turn among those who may propose, and writes the next view on what the object surely holds.
 */

import type { Now } from '../base/clock.ts'
import type { Roster } from '../ring/roster.ts'
import {
  type Change,
  type Facts,
  isUrgent,
  nextView,
  noChange,
  proposersOf,
  wantedChange
} from '../ring/succession.ts'
import type { Timing } from '../ring/timing.ts'
import type { LogPlan, View } from '../ring/view.ts'
import type { HandoverDesk } from './member-handovers.ts'
import type { LogDesk } from './member-log.ts'
import type { RingDesk } from './member-ring.ts'
import type { ViewDesk } from './member-views.ts'

/** What the proposer works with: the desks and the roster of its node. */
export interface ProposerParts {
  readonly self: string
  readonly timing: Timing
  readonly roster: Roster
  readonly views: ViewDesk
  readonly ring: RingDesk
  readonly log: LogDesk
  readonly handovers: HandoverDesk
  note(text: string): void
}

/** What facts about a view lead to; making it is as long as the view. */
interface Case {
  readonly view: View
  readonly facts: Facts
  readonly change: Change | undefined
  /** Who may propose, the first first. */
  readonly order: readonly string[]
  /** Which of them this node is, from 0; −1: none. */
  readonly rank: number
}

/** More than one, for the first may be dead. */
const TELLERS_MAX = 3

export class Proposer {
  readonly #parts: ProposerParts
  /** Since when a change has been wanted. */
  #wantedSinceMs: number | undefined
  /** When the view that is held was taken. */
  #viewSinceMs = 0
  /** What follows from the last judgement, as long as it stands. */
  #case: Case | undefined

  constructor(parts: ProposerParts) {
    this.#parts = parts
  }

  /**
   * True for the few that tell a newcomer of the ring which has found the object empty: it may have
   * been lost, and no other ring must be founded then (rule 4).
   */
  get tells(): boolean {
    const rank = this.#case?.rank ?? -1
    return rank >= 0 && rank < TELLERS_MAX
  }

  /** A view was taken: what was wanted of the former is judged anew. */
  onView(nowMs: number): void {
    this.#viewSinceMs = nowMs
    this.#wantedSinceMs = undefined
  }

  /** When `step` may have something to do, or Infinity. */
  nextDeadlineMs(nowMs: number): number {
    return this.#wantedSinceMs === undefined ? Infinity : nowMs + this.#parts.timing.joinSettleMs
  }

  /** Proposes, if a change is wanted and it is this node's turn. */
  step(now: Now): void {
    const { timing, roster, views, ring, log, handovers } = this.#parts
    const view = views.current
    const nowMs = now.monoMs
    if (view === undefined || views.isBehind(nowMs)) return
    const facts = roster.facts(view, nowMs)
    const isOld = view.version > 0 && ring.isOlderThan(view, this.#viewSinceMs)
    // There was a later one once, by a log or a client's key, and the object has been restored.
    const isLow = views.highestVersion > view.version
    const { rank, order, change: wanted } = this.#caseOf(view, facts)
    handovers.step(order, nowMs)
    log.step(view, rank)
    const change = withLog(
      this.#inSteps(wanted ?? (isOld || isLow ? noChange : undefined), facts, nowMs),
      log.wanted(view, rank)
    )
    if (change === undefined || rank < 0) {
      this.#wantedSinceMs = undefined
      return
    }
    this.#wantedSinceMs ??= nowMs
    const settleMs = isUrgent(change) || change.isStep === true ? 0 : timing.joinSettleMs
    if (nowMs < this.#wantedSinceMs + rank * timing.proposeDelayMs + settleMs) return
    if (!ring.canWrite(nowMs)) return
    if (view.version > 0 && !isOld && !ring.holds(view)) {
      // We hold a view by word of mouth: see it in the object before writing after it.
      ring.forget()
      ring.step(nowMs)
      return
    }
    const version = Math.max(views.highestVersion, ring.storedVersion) + 1
    this.#parts.note(`proposing view ${version}: ${wordsOf(change)}`)
    ring.write(nextView(view, change, version, now.wallMs, timing.tombstoneKeptMs))
  }

  #caseOf(view: View, facts: Facts): Case {
    if (this.#case?.view === view && this.#case.facts === facts) return this.#case
    const order = proposersOf(view, facts)
    const rank = order.indexOf(this.#parts.self)
    return this.#case = { view, facts, order, rank, change: wantedChange(view, facts) }
  }

  /** While handovers are under way what is not urgent comes with the next step (rule 12). */
  #inSteps(change: Change | undefined, facts: Facts, nowMs: number): Change | undefined {
    const { handovers } = this.#parts
    if (!handovers.isUnderWay) return change
    if (handovers.isDue(facts.gone, nowMs)) return { ...(change ?? noChange), isStep: true }
    return change !== undefined && isUrgent(change) ? change : undefined
  }
}

function withLog(change: Change | undefined, log: LogPlan | undefined): Change | undefined {
  return log === undefined ? change : { ...(change ?? noChange), log }
}

/** A change in words, for the log. */
function wordsOf(change: Change): string {
  const words = [
    ...[...change.removed].map(([incarnation, evidence]) => `${incarnation} gone (${evidence})`),
    ...[...change.leaving].map((incarnation) => `${incarnation} leaves`),
    ...[...change.promoted].map((incarnation) => `${incarnation} serves`),
    ...change.joined.map(({ incarnation }) => `${incarnation} joins`),
    ...(change.isStep === true ? ['the next handovers'] : []),
    ...(change.log === undefined ? [] : [wordsOfLog(change.log)])
  ]
  return words.join(', ') || 'written again'
}

function wordsOfLog({ generation, streamCount, redundancy, maker }: LogPlan): string {
  const what = `log ${generation} in ${streamCount} streams of ${redundancy} copies`
  return maker === undefined ? what : `${what} is being made by ${maker}`
}
