/* What a node knows of the other regions, and what it says of its own. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { WORLD_FORMAT_VERSION, type WorldMessage } from '../../../src/region/world-message.ts'
import { after, memberNo, viewOf } from '../ring/regions.ts'
import { converse, Node, nodesOf, regionOf, saidBy } from './world-node.ts'

const { announceMs, announceChangeMs, announceAskMs, regionForgottenMs, regionSilenceMs } = limits

t.test('the first serving member speaks: at once, after changes, every ten seconds', async (t) => {
  const node = new Node(regionOf('eu', { endpoint: 'https://eu.example', world: 'acme' }))
  const view = nodesOf('eu')
  node.adopt(view, new Map([['eu0', [1]], ['who', [4]]]))
  const [first] = node.announced()
  t.match(first, {
    name: 'eu', uid: 'uid-eu', prefix: 'ringcast.eu.uid-eu', endpoint: 'https://eu.example',
    world: 'acme', view: { version: 1 }
  })
  t.same(first?.generations, [['eu0', [1]]], 'of those who are listed')
  node.adopt(view, new Map([['eu0', [2]]]))
  node.adopt(view, new Map([['eu0', [3]]]))
  t.same(node.said(), [], 'at most once a second')
  node.pass(announceChangeMs)
  t.same(node.announced().map(({ generations }) => generations), [[['eu0', [3]]]])
  node.adopt(view, new Map([['eu0', [3]]]))
  node.pass(announceMs - 1)
  t.same(node.said(), [], 'nothing is new')
  node.pass(1)
  t.match(node.said(), [{ kind: 'still', uid: 'uid-eu', world: 'acme', viewVersion: 1 }])
  node.input({ kind: 'meshUp' })
  node.pass(announceChangeMs)
  t.equal(node.announced().length, 1, 'what was said while the mesh was away is said again')
})

t.test('others are silent, until the one before them is gone', async (t) => {
  const node = new Node()
  const members = ['eu1', 'eu0'].map((incarnation, no) => ({ ...memberNo(no), incarnation }))
  const view = viewOf(members, 16, 1)
  node.adopt(view)
  node.pass(2 * announceMs)
  t.same(node.said(), [])
  t.equal(node.world.nextDeadlineMs(), Infinity)
  node.adopt(view, new Map(), new Set(['eu1']))
  t.equal(node.announced().length, 1, 'believed gone, though the view lists it')
  node.adopt(view)
  node.pass(2 * announceMs)
  t.same(node.said(), [])
})

t.test('a region that serves nobody is spoken for by who leaves', async (t) => {
  const node = new Node()
  node.adopt(viewOf([
    { ...memberNo(0), incarnation: 'eu0', state: 'leaving' },
    { ...memberNo(1), incarnation: 'eu1', state: 'joining' }
  ], 16, 1))
  t.equal(node.announced().length, 1)
})

t.test('who is heard is in the world, with the highest view and generations', async (t) => {
  const node = new Node()
  const [us, ap] = [regionOf('us'), regionOf('ap')]
  const view = nodesOf('us')
  node.hear(saidBy(us, view, [['us0', [2, 1]], ['us1', [1, 1]]]))
  t.same(node.given(), ['us uid-us 1'])
  node.hear(saidBy(ap, nodesOf('ap')))
  t.same(node.given(), ['ap uid-ap 1', 'us uid-us 1'], 'by name')
  node.hear(saidBy(us, view, [['us0', [2, 1]], ['us1', [1, 1]]]))
  t.equal(node.given(), undefined, 'nothing is new')
  const next = after(view, { removed: new Map([['us1', 'gone']]) })
  node.hear(saidBy(us, next, [['us0', [1, 3]], ['us1', [9]]]))
  const [{ regions } = { regions: [] }] = node.take('world')
  t.equal(regions[1]?.view.version, next.version)
  t.same([...regions[1]!.generations], [['us0', [2, 3]]], 'they only grow; who is out is forgotten')
  node.hear(saidBy(us, view, [['us1', [10]]]))
  t.equal(node.given(), undefined, 'an old view changes nothing')
})

t.test('of one version the view that was heard last counts', async (t) => {
  const node = new Node()
  const us = regionOf('us')
  node.hear(saidBy(us, nodesOf('us')))
  node.take('world')
  node.hear(saidBy(us, nodesOf('us', 3)))
  t.equal(node.take('world')[0]?.regions[0]?.view.members.length, 3)
})

t.test('a region that is silent for two minutes is out, and returns', async (t) => {
  const node = new Node()
  const us = regionOf('us')
  const view = after(nodesOf('us'), {})
  node.hear(saidBy(us, view))
  node.pass(regionSilenceMs - 1)
  t.same(node.given(), ['us uid-us 2'])
  node.hear(saidBy(us, view))
  node.pass(regionSilenceMs - 1)
  t.equal(node.given(), undefined, 'it is there')
  node.pass(1)
  t.same(node.given(), [])
  node.hear(saidBy(us, view))
  t.same(node.given(), ['us uid-us 2'])
})

t.test('who missed an announcement asks for it, and is told all of it', async (t) => {
  const speaker = new Node(regionOf('us'), 'us0')
  const view = nodesOf('us')
  speaker.adopt(view)
  speaker.said()
  const node = new Node()
  t.same(converse(node, speaker, announceMs + announceAskMs), ['still', 'ask', 'region'])
  t.same([...node.world.sizes()], [1, 0, 0].map((size) => ['worldRegionsMax', size]))
  t.same(new Set(converse(node, speaker, 2 * regionSilenceMs)), new Set(['still']))
  t.equal(node.world.sizes().next().value?.[1], 1, 'it is not silent')

  speaker.adopt(view, new Map([['us0', [2]]]))
  speaker.pass(announceMs)
  speaker.said()
  t.same(converse(node, speaker, announceMs + announceAskMs), ['still', 'ask', 'region'])
  speaker.pass(announceChangeMs)
  node.hear({ kind: 'ask', formatVersion: WORLD_FORMAT_VERSION, uid: 'uid-eu' })
  t.same(node.said(), [], 'who does not speak for its region does not answer')
  speaker.said()
  speaker.hear({ kind: 'ask', formatVersion: WORLD_FORMAT_VERSION, uid: 'uid-ap' })
  speaker.pass(announceChangeMs)
  t.same(speaker.said(), [], 'nor does anybody for another region')
})

t.test('who is told meanwhile does not ask; nor for an old view, nor where there is no room',
  async (t) => {
    const node = new Node()
    const [us, view] = [regionOf('us'), after(nodesOf('us'), {})]
    const still = (uid: string, viewVersion: number): WorldMessage => ({
      kind: 'still', formatVersion: WORLD_FORMAT_VERSION, ...regionOf(uid, { uid }), viewVersion,
      digest: 5
    })
    node.hear(still('uid-us', 2))
    node.hear(saidBy(us, view))
    node.pass(announceAskMs)
    t.same(node.said(), [])
    node.hear(still('uid-us', 1))
    node.hear(still('uid-eu', 9))
    node.pass(announceAskMs)
    t.same(node.said(), [], 'nor of itself')
    for (let no = 0; no < 2 * limits.worldRegionsMax; no++) node.hear(still(`r${no}`, 1))
    t.equal([...node.world.sizes()][1]?.[1], limits.worldRegionsMax - 1)
    node.hearRoster(['uid-us'], 1)
    node.pass(announceAskMs)
    node.said()
    node.hear(still('uid-ap', 1))
    node.pass(announceAskMs)
    t.same(node.said(), [], 'nor for who is not on the roster')
  })

t.test('a region whose view went back is believed once nobody knows the higher one', async (t) => {
  const node = new Node()
  const us = regionOf('us')
  const former = nodesOf('us')
  node.hear(saidBy(us, after(former, {})))
  node.take('world')
  for (let count = 0; count < 13; count++) {
    node.pass(announceMs)
    node.hear(saidBy(us, former))
  }
  t.same(node.given(), ['us uid-us 1'])
})

t.test('who is heard for the first time is answered, since it may not know of us', async (t) => {
  const node = new Node()
  node.adopt(nodesOf('eu'))
  node.pass(2_000)
  node.said()
  node.hear(saidBy(regionOf('us'), nodesOf('us')))
  t.equal(node.announced().length, 1)
  node.hear(saidBy(regionOf('us'), after(nodesOf('us'), {})))
  node.pass(announceMs - 1)
  t.equal(node.announced().length, 0, 'once')
})

t.test('a region that was made anew takes the place of the former', async (t) => {
  const node = new Node()
  const [old, anew] = [regionOf('us', { uid: 'b' }), regionOf('us', { uid: 'a', madeAtMs: 2_000 })]
  const high = after(after(nodesOf('us'), {}), {})
  node.hear(saidBy(old, high))
  node.hear(saidBy(anew, nodesOf('us-')))
  t.same(node.given(), ['us a 1'])
  node.hear(saidBy(old, after(high, {})))
  t.equal(node.given(), undefined, 'whoever is left of it is not listened to')
  node.pass(regionSilenceMs - 1)
  node.hear(saidBy(old, after(high, {})))
  node.pass(1)
  t.same(node.given(), ['us b 4'], 'until the later one is gone')
})

t.test('nobody takes the own region for another one', async (t) => {
  const own = regionOf('eu', { uid: 'm', madeAtMs: 2_000 })
  const view = nodesOf('eu')

  const node = new Node(own)
  node.hear(saidBy(own, view))
  node.hear(saidBy({ ...own, uid: 'z' }, nodesOf('x')))
  node.hear(saidBy({ ...own, prefix: 'ringcast.x.y' }, nodesOf('x')))
  node.adopt(view)
  node.hear(saidBy(regionOf('us'), view))
  t.equal([...node.world.sizes()][0]?.[1], 0, 'its uid, its prefix, its nodes')

  const later = new Node(own)
  later.hear(saidBy(regionOf('us'), nodesOf('us')))
  later.hear(saidBy(regionOf('eu', { uid: 'z', madeAtMs: 1_000 }), nodesOf('x')))
  later.hear(saidBy(regionOf('eu', { uid: 'z', madeAtMs: 1_000 }), nodesOf('x')))
  t.same(later.outputs.filter(({ kind }) => kind === 'note').map((note) =>
    note.kind === 'note' && `${note.level} ${note.fields['uid']}`),
  ['info uid-us', 'info z', 'warn z'], 'a region with our name is told of once')
  t.same(later.given(), ['us uid-us 1'], 'an earlier one of our name is nothing to us')

  const earlier = new Node(own)
  earlier.hear(saidBy(regionOf('us'), nodesOf('us')))
  earlier.take('world')
  const rival = regionOf('eu', { uid: 'z', madeAtMs: 2_000 })
  earlier.hear(saidBy(rival, nodesOf('x')))
  t.same(earlier.given(), [], 'all others listen to the later one: we serve alone')
  earlier.pass(regionSilenceMs - 1)
  earlier.hear(saidBy(regionOf('us'), nodesOf('us')))
  earlier.pass(1)
  t.same(earlier.given(), ['us uid-us 1'], 'until it is gone')
})

t.test('who is silent is absent for a day where there is no roster', async (t) => {
  const node = new Node()
  const [us, ap] = ['us', 'ap'].map((name) => saidBy(regionOf(name), nodesOf(name)))
  node.hear(us!)
  node.pass(announceMs)
  node.hear(ap!)
  node.pass(regionSilenceMs - 1)
  t.same(node.absent(), ['us'])
  node.pass(1)
  t.same(node.absent(), ['ap', 'us'])
  t.match(node.world.describe(), ['nothing is heard of region us', 'nothing is heard of region ap'])
  node.hear(us!)
  t.same(node.absent(), ['ap'], 'it is heard')
  node.pass(regionSilenceMs)
  t.same(node.absent(), ['ap', 'us'], 'and again is not')
  node.pass(regionForgottenMs - 2 * regionSilenceMs - 1)
  t.equal(node.absent(), undefined)
  node.pass(1)
  t.same(node.absent(), ['us'], 'each has its day')
  node.pass(regionForgottenMs)
  t.same(node.absent(), [])
  t.equal(node.world.nextDeadlineMs(), Infinity)
})

t.test('who is silent is absent as long as the roster lists it', async (t) => {
  const node = new Node()
  for (const name of ['us', 'ap']) node.hear(saidBy(regionOf(name), nodesOf(name)))
  node.hearRoster(['uid-us', 'uid-ap'], 1)
  node.pass(2 * regionForgottenMs)
  t.same(node.absent(), ['ap', 'us'])
  t.equal(node.world.nextDeadlineMs(), Infinity)
  node.hearRoster(['uid-us'], 2)
  t.same(node.absent(), ['us'], 'the other one has left the world')
  node.hear(saidBy(regionOf('us'), nodesOf('us')))
  node.hearRoster(['uid-eu'], 3)
  t.same(node.take('world').map(({ regions, absent }) => [regions.length, absent]),
    [[1, []], [0, []]], 'nor is one absent that leaves while it is heard')
})

t.test('who was never heard is absent where a roster names it', async (t) => {
  const node = new Node()
  node.hear(saidBy(regionOf('us'), nodesOf('us')))
  const names = ['eu', 'us', 'ap']
  node.hearRoster(['uid-eu', 'uid-us', 'uid-ap'], 1, names)
  t.same(node.absent(), ['ap'])
  t.equal([...node.world.sizes()][2]?.[1], 1, 'our own is not')
  node.hearRoster(['uid-eu', 'uid-us', 'uid-ap'], 2, names)
  t.equal(node.absent(), undefined)
  node.hear(saidBy(regionOf('ap'), nodesOf('ap')))
  t.same(node.absent(), [])
  node.hearRoster(['uid-eu', 'uid-sa'], 3, ['eu', 'sa'])
  node.hearRoster(['uid-eu'], 4, ['eu'])
  t.same(node.take('world').map(({ absent }) => absent), [['sa'], []])
})

t.test('who begins while one is silent is told of it by its own region', async (t) => {
  const [former, other] = [new Node(), new Node(regionOf('eu'), 'eu1')]
  const view = nodesOf('eu')
  for (const name of ['us', 'ap']) former.hear(saidBy(regionOf(name), nodesOf(name)))
  former.pass(regionSilenceMs)
  former.adopt(view)
  const [whole] = former.announced()
  t.match(whole, { absent: [['uid-us', 'us', regionSilenceMs], ['uid-ap', 'ap', regionSilenceMs]] })
  other.pass(5_000)
  other.hear(saidBy(regionOf('ap'), nodesOf('ap')))
  other.take('world')
  other.hear(whole!)
  t.same(other.absent(), ['us'], 'but for whom it hears itself')
  former.pass(announceMs)
  const still = former.said().at(-1)!
  t.match(still, { kind: 'still', absent: [{}, {}] })
  const roster = new Node(regionOf('eu'), 'eu1')
  roster.hearRoster(['uid-ap'], 1)
  roster.hear(still)
  t.same(roster.absent(), ['ap'], 'and who is on the roster, where there is one')
  const elsewhere = new Node(regionOf('sa'), 'sa0')
  elsewhere.hear(whole!)
  t.same(elsewhere.absent() ?? [], [], 'no other region counts them')
  other.pass(regionForgottenMs)
  t.notOk(other.absent()?.includes('us'), 'it had its day')
  t.equal(other.world.nextDeadlineMs(), Infinity)
})

t.test('a name is absent once, and not while a region has it', async (t) => {
  const node = new Node()
  const [old, anew] = [regionOf('us', { uid: 'a' }), regionOf('us', { uid: 'b', madeAtMs: 2_000 })]
  for (const each of [old, regionOf('eu', { uid: 'x', madeAtMs: 500 })]) {
    node.hear(saidBy(each, nodesOf(each.uid)))
  }
  node.pass(regionSilenceMs)
  t.same(node.absent(), ['us'], 'nor is who once had our own')
  node.hear(saidBy(anew, nodesOf('b')))
  t.same(node.absent(), [], 'it was made anew')
  node.pass(regionSilenceMs)
  t.same(node.absent(), ['us'])
})

t.test('of two of our name the roster may choose ours', async (t) => {
  const node = new Node()
  node.hearRoster(['uid-eu', 'uid-us'], 1)
  node.hear(saidBy(regionOf('eu', { uid: 'z', madeAtMs: 2_000 }), nodesOf('x')))
  node.hear(saidBy(regionOf('us'), nodesOf('us')))
  t.same(node.given(), ['us uid-us 1'])
})

t.test('what makes no sense is nothing', async (t) => {
  const node = new Node()
  const us = regionOf('us')
  const good = saidBy(us, nodesOf('us'))
  const { view } = good
  const [member, ...others] = view.members
  for (const wrong of [
    { ...view, assignment: 'AAAA' },
    { ...view, members: [member, member] },
    { ...view, members: [{ ...member, workers: 1e9 }, ...others] },
    { ...view, partitionCount: 0, assignment: '' },
    { ...view, members: Array.from({ length: 1_001 }, (_, no) => memberNo(no)) },
    {}
  ]) node.hear({ ...good, view: wrong as typeof view })
  t.equal(node.given(), undefined)
  node.hear(good)
  t.same(node.given(), ['us uid-us 1'])
  node.hear(saidBy(us, nodesOf('us'), [['us0', [1, 2, 3, 4]]]))
  t.same(node.take('world')[0]?.regions[0]?.generations.get('us0'), [1, 2],
    'generations of workers that it does not have')
})

t.test('no more regions are kept than the limit says, and it is told once', async (t) => {
  const node = new Node()
  const said = Array.from({ length: limits.worldRegionsMax + 3 }, (_, no) =>
    saidBy(regionOf(`r${no}`), nodesOf(`r${no}-`, 1)))
  for (const each of said) node.hear(each)
  const warnings = node.outputs.filter((output) =>
    output.kind === 'note' && output.level === 'warn')
  t.equal(warnings.length, 1)
  t.equal(node.given()?.length, limits.worldRegionsMax)
  t.equal([...node.world.sizes()][0]?.[1], limits.worldRegionsMax)
  node.pass(regionSilenceMs)
  for (const each of said.slice(-3)) node.hear(each)
  t.equal(node.given()?.length, 3, 'who is silent makes room')
  node.pass(regionSilenceMs)
  t.equal(node.absent()?.length, limits.worldRegionsMax)
  t.equal([...node.world.sizes()][2]?.[1], limits.worldRegionsMax, 'and later ones take it there')
})
