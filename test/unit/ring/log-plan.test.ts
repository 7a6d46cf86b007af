import t from 'tap'
import { applyDelta, deltaBetween } from '../../../src/ring/delta.ts'
import {
  digestOf, makeView, recordOf, statusFromView, type LogPlan, type View, viewFromRecord,
  viewFromStatus
} from '../../../src/ring/view.ts'
import { after, membersOf, viewOf } from './regions.ts'

const PLAN: LogPlan = { generation: 'a1B2', streamCount: 6, redundancy: 3, maker: 'n0#1' }
const without = viewOf(membersOf(3))
const planned = makeView({ ...without, version: 2, log: PLAN })
const { maker: _, ...rest } = PLAN
const made = makeView({ ...planned, version: 3, log: rest })

const travelled = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

t.test('[1] the plan of the logs comes back from the object and from a peer', async (t) => {
  for (const view of [without, planned, made]) {
    const status = travelled(statusFromView(view, 'n0', ''))
    const read = viewFromStatus(status, { partitionCount: 64 })
    t.same(read, { outcome: 'view', view })
    t.same(viewFromRecord(travelled(recordOf(view))), { outcome: 'view', view })
  }
  t.notOk('log' in statusFromView(without, 'n0', ''))
})

t.test('[1] a plan that a person spoiled is refused with a reason', async (t) => {
  const status = statusFromView(planned, 'n0', '')
  const spoiled: [unknown, RegExp][] = [
    ['L', /log: not an object/],
    [null, /log: not an object/],
    [{ ...PLAN, generation: 'a.b' }, /generation/],
    [{ ...PLAN, generation: '' }, /generation/],
    [{ ...PLAN, streamCount: 0 }, /streamCount/],
    [{ ...PLAN, streamCount: 1_000 }, /streamCount/],
    [{ ...PLAN, redundancy: 0 }, /redundancy/],
    [{ ...PLAN, redundancy: 2.5 }, /redundancy/],
    [{ ...PLAN, maker: '' }, /maker/]
  ]
  for (const [log, reason] of spoiled) {
    const read = viewFromStatus({ ...status, log }, { partitionCount: 64 })
    t.match(read, { outcome: 'malformed', reason }, JSON.stringify(log))
  }
})

t.test('[1] a delta carries the plan, its change and its absence', async (t) => {
  const views: View[] = [
    without, planned, made, makeView({ ...made, log: { ...rest, redundancy: 5 } })
  ]
  for (const from of views) {
    for (const to of views) {
      const next = makeView({ ...to, version: 9 })
      const delta = travelled(deltaBetween(from, next)!)
      t.same(applyDelta(from, delta), next)
    }
  }
})

t.test('the digest tells plans apart; a later view keeps the plan', async (t) => {
  const plans: (LogPlan | undefined)[] = [
    undefined, PLAN, rest, { ...rest, generation: 'other' }, { ...rest, streamCount: 7 },
    { ...rest, redundancy: 5 }, { ...rest, maker: 'n1#1' }
  ]
  const digests = plans.map((log) => digestOf(makeView({ ...without, log })))
  t.equal(new Set(digests).size, plans.length)
  const next = after(made, { removed: new Map([['n1#1', 'test']]) })
  t.same(next.log, rest)
  t.same(after(next, { log: PLAN }).log, PLAN)
  t.throws(() => {
    (next.log as { redundancy: number }).redundancy = 1
  }, TypeError)
})
