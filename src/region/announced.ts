/**
 * What a region says of itself, judged: it comes from elsewhere, perhaps from a cluster that others
 * made, and only what can be worked with is taken.
 */

import { hash32 } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import type { Announcement } from './world-message.ts'
import { ringLimits } from '../ring/timing.ts'
import { digestOf, type View, viewFromRecord } from '../ring/view.ts'

/** By incarnation, the generations of its workers. */
export type Generations = ReadonlyMap<string, readonly number[]>

/** What a node believes of its own region. */
export interface Adopted {
  /** This node's. */
  readonly incarnation: string
  readonly view: View
  readonly generations: Generations
  /** Listed, and believed gone. */
  readonly gone: ReadonlySet<string>
}

/** The view that was announced, if it is one that can be worked with. */
export function viewOf({ view: record }: Announcement): View | undefined {
  const reading = viewFromRecord(record)
  if (reading.outcome === 'malformed') return undefined
  const { partitionCount, members } = reading.view
  const isWorkable = partitionCount > 0 && members.length <= ringLimits.membersMax &&
    members.every(({ workers }) => workers <= limits.workersPerNodeMax)
  return isWorkable ? reading.view : undefined
}

/** Of the members of `view`: what was announced, but nothing lower than what was known. */
export function generationsOf(
  view: View, { generations }: Announcement, known: Generations = new Map()
): Generations {
  const announced = new Map(generations)
  const merged = new Map<string, readonly number[]>()
  for (const { incarnation, workers } of view.members) {
    const [now, before] = [announced.get(incarnation) ?? [], known.get(incarnation) ?? []]
    const count = Math.min(workers, Math.max(now.length, before.length))
    if (count === 0) continue
    merged.set(incarnation, Array.from({ length: count }, (_, worker) =>
      Math.max(now[worker] ?? 0, before[worker] ?? 0)))
  }
  return merged
}

/** An incarnation is one node's, so another region would not list one of ours. */
export function shareNodes({ members }: View, ours: View | undefined): boolean {
  const listed = new Set(members.map(({ incarnation }) => incarnation))
  return ours?.members.some(({ incarnation }) => listed.has(incarnation)) ?? false
}

export function areSame(some: Generations, others: Generations): boolean {
  return some === others || (some.size === others.size && [...some].every(([key, numbers]) =>
    numbers.join() === others.get(key)?.join()))
}

/**
 * 32 bits that differ, surely enough, between two announcements; `view` is the announced one. The
 * world is left out, for nodes of former releases know nothing of it; it is said every time.
 */
export function digestIn(announcement: Announcement, view: View): number {
  const { name, prefix, endpoint, madeAtMs, generations, isToDrain } = announcement
  const said = [name, prefix, endpoint, madeAtMs, digestOf(view), generations]
  // Of one that is not to drain the digest is what nodes of former releases make it.
  return hash32(JSON.stringify(isToDrain === true ? [...said, isToDrain] : said))
}

/** Who speaks for a region: where nobody serves, one that leaves does as long as it is there. */
export function speakerOf({ view, gone }: Adopted): string | undefined {
  const there = view.members.filter(({ incarnation }) => !gone.has(incarnation))
  const speaker = there.find(({ state }) => state === 'serving') ??
    there.find(({ state }) => state === 'leaving')
  return speaker?.incarnation
}
