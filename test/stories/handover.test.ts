import t from 'tap'
import { limits } from '../../src/base/limits.ts'
import { MembershipWorld } from './membership-world.ts'

const SHORT_MS = 60

/** Three nodes that serve, of whom each view lets two partitions move as planned. */
function three(t: { teardown(run: () => unknown): unknown }) {
  const former = limits.handoversPerView
  Object.assign(limits, { handoversPerView: 2 })
  t.teardown(() => Object.assign(limits, { handoversPerView: former }))
  const world = new MembershipWorld()
  const [a, b, c] = ['a', 'b', 'c'].map((node) => world.start(node)) as [
    ReturnType<MembershipWorld['start']>, ReturnType<MembershipWorld['start']>,
    ReturnType<MembershipWorld['start']>
  ]
  world.run(6_000)
  return { world, a, b, c }
}

/** The shares of `nodes` after every view that is written within `forMs`. */
function sharesOf(world: MembershipWorld, forMs: number, ...nodes: string[]): string[] {
  const shares: string[] = []
  for (let ms = 0; ms < forMs; ms++) {
    world.run(1)
    const share = nodes.map((node) => `${node} ${world.shareOf(node)}`).join(', ')
    if (shares.at(-1) !== share) shares.push(share)
  }
  return shares
}

t.test('[12] a node that drains is emptied two by two, within a moment', async (t) => {
  const { world, c } = three(t)
  world.input(c, { kind: 'drain' })
  t.same(sharesOf(world, SHORT_MS, 'c'), ['c 5', 'c 3', 'c 1', 'c 0'])
  t.same(world.members(), ['a:serving', 'b:serving', 'c:leaving'])
})

t.test('[12] the next step waits for the receivers, and not for ever', async (t) => {
  const { world, a, b, c } = three(t)
  for (const each of [a, b]) world.unsettled.add(each.incarnation)
  world.input(c, { kind: 'drain' })
  t.same(sharesOf(world, 300, 'c'), ['c 5'], 'announced, and not read yet')
  for (const each of [a, b]) world.settle(each)
  t.same(sharesOf(world, SHORT_MS, 'c'), ['c 5', 'c 3'])
  t.same(sharesOf(world, 1_200, 'c'), ['c 3', 'c 1', 'c 0'], 'half a second for each step')
})

t.test('[I] a node that joins meanwhile waits; a death does not', async (t) => {
  const { world, b, c } = three(t)
  for (const { incarnation } of world.residents.values()) world.unsettled.add(incarnation)
  world.input(c, { kind: 'drain' })
  world.run(SHORT_MS)
  world.start('d')
  world.run(300)
  t.same(world.members(), ['a:serving', 'b:serving', 'c:leaving'])
  world.kill(b, true)
  world.run(SHORT_MS)
  t.same(world.members(), ['a:serving', 'c:leaving', 'd:joining'])
  t.equal(world.shareOf('a') + world.shareOf('c'), 16, 'all that it had at once')
  world.unsettled.clear()
  world.run(5_000)
  t.same(world.members(), ['a:serving', 'c:leaving', 'd:serving'])
  t.same([world.shareOf('a'), world.shareOf('c'), world.shareOf('d')], [8, 0, 8])
})

t.test('[A17] a node that dies while it is emptied is taken over, all at once', async (t) => {
  const { world, c } = three(t)
  world.input(c, { kind: 'drain' })
  world.run(20)
  const left = world.shareOf('c')
  t.ok(left > 0 && left <= 5, `${left} are left`)
  world.kill(c, true)
  world.run(20)
  t.same(world.members(), ['a:serving', 'b:serving'])
  t.equal(world.shareOf('a') + world.shareOf('b'), 16)
})

t.test('[7] the proposer dies between two steps, and the next one goes on', async (t) => {
  const { world, a, c } = three(t)
  world.unsettled.add(a.incarnation)
  world.input(c, { kind: 'drain' })
  world.run(20)
  world.kill(a, true)
  world.run(4_000)
  t.same(world.members(), ['b:serving', 'c:leaving'])
  t.equal(world.shareOf('c'), 0)
  t.equal(world.shareOf('b'), 16)
})
