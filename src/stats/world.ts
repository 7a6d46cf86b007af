/**
 * A page of an app's statistics in a world: what several regions counted in the same intervals,
 * added up. So are peaks, which need not have been at the same time: they are what there was at
 * once at most.
 */

import type { Entries } from './entries.ts'
import type { Interval, StatsPage } from './reading.ts'

/** Pages of the same range, of one region each, as one page of at most `limit` intervals. */
export function addedPages(
  pages: readonly StatsPage[], isBackwards: boolean, limit: number
): StatsPage {
  const counted = new Map<string, Entries[]>()
  for (const { intervals } of pages) {
    for (const { id, entries } of intervals) {
      const same = counted.get(id)
      if (same === undefined) counted.set(id, [entries])
      else same.push(entries)
    }
  }
  const isBefore = (id: string, other: string): boolean => isBackwards ? id > other : id < other
  const ids = [...counted.keys()].sort((a, b) => (isBefore(a, b) ? -1 : 1))
  // Where a page has more, nobody knows what of its region comes behind it.
  const cut = pages.filter(({ hasMore, intervals }) => hasMore && intervals.length > 0)
  const ends = cut.map(({ intervals }) => intervals.at(-1)!.id)
  const known = ids.filter((id) => ends.every((end) => id === end || isBefore(id, end)))
  const intervals = known.slice(0, limit)
    .map((id): Interval => ({ id, entries: summed(counted.get(id)!) }))
  const last = Math.max(...pages.map(({ lastMinuteMs = 0 }) => lastMinuteMs))
  const hasMore = ends.length > 0 || known.length > limit
  return { intervals, hasMore, lastMinuteMs: last > 0 ? last : undefined }
}

function summed(parts: readonly Entries[]): Entries {
  const sum: Record<string, number> = {}
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + value
  }
  return sum
}
