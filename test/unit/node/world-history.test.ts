/* Pages of history of several regions: one question to each. */

import t from 'tap'
import { encodeMessages } from '../../../src/channel/encoding.ts'
import { Random } from '../../../src/base/random.ts'
import type { HistoryPage } from '../../../src/node/history-reading.ts'
import type { Questions } from '../../../src/node/questions.ts'
import { WorldHistory } from '../../../src/node/world-history.ts'
import type { Publication, Standing } from '../../../src/peer/message.ts'
import type {
  Elsewhere, HistoryAnswer, HistoryQuestion
} from '../../../src/peer/question-message.ts'
import { publication } from '../channel/parts.ts'

const ASKER = { isOver: false }
/** What a master tells at a time. */
const STRETCH = 4

type Answers = (answers: ReadonlyMap<string, HistoryAnswer>) => void

/** What is kept of a log; the next one follows on it. */
interface Log {
  readonly lineage: string
  readonly publications: readonly Publication[]
}

/** A master that tells of its logs by stretches, each of one of them. */
class Master {
  readonly logs: Log[]
  isUp = true
  elsewhere: Elsewhere | undefined
  readonly asked: HistoryQuestion[] = []

  constructor(...logs: Log[]) {
    this.logs = logs
  }

  answer(question: HistoryQuestion): HistoryAnswer {
    this.asked.push(question)
    const { isBackwards, from, until, endMs = Infinity } = question
    const all = this.logs.flatMap(({ lineage, publications }) =>
      publications.map((each) => ({ lineage, each })))
    const isKnown = until === undefined ||
      this.logs.some(({ lineage }) => lineage === until.lineage)
    const order = isBackwards ? all.reverse() : all
    const behind = order.filter(({ lineage, each: { timestamp: ms, seq } }) => {
      if (ms > endMs || (until?.lineage === lineage && seq > until.seq)) return false
      if (from === undefined || (ms === from.ms && from.isIncluded)) return true
      return isBackwards ? ms < from.ms : ms > from.ms
    })
    const lineage = behind[0]?.lineage ?? this.logs.at(-1)?.lineage ?? 'none'
    const size = behind.findIndex((each) => each.lineage !== lineage)
    const told = behind.slice(0, Math.min(STRETCH, size === -1 ? STRETCH : size))
    return {
      kind: 'history', lineage, isWhole: told.length === behind.length,
      publications: isKnown ? told.map(({ each }) => each) : undefined,
      ...(until === undefined || !isKnown ? {} : { elsewhere: this.elsewhere })
    }
  }
}

/** The regions of a world, the first of which is ours. */
class World {
  readonly masters: Map<string, Master>
  readonly region: string
  /** Other regions that belong to the world, and are not heard. */
  absent: readonly string[] = []
  /** How often other regions were asked. */
  roundCount = 0

  constructor(masters: Record<string, Master>) {
    this.masters = new Map(Object.entries(masters))
    this.region = [...this.masters.keys()][0]!
  }

  get regions(): string[] {
    return [...this.masters.keys()].slice(1)
  }

  ask(_asker: unknown, _channel: string, question: HistoryQuestion,
    onAnswer: (answer: HistoryAnswer) => void): void {
    onAnswer(this.masters.get(this.region)!.answer(question))
  }

  askAbroad(_asker: unknown, _channel: string, asked: ReadonlyMap<string, HistoryQuestion>,
    onAnswers: Answers): void {
    if (asked.size > 0) this.roundCount++
    const up = [...asked].filter(([region]) => this.masters.get(region)!.isUp)
    onAnswers(new Map(up.map(([region, question]) =>
      [region, this.masters.get(region)!.answer(question)])))
  }

  read(query: Query): Read {
    const read: { page?: HistoryPage | undefined; missing: readonly string[] } = { missing: [] }
    const request = {
      of: 'messages' as const, startMs: undefined, endMs: undefined, cursor: undefined,
      until: undefined, limit: 5, isBackwards: false, ...query
    }
    new WorldHistory('app/c', request, this as unknown as Questions, ASKER, (page, missing) => {
      read.page = page
      read.missing = missing
    }).begin()
    const names = read.page?.items.map(({ data }) => data as string)
    return { names, next: read.page?.next, missing: read.missing }
  }

  /** All pages; `before` is called before each, with its number. */
  readAll(query: Query, before: (no: number) => void = () => undefined): Read[] {
    const pages: Read[] = []
    let { cursor } = query
    do {
      before(pages.length)
      pages.push(this.read({ ...query, cursor }))
      cursor = pages.at(-1)!.next
    } while (cursor !== undefined && pages.length < 200)
    return pages
  }
}

interface Query {
  readonly isBackwards?: boolean
  readonly limit?: number
  readonly cursor?: string | undefined
  readonly until?: Standing
}

interface Read {
  readonly names: readonly string[] | undefined
  readonly next: string | undefined
  readonly missing: readonly string[]
}

/** Publishes at these times, of one or several messages. */
function log(lineage: string, times: readonly number[], each = 1, firstSeq = 1): Log {
  return {
    lineage,
    publications: times.map((timestamp, at) => publication(firstSeq + at, {
      id: `${lineage}${timestamp}`, timestamp, messageCount: each,
      payload: encodeMessages(Array.from({ length: each }, (_, index) => {
        const data = each === 1 ? `${lineage}${timestamp}` : `${lineage}${timestamp}.${index}`
        return { data, encoding: undefined }
      }))
    }))
  }
}

const namesOf = (pages: readonly Read[]): string[] => pages.flatMap(({ names = [] }) => names)
const place = (lineage: string, seq: number): Standing => ({ lineage, seq, epoch: 1, entry: seq })

t.test('pages fit together, whatever the regions have, in either direction', async (t) => {
  const random = new Random('world history')
  for (let round = 0; round < 300; round++) {
    const masters: Record<string, Master> = {}
    const all: [number, string][] = []
    for (const [no, name] of ['eu', 'us', 'ap'].slice(0, 1 + random.below(3)).entries()) {
      const each = 1 + random.below(3)
      let ms = 0
      const logs = Array.from({ length: random.below(3) }, (_, logNo) => {
        const times = Array.from({ length: random.below(9) }, () => ms += 1 + random.below(3))
        return log(`L${no}${logNo}`, times, each)
      })
      masters[name] = new Master(...logs)
      for (const { lineage, publications } of logs) {
        for (const { timestamp } of publications) {
          for (let index = 0; index < each; index++) {
            const name = `${lineage}${timestamp}${each === 1 ? '' : `.${index}`}`
            all.push([timestamp * 1_000_000 + no * 1_000 + index, name])
          }
        }
      }
    }
    const names = all.sort(([a], [b]) => a - b).map(([, name]) => name)
    const world = new World(masters)
    for (const isBackwards of [false, true]) {
      const pages = world.readAll({ isBackwards, limit: 1 + random.below(9) })
      t.same(namesOf(pages), isBackwards ? names.toReversed() : names)
      t.ok(pages.every(({ names }, at) => names!.length > 0 || (at === 0 && all.length === 0)))
    }
  }
})

t.test('each region is asked once for a page', async (t) => {
  const world = new World({
    eu: new Master(log('E', [1, 4])), us: new Master(log('U', [2])), ap: new Master()
  })
  const { names, next } = world.read({ limit: 5 })
  t.same(names, ['E1', 'U2', 'E4'])
  t.equal(next, undefined)
  t.same([...world.masters.values()].map(({ asked }) => asked.length), [1, 1, 1])
  t.equal(world.roundCount, 1)
})

t.test('a region that does not answer is left out, and named', async (t) => {
  const us = new Master(log('U', [2, 5, 8]))
  const world = new World({ eu: new Master(log('E', [1, 3, 4, 6, 7, 9])), us })
  const downIn = (...pages: number[]) => (no: number): void => {
    us.isUp = !pages.includes(no)
  }
  const missing = (pages: readonly Read[]): string[] => pages.map((page) => page.missing.join())
  const forwards = world.readAll({ limit: 3 }, downIn(1))
  t.same(forwards.map(({ names }) => names), [['E1', 'U2', 'E3'], ['E4', 'E6', 'E7'],
    ['U5', 'U8', 'E9']], 'and goes on from its own place')
  t.same(missing(forwards), ['', 'us', ''])
  const backwards = world.readAll({ limit: 3, isBackwards: true }, downIn(1))
  t.same(backwards.map(({ names }) => names), [['E9', 'U8', 'E7'], ['E6', 'E4', 'E3'],
    ['U5', 'U2', 'E1']])
  const late = world.readAll({ limit: 3 }, downIn(0))
  t.same(late.map(({ names }) => names), [['E1', 'E3', 'E4'], ['U5', 'E6', 'E7'], ['U8', 'E9']],
    'one that was never read goes on where the others are')
  t.same(missing(late), ['us', '', ''])
  const rest = new World({ eu: new Master(log('E', [1])), us })
  t.same(missing(rest.readAll({ limit: 9 }, downIn(0))), ['us'], 'no link leads to what is missing')
})

t.test('who is absent from the world is named on every page, and asked nothing', (t) => {
  const world = new World({ eu: new Master(log('E', [1, 3])), us: new Master(log('U', [2])) })
  world.absent = ['sa', 'ap']
  const pages = world.readAll({ limit: 2 })
  t.same(pages.map(({ names, missing }) => [names, missing]),
    [[['E1', 'U2'], ['ap', 'sa']], [['E3'], ['ap', 'sa']]])
  t.same(world.read({ until: place('A', 1) }),
    { names: undefined, next: undefined, missing: ['ap', 'sa'] }, 'who may know of the place')
  const alone = new World({ eu: new Master(log('E', [1])) })
  alone.absent = ['us']
  t.same(alone.readAll({}), [{ names: ['E1'], next: undefined, missing: ['us'] }])
  t.equal(alone.roundCount, 0)
  t.end()
})

t.test('what arrives meanwhile is not told backwards, and is told forwards', async (t) => {
  for (const isBackwards of [true, false]) {
    const [eu, us] = [new Master(log('E', [1, 4, 5])), new Master()]
    const world = new World({ eu, us })
    const pages = world.readAll({ limit: 2, isBackwards }, (no) => {
      if (no !== 1) return
      // The second is behind the clock of the others.
      eu.logs.push(log('E', [9], 1, 4))
      us.logs.push(log('U', [3, 8]))
    })
    t.same(namesOf(pages), isBackwards ? ['E5', 'E4', 'U3', 'E1']
      : ['E1', 'E4', 'U3', 'E5', 'U8', 'E9'])
  }
})

t.test('a link goes on in a region that is out of the world, or in another region', async (t) => {
  const [eu, us] = [new Master(log('E', [1, 3, 5])), new Master(log('U', [2, 4, 6]))]
  const { next } = new World({ eu, us }).read({ limit: 2 })
  const alone = new World({ eu }).read({ cursor: next })
  t.same(alone, { names: ['E3', 'E5'], next: undefined, missing: ['us'] })
  const moved = new World({ us, eu }).read({ cursor: next })
  t.same(moved, { names: ['E3', 'U4', 'E5', 'U6'], next: undefined, missing: [] })
})

t.test('what was there is asked of who knows the place, then of the others', async (t) => {
  const [eu, us] = [new Master(log('E', [1, 3, 5])), new Master(log('U', [2, 4, 6]))]
  const origin = { region: 'us', ...place('U', 2) }
  eu.elsewhere = { origins: [origin], isExact: true, nextMs: 1 }
  const world = new World({ eu, us })
  t.same(world.read({ until: place('E', 2) }).names, ['E1', 'U2', 'E3', 'U4'])
  t.equal(world.roundCount, 1)
  eu.elsewhere = { origins: [origin], isExact: false, nextMs: 3 }
  t.same(world.read({ until: place('E', 2) }).names, ['E1', 'U2', 'E3'], 'and by the time')
  eu.elsewhere = { origins: [], isExact: true, nextMs: 5 }
  t.same(world.read({ until: place('E', 2) }).names, ['E1', 'U2', 'E3', 'U4'],
    'where nothing of it was heard')
  us.elsewhere = { origins: [{ region: 'eu', ...place('E', 1) }], isExact: true, nextMs: 5 }
  t.same(world.read({ until: place('U', 1) }).names, ['E1', 'U2'], 'also of one that has moved')
})

t.test('a place that nobody knows is refused; whose log is another is left out', async (t) => {
  const [eu, us] = [new Master(log('E', [1])), new Master(log('U', [2]))]
  const world = new World({ eu, us })
  t.same(world.read({ until: place('X', 1) }), { names: undefined, next: undefined, missing: [] })
  eu.elsewhere = { origins: [{ region: 'us', ...place('V', 9) }], isExact: true, nextMs: undefined }
  t.same(world.read({ until: place('E', 1) }), { names: ['E1'], next: undefined, missing: ['us'] })
  us.isUp = false
  t.same(world.read({ until: place('X', 1) }).missing, ['us'], 'who may have known it')
})
