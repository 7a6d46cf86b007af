import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import { LogKeeper, type LogStreams } from '../../../src/ops/log-keeper.ts'

const MADE: LogPlan = { generation: 'g1', streamCount: 2, redundancy: 3 }
const PLANNED: LogPlan = { ...MADE, maker: 'a#1' }

type Verb = keyof LogStreams

/** Streams whose answers the test decides. */
class TestStreams implements LogStreams {
  readonly asked: string[] = []
  readonly problems: Record<Verb, string | undefined> = {
    make: undefined, check: undefined, setCopies: undefined
  }

  make(plan: LogPlan): Promise<string | undefined> {
    return this.#answer('make', plan)
  }

  check(plan: LogPlan): Promise<string | undefined> {
    return this.#answer('check', plan)
  }

  setCopies(plan: LogPlan): Promise<string | undefined> {
    return this.#answer('setCopies', plan)
  }

  async #answer(verb: Verb, { generation, redundancy }: LogPlan): Promise<string | undefined> {
    this.asked.push(`${verb} ${generation} × ${redundancy}`)
    return this.problems[verb]
  }
}

function keeperOf(streams: TestStreams) {
  const made: string[] = []
  const notes: string[] = []
  const keeper = new LogKeeper(streams, {
    onMade: (generation) => void made.push(generation),
    note: (level, text) => void notes.push(`${level} ${text}`)
  })
  return { keeper, made, notes }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await immediate()
}

t.test('[A15] a node is ready once the log that the view names was found', async (t) => {
  const streams = new TestStreams()
  const { keeper } = keeperOf(streams)
  t.match(keeper.unreadyBecause, /no log yet/)
  keeper.onPlan(undefined)
  t.match(keeper.unreadyBecause, /no log yet/)
  keeper.onPlan(PLANNED)
  t.match(keeper.unreadyBecause, /being made by a#1/)
  t.same(streams.asked, [], 'a log that is being made is not looked for')
  streams.problems.check = 'stream x has no leader'
  keeper.onPlan(MADE)
  t.match(keeper.unreadyBecause, /being looked for/)
  await until(() => streams.asked.length === 1)
  await until(() => keeper.unreadyBecause === 'the log: stream x has no leader')
  streams.problems.check = undefined
  await until(() => keeper.unreadyBecause === undefined)
  t.ok(streams.asked.length > 1)
  keeper.stop()
})

t.test('[10] a log that was found stays good; another generation is looked for', async (t) => {
  const streams = new TestStreams()
  const { keeper } = keeperOf(streams)
  keeper.onPlan(MADE)
  await until(() => keeper.unreadyBecause === undefined)
  streams.problems.check = 'NATS is away'
  keeper.onPlan(MADE)
  keeper.onPlan({ ...MADE, redundancy: 5 })
  await immediate()
  t.equal(keeper.unreadyBecause, undefined)
  t.equal(streams.asked.length, 1)
  keeper.onPlan({ ...MADE, generation: 'g2' })
  await until(() => keeper.unreadyBecause === 'the log: NATS is away')
  keeper.stop()
})

t.test('[1] making is tried until it is done, and its trouble is said once', async (t) => {
  const streams = new TestStreams()
  const { keeper, made, notes } = keeperOf(streams)
  streams.problems.make = 'redundancy 3 needs as many NATS servers'
  keeper.onPlan(PLANNED)
  keeper.make(PLANNED)
  await until(() => streams.asked.length === 3)
  t.equal(keeper.unreadyBecause, 'the log: redundancy 3 needs as many NATS servers')
  t.same(notes, ['warn the log: redundancy 3 needs as many NATS servers'])
  t.same(made, [])
  streams.problems.make = undefined
  await until(() => made.length > 0)
  t.same(made, ['g1'])
  t.same([...new Set(streams.asked)], ['make g1 × 3'])
  keeper.stop()
})

t.test('a newer task takes the place of one that does not succeed', async (t) => {
  const streams = new TestStreams()
  const { keeper, made } = keeperOf(streams)
  streams.problems.make = 'no'
  keeper.make(PLANNED)
  await until(() => streams.asked.length === 1)
  keeper.make({ ...MADE, generation: 'g2', redundancy: 5 })
  await until(() => made.length === 1)
  t.same(made, ['g2'])
  t.same(streams.asked, ['make g1 × 3', 'setCopies g2 × 5'], 'only its copies: it is made')
  keeper.stop()
})
