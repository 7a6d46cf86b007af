import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { historyPage } from '../../../src/channel/history.ts'
import type { Here } from '../../../src/channel/page.ts'
import { Tail, TailPool } from '../../../src/channel/tail.ts'
import type { Publication, Standing } from '../../../src/peer/message.ts'
import type { HistoryQuestion } from '../../../src/peer/question-message.ts'

const owner = { incarnation: 'n', worker: 0, generation: 1, claim: 0 }

const everything: HistoryQuestion = {
  kind: 'history', of: 'messages', isBackwards: false, startMs: undefined, endMs: undefined,
  from: undefined, until: undefined, countMax: 1_000
}

/** A tail of publications, some of presence, some ephemeral, several in one millisecond. */
function hereOf(random: Random, count: number, bytes = 10): Here & { all: Publication[] } {
  const tail = new Tail(7, new TailPool())
  const all: Publication[] = []
  let ms = 1_000
  let counter = 0
  for (let at = 0; at < count; at++) {
    const isNewMs = random.below(3) > 0
    counter = isNewMs ? 0 : counter + 1
    if (isNewMs) ms += 1 + random.below(4)
    const kind = random.below(6)
    const publication: Publication = {
      seq: 8 + at, entry: 8 + at, id: `i${at}`, idSpace: 'client', connectionId: undefined,
      timestamp: ms, counter, messageCount: kind === 0 ? 0 : 1, payload: new Uint8Array(bytes),
      ...(kind === 0 ? { owner } : kind === 1 ? { ephemeralCount: 1 } : {})
    }
    tail.push(publication, 0)
    all.push(publication)
  }
  const standing = { lineage: 'l', seq: 7 + count, epoch: 1, entry: 7 + count }
  const birth = { seq: 0, entry: 0 }
  const isKnown = ({ epoch }: Standing): boolean => epoch === 1
  return { standing, birth, tail, epoch: 1, isKnown, isForgotten: () => false, all }
}

/** The same, found by looking at each. */
function slow(all: readonly Publication[], q: HistoryQuestion): Publication[] {
  const isIn = ({ timestamp: ms, counter, seq, owner, ephemeralCount }: Publication): boolean => {
    if ((owner !== undefined) !== (q.of === 'presence') || ephemeralCount === 1) return false
    if (ms < (q.startMs ?? 0) || ms > (q.endMs ?? Infinity)) return false
    if (q.until !== undefined && seq > q.until.seq) return false
    if (q.from === undefined) return true
    const order = ms - q.from.ms || counter - q.from.counter
    if (order === 0) return q.from.isIncluded
    return q.isBackwards ? order < 0 : order > 0
  }
  const found = all.filter(isIn)
  return (q.isBackwards ? found.reverse() : found).slice(0, q.countMax)
}

t.test('a page is what was asked for, whichever bounds are given', async (t) => {
  const random = new Random('history')
  for (let round = 0; round < 3_000; round++) {
    const here = hereOf(random, random.below(40))
    const maybe = <T>(value: T): T | undefined => (random.below(3) === 0 ? value : undefined)
    const ms = (): number => 998 + random.below(120)
    const question: HistoryQuestion = {
      ...everything,
      of: random.below(4) === 0 ? 'presence' : 'messages',
      isBackwards: random.below(2) === 0,
      startMs: maybe(ms()),
      endMs: maybe(ms()),
      from: maybe({ ms: ms(), counter: random.below(3), isIncluded: random.below(2) === 0 }),
      until: maybe({ lineage: 'l', epoch: 1, entry: 0, seq: random.below(here.standing.seq + 1) }),
      countMax: 1 + random.below(50)
    }
    const { publications, isWhole } = historyPage(here, question)
    t.same(publications!.map(({ seq }) => seq), slow(here.all, question).map(({ seq }) => seq))
    const more = slow(here.all, { ...question, countMax: 1_000 }).length > publications!.length
    if (isWhole === more) t.fail(`isWhole ${isWhole}`, question)
  }
})

t.test('a page is bounded in bytes, and never empty for that', async (t) => {
  const here = hereOf(new Random('bytes'), 30, limits.backlogPageBytesMax / 4)
  const page = historyPage(here, everything)
  t.equal(page.publications!.length, 4)
  t.notOk(page.isWhole)
  const large = hereOf(new Random('large'), 30, limits.backlogPageBytesMax + 1)
  t.equal(historyPage(large, everything).publications!.length, 1)
})

t.test('where nobody was, nobody reads up to', async (t) => {
  const here = hereOf(new Random('until'), 10)
  const until = (change: Partial<Standing>): HistoryQuestion => ({
    ...everything, until: { lineage: 'l', epoch: 1, entry: 0, seq: 12, ...change }
  })
  t.ok(historyPage(here, until({})).publications)
  t.same(historyPage(here, until({ seq: 3 })).publications, [], 'all of it is gone')
  t.equal(historyPage(here, until({ lineage: 'other' })).publications, undefined)
  t.equal(historyPage(here, until({ epoch: 9 })).publications, undefined)
  t.equal(historyPage(here, until({ seq: 99 })).publications, undefined)
})
