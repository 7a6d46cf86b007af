/**
 * What changes between two views, so that a region of a hundred nodes is told of a death in a few
 * kilobytes. A delta renumbers: when a member goes, those behind it move up, and the table's
 * cells with them; the cells it lists are those that differ after that. It names the digest of
 * both ends, so a delta is either applied to exactly the view it was made from, with exactly the
 * result it was made for, or not at all.
 */

import type { Member, ViewDelta } from '../peer/membership.ts'
import {
  decodeTable, digestOf, encodeTable, flawOf, makeView, memberOf, NOBODY, type View
} from './view.ts'

/** Above this share of changed cells the whole table is the smaller message. */
const PAIRS_SHARE_MAX = 0.25

/** What leads from `from` to `to`; undefined where only the whole view can. */
export function deltaBetween(from: View, to: View): ViewDelta | undefined {
  if (from.partitionCount !== to.partitionCount) return undefined
  if (from.successorCount !== to.successorCount) return undefined
  const removed = from.members
    .filter(({ incarnation }) => memberOf(incarnation, to) === undefined)
    .map(({ incarnation }) => incarnation)
  const changed = to.members.filter((member) => {
    const before = memberOf(member.incarnation, from)
    return before === undefined || !isSameMember(before, member)
  })
  const order = mergeMembers(from.members, removed, changed)
  const isInOrder = order.every(({ incarnation }, at) =>
    to.members[at]?.incarnation === incarnation)
  if (!isInOrder || order.length !== to.members.length) return undefined
  const kept = new Set(to.tombstones.map(({ incarnation }) => incarnation))
  const known = new Set(from.tombstones.map(({ incarnation }) => incarnation))
  return {
    fromVersion: from.version,
    fromDigest: digestOf(from),
    version: to.version,
    digest: digestOf(to),
    removed,
    changed,
    tombstones: to.tombstones.filter(({ incarnation }) => !known.has(incarnation)),
    forgotten: [...known].filter((incarnation) => !kept.has(incarnation)),
    table: tableChange(renumber(from, to.members), to.table),
    ...(to.log === undefined ? {} : { log: to.log }),
    ...(to.handovers === undefined ? {} : { handovers: to.handovers })
  }
}

/** The view that `delta` leads to from `view`, or undefined if it does not start from it. */
export function applyDelta(view: View, delta: ViewDelta): View | undefined {
  if (view.version !== delta.fromVersion || digestOf(view) !== delta.fromDigest) return undefined
  const members = mergeMembers(view.members, delta.removed, delta.changed)
  const forgotten = new Set(delta.forgotten)
  const tombstones = view.tombstones
    .filter(({ incarnation }) => !forgotten.has(incarnation))
    .concat(delta.tombstones)
  const table = changedTable(renumber(view, members), delta.table)
  if (table === undefined) return undefined
  const { version, log, handovers } = delta
  const result = { ...view, version, members, tombstones, table, log, handovers }
  if (flawOf(result) !== undefined || digestOf(result) !== delta.digest) return undefined
  return makeView(result)
}

/** The view's table with the members' numbers in another list; who is not in it becomes NOBODY. */
export function renumber(view: View, members: readonly Member[]): Uint16Array {
  const numbers = new Map(members.map(({ incarnation }, at) => [incarnation, at]))
  const moved = view.members.map(({ incarnation }) => numbers.get(incarnation) ?? NOBODY)
  return view.table.map((cell) => moved[cell] ?? NOBODY)
}

function mergeMembers(
  members: readonly Member[], removed: readonly string[], changed: readonly Member[]
): Member[] {
  const gone = new Set(removed)
  const fresh = new Map(changed.map((member) => [member.incarnation, member]))
  const kept = members
    .filter(({ incarnation }) => !gone.has(incarnation))
    .map((member) => fresh.get(member.incarnation) ?? member)
  const known = new Set(kept.map(({ incarnation }) => incarnation))
  return kept.concat(changed.filter(({ incarnation }) => !known.has(incarnation)))
}

function isSameMember(a: Member, b: Member): boolean {
  return a.state === b.state && a.node === b.node && a.uid === b.uid &&
    a.startedAt === b.startedAt && a.workers === b.workers && a.zone === b.zone &&
    a.meshVersion === b.meshVersion && a.host === b.host && a.privatePort === b.privatePort
}

function tableChange(before: Uint16Array, after: Uint16Array): ViewDelta['table'] {
  const pairs: number[] = []
  for (let at = 0; at < after.length; at++) {
    if (before[at] !== after[at]) pairs.push(at, after[at]!)
  }
  return pairs.length / 2 > after.length * PAIRS_SHARE_MAX
    ? { kind: 'whole', assignment: encodeTable(after) }
    : { kind: 'cells', pairs }
}

function changedTable(table: Uint16Array, change: ViewDelta['table']): Uint16Array | undefined {
  if (change.kind === 'whole') return decodeTable(change.assignment, table.length)
  for (let at = 0; at + 1 < change.pairs.length; at += 2) {
    table[change.pairs[at]!] = change.pairs[at + 1]!
  }
  return table
}
