/* Statistics of several regions, added up. */

import t from 'tap'
import type { StatsPage } from '../../../src/stats/reading.ts'
import { addedPages } from '../../../src/stats/world.ts'

function page(counts: Record<string, number>, over: Partial<StatsPage> = {}): StatsPage {
  const intervals = Object.entries(counts).map(([id, count]) =>
    ({ id, entries: { 'messages.all.all.count': count, 'connections.all.peak': 1 } }))
  return { intervals, hasMore: false, lastMinuteMs: undefined, ...over }
}

const countsOf = ({ intervals }: StatsPage): (string | number | undefined)[][] =>
  intervals.map(({ id, entries }) => [id, entries['messages.all.all.count']])

t.test('what was counted in the same interval is added, peaks too', async (t) => {
  const [eu, us] = [page({ '2026-03': 3, '2026-01': 1 }), page({ '2026-03': 4, '2026-02': 2 })]
  const whole = addedPages([eu, us], true, 10)
  t.same(countsOf(whole), [['2026-03', 7], ['2026-02', 2], ['2026-01', 1]])
  t.equal(whole.intervals[0]!.entries['connections.all.peak'], 2)
  t.same([whole.hasMore, whole.lastMinuteMs], [false, undefined])
  const first = addedPages([page({ '2026-01': 1 }), page({ '2026-01': 2, '2026-02': 5 })], false, 1)
  t.same([countsOf(first), first.hasMore], [[['2026-01', 3]], true])
})

t.test('a page ends where a region may have more', async (t) => {
  const cut = page({ '2026-05': 1, '2026-03': 1 }, { hasMore: true })
  const whole = addedPages([cut, page({ '2026-04': 2, '2026-02': 2 })], true, 10)
  t.same(countsOf(whole), [['2026-05', 1], ['2026-04', 2], ['2026-03', 1]])
  t.equal(whole.hasMore, true)
})

t.test('the running interval is told as far as any region is', async (t) => {
  const pages = [page({}, { lastMinuteMs: 60_000 }), page({}), page({}, { lastMinuteMs: 120_000 })]
  t.equal(addedPages(pages, true, 1).lastMinuteMs, 120_000)
})
