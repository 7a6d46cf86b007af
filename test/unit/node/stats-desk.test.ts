/* What a region tells others of what it has counted. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { StatsDesk } from '../../../src/node/stats-desk.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { StatsAnswer, StatsQuestion } from '../../../src/peer/question-message.ts'
import type {
  StatsAnswer as StoreAnswer, StatsQuestion as StoreQuestion
} from '../../../src/stats/port.ts'
import { encodeSheet } from '../../../src/stats/record.ts'

const asker = { incarnation: 'them', worker: 3 }
const HOUR = '2026-03-31:23'
const NAMES = 120

const question: StatsQuestion = {
  kind: 'stats', unit: 'minute', startMs: 0, endMs: Date.UTC(2026, 5, 1), isBackwards: false,
  after: undefined, limit: 1_000
}

/** A desk over a store with one hour of minutes, each of which counts a lot. */
class Bench {
  readonly sent: PeerMessage[] = []
  isAway = false
  readonly desk: StatsDesk
  #open: (() => void)[] = []

  constructor() {
    this.desk = new StatsDesk({
      outbox: { askStats: (asked, onAnswer) => void this.#open.push(() =>
        onAnswer({ ...this.#answerTo(asked), ticket: 1 } as StoreAnswer)) },
      now: () => ({ monoMs: 0, wallMs: Date.UTC(2026, 4, 1) }),
      send: (_, message) => void this.sent.push(message)
    })
  }

  ask(askNo: number, over: Partial<StatsQuestion> = {}): void {
    const asked = { ...question, ...over }
    this.desk.onAsk(asker, { kind: 'ask', channel: 'app/[meta]x', askNo, question: asked }, asked)
  }

  settle(): void {
    while (this.#open.length > 0) this.#open.shift()!()
  }

  answers(): StatsAnswer[] {
    return this.sent.splice(0).map((message) =>
      (message as unknown as { answer: StatsAnswer }).answer)
  }

  #answerTo(asked: StoreQuestion): object {
    if (this.isAway) return { kind: asked.kind }
    if (asked.kind === 'names') {
      return { kind: 'names', names: [`${asked.path}${HOUR}`] }
    }
    const isSheet = asked.kind === 'list' && asked.path.endsWith(HOUR)
    const entries = Object.fromEntries(Array.from({ length: NAMES }, (_, no) => [`name${no}`, 1]))
    const minutes = Array.from({ length: 60 }, (_, no) =>
      [`${HOUR}:${String(no).padStart(2, '0')}`, entries])
    const bytes = encodeSheet({ entries: Object.fromEntries(minutes), folded: [] })
    const records = isSheet ? [{ key: asked.path, seq: 1, bytes }] : []
    return { kind: 'list', page: { records, isEnd: true } }
  }
}

t.test('a page is as much as one message takes, and leads on', async (t) => {
  const bench = new Bench()
  const ids: string[] = []
  let after: string | undefined
  for (let pageNo = 0; pageNo < 3; pageNo++) {
    bench.ask(pageNo, { after })
    bench.settle()
    const [{ intervals, hasMore }] = bench.answers() as [StatsAnswer]
    ids.push(...intervals!.map(({ id }) => id))
    after = ids.at(-1)
    if (!hasMore) break
  }
  t.same(ids, Array.from({ length: 60 }, (_, no) => `${HOUR}:${String(no).padStart(2, '0')}`))
  bench.ask(7, { limit: 5 })
  bench.settle()
  t.match(bench.answers(), [{ intervals: { length: 5 }, hasMore: true }])
})

t.test('a question that is asked again is read for once, and not too many at a time', async (t) => {
  const bench = new Bench()
  for (let askNo = 0; askNo < limits.statsReadingsMax + 3; askNo++) {
    bench.ask(askNo)
    bench.ask(askNo)
  }
  bench.settle()
  t.equal(bench.answers().length, limits.statsReadingsMax)
  bench.ask(0)
  bench.settle()
  t.equal(bench.answers().length, 1, 'an answer may have been lost')
})

t.test('where nothing can be read that is said', async (t) => {
  const bench = new Bench()
  bench.isAway = true
  bench.ask(1)
  bench.settle()
  t.match(bench.answers(), [{ kind: 'stats', intervals: undefined }])
})
