/**
 * What follows from a view and the facts: which change the view needs, who may propose it, and
 * the view it leads to. All three are pure; when to propose and how to write is node/member.ts.
 *
 * ```
 * (candidate) ──heard and pod seen──▶ joining ──holds a view that lists it──▶ serving
 *                                        │                                       │
 *                                        ├──────── drain, pod terminating ──▶ leaving
 *                                        │                                       │
 *                                 gone ──┴──▶ (tombstone) ◀── gone, handed over ─┘
 * ```
 * Rules 7 and 8: an incarnation that left the list never returns to it; a version never goes back.
 */

import { limits } from '../base/limits.ts'
import { assign } from './assignment.ts'
import { renumber } from './delta.ts'
import { carriedOut, type Step, stepTowards } from './handover.ts'
import type { LogPlan, Member, Tombstone } from '../peer/membership.ts'
import { isTombstoned, makeView, type View } from './view.ts'
import { ringLimits } from './timing.ts'

/** What is known about the incarnations of a view, and of those who want in. */
export interface Facts {
  /** Listed and surely gone (rule 8), with the evidence as a word for people. */
  readonly gone: ReadonlyMap<string, string>
  readonly leaving: ReadonlySet<string>
  /** Of the leaving, those on which nothing is left. */
  readonly handedOver: ReadonlySet<string>
  /** Heard on the mesh and seen in the API, in the order in which they started. */
  readonly candidates: readonly Member[]
  /** Joining members that hold a view that lists them. */
  readonly confirmed: ReadonlySet<string>
}

/** What shall be different in the next view; never empty. */
export interface Change {
  readonly removed: ReadonlyMap<string, string>
  readonly leaving: ReadonlySet<string>
  readonly promoted: ReadonlySet<string>
  readonly joined: readonly Member[]
  /** Takes the place of the view's plan for the logs. */
  readonly log?: LogPlan
  /** The handovers that the view announces are carried out, and the next are announced. */
  readonly isStep?: boolean
}

/** The change that `view` needs, or undefined if it fits the facts. */
export function wantedChange(view: View, facts: Facts): Change | undefined {
  const removed = new Map(facts.gone)
  const leaving = new Set<string>()
  const promoted = new Set<string>()
  for (const { incarnation, state } of view.members) {
    if (removed.has(incarnation)) continue
    if (facts.handedOver.has(incarnation)) removed.set(incarnation, 'handed over')
    else if (facts.leaving.has(incarnation) && state !== 'leaving') leaving.add(incarnation)
    else if (facts.confirmed.has(incarnation) && state === 'joining') promoted.add(incarnation)
  }
  const taken = new Set(view.members.flatMap(({ node, incarnation }) =>
    (removed.has(incarnation) ? [] : [node])))
  const joined: Member[] = []
  for (const candidate of facts.candidates) {
    if (taken.has(candidate.node) || isTombstoned(candidate.incarnation, view)) continue
    if (removed.has(candidate.incarnation)) continue
    if (taken.size >= ringLimits.membersMax) break
    taken.add(candidate.node)
    joined.push({ ...candidate, state: 'joining' })
  }
  const count = removed.size + leaving.size + promoted.size + joined.length
  return count === 0 ? undefined : { removed, leaving, promoted, joined }
}

/** No change at all: it makes a view that differs in its version only. */
export const noChange: Change = Object.freeze({
  removed: new Map(), leaving: new Set<string>(), promoted: new Set<string>(), joined: []
})

/** True for a change that nobody should wait for others to add to. */
export function isUrgent(change: Change): boolean {
  return change.removed.size > 0 || change.leaving.size > 0
}

/**
 * Who may propose the next view, first first: the living members in the view's order, those that
 * leave last; or, if no listed incarnation lives, the candidates (rule 7).
 */
export function proposersOf(view: View, facts: Facts): string[] {
  const living = view.members.filter(({ incarnation }) => !facts.gone.has(incarnation))
  const isLeaving = (member: Member) =>
    member.state === 'leaving' || facts.leaving.has(member.incarnation)
  const inOrder = [
    ...living.filter((member) => !isLeaving(member)), ...living.filter(isLeaving)
  ]
  const order = inOrder.length > 0 ? inOrder : facts.candidates
  return order
    .filter(({ incarnation }) => !isTombstoned(incarnation, view))
    .map(({ incarnation }) => incarnation)
}

/** The view after `change`; `version` must be above every version known. */
export function nextView(
  view: View, change: Change, version: number, wallMs: number, tombstoneKeptMs: number
): View {
  const { partitionCount, successorCount } = view
  const members = view.members
    .filter(({ incarnation }) => !change.removed.has(incarnation))
    .map((member) => changedMember(member, change))
    .concat(change.joined)
  const buried: Tombstone[] = view.members
    .filter(({ incarnation }) => change.removed.has(incarnation))
    .map(({ node, incarnation }) => ({ node, incarnation, removedAtMs: wallMs }))
  const tombstones = view.tombstones
    // A tombstone from a clock that is ahead of ours counts as new, never as old.
    .filter(({ removedAtMs }) => wallMs - removedAtMs < tombstoneKeptMs)
    .concat(buried)
    .slice(-ringLimits.tombstonesMax)
  const log = change.log ?? view.log
  const { table, handovers } = nextTable(view, members, change.isStep === true)
  return makeView({
    version, partitionCount, successorCount, members, tombstones, table, log, handovers
  })
}

/** What has no master moves at once, the rest by steps. */
function nextTable(view: View, members: readonly Member[], isStep: boolean): Step {
  const { partitionCount, successorCount, handovers = [] } = view
  const width = 1 + successorCount
  const former = renumber(view, members)
  const moved = carriedOut(former, handovers, members, width)
  const target = assign(moved, members, partitionCount, successorCount)
  const max = limits.handoversPerView
  return isStep ? stepTowards(moved, target, members, width, [], max)
    : stepTowards(former, target, members, width, handovers, max)
}

function changedMember(member: Member, change: Change): Member {
  if (change.leaving.has(member.incarnation)) return { ...member, state: 'leaving' }
  if (change.promoted.has(member.incarnation)) return { ...member, state: 'serving' }
  return member
}
