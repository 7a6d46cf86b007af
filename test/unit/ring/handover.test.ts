import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { applyDelta, deltaBetween } from '../../../src/ring/delta.ts'
import { nextView, noChange } from '../../../src/ring/succession.ts'
import {
  digestOf, type Handover, makeView, recordOf, statusFromView, type View, viewFromRecord,
  viewFromStatus
} from '../../../src/ring/view.ts'
import {
  after, anyChange, KEPT_MS, loadsOf, memberNo, membersOf, movedCount, stepsOf, viewOf
} from './regions.ts'

const STEP = limits.handoversPerView
const joining = memberNo(9, { state: 'joining' })

/** The incarnation that masters a partition. */
const masterIn = ({ table, members, successorCount }: View, partition: number): string =>
  members[table[partition * (1 + successorCount)]!]!.incarnation

/** Everything announced: a partition, and the incarnation that is to have it. */
const movesOf = (handovers: readonly Handover[] = []): [number, string][] =>
  handovers.flatMap(({ to, partitions }) => partitions.map((each): [number, string] => [each, to]))

t.test('[12] a join takes its share a few at a time, each announced before', async (t) => {
  const region = after(viewOf(membersOf(3), 4_096), { joined: [joining] })
  let former = region
  let movedAll = 0
  for (const view of stepsOf(region, { promoted: new Set(['n9#1']) })) {
    const moved = movedCount(former, view)
    if (moved > STEP) t.fail(`${moved} partitions moved with one view`)
    const announced = movesOf(former.handovers)
    for (const [partition, to] of announced) {
      if (masterIn(view, partition) !== to) t.fail(`${partition} did not move to ${to}`)
    }
    if (moved !== announced.length) t.fail('something moved unannounced')
    movedAll += moved
    former = view
  }
  const { masters } = loadsOf(former)
  t.ok(Math.min(...masters) >= 0.95 * 1_024 - 1 && Math.max(...masters) <= 1.1 * 1_024)
  t.ok(movedAll <= 1.2 * 1_024, `${movedAll} moved`)
})

t.test('[12] who leaves is emptied by steps, and keeps what was not moved yet', async (t) => {
  const region = viewOf(membersOf(3), 4_096)
  const share = loadsOf(region).masters[0]!
  const views = [...stepsOf(region, { leaving: new Set(['n0#1']) })]
  const left = views.map((view) => loadsOf(view).masters[0]!)
  t.same(left, left.map((_, at) => Math.max(0, share - at * STEP)))
  t.equal(left.at(-1), 0)
})

t.test('[I] a death does not wait, and falls to who has read the log', async (t) => {
  const region = viewOf(membersOf(4), 4_096)
  const [announcing] = stepsOf(region, { leaving: new Set(['n0#1']) })
  const removed = new Map([['n0#1', 'test']])
  const next = nextView(announcing!, { ...noChange, removed }, 3, 0, KEPT_MS)
  const announced = movesOf(announcing!.handovers)
  t.equal(announced.length, STEP)
  for (const [partition, to] of announced) t.equal(masterIn(next, partition), to)
  t.equal(loadsOf(next).masters.reduce((sum, count) => sum + count), 4_096, 'nothing is orphaned')
})

t.test('[I] what is announced stays so, whoever joins or goes', async (t) => {
  const [announcing] = stepsOf(viewOf(membersOf(4), 512), { leaving: new Set(['n0#1']) })
  const change = { ...noChange, joined: [joining] }
  const next = nextView(announcing!, change, 3, 0, KEPT_MS)
  t.same(next.handovers, announcing!.handovers)
  t.equal(movedCount(announcing!, next), 0)
  const [{ to }] = announcing!.handovers as [Handover]
  const removed = new Map([[to, 'test']])
  const without = nextView(announcing!, { ...noChange, removed }, 3, 0, KEPT_MS)
  t.notOk(without.handovers?.some((each) => each.to === to), 'the dead are given nothing')
})

t.test('[12] in any history the steps end, and no view moves more than it may', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(`handover/${seed}`)
    let fresh = 20
    let view = viewOf(membersOf(4, 2), 512)
    for (let turn = 0; turn < 12; turn++) {
      const change = anyChange(view, random, () => memberNo(fresh++, { state: 'joining' }))
      let count = 0
      for (const next of stepsOf(view, change)) {
        if (++count > 60) throw new Error(`seed ${seed}: the steps do not end`)
        const moved = movedCount(view, next)
        if (count > 1 && moved > STEP) t.fail(`seed ${seed}: ${moved} moved with one view`)
        view = next
      }
    }
  }
})

t.test('[7] handovers travel with the view, whole and as deltas', async (t) => {
  const region = viewOf(membersOf(3))
  const views = [...stepsOf(region, { leaving: new Set(['n0#1']) })]
  const [announcing, done] = views as [View, View]
  for (const view of views) {
    t.same(viewFromRecord(JSON.parse(JSON.stringify(recordOf(view)))), { outcome: 'view', view })
  }
  t.same(applyDelta(region, deltaBetween(region, announcing)!), announcing)
  t.same(applyDelta(announcing, deltaBetween(announcing, done)!), done)
  t.not(digestOf(announcing), digestOf({ ...announcing, handovers: [] }))
  t.throws(() => makeView({ ...region, handovers: [{ to: 'nobody', partitions: [1] }] }))
  t.throws(() => makeView({ ...region, handovers: [{ to: 'n1#1', partitions: [64] }] }))
  const status = { ...statusFromView(region, 'n0', ''), handovers: [{ to: 'n1#1' }] }
  t.match(viewFromStatus(status, { partitionCount: 64 }), { outcome: 'malformed' })
})
