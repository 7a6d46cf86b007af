import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { UNITS } from '../../../src/stats/interval.ts'
import { withSums } from '../../../src/stats/report.ts'
import { StatsWorld } from './stats-world.ts'

const NAME = 'messages.inbound.all.messages.count'
const SEEDS = 60
const OUTAGE_MS = 300_000

const totalOf = (world: StatsWorld, unit: (typeof UNITS)[number]): number => {
  const counts = world.read('app', unit).map(({ entries }) => withSums(entries)[NAME] ?? 0)
  return counts.reduce((sum, each) => sum + each, 0)
}

for (let seed = 0; seed < SEEDS; seed++) {
  t.test(`what is counted is told once, whatever the store does (${seed})`, async (t) => {
    const random = new Random(`storm/${seed}`)
    const world = new StatsWorld(random)
    world.troubles = 5 + random.below(40)
    const recorders = [0, 1, 2].map((no) => world.recorder(`worker-${no}`))
    // Two who both believe that they are to fold.
    world.keeper(['app'])
    world.keeper(['app'])
    let count = 0
    let backAtMs = 0
    while (world.nowMs < 900_000) {
      const traffic = recorders[random.below(3)]!.of('app').inboundRealtime.messages
      traffic.add(1, 10)
      count++
      if (random.below(150) === 0) {
        world.isAway = true
        backAtMs = world.nowMs + random.below(OUTAGE_MS)
      }
      if (world.nowMs >= backAtMs) world.isAway = false
      world.run(random.below(4_000))
    }
    world.isAway = false
    world.troubles = 0
    world.run(30_000)
    for (const unit of UNITS) t.equal(totalOf(world, unit), count, unit)
    world.run(600_000)
    for (const unit of UNITS) t.equal(totalOf(world, unit), count, `${unit}, folded`)
    const kinds = [...world.records.keys()].map((key) => key.split('/')[1])
    t.same(kinds.filter((kind) => kind === 'tally'), [], 'no tally is left')
    for (const recorder of recorders) t.equal(recorder.openCount, 0)
  })
}

t.test('outages of the store cost nothing, and nothing is told twice', async (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(`outage/${seed}`)
    const world = new StatsWorld(random)
    world.troubles = 40
    const recorder = world.recorder('worker')
    world.keeper(['app'])
    let count = 0
    const work = (forMs: number): void => {
      const endMs = world.nowMs + forMs
      while (world.nowMs < endMs) {
        recorder.of('app').inboundRest.messages.add(1, 10)
        count++
        world.run(random.below(2_000))
      }
    }
    work(50_000)
    world.isAway = true
    work(400_000)
    world.isAway = false
    world.troubles = 0
    work(50_000)
    world.run(700_000)
    const told = totalOf(world, 'day')
    t.equal(told, count, `outage ${seed}`)
  }
})

t.test('a worker that ends in good order leaves nothing uncounted', async (t) => {
  const world = new StatsWorld(new Random('end'))
  const recorder = world.recorder('worker')
  recorder.of('app').inboundRest.messages.add(7, 70)
  let isFlushed = false
  recorder.flush(() => {
    isFlushed = true
  })
  world.run(100)
  t.ok(isFlushed)
  t.equal(totalOf(world, 'minute'), 7)
})

t.test('each minute is told to who listens, once it is over', async (t) => {
  const world = new StatsWorld(new Random('told'))
  const recorder = world.recorder('worker')
  world.keeper(['app', 'other'])
  recorder.of('app').inboundRest.messages.add(1, 10)
  world.run(60_000)
  recorder.of('app').inboundRest.messages.add(2, 20)
  world.run(60_000)
  t.match(world.told, [
    { appId: 'app', item: { intervalId: '2026-03-31:23:57', entries: { [NAME]: 1 } } },
    { appId: 'app', item: { intervalId: '2026-03-31:23:58', entries: { [NAME]: 2 } } }
  ])
  t.equal(world.told.length, 2)
})

t.test('pages, in both orders', async (t) => {
  const world = new StatsWorld(new Random('pages'))
  const recorder = world.recorder('worker')
  world.keeper(['app'])
  for (let minute = 0; minute < 12; minute++) {
    recorder.of('app').inboundRest.messages.add(1, 10)
    world.run(60_000)
  }
  const all = world.read('app', 'minute').map(({ id }) => id)
  t.equal(all.length, 12)
  t.same(all.slice(0, 5), ['2026-03-31:23:57', '2026-03-31:23:58', '2026-03-31:23:59',
    '2026-04-01:00:00', '2026-04-01:00:01'])
  const found: string[] = []
  let after: string | undefined
  for (;;) {
    const page = world.read('app', 'minute', { isBackwards: true, limit: 5, after })
    found.push(...page.map(({ id }) => id))
    if (page.length < 5) break
    after = page.at(-1)!.id
  }
  t.same(found, all.toReversed())
  t.same(world.read('app', 'month').map(({ id }) => id), ['2026-03', '2026-04'])
  const startMs = Date.UTC(2026, 3, 1)
  t.same(world.read('app', 'day', { startMs }).map(({ id }) => id), ['2026-04-01'])
})
