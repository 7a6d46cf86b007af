import t, { type Test } from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { WorldNode, WorldOptions } from './worker-world.ts'
import { WorkerWorld } from './worker-world.ts'
import { memberOn, type WorldMember } from './world-member.ts'

interface Region {
  readonly world: WorkerWorld
  readonly nodes: readonly [WorldNode, WorldNode, WorldNode]
  /** Mastered by the second node. */
  readonly channel: string
  /** One on each node; each has entered under its own name, `a`, `b`, `c`. */
  readonly members: readonly [WorldMember, WorldMember, WorldMember]
}

const NAMES = ['a', 'b', 'c'] as const
const ALL = ['a x', 'b x', 'c x']

function region(seed: string, options: WorldOptions = {}): Region {
  const world = new WorkerWorld(seed, options)
  const nodes = world.nodes as unknown as Region['nodes']
  const channel = world.channelOf(nodes[1])
  const formats = ['json', 'msgpack', 'json'] as const
  const members = nodes.map((node, at) => {
    const workerNo = at % node.workers.length
    return memberOn(node, world, channel, { format: formats[at]! }, workerNo)
  }) as unknown as Region['members']
  world.run(200)
  for (const [at, member] of members.entries()) member.enter(NAMES[at]!, 'x')
  world.run(200)
  return { world, nodes, channel, members }
}

/** What must never be heard of somebody who was there all the time. */
function leavesOf(member: WorldMember, ...names: string[]): string[] {
  return member.events.filter((event) => {
    const [what, name] = event.split(' ')
    return (what === 'leave' || what === 'gone') && names.includes(name!)
  })
}

function noFlaws(t: Test, members: readonly WorldMember[]): void {
  t.same(members.flatMap(({ flaws }) => flaws), [])
}

t.test('[21] one set for all nodes, in either format, for who was there and who comes later',
  async (t) => {
    for (const workers of [1, 2, 3]) {
      const { world, nodes, channel, members } = region(`one/${workers}`, { workers })
      for (const member of members) {
        t.same(member.set(), ALL, `${workers} workers`)
        t.equal(member.ackCount, 1)
      }
      const late = nodes.map((node) => memberOn(node, world, channel, { format: 'msgpack' }))
      world.run(200)
      for (const member of late) {
        t.same(member.set(), ALL)
        t.same(member.events.sort(), ['present a x', 'present b x', 'present c x'])
        t.notOk(member.isSyncing)
      }
      members[0].leave('a')
      members[1].enter('b', 'y')
      world.run(200)
      for (const member of [...members, ...late]) t.same(member.set(), ['b y', 'c x'])
      noFlaws(t, [...members, ...late])
    }
  })

t.test('[D7] the master dies with its log: a new lineage, and nobody present has ever left',
  async (t) => {
    const { world, nodes, channel, members } = region('lineage')
    const [a, , c] = members
    const watcher = memberOn(nodes[0], world, channel)
    world.run(100)
    world.kill(nodes[1])
    world.remove(nodes[1])
    world.run(limits.rollMs + 2_000)
    for (const member of [a, c, watcher]) {
      t.ok(member.story(channel).includes('lost'))
      t.same(member.set(), ['a x', 'c x'])
      t.same(leavesOf(member, 'a', 'c'), [])
      t.notOk(member.isSyncing)
    }
    const late = memberOn(nodes[2], world, channel)
    world.run(200)
    t.same(late.set(), ['a x', 'c x'])
    noFlaws(t, [a, c, watcher, late])
  })

t.test('[21] a log that outlives the master: the set is there at once, the dead stay 15 s',
  async (t) => {
    const { world, nodes, channel, members } = region('outlives', { log: 'shared' })
    const [a, , c] = members
    world.run(300_000)
    world.kill(nodes[1])
    world.remove(nodes[1])
    world.run(1_000)
    const late = memberOn(nodes[2], world, channel)
    world.run(1_000)
    t.same(late.set(), ALL)
    for (const member of [a, c]) t.same(member.set(), ALL)
    t.same(a.story(channel), ['attached'], 'nobody was told of anything')
    world.run(limits.presenceGraceMs)
    for (const member of [a, c, late]) {
      t.same(member.set(), ['a x', 'c x'])
      t.same(leavesOf(member, 'a', 'c'), [])
    }
    noFlaws(t, [a, c, late])
  })

t.test('[21] another node dies: its members leave after their grace', async (t) => {
  const { world, nodes, members } = region('other')
  world.kill(nodes[2])
  world.remove(nodes[2])
  world.run(limits.presenceGraceMs - 1_000)
  t.same(members[0].set(), ALL)
  world.run(2_000)
  for (const member of members.slice(0, 2)) t.same(member.set(), ['a x', 'b x'])
})

t.test('[21] a lost socket: 15 s, or what the client has said; DETACH and CLOSE: at once',
  async (t) => {
    const { world, nodes, channel, members } = region('sockets')
    const query = { remainPresentFor: '3000' }
    const brief = memberOn(nodes[0], world, channel, { query })
    const none = memberOn(nodes[0], world, channel, { query: { remainPresentFor: '0' } })
    world.run(100)
    brief.enter('brief', 'x')
    none.enter('none', 'x')
    world.run(100)
    const [a, b, c] = members
    t.equal(b.set().length, 5)
    for (const member of [a, brief, none]) member.drop()
    world.run(100)
    t.same(b.set(), ['a x', 'b x', 'brief x', 'c x'])
    world.run(3_000)
    t.same(b.set(), ALL)
    world.run(limits.presenceGraceMs - 4_000)
    t.same(b.set(), ALL)
    world.run(2_000)
    t.same(b.set(), ['b x', 'c x'])
    c.send({ action: 7 })
    world.run(100)
    t.same(b.set(), ['b x'])
    const d = memberOn(nodes[2], world, channel)
    world.run(100)
    d.enter('d', 'x')
    d.detach(channel)
    world.run(100)
    t.same(b.set(), ['b x'])
    t.ok(b.events.includes('leave d x'))
  })

t.test('the connection\'s members leave with its last attachment to the channel', async (t) => {
  const { world, channel, members: [a, b] } = region('twice')
  a.attach(`[?]${channel}`)
  world.run(100)
  a.detach(`[?]${channel}`)
  world.run(100)
  t.same(b.set(), ALL)
  a.detach(channel)
  world.run(100)
  t.same(b.set(), ['b x', 'c x'])
})

t.test('[17] frames lost and repeated on the way: each op is one event', async (t) => {
  const { world, members } = region('weather')
  world.weather = { loss: 0.3, repeat: 0.3, delayMs: 30 }
  for (let round = 0; round < 10; round++) {
    for (const [at, member] of members.entries()) member.enter(NAMES[at]!, `${round}`)
    world.run(300)
  }
  world.weather = { loss: 0, repeat: 0, delayMs: 1 }
  world.run(10_000)
  const wanted = members[0].events
  t.equal(wanted.filter((event) => event.startsWith('update')).length, 30)
  for (const member of members) {
    t.same(member.set(), ['a 9', 'b 9', 'c 9'])
    t.equal(member.ackCount, 11)
    for (const name of NAMES) {
      const updates = member.events.filter((event) => event.startsWith(`update ${name}`))
      t.same(updates, Array.from({ length: 10 }, (_, round) => `update ${name} ${round}`))
    }
  }
  noFlaws(t, members)
})

t.test('the home worker starts anew: members of the others stay, and nobody hears of it',
  async (t) => {
    const world = new WorkerWorld('home', { workers: 2, log: 'shared' })
    const [a, b] = world.nodes as [WorldNode, WorldNode]
    // At home on worker 0 of every node; the members are on the other worker.
    const channel = world.channelOf(b, 0)
    const members = [a, b].map((node) => memberOn(node, world, channel, {}, 1))
    world.run(200)
    for (const [at, member] of members.entries()) member.enter(NAMES[at]!, 'x')
    world.run(200)
    for (const node of [a, b]) {
      world.restartWorker(node, 0)
      members[0]!.enter('a', `during ${node.member.node}`)
      world.run(3 * limits.presenceGraceMs)
      const wanted = [`a during ${node.member.node}`, 'b x']
      for (const member of members) {
        t.same(member.set(), wanted)
        t.same(leavesOf(member, 'a', 'b'), [])
      }
    }
    noFlaws(t, members)
  })

t.test('the worker of a member starts anew: the member leaves after the grace', async (t) => {
  const { world, nodes, members: [a, b] } = region('worker')
  world.restartWorker(nodes[2], 0)
  world.run(limits.presenceGraceMs - 1_000)
  t.same(a.set(), ALL)
  world.run(3_000)
  for (const member of [a, b]) t.same(member.set(), ['a x', 'b x'])
})

t.test('SYNC: a client may ask, and is told the whole set in pages', async (t) => {
  const { world, nodes, channel, members: [a] } = region('pages')
  for (let no = 0; no < 250; no++) a.enter(`m${no}`, 'x')
  world.run(500)
  const late = memberOn(nodes[2], world, channel)
  world.run(200)
  const syncs = () => late.received.filter(({ action }) => action === 16)
  t.equal(late.set().length, 253)
  t.same(syncs().map(({ presence }) => presence!.length), [100, 100, 53])
  const cursors = syncs().map(({ channelSerial }) => channelSerial!.split(':'))
  t.equal(new Set(cursors.map(([syncId]) => syncId)).size, 1)
  t.match(cursors.map(([, cursor]) => cursor), [/./, /./, ''])
  late.send({ action: 16, channel })
  world.run(200)
  t.equal(syncs().length, 6)
  t.equal(late.set().length, 253)
})

t.test('[C5] who comes back to the channel hears what he missed, and then who is there',
  async (t) => {
    const { world, nodes, channel, members: [a, b, c] } = region('back')
    c.drop()
    a.leave('a')
    world.run(100)
    b.enter('b', 'y')
    world.run(200)
    c.connect(nodes[0].workers[0]!)
    world.run(300)
    t.ok(c.story(channel).includes('resumed'))
    t.same(c.events.slice(-3, -1), ['leave a x', 'update b y'])
    // Under its new connection it is there a second time until the grace of the first is over.
    t.same(c.set(), ['b y', 'c x', 'c x'])
    world.run(limits.presenceGraceMs)
    t.same(c.set(), ['b y', 'c x'])
    noFlaws(t, [a, b, c])
  })
