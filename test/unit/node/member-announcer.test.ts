import t from 'tap'
import { Announcer } from '../../../src/node/member-announcer.ts'
import { GenerationsDesk } from '../../../src/node/member-generations.ts'
import { Roster } from '../../../src/ring/roster.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import { emptyView } from '../../../src/ring/view.ts'
import { membersOf } from '../ring/regions.ts'

t.test('nothing wakes a node that has nothing to say, or cannot say it yet', async (t) => {
  const said: string[] = []
  const send = (_: string, { kind }: { kind: string }): void => void said.push(kind)
  const [identity] = membersOf(1)
  const generations = new GenerationsDesk(identity!.incarnation, timing, () => undefined)
  const announcer = new Announcer({
    identity: identity!, timing, roster: new Roster(timing), generations, send
  })
  t.equal(announcer.nextDeadlineMs(), Infinity, 'before there is a view')
  const view = emptyView(16, 2)
  const worker = { generation: 1, isTurning: true, isMeshUp: false }
  announcer.step(view, undefined, false, [worker], 1_000)
  t.equal(announcer.nextDeadlineMs(), Infinity, 'while its workers are not on the mesh')
  t.same(said, [])
  announcer.step(view, undefined, false, [{ ...worker, isMeshUp: true }], 2_000)
  t.same(said, ['hello'])
  t.equal(announcer.nextDeadlineMs(), 2_000 + timing.helloMs)
  announcer.step(view, undefined, true, [], 3_000)
  t.equal(announcer.nextDeadlineMs(), Infinity, 'who leaves and is not listed is done')
})
