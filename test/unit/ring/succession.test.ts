import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import {
  type Facts, isUrgent, nextView, noChange, proposersOf, wantedChange
} from '../../../src/ring/succession.ts'
import { ringLimits } from '../../../src/ring/timing.ts'
import { type Member, ownersOf, type View } from '../../../src/ring/view.ts'
import { after, KEPT_MS, memberNo, membersOf, noFacts, viewOf } from './regions.ts'

const candidate = (no: number, life = 1): Member => memberNo(no, { state: 'joining' }, life)
const facts = (some: Partial<Facts>): Facts => ({ ...noFacts, ...some })
const gone = (...incarnations: string[]): Map<string, string> =>
  new Map(incarnations.map((incarnation) => [incarnation, 'test']))
const nodesOf = (view: View): string[] => view.members.map(({ node, state }) => `${node} ${state}`)

t.test('[7] the first living member proposes, then the next; who leaves comes last', async (t) => {
  const view = viewOf(membersOf(4))
  t.same(proposersOf(view, noFacts), ['n0#1', 'n1#1', 'n2#1', 'n3#1'])
  t.same(proposersOf(view, facts({ gone: gone('n0#1'), leaving: new Set(['n1#1']) })),
    ['n2#1', 'n3#1', 'n1#1'])
  const leaving = after(view, { leaving: new Set(['n0#1']) })
  t.same(proposersOf(leaving, noFacts), ['n1#1', 'n2#1', 'n3#1', 'n0#1'])
  t.same(proposersOf(view, facts({ candidates: [candidate(9)] })).includes('n9#1'), false,
    'a candidate has no say while a member lives')
})

t.test('[A15] if nobody listed lives a candidate proposes, but never one removed', async (t) => {
  const view = viewOf(membersOf(2))
  const all = facts({ gone: gone('n0#1', 'n1#1'), candidates: [candidate(5), candidate(6)] })
  t.same(proposersOf(view, all), ['n5#1', 'n6#1'])
  const later = after(view, { removed: gone('n0#1') })
  const dead = facts({ gone: gone('n1#1'), candidates: [candidate(0), candidate(6)] })
  t.same(proposersOf(later, dead), ['n6#1'])
  t.same(proposersOf(viewOf([]), noFacts), [])
})

t.test('a view that fits the facts wants no change, however often it is asked', async (t) => {
  const view = after(viewOf(membersOf(3)), { leaving: new Set(['n2#1']) })
  const settled = facts({
    leaving: new Set(['n2#1']), confirmed: new Set(['n0#1', 'n1#1']),
    candidates: [candidate(0, 2), candidate(1)]
  })
  t.equal(wantedChange(view, noFacts), undefined)
  t.equal(wantedChange(view, settled), undefined, 'not even by who is there already')
})

t.test('one change carries all that is known', async (t) => {
  const view = after(viewOf(membersOf(5)), { joined: [candidate(7), candidate(8)] })
  const change = wantedChange(view, facts({
    gone: gone('n0#1'), leaving: new Set(['n1#1', 'n2#1']), handedOver: new Set(['n2#1']),
    confirmed: new Set(['n7#1']), candidates: [candidate(0, 2), candidate(3, 2), candidate(9)]
  }))!
  t.same([...change.removed.keys()], ['n0#1', 'n2#1'])
  t.same([...change.leaving], ['n1#1'])
  t.same([...change.promoted], ['n7#1'])
  t.same(change.joined.map(({ incarnation }) => incarnation), ['n0#2', 'n9#1'],
    'a new life comes in as the old one goes, and not beside one that is listed')
  t.ok(isUrgent(change))
  t.same(nodesOf(after(view, change)), [
    'n1 leaving', 'n3 serving', 'n4 serving', 'n7 serving', 'n8 joining', 'n0 joining',
    'n9 joining'
  ])
  t.notOk(isUrgent(wantedChange(view, facts({ candidates: [candidate(9)] }))!))
})

t.test('who confirms and dies is removed, who joins and drains leaves', async (t) => {
  const view = after(viewOf(membersOf(2)), { joined: [candidate(2), candidate(3)] })
  const change = wantedChange(view, facts({
    gone: gone('n2#1'), confirmed: new Set(['n2#1', 'n3#1']), leaving: new Set(['n3#1'])
  }))!
  t.same([...change.removed.keys()], ['n2#1'])
  t.same([...change.leaving], ['n3#1'])
  t.same([...change.promoted], [])
})

t.test('[25] a full view lets nobody in, and a place that falls free is given', async (t) => {
  const members = membersOf(ringLimits.membersMax)
  const view = viewOf(members, 4)
  const wanting = [candidate(5_000), candidate(5_001)]
  t.equal(wantedChange(view, facts({ candidates: wanting })), undefined)
  const change = wantedChange(view, facts({ candidates: wanting, gone: gone('n3#1') }))!
  t.same(change.joined.map(({ node }) => node), ['n5000'])
})

t.test('[7] tombstones stay their time by any clock, and at most so many', async (t) => {
  let view = after(viewOf(membersOf(3)), { removed: gone('n0#1') }, 1_000_000)
  t.same(view.tombstones, [{ node: 'n0', incarnation: 'n0#1', removedAtMs: 1_000_000 }])
  const next = (wallMs: number): View =>
    nextView(view, noChange, view.version + 1, wallMs, KEPT_MS)
  t.equal(next(1_000_000 + KEPT_MS - 1).tombstones.length, 1)
  t.equal(next(1_000_000 + KEPT_MS).tombstones.length, 0)
  t.equal(next(0).tombstones.length, 1, 'to a clock that is behind it is new')
  const many = membersOf(ringLimits.membersMax)
  view = after(viewOf(many, 4), { removed: gone(...many.map((each) => each.incarnation)) }, 5)
  view = after(view, { joined: [candidate(9_000)] }, 6)
  view = after(view, { removed: gone('n9000#1') }, 7)
  t.equal(view.tombstones.length, ringLimits.tombstonesMax)
  t.equal(view.tombstones.at(-1)!.incarnation, 'n9000#1', 'the oldest went')
})

t.test('[7] in any history nobody who was removed returns, and versions only grow', async (t) => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new Random(`succession/${seed}`)
    const lives = new Map<number, number>()
    const removed = new Set<string>()
    let view = viewOf(membersOf(4, 2), 16)
    for (let step = 0; step < 60; step++) {
      // Zombies say hello as well: every life that ever was may be heard.
      const candidates = Array.from({ length: random.below(4) }, () => {
        const no = random.below(8)
        const newest = (lives.get(no) ?? 1) + (random.unit() < 0.5 ? 1 : 0)
        lives.set(no, newest)
        return candidate(no, 1 + random.below(newest))
      })
      const listed = view.members.map(({ incarnation }) => incarnation)
      const some = (share: number): string[] => listed.filter(() => random.unit() < share)
      const wanted = wantedChange(view, facts({
        candidates, gone: gone(...some(0.1)), leaving: new Set(some(0.1)),
        handedOver: new Set(some(0.03)), confirmed: new Set(some(0.5))
      }))
      if (wanted === undefined) continue
      const next = after(view, wanted, step * 1_000)
      for (const { incarnation } of next.members) {
        if (removed.has(incarnation)) t.fail(`seed ${seed}: ${incarnation} is back`)
      }
      const kept = new Set(next.members.map(({ incarnation }) => incarnation))
      for (const incarnation of listed) if (!kept.has(incarnation)) removed.add(incarnation)
      if (next.version !== view.version + 1) t.fail(`version ${next.version}`)
      const serving = next.members.filter(({ state }) => state === 'serving').length
      if (serving > 0 && ownersOf(3, next)[0]?.state !== 'serving') t.fail('nobody masters 3')
      view = next
    }
    t.ok(removed.size > 3, `seed ${seed}: ${removed.size} were removed`)
  }
})
