/** Members, views and tables for tests of the ring. */

import type { Random } from '../../../src/base/random.ts'
import { assign } from '../../../src/ring/assignment.ts'
import { renumber } from '../../../src/ring/delta.ts'
import { type Change, type Facts, nextView, noChange } from '../../../src/ring/succession.ts'
import { emptyView, makeView, type Member, type View } from '../../../src/ring/view.ts'

export const KEPT_MS = 600_000

/** The member `n<no>` in its life `life`, serving unless told otherwise. */
export function memberNo(no: number, fields: Partial<Member> = {}, life = 1): Member {
  return {
    node: `n${no}`, uid: `uid-${no}`, incarnation: `n${no}#${life}`, startedAt: 1_000 * life + no,
    workers: 2, zone: '', meshVersion: 1, state: 'serving', host: `10.0.0.${no}`,
    privatePort: 7_000, ...fields
  }
}

/** `count` serving members, spread over `zoneCount` zones. */
export function membersOf(count: number, zoneCount = 1): Member[] {
  return Array.from({ length: count }, (_, no) => memberNo(no, { zone: `z${no % zoneCount}` }))
}

/** The first view of these members. */
export function viewOf(members: readonly Member[], partitionCount = 64, successorCount = 2): View {
  const empty = emptyView(partitionCount, successorCount)
  const joined = nextView(empty, { ...noChange, joined: members }, 1, 0, KEPT_MS)
  const table = assign(undefined, members, partitionCount, successorCount)
  return { ...joined, table }
}

/** The view after `change`, one version on, with all that it moves moved. */
export function after(view: View, change: Partial<Change>, wallMs = 0): View {
  let next = view
  for (const step of stepsOf(view, change, wallMs)) next = step
  return makeView({ ...next, version: view.version + 1 })
}

/** The views that `change` leads to, each a step on, until nothing is left to be handed over. */
export function* stepsOf(view: View, change: Partial<Change>, wallMs = 0): Generator<View> {
  let next = nextView(view, { ...noChange, ...change }, view.version + 1, wallMs, KEPT_MS)
  yield next
  while (next.handovers !== undefined) {
    const step = { ...noChange, isStep: true }
    next = nextView(next, step, next.version + 1, wallMs, KEPT_MS)
    yield next
  }
}

export const noFacts: Facts = {
  gone: new Map(), leaving: new Set(), handedOver: new Set(), candidates: [],
  confirmed: new Set()
}

/** A change that a region may meet: somebody dies, leaves, comes in or begins to serve. */
export function anyChange(view: View, random: Random, fresh: () => Member): Change {
  const removed = new Map<string, string>()
  const leaving = new Set<string>()
  const promoted = new Set<string>()
  for (const { incarnation, state } of view.members) {
    const draw = random.unit()
    if (draw < 0.06) removed.set(incarnation, 'test')
    else if (draw < 0.1 && state !== 'leaving') leaving.add(incarnation)
    else if (draw < 0.7 && state === 'joining') promoted.add(incarnation)
  }
  const joined = Array.from({ length: random.below(3) }, fresh)
  return { removed, leaving, promoted, joined }
}

/** How many partitions each member masters (`at` 0), or succeeds at place `at`. */
export function loadsOf(view: Pick<View, 'table' | 'members' | 'successorCount'>): {
  masters: number[]
  successors: number[]
} {
  const masters = view.members.map(() => 0)
  const successors = view.members.map(() => 0)
  const width = 1 + view.successorCount
  for (const [at, owner] of view.table.entries()) {
    const loads = at % width === 0 ? masters : successors
    if (owner < loads.length) loads[owner]!++
  }
  return { masters, successors }
}

/** In how many partitions the master is another one than before. */
export function movedCount(before: View, now: View): number {
  const former = renumber(before, now.members)
  const width = 1 + now.successorCount
  let count = 0
  for (let at = 0; at < now.table.length; at += width) {
    if (former[at] !== now.table[at]) count++
  }
  return count
}
