/**
 * Planned moves of masterships, a few at a time (rule 12). A view announces the next of them; the
 * receivers read those partitions' logs beforehand. The view after it carries them out, in its
 * table, and announces the next, until the table is the one that the members call for.
 *
 *   view v      handovers: 7, 9 → C        table: 7 A, 9 B     C reads the logs of 7 and 9
 *   view v+1    handovers: 12 → C          table: 7 C, 9 C     C takes 7 and 9, reads 12
 *
 * A partition whose master is gone does not wait: it moves with the view that says so, and where
 * a handover was announced, to whoever has read its log.
 */

import type { Handover, Member } from '../peer/membership.ts'
import { NOBODY } from './view.ts'

/** A table and what it announces; cells are indexes into the members. */
export interface Step {
  readonly table: Uint16Array
  readonly handovers: readonly Handover[]
}

/**
 * The table with the announced handovers carried out: those of `handovers` whose receiver still
 * serves. The former master, if there is one, succeeds the receiver.
 */
export function carriedOut(
  former: Uint16Array, handovers: readonly Handover[], members: readonly Member[], width: number
): Uint16Array {
  const table = former.slice()
  for (const { to, partitions } of handovers) {
    const taker = members.findIndex(({ incarnation, state }) =>
      incarnation === to && state === 'serving')
    if (taker < 0) continue
    for (const partition of partitions) putFirst(table, partition * width, width, taker)
  }
  return table
}

/**
 * The way from the table `former` to `target`, as far as one view goes: where a living master is
 * to give a partition away it keeps it, with its heir as first successor, and `max` of those
 * handovers are announced; those of `announced` that are still wanted before others.
 */
export function stepTowards(
  former: Uint16Array, target: Uint16Array, members: readonly Member[], width: number,
  announced: readonly Handover[], max: number
): Step {
  const table = target.slice()
  const planned: number[] = []
  for (let from = 0; from < table.length; from += width) {
    const master = former[from]!
    if (master === NOBODY || target[from] === NOBODY || master === target[from]) continue
    // Nothing is handed over among those who leave: it would have to move again.
    if (members[target[from]!]!.state === 'serving') planned.push(from / width)
    putFirst(table, from, width, master)
  }
  const isAnnounced = new Set(announced.flatMap(({ partitions }) => partitions))
  const kept = planned.filter((partition) => isAnnounced.has(partition))
  const fresh = planned.filter((partition) => !isAnnounced.has(partition))
  const next = [...kept, ...fresh].slice(0, max).sort((a, b) => a - b)
  const takers = Map.groupBy(next, (partition) => target[partition * width]!)
  const handovers = [...takers].sort(([a], [b]) => a - b).map(([taker, partitions]) =>
    ({ to: members[taker]!.incarnation, partitions }))
  return { table, handovers }
}

/** Makes `owner` the first of the row at `from`; who stood before its old place moves down. */
function putFirst(table: Uint16Array, from: number, width: number, owner: number): void {
  const row = [...table.subarray(from, from + width)]
  const others = row.filter((cell) => cell !== owner && cell !== NOBODY)
  const next = [owner, ...others].slice(0, width)
  for (let at = 0; at < width; at++) table[from + at] = next[at] ?? NOBODY
}
