import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import type { ViewDelta } from '../../../src/peer/membership.ts'
import { decodeMembership, encodeMembership } from '../../../src/peer/membership-codec.ts'
import { applyDelta, deltaBetween } from '../../../src/ring/delta.ts'
import { digestOf, recordOf, type View } from '../../../src/ring/view.ts'
import { after, anyChange, memberNo, membersOf, viewOf } from './regions.ts'

/** The delta as the other end of the mesh reads it. */
function travelled(delta: ViewDelta): ViewDelta {
  const sender = { node: 'n', uid: 'u', incarnation: 'i' }
  const message = { kind: 'viewDelta' as const, formatVersion: 1, viewVersion: 1, sender, delta }
  const decoded = decodeMembership(encodeMembership(message))
  if (decoded?.kind !== 'viewDelta') throw new Error('not a delta any more')
  return decoded.delta
}

/** A region's history: views that each follow from the one before. */
function history(seed: string, stepCount: number): View[] {
  const random = new Random(seed)
  let lifeNo = 100
  const fresh = () => memberNo(lifeNo++, { state: 'joining', zone: `z${random.below(3)}` })
  const views = [viewOf(membersOf(2 + random.below(12), 1 + random.below(3)), 32, 2)]
  for (let step = 0; step < stepCount; step++) {
    const wallMs = step * 90_000
    views.push(after(views.at(-1)!, anyChange(views.at(-1)!, random, fresh), wallMs))
  }
  return views
}

t.test('[7] a delta, applied, is the view: over one change or many', async (t) => {
  for (let seed = 0; seed < 15; seed++) {
    const views = history(`delta/${seed}`, 12)
    for (const [at, to] of views.entries()) {
      for (const from of views.slice(Math.max(0, at - 4), at)) {
        const delta = deltaBetween(from, to)
        const applied = delta && applyDelta(from, travelled(delta))
        if (applied === undefined) t.fail(`seed ${seed}: ${from.version} → ${to.version}`)
        else t.strictSame(applied, to)
      }
    }
  }
})

t.test('[7] a delta is refused by every view but the one it starts from', async (t) => {
  const views = history('base', 6)
  const delta = deltaBetween(views[2]!, views[3]!)!
  for (const [at, view] of views.entries()) {
    t.equal(applyDelta(view, delta)?.version, at === 2 ? 4 : undefined, `view ${view.version}`)
  }
  // The same number, but another view: two proposers, of which one was not confirmed.
  const twin = after(views[1]!, { joined: [memberNo(500, { state: 'joining' })] })
  t.equal(twin.version, views[2]!.version)
  t.equal(applyDelta(twin, delta), undefined)
})

t.test('a delta that was damaged leads to nothing rather than to a wrong view', async (t) => {
  const views = history('damage', 6)
  const random = new Random('damage')
  for (const [at, to] of views.slice(1).entries()) {
    const from = views[at]!
    const delta = deltaBetween(from, to)!
    const survivor = from.members.find(({ incarnation }) => !delta.removed.includes(incarnation))!
    const damaged: ViewDelta[] = [
      { ...delta, version: delta.version + 1 },
      { ...delta, removed: [...delta.removed, survivor.incarnation] },
      { ...delta, changed: [...delta.changed, memberNo(900)] },
      { ...delta, tombstones: [{ node: 'x', incarnation: 'x#1', removedAtMs: 0 }] },
      { ...delta, table: { kind: 'whole', assignment: 'AAAA' } },
      { ...delta, table: { kind: 'cells', pairs: [random.below(96), 400, -1, 3, 1e9, 2] } }
    ]
    for (const [no, each] of damaged.entries()) {
      const applied = applyDelta(from, each)
      t.equal(applied, undefined, `damage ${no} of ${from.version} → ${to.version}`)
    }
  }
})

t.test('where only the whole view can lead there is no delta', async (t) => {
  const view = viewOf(membersOf(4))
  const other = { ...view, version: 2, members: [...view.members].reverse() }
  t.equal(deltaBetween(view, other), undefined, 'members in another order')
  t.equal(deltaBetween(view, viewOf(membersOf(4), 65)), undefined)
  t.equal(deltaBetween(view, viewOf(membersOf(4), 64, 1)), undefined)
  const same = deltaBetween(view, { ...view, version: 2 })!
  t.same(same.table, { kind: 'cells', pairs: [] })
  t.equal(digestOf(applyDelta(view, same)!), same.digest)
})

t.test('[7] a death among a hundred is told in a fraction of the view', async (t) => {
  const view = viewOf(membersOf(100, 3), 4_096, 2)
  const dead = after(view, { removed: new Map([['n40#1', 'test']]) })
  const delta = deltaBetween(view, dead)!
  t.equal(delta.table.kind, 'cells')
  const bytes = JSON.stringify(delta).length
  t.ok(bytes < JSON.stringify(recordOf(dead)).length / 5, `${bytes} bytes`)
  t.strictSame(applyDelta(view, delta), dead)
  const first = deltaBetween(viewOf([], 4_096), viewOf(membersOf(3), 4_096))!
  t.equal(first.table.kind, 'whole', 'and a table that is all new travels whole')
})
