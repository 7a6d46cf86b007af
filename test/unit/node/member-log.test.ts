import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { LogDesk } from '../../../src/node/member-log.ts'
import type { MemberOutput } from '../../../src/node/member-ports.ts'
import { emptyView, makeView } from '../../../src/ring/view.ts'

const WISH = { streamCount: 6, redundancy: 3 }
const empty = emptyView(16, 0)

function deskOf(): { desk: LogDesk; outputs: MemberOutput[] } {
  const outputs: MemberOutput[] = []
  return { desk: new LogDesk('a#1', WISH, new Random('test'), outputs), outputs }
}

t.test('[1] a plan is the same until a view has it, and then never again', async (t) => {
  const { desk } = deskOf()
  const first = desk.wanted(empty, 0)!
  t.match(first, { ...WISH, maker: 'a#1' })
  t.match(first.generation, /^[A-Za-z0-9]{8}$/, 'fit for a subject')
  t.same(desk.wanted(empty, 0), first, 'a write tried again is the same')
  desk.step(makeView({ ...empty, version: 1, log: first }), 0)
  const second = desk.wanted(makeView({ ...empty, version: 2 }), 0)!
  t.not(second.generation, first.generation, 'somebody took it out of the view')
})

t.test('what the shell is asked to see to is asked once', async (t) => {
  const { desk, outputs } = deskOf()
  const plan = desk.wanted(empty, 0)!
  const planned = makeView({ ...empty, version: 1, log: plan })
  desk.step(planned, 0)
  desk.step(planned, 0)
  t.same(outputs, [{ kind: 'makeLog', plan }])
  t.equal(desk.wanted(planned, 0), undefined, 'it waits until they are made')
  desk.onMade('another')
  t.equal(desk.wanted(planned, 0), undefined)
  desk.onMade(plan.generation)
  const made = desk.wanted(planned, 0)!
  t.same(made, { generation: plan.generation, ...WISH })
  const view = makeView({ ...empty, version: 2, log: made })
  desk.step(view, 1)
  t.equal(outputs.length, 1, 'another is first')
  desk.step(view, 0)
  desk.step(view, 0)
  t.same(outputs.slice(1), [{ kind: 'makeLog', plan: made }])
})
