import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { type WorldNode, type WorldOptions, WorkerWorld } from './worker-world.ts'
import { memberOn, type WorldMember } from './world-member.ts'

interface Scene {
  readonly world: WorkerWorld
  readonly nodes: readonly [WorldNode, WorldNode, WorldNode]
  /** Present as `ann x`, at the first node. */
  readonly ann: WorldMember
  /** At the third node, which has heard of her entering. */
  readonly watcher: WorldMember
}

/** The second node masters the channel. */
function scene(seed: string, options: WorldOptions = {}): Scene {
  const world = new WorkerWorld(seed, { log: 'shared', ...options })
  const nodes = world.nodes as unknown as Scene['nodes']
  const channel = world.channelOf(nodes[1])
  const ann = memberOn(nodes[0], world, channel)
  const watcher = memberOn(nodes[2], world, channel, { format: 'msgpack' })
  world.run(300)
  ann.enter('ann', 'x')
  world.run(300)
  watcher.events.length = 0
  return { world, nodes, ann, watcher }
}

for (const [where, at] of [['the same', 0], ['another', 1]] as const) {
  t.test(`[D4] a connection that is resumed on ${where} node in time never flickers`, async (t) => {
    const { world, nodes, ann, watcher } = scene(`resume/${at}`)
    const { connectionId } = ann
    ann.drop()
    world.run(limits.presenceGraceMs - 2_000)
    ann.resume(nodes[at].workers[0]!)
    world.run(3 * limits.presenceGraceMs)
    t.equal(ann.connectionId, connectionId)
    t.same(watcher.set(), ['ann x'])
    t.same(watcher.events, [], 'and nobody has heard of anything')
    ann.enter('ann', 'y')
    world.run(300)
    t.same(watcher.set(), ['ann y'])
    ann.drop()
    world.run(limits.presenceGraceMs + 1_000)
    t.same(watcher.set(), [], 'its new home counts its grace')
    t.same([...ann.flaws, ...watcher.flaws], [])
  })
}

t.test('[D5] resumed after the grace: it has left, and is there again', async (t) => {
  const { world, nodes, ann, watcher } = scene('late')
  const { connectionId } = ann
  ann.drop()
  world.run(limits.presenceGraceMs + 5_000)
  t.same(watcher.events, ['leave ann x'])
  ann.resume(nodes[1].workers[0]!)
  world.run(2_000)
  t.equal(ann.connectionId, connectionId)
  t.same(watcher.events, ['leave ann x', 'enter ann x'])
  t.same(watcher.set(), ['ann x'])
  t.same(ann.set(), ['ann x'])
})

t.test('[D4] the old home is paused: it wakes when the connection lives on elsewhere',
  async (t) => {
    const { world, nodes, ann, watcher } = scene('paused')
    const [home] = nodes[0].workers
    home!.isFrozen = true
    ann.drop()
    world.run(1_000)
    ann.resume(nodes[1].workers[0]!)
    world.run(limits.connectionStateTtlMs)
    world.thaw(home!)
    world.run(3 * limits.presenceGraceMs)
    const isResumed = watcher.events.length === 0
    t.same(watcher.set(), ['ann x'], 'her home\'s leaves and lists mean nothing')
    t.ok(isResumed || watcher.events.at(-1) === 'enter ann x')
  })

t.test('[D4] the old home dies after that: nobody leaves', async (t) => {
  const { world, nodes, ann, watcher } = scene('dies')
  ann.drop()
  world.run(1_000)
  ann.resume(nodes[1].workers[0]!)
  world.run(2_000)
  world.kill(nodes[0])
  world.remove(nodes[0])
  world.run(3 * limits.presenceGraceMs)
  t.same(watcher.set(), ['ann x'])
  t.same(watcher.events, [])
})

t.test('[D3] the home dies, and the connection is resumed within the grace', async (t) => {
  const { world, nodes, ann, watcher } = scene('home')
  const { connectionId } = ann
  world.kill(nodes[0])
  world.remove(nodes[0])
  ann.drop()
  world.run(2_000)
  ann.resume(nodes[1].workers[0]!)
  world.run(3 * limits.presenceGraceMs)
  t.equal(ann.connectionId, connectionId)
  t.same(watcher.set(), ['ann x'])
  t.same(watcher.events, [])
})

t.test('[D2] two with one key: who is superseded does not take the member along', async (t) => {
  const { world, nodes, ann, watcher } = scene('two')
  const other = memberOn(nodes[1], world, ann.channel)
  world.run(200)
  other.drop()
  other.own.set('ann', 'x')
  other.recover(nodes[1].workers[0]!, ann)
  world.run(3 * limits.presenceGraceMs)
  t.notOk(ann.isOpen)
  t.equal(other.connectionId, ann.connectionId)
  t.same(watcher.set(), ['ann x'])
  t.notOk(watcher.events.some((event) => event.startsWith('leave')), watcher.events.join())
})

t.test('CLOSE after a resume: at once', async (t) => {
  const { world, nodes, ann, watcher } = scene('close')
  ann.drop()
  world.run(1_000)
  ann.resume(nodes[1].workers[0]!)
  world.run(1_000)
  ann.send({ action: 7 })
  world.run(300)
  t.same(watcher.events, ['leave ann x'])
  world.run(3 * limits.presenceGraceMs)
  t.same(watcher.events, ['leave ann x'], 'and the former home has nothing to add')
})
