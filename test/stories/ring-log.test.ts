/** How a ring comes to its log: planned in the view, made by one, and never made twice. */

import t from 'tap'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { MembershipWorld } from './membership-world.ts'

type Resident = ReturnType<MembershipWorld['start']>

const WISH = { streamCount: 6, redundancy: 3 }

function region(...nodes: string[]): { world: MembershipWorld; residents: Resident[] } {
  const world = new MembershipWorld()
  const residents = nodes.map((node) => world.start(node, WISH))
  world.run(5_000)
  return { world, residents }
}

/** The one who was asked to make the log. */
function makerOf(residents: readonly Resident[]): Resident {
  const makers = residents.filter(({ asked }) => asked?.maker !== undefined)
  if (makers.length !== 1) throw new Error(`${makers.length} makers`)
  return makers[0]!
}

function made(world: MembershipWorld, maker: Resident): LogPlan {
  const { generation } = maker.asked!
  world.input(maker, { kind: 'logMade', generation })
  world.run(3_000)
  return maker.view!.log!
}

t.test('[1] one node is asked to make the log, after the view names it', async (t) => {
  const { world, residents } = region('a', 'b', 'c')
  const maker = makerOf(residents)
  const { log } = maker.view!
  t.match(log, { ...WISH, maker: maker.incarnation })
  t.same(maker.asked, log)
  for (const { view } of residents) t.same(view!.log, log, 'all see the same plan')
  const plan = made(world, maker)
  t.same(plan, { generation: log!.generation, ...WISH }, 'once made, nobody may make it')
  for (const { view } of residents) t.same(view!.log, plan)
  t.equal(world.versions().length, 1)
})

t.test('[1] a maker that dies is followed by another, with another generation', async (t) => {
  const { world, residents } = region('a', 'b', 'c')
  const maker = makerOf(residents)
  const first = maker.asked!
  world.kill(maker, true)
  world.run(5_000)
  const next = makerOf(residents.filter((each) => each !== maker))
  t.not(next.asked!.generation, first.generation)
  world.input(next, { kind: 'logMade', generation: first.generation })
  world.run(3_000)
  t.equal(next.view!.log!.maker, next.incarnation, 'what the former made late does not count')
  const plan = made(world, next)
  t.equal(plan.generation, next.asked!.generation)
  t.equal(plan.maker, undefined)
})

t.test('[7] an unknown write of the plan is read, and the same plan goes on', async (t) => {
  for (const outcome of ['unknown, happened', 'unknown, did not'] as const) {
    const world = new MembershipWorld()
    world.nextWrite = outcome
    const residents = ['a', 'b'].map((node) => world.start(node, WISH))
    world.run(8_000)
    const maker = makerOf(residents)
    t.same(maker.view!.log, maker.asked, outcome)
    const plan = made(world, maker)
    for (const { view } of residents) t.same(view!.log, plan, outcome)
  }
})

t.test('[1] whatever happens after, the log that was made stays the log', async (t) => {
  const { world, residents } = region('a', 'b', 'c')
  const plan = made(world, makerOf(residents))
  for (const [at, resident] of residents.entries()) {
    world.kill(resident, at % 2 === 0)
    world.start(`again-${at}`, WISH)
    world.run(10_000)
  }
  const living = [...world.residents.values()].filter(({ isAlive }) => isAlive)
  t.equal(living.length, 3)
  for (const { view, asked } of living) {
    t.same(view!.log, plan)
    t.equal(asked?.maker, undefined, 'and nobody was asked to make another')
  }
})

t.test('[1] all die and start again: the log is that of the object', async (t) => {
  const { world, residents } = region('a', 'b')
  const plan = made(world, makerOf(residents))
  for (const resident of residents) world.kill(resident, true)
  const later = ['a', 'b'].map((node) => world.start(node, WISH))
  world.run(10_000)
  for (const { view } of later) t.same(view!.log, plan)
})

t.test('another redundancy is written once, by the first, when it wants it too', async (t) => {
  const { world, residents } = region('a', 'b')
  const plan = made(world, makerOf(residents))
  const more = { ...WISH, redundancy: 5 }
  const c = world.start('c', more)
  world.run(10_000)
  const joined = c.view!
  world.run(10_000)
  t.same(joined.log, plan, 'a newcomer does not decide')
  t.equal(c.view!.version, joined.version, 'nor does it try')
  const versions: number[] = []
  for (const resident of residents) {
    world.kill(resident, true)
    world.start(`${resident.node}-new`, more)
    world.run(10_000)
    versions.push(c.view!.log!.redundancy)
  }
  t.same(versions, [3, 5])
  t.same(c.asked, { ...plan, redundancy: 5 }, 'and the first is asked to see to the copies')
  const { version } = c.view!
  world.run(10_000)
  t.equal(c.view!.version, version, 'nothing moves any more')
})

t.test('a ring without a wish for a log has none', async (t) => {
  const world = new MembershipWorld()
  const [a] = ['a', 'b'].map((node) => world.start(node))
  world.run(5_000)
  t.equal(a!.view!.log, undefined)
  t.equal(a!.asked, undefined)
})
