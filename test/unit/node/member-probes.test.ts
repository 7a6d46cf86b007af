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
  readonly foundGone: string[] = []
  readonly roster = new Roster(timing)
  readonly desk: ProbeDesk

  constructor() {
    const self = 'n0#1'
    const { roster } = this
    roster.onView(this.view, 0)
    roster.onUnanswering = (incarnation) => void this.foundGone.push(incarnation)
    this.desk = new ProbeDesk({
      self,
      timing,
      roster,
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

t.test('[8] what a candidate asks counts only while it is alone and not listed', async (t) => {
  const asked = (): { rig: Rig; tickets: number[]; atMs: number } => {
    const rig = new Rig()
    rig.desk.step(rig.view, 'candidate', true, 10)
    const atMs = rig.desk.nextDeadlineMs()
    rig.desk.step(rig.view, 'candidate', true, atMs)
    return { rig, tickets: rig.asked.splice(0), atMs }
  }
  const answer = ({ rig, tickets, atMs }: ReturnType<typeof asked>): string[] => {
    for (const ticket of tickets) rig.desk.onProbed(ticket, 'silent', atMs + 500)
    return rig.foundGone
  }
  t.same(answer(asked()), ['n1#1', 'n2#1'], 'all who are listed are gone')
  const listed = asked()
  listed.rig.desk.step(listed.rig.view, 'joining', true, listed.atMs + 100)
  t.same(answer(listed), [], 'somebody listed it meanwhile')
  const heard = asked()
  heard.rig.roster.onHeard('n2#1', heard.atMs + 100)
  t.same(answer(heard), [], 'somebody was heard meanwhile')
})
