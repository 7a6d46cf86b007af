import t from 'tap'
import { ProbeDesk } from '../../../src/node/member-probes.ts'
import type { MemberOutput } from '../../../src/node/member-ports.ts'
import { Roster } from '../../../src/ring/roster.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import { Watcher } from '../../../src/ring/watcher.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

class Rig {
  readonly view = viewOf(membersOf(3), 16)
  readonly asked: number[] = []
  readonly desk: ProbeDesk

  constructor() {
    const self = 'n0#1'
    this.desk = new ProbeDesk({
      self,
      timing,
      roster: new Roster(timing),
      watcher: new Watcher(self, timing),
      outbox: {
        push: (output: MemberOutput) => {
          if (output.kind === 'probe') this.asked.push(output.ticket)
        }
      }
    })
    this.desk.onHeard(0)
    this.answersAt(1)
  }

  /** Steps to `nowMs`; whoever is asked then says that it has its mesh. True: cut off. */
  answersAt(nowMs: number): boolean {
    this.desk.step(this.view, 'serving', false, nowMs)
    const tickets = this.asked.splice(0)
    return tickets.map((ticket) => this.desk.onProbed(ticket, 'alive', nowMs)).some(Boolean)
  }
}

t.test('[11, H1] after an outage peers may be back first: one answer is no proof', async (t) => {
  const rig = new Rig()
  t.notOk(rig.answersAt(timing.cutOffMs))
  rig.desk.onHeard(timing.cutOffMs + 300)
  t.notOk(rig.answersAt(2 * timing.cutOffMs))
  t.notOk(rig.answersAt(2 * timing.cutOffMs + 300), 'counted anew')
})

t.test('[11, E2] who hears nobody while others go on is cut off, and finds out soon', async (t) => {
  const rig = new Rig()
  t.notOk(rig.answersAt(timing.cutOffMs))
  const againAtMs = rig.desk.nextDeadlineMs()
  t.equal(againAtMs, timing.cutOffMs + timing.silenceMs)
  t.ok(rig.answersAt(againAtMs))
})

t.test('who leaves asks nobody, and is woken for nothing', async (t) => {
  const rig = new Rig()
  rig.desk.step(rig.view, 'leaving', true, 10)
  t.equal(rig.desk.nextDeadlineMs(), Infinity)
})
