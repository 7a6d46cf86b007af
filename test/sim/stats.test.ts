import t from 'tap'
import { Random } from '../../src/base/random.ts'
import type { StatsRecord } from '../../src/stats/port.ts'
import { encodeAppend, encodeEntry } from '../../src/log/entry.ts'
import type { LogAnswer, LogRequest } from '../../src/log/port.ts'
import { Stats } from './checks/stats.ts'
import { MachineClock } from './clock.ts'
import { Loop } from './loop.ts'
import type { Region } from './region.ts'
import { World } from './world.ts'

const LIFE = 'n.1/0/1'

const appended = { kind: 'append', outcome: { kind: 'appended', seq: 1 } } as LogAnswer
const message = encodeAppend(
  { epoch: 1, counter: 0, previousSeq: 0, firstEntry: 1, snapshotSeq: 0 },
  [encodeEntry({
    kind: 'publication',
    channel: 'app/ch',
    publication: {
      seq: 1, entry: 1, id: 'connection:0', timestamp: 0, counter: 0, connectionId: 'connection',
      idSpace: 'connection', messageCount: 1, payload: new Uint8Array()
    }
  })]
)

/** A worker that hears of one message, and is killed; nothing that it counted is written. */
class Seen {
  readonly world = new World('stats')
  readonly loop = new Loop<undefined>(
    { turn: () => undefined, nextDeadlineMs: () => Infinity },
    {
      world: this.world,
      clock: new MachineClock(this.world, { skewMs: 0, drift: 0 }, 0),
      random: new Random('loop'),
      deadline: undefined,
      drain: () => undefined
    }
  )

  readonly check = new Stats({
    world: this.world, stats: { records: (): StatsRecord[] => [] }
  } as unknown as Region, true)

  hears(): void {
    const request = { kind: 'append', bytes: message } as LogRequest
    this.check.onLogAnswer(LIFE, request, appended, this.loop.turningMs)
  }

  dies(): void {
    this.check.onLifeEnded(LIFE, false, this.loop.turningMs)
  }

  at(nowMs: number, run: () => void): void {
    this.world.nowMs = nowMs
    run()
  }
}

t.test('who is killed has written what it counted but for the last 10 s', async (t) => {
  for (const [killedAtMs, isMissed] of [[9_000, false], [11_000, true]] as const) {
    const seen = new Seen()
    seen.at(500, () => seen.hears())
    seen.at(killedAtMs, () => seen.dies())
    if (isMissed) t.throws(() => seen.check.onEmpty(), { message: /0 messages are counted of 1/ })
    else seen.check.onEmpty()
  }
})

t.test('who stands still writes nothing, and is given the time', async (t) => {
  for (const [stillAtMs, isMissed] of [[9_000, false], [11_000, true]] as const) {
    const seen = new Seen()
    seen.at(500, () => seen.hears())
    seen.at(stillAtMs, () => seen.loop.freeze())
    seen.at(20_000, () => seen.loop.freeze())
    seen.at(30_000, () => seen.dies())
    if (isMissed) t.throws(() => seen.check.onEmpty(), { message: /0 messages are counted of 1/ })
    else seen.check.onEmpty()
  }

  for (const [killedAtMs, isMissed] of [[36_000, false], [38_000, true]] as const) {
    const seen = new Seen()
    seen.at(7_000, () => seen.loop.freeze())
    seen.at(20_000, () => seen.hears())
    seen.at(27_000, () => seen.loop.wake())
    seen.at(killedAtMs, () => seen.dies())
    if (isMissed) t.throws(() => seen.check.onEmpty(), { message: /0 messages are counted of 1/ })
    else seen.check.onEmpty()
  }
})
