import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { decodeTally } from '../../../src/stats/record.ts'
import { StatsWorld } from './stats-world.ts'

const NAME = 'messages.inbound.rest.messages.count'

/** What each tally says, in order of its key. */
const talliesOf = (world: StatsWorld): unknown[] => [...world.records.values()]
  .sort((a, b) => (a.key < b.key ? -1 : 1))
  .map(({ key, bytes }) => [key.split('/')[2], decodeTally(bytes).entries[NAME]])

t.test('what changed is written every few seconds; what did not, not again', async (t) => {
  const world = new StatsWorld(new Random('recorder'))
  const { messages } = world.recorder('w').of('app').inboundRest
  messages.add(1, 10)
  world.run(limits.statsFlushMs + 100)
  t.same(talliesOf(world), [['2026-03-31:23:57', 1]])
  const seqOf = (): number => [...world.records.values()][0]!.seq
  const seq = seqOf()
  world.run(2 * limits.statsFlushMs)
  t.equal(seqOf(), seq)
  messages.add(2, 10)
  world.run(limits.statsFlushMs + 100)
  t.same(talliesOf(world), [['2026-03-31:23:57', 3]])
})

t.test('a minute that is over is written at once, and the next one begins', async (t) => {
  const world = new StatsWorld(new Random('minute'))
  const { messages } = world.recorder('w').of('app').inboundRest
  world.run(39_000)
  messages.add(1, 10)
  world.run(1_100)
  messages.add(5, 10)
  world.run(limits.statsFlushMs)
  t.same(talliesOf(world), [['2026-03-31:23:57', 1], ['2026-03-31:23:58', 5]])
})

t.test('beyond so many apps nothing is counted, and nobody else is disturbed', async (t) => {
  const world = new StatsWorld(new Random('apps'))
  const recorder = world.recorder('w')
  for (let no = 0; no < limits.statsAppsMax + 3; no++) {
    recorder.of(`app${no}`).inboundRest.messages.add(1, 10)
  }
  world.run(limits.statsFlushMs + 2_000)
  t.equal(world.records.size, limits.statsAppsMax, 'in several rounds of writings')
  t.equal(recorder.openCount, 0)
})

t.test('a clock that is set back begins no minute twice', async (t) => {
  const world = new StatsWorld(new Random('clock'))
  const { messages } = world.recorder('w').of('app').inboundRest
  messages.add(1, 10)
  world.run(61_000)
  world.skewMs = -90_000
  messages.add(2, 10)
  world.run(limits.statsFlushMs * 2)
  world.skewMs = 0
  world.run(limits.statsFlushMs * 2)
  t.same(talliesOf(world), [['2026-03-31:23:57', 1], ['2026-03-31:23:58', 2]])
})
