/* Pages that are put together from one stretch of each of several regions. */

import t from 'tap'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { Random } from '../../../src/base/random.ts'
import { mergeStretches, type Stretch, type Told } from '../../../src/node/history-merge.ts'
import { messageSerial } from '../../../src/wire/serial.ts'

function told(ms: number, site: string, id: string, bytes = 1): Told {
  const serial = messageSerial({ ms, counter: 0, site }, 0)
  return { item: { id, data: 'x'.repeat(bytes), encoding: undefined }, serial, mark: undefined }
}

function stretch(region: string, times: readonly number[], over: Partial<Stretch> = {}): Stretch {
  const items = times.map((ms) => told(ms, region, `${region}${ms}`))
  return { region, items, isWhole: true, isOfLast: false, ...over }
}

const idsOf = (all: readonly Told[]): (string | undefined)[] => all.map(({ item }) => item.id)

t.test('a page is what a sort of everything would begin with, in either order', async (t) => {
  const random = new Random('merge')
  for (let round = 0; round < 2_000; round++) {
    const isBackwards = random.below(2) === 0
    const limit = 1 + random.below(12)
    const stretches = Array.from({ length: 1 + random.below(4) }, (_, no) => {
      const times = new Set(Array.from({ length: random.below(8) }, () => 1 + random.below(9)))
      const sorted = [...times].sort((a, b) => isBackwards ? b - a : a - b)
      const isWhole = sorted.length === 0 || random.below(3) > 0
      return stretch(`r${no}`, sorted, { isWhole })
    })
    const all = stretches.flatMap(({ items }) => items)
      .sort((a, b) => (a.serial < b.serial === isBackwards ? 1 : -1))
    const cut = stretches.filter(({ isWhole }) => !isWhole)
    const ends = cut.map(({ items }) => items.at(-1)!.serial)
    const known = all.filter(({ serial }) => ends.every((end) =>
      serial === end || (isBackwards ? serial > end : serial < end)))
    const page = mergeStretches(stretches, isBackwards, limit)
    t.same(idsOf(page.told), idsOf(known.slice(0, limit)))
    t.equal(page.isWhole, page.told.length === all.length && ends.length === 0)
    for (const { region } of stretches) {
      const last = page.told.findLast(({ serial }) => serial.includes(`@${region}:`))
      t.equal(page.reached.get(region), last, 'each region stands at its last item')
    }
  }
})

t.test('where nothing is, nothing is told', async (t) => {
  t.same(mergeStretches([], true, 5), { told: [], reached: new Map(), isWhole: true })
  const page = mergeStretches([stretch('a', []), stretch('b', [])], false, 5)
  t.same(page, { told: [], reached: new Map(), isWhole: true })
})

t.test('what was said in the same moment is told in the order of serials', async (t) => {
  const stretches = [stretch('b', [5]), stretch('a', [5]), stretch('c', [5])]
  t.same(idsOf(mergeStretches(stretches, false, 9).told), ['a5', 'b5', 'c5'])
  t.same(idsOf(mergeStretches(stretches, true, 9).told), ['c5', 'b5', 'a5'])
})

t.test('what was said in two regions under one id is told once, where it was first', async (t) => {
  const ours = stretch('a', [], { items: [told(3, 'a', 'same'), told(7, 'a', 'same')] })
  const theirs = stretch('b', [], { items: [told(4, 'b', 'same'), told(5, 'b', 'other')] })
  const page = mergeStretches([ours, theirs], false, 9)
  t.same(page.told.map(({ serial }) => Number(serial.slice(0, 14))), [3, 5, 7],
    'what one region has twice, as there')
  const back = [ours, theirs].map((each) => ({ ...each, items: each.items.toReversed() }))
  t.same(mergeStretches(back, true, 9).told, page.told.toReversed())
  const short = mergeStretches([ours, theirs], false, 1)
  t.equal(short.reached.get('b'), theirs.items[0], 'the next page begins behind it')
})

t.test('of what regions keep because it was the last, the last is told', async (t) => {
  const last = { isOfLast: true }
  const kept = [stretch('a', [5], last), stretch('b', [9], last), stretch('c', [])]
  const page = mergeStretches(kept, true, 1)
  t.same([idsOf(page.told), page.isWhole], [['b9'], true])
  const later = mergeStretches([...kept, stretch('d', [11])], true, 1)
  t.same([idsOf(later.told), later.isWhole], [['d11'], true])
})

t.test('a page is bounded in bytes, and has one item at least', async (t) => {
  const large = archiveLimits.historyPageBytesMax
  const items = [1, 2].map((ms) => told(ms, 'a', `a${ms}`, large))
  const page = mergeStretches([stretch('a', [], { items }), stretch('b', [3])], false, 9)
  t.same([idsOf(page.told), page.isWhole], [['a1'], false])
})
