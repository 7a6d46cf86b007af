import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { RingDesk } from '../../../src/node/member-ring.ts'
import type { MemberOutput } from '../../../src/node/member-ports.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import { makeView, type View } from '../../../src/ring/view.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

const former = viewOf(membersOf(2), 16)
const next = makeView({ ...former, version: former.version + 1 })

/** A desk and an object that holds what the test says. */
class Rig {
  readonly outputs: MemberOutput[] = []
  readonly desk = new RingDesk(timing, new Random('ring'), this.outputs)
  nowMs = 0
  readCount = 0
  holds: View = former

  /** Lets time pass until the next read, and answers it; true: with a view of our own. */
  read(): boolean {
    this.nowMs = Math.max(this.nowMs, this.desk.nextDeadlineMs())
    this.desk.step(this.nowMs)
    const asked = this.outputs.pop()
    if (asked?.kind !== 'readRing') throw new Error('no read')
    this.readCount++
    const stored = { resourceVersion: '1', partitionCount: 16, view: this.holds }
    const reading = { outcome: 'found', stored } as const
    const news = this.desk.onRead(asked.ticket, reading, this.nowMs)
    return news?.kind === 'holds' && news.isOurs
  }

  /** Writes `next`, and hears nothing of it. */
  writeInVain(): void {
    this.read()
    this.desk.write(next)
    const asked = this.outputs.pop()
    if (asked?.kind !== 'writeRing') throw new Error('no write')
    this.desk.onWritten(asked.ticket, { outcome: 'unknown', reason: 'no answer' }, this.nowMs)
  }
}

t.test('[7] a write that happens after it was looked for is found soon', async (t) => {
  const rig = new Rig()
  rig.writeInVain()
  for (let look = 0; look < 3; look++) t.notOk(rig.read())
  rig.holds = next
  const sinceMs = rig.nowMs
  t.ok(rig.read(), 'ours, to be announced')
  t.ok(rig.nowMs - sinceMs <= timing.ringRetryMaxMs)
  const foundAtMs = rig.nowMs
  rig.read()
  t.ok(rig.nowMs - foundAtMs > timing.ringRetryMaxMs, 'nothing is in doubt any more')
})

t.test('[7] a write that never happens is looked for a few times, then given up', async (t) => {
  const rig = new Rig()
  rig.writeInVain()
  const sinceMs = rig.nowMs
  while (rig.nowMs - sinceMs < timing.ringDoubtMs) rig.read()
  t.ok(rig.readCount < 20, `${rig.readCount} reads`)
  const givenUpAtMs = rig.nowMs
  rig.read()
  t.ok(rig.nowMs - givenUpAtMs > timing.ringRetryMaxMs, 'only the refresh is left')
})

t.test('[4, 7] an object that was restored is known by a read that began since', async (t) => {
  const rig = new Rig()
  rig.holds = next
  rig.read()
  const sinceMs = rig.nowMs
  t.notOk(rig.desk.isOlderThan(next, sinceMs), 'it holds the view that was taken')
  rig.holds = former
  t.notOk(rig.desk.isOlderThan(next, sinceMs), 'nobody has looked')
  rig.read()
  t.ok(rig.desk.isOlderThan(next, sinceMs))
  t.notOk(rig.desk.isOlderThan(former, sinceMs), 'to who holds the older one it is as it should be')
  t.notOk(rig.desk.isOlderThan(next, rig.nowMs), 'a view that was taken later may be in it by now')
  rig.desk.write(makeView({ ...next, version: next.version + 1 }))
  t.match(rig.outputs.pop(), { kind: 'writeRing', expected: '1' }, 'it is written over')
})
