import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import type { LogFill, LogRoom } from '../../../src/log/room.ts'
import { LogGauge, type LogScale } from '../../../src/ops/log-gauge.ts'

const PLAN = { generation: 'g1', streamCount: 2, redundancy: 3 }

/** A log of two streams of 100 bytes each, as full as the test says. */
class TestScale implements LogScale {
  bytes: [number, number] = [0, 0]
  problem: string | undefined
  lookCount = 0

  async fill(): Promise<LogFill | string> {
    this.lookCount++
    if (this.problem !== undefined) return this.problem
    const streams = this.bytes.map((bytes) => ({ bytes, bytesMax: 100 }))
    return { streams, account: { bytes: 0, bytesMax: Infinity } }
  }
}

function gaugeOf(scale: TestScale) {
  const rooms: LogRoom[] = []
  const notes: string[] = []
  const gauge = new LogGauge(scale, {
    onRoom: (room) => void rooms.push(room),
    note: (level, text) => void notes.push(`${level} ${text}`)
  }, 1)
  /** Resolves when it has looked again, and said what it saw. */
  const looked = async (): Promise<void> => {
    const until = scale.lookCount + 2
    while (scale.lookCount < until) await immediate()
  }
  return { gauge, rooms, notes, looked }
}

t.test('[6] workers are told what is full, people when that changes', async (t) => {
  const scale = new TestScale()
  const { gauge, rooms, notes, looked } = gaugeOf(scale)
  t.teardown(() => gauge.stop())
  gauge.onView(PLAN, 1)
  await looked()
  t.same(rooms.at(-1)!.isFull, [false, false])
  t.same(notes, [])
  scale.bytes = [90, 10]
  await looked()
  t.same(rooms.at(-1)!.isFull, [true, false])
  t.match(notes.pop(), /^warn the log is full: 90 % .* publishes to 1 of 2 streams are refused/)
  t.match([gauge.share, gauge.fullCount], [0.9, 1])
  scale.bytes = [90, 95]
  await looked()
  t.match(notes.pop(), /^warn the log is full: 95 % .* 2 of 2 streams/)
  scale.bytes = [78, 10]
  await looked()
  t.same(rooms.at(-1)!.isFull, [true, false])
  t.match(notes.pop(), /^info publishes to 1 of 2 streams of the log are still refused/)
  scale.bytes = [70, 10]
  await looked()
  t.match(notes.pop(), /^info the log has room again: 70 %/)
  t.same(notes, [])
})

t.test('[10] while nobody can say, what was known counts; it is said once', async (t) => {
  const scale = new TestScale()
  const { gauge, rooms, notes, looked } = gaugeOf(scale)
  t.teardown(() => gauge.stop())
  scale.bytes = [90, 10]
  gauge.onView(PLAN, 1)
  await looked()
  notes.length = 0
  scale.problem = 'NATS is away'
  await looked()
  const count = rooms.length
  await looked()
  t.equal(rooms.length, count)
  t.equal(gauge.fullCount, 1)
  t.same(notes, ['info how full the log is: NATS is away'])
})

t.test('a log that is being made is not looked at', async (t) => {
  const scale = new TestScale()
  const { gauge, looked } = gaugeOf(scale)
  t.teardown(() => gauge.stop())
  gauge.onView({ ...PLAN, maker: 'a#1' }, 1)
  await immediate()
  t.equal(scale.lookCount, 0)
  gauge.onView(PLAN, 1)
  await looked()
  t.ok(scale.lookCount > 0)
})
