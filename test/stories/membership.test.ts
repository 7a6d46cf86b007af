import t from 'tap'
import { defaultTiming } from '../../src/ring/timing.ts'
import { masterOf } from '../../src/ring/view.ts'
import { MembershipWorld } from './membership-world.ts'

/** Three nodes that serve. */
function three() {
  const world = new MembershipWorld()
  const [a, b, c] = ['a', 'b', 'c'].map((node) => world.start(node)) as [
    ReturnType<MembershipWorld['start']>, ReturnType<MembershipWorld['start']>,
    ReturnType<MembershipWorld['start']>
  ]
  world.run(5_000)
  return { world, a, b, c }
}

const serving = (...nodes: string[]): string[] => nodes.map((node) => `${node}:serving`)

t.test('three nodes that start together serve together, and agree', async (t) => {
  const { world, a } = three()
  t.same(world.members().sort(), serving('a', 'b', 'c'))
  t.equal(world.versions().length, 1)
  const masters = new Set<string>()
  for (let partition = 0; partition < 16; partition++) {
    masters.add(masterOf(partition, a.view!)!.node)
  }
  t.same([...masters].sort(), ['a', 'b', 'c'], 'each masters a share')
})

t.test('a fourth joins, and takes its share', async (t) => {
  const { world } = three()
  const d = world.start('d')
  world.run(3_000)
  t.same(world.members().sort(), serving('a', 'b', 'c', 'd'))
  t.equal(d.standing, 'serving')
  t.equal(world.versions().length, 1)
})

t.test('[rule 8] a node whose pod is gone is removed at once', async (t) => {
  const { world, b } = three()
  world.kill(b, true)
  world.run(500)
  t.same(world.members().sort(), serving('a', 'c'))
})

t.test('[rule 8] whose watch is dead unnoticed takes out nobody that its list lacks', async (t) => {
  const { world, c } = three()
  world.unwatching.add('c')
  const d = world.start('d')
  world.run(20_000)
  t.same(world.members().sort(), serving('a', 'b', 'c', 'd'))
  t.equal(d.standing, 'serving')
  world.kill(c, true)
  world.run(500)
  t.same(world.members().sort(), serving('a', 'b', 'd'))
})

t.test('[rule 8] nobody waits for those whose pods went before anybody looked', async (t) => {
  const { world, a, b, c } = three()
  for (const each of [a, b, c]) world.kill(each, true)
  world.start('d')
  world.run(4_500)
  t.same(world.members(), serving('d'), 'sooner than it asks their ports')
})

t.test('[rule 8] a node that falls silent is removed, by witness and probe', async (t) => {
  const { world, b } = three()
  world.kill(b, false)
  world.run(1_500)
  t.equal(world.members().length, 3, 'not before it was silent for long enough')
  world.run(4_500)
  t.same(world.members().sort(), serving('a', 'c'))
})

t.test('[H1] when the mesh is away from everybody, nobody is removed', async (t) => {
  const { world, a, b, c } = three()
  for (const each of [a, b, c]) world.setMesh(each, false)
  world.run(60_000)
  t.same(world.members().sort(), serving('a', 'b', 'c'))
  for (const each of [a, b, c]) world.setMesh(each, true)
  world.run(10_000)
  t.same(world.members().sort(), serving('a', 'b', 'c'))
  t.same([a, b, c].map(({ standing }) => standing), ['serving', 'serving', 'serving'])
})

t.test('[E2] a node that alone is cut off finds out, and is nobody any more', async (t) => {
  const { world, c } = three()
  world.setMesh(c, false)
  world.run(15_000)
  t.equal(c.standing, 'removed')
})

t.test('[rule 10] with the API away nothing moves; a death is mended after', async (t) => {
  const { world, a, b } = three()
  world.isApiUp = false
  for (const each of world.residents.values()) world.input(each, { kind: 'podsAway' })
  world.run(30_000)
  t.same(world.members().sort(), serving('a', 'b', 'c'))
  world.kill(b, false)
  world.run(10_000)
  t.equal(a.standing, 'serving')
  world.isApiUp = true
  world.run(30_000)
  t.same(world.members().sort(), serving('a', 'c'))
})

for (const how of ['takes no writes', 'is away, and no watch says so'] as const) {
  t.test(`[rule 10, A19] the API ${how}: who dies is succeeded all the same`, async (t) => {
    const { world, a, b, c } = three()
    if (how === 'takes no writes') world.isReadOnly = true
    else world.isApiUp = false
    world.kill(b, false)
    world.run(defaultTiming.silenceMs + defaultTiming.unwrittenMs)
    t.same([a.gone, c.gone], [[], []], 'not before a view could have said so')
    world.run(3_000)
    t.same([a.gone, c.gone], [[b.incarnation], [b.incarnation]])
    world.run(600_000)
    t.same([a.gone, c.gone], [[b.incarnation], [b.incarnation]], 'for as long as it takes')
    world.isReadOnly = false
    world.isApiUp = true
    world.run(30_000)
    t.same(world.members().sort(), serving('a', 'c'))
    t.same([a.gone, c.gone], [[], []], 'now the view says so')
  })
}

t.test('[rule 10] who is heard again is gone no longer', async (t) => {
  const { world, a, b, c } = three()
  world.isReadOnly = true
  b.isFrozen = true
  world.run(10_000)
  t.same([a.gone, c.gone], [[b.incarnation], [b.incarnation]])
  b.isFrozen = false
  world.run(2_000)
  t.same([a.gone, b.gone, c.gone], [[], [], []])
  t.equal(b.standing, 'serving')
})

t.test('[rules 8 and 10] many that are silent at once are not gone', async (t) => {
  const { world, a, b, c } = three()
  world.isReadOnly = true
  for (const each of [b, c]) world.kill(each, false)
  world.run(60_000)
  t.same(a.gone, [])
})

t.test('[rules 8 and 10] who dies a minute after another is succeeded too', async (t) => {
  const world = new MembershipWorld()
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((node) => world.start(node))
  world.run(6_000)
  world.isReadOnly = true
  world.kill(b!, false)
  world.run(60_000)
  world.kill(c!, false)
  world.run(60_000)
  const gone = [b!.incarnation, c!.incarnation]
  t.same([a!.gone, d!.gone, e!.gone], [gone, gone, gone])
  world.kill(d!, false)
  world.run(60_000)
  t.same([a!.gone, e!.gone], [[], []], 'two of five may be who is cut off')
  world.isReadOnly = false
  world.run(60_000)
  t.equal(world.members().length, 5, 'and write nobody out')
})

t.test('[rule 7] a write with an unknown outcome is read before anybody is told', async (t) => {
  for (const what of ['unknown, happened', 'unknown, did not'] as const) {
    const { world } = three()
    world.nextWrite = what
    world.start('d')
    world.run(10_000)
    t.same(world.members().sort(), serving('a', 'b', 'c', 'd'), what)
    t.equal(world.versions().length, 1, what)
  }
})

t.test('a node that drains leaves the table first and the view then', async (t) => {
  const { world, c, a } = three()
  world.input(c, { kind: 'drain' })
  world.run(2_000)
  t.equal(c.standing, 'leaving')
  for (let partition = 0; partition < 16; partition++) {
    t.not(masterOf(partition, a.view!)!.node, 'c')
  }
  world.input(c, { kind: 'handedOver' })
  world.run(2_000)
  t.same(world.members().sort(), serving('a', 'b'))
  t.equal(c.standing, 'left')
})

t.test('[rule 7] the first proposer dies: the next one proposes', async (t) => {
  const { world } = three()
  const first = world.residents.get([...world.residents.keys()][0]!)!
  world.kill(first, true)
  world.run(3_000)
  t.equal(world.members().length, 2)
  world.start('e')
  world.run(3_000)
  t.equal(world.members().length, 3)
})

t.test('a zombie that was removed while it stood still finds itself removed', async (t) => {
  const { world, b } = three()
  b.isFrozen = true
  world.run(10_000)
  t.same(world.members().sort(), serving('a', 'c'))
  b.isFrozen = false
  world.run(10_000)
  t.equal(b.standing, 'removed')
  t.same(world.members().sort(), serving('a', 'c'))
})
