import t from 'tap'
import { fuzzCore } from './core.ts'
import { fuzzPorts } from './ports.ts'

/** The short form of `make fuzz`. */
const seed = 'short'

t.test('hostile frames for the core: all have answers, nobody is disturbed', async (t) => {
  const figures = fuzzCore(seed, 8_000)
  t.equal(figures.frameCount, 8_000)
  t.ok(figures.turnsPerFrameMax < 2_000, `at most ${figures.turnsPerFrameMax} turns for a frame`)
})

t.test('the same through sockets, and what no WebSocket may do', async (t) => {
  const figures = await fuzzPorts(seed, 1_500)
  t.ok(figures.lifeCount > 10 && figures.endedCount > 0)
  t.ok(figures.bystanderMessages > 10)
})
