import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { WorldClient } from './world-client.ts'
import { type WorldNode, type WorldOptions, WorkerWorld } from './worker-world.ts'

interface Region {
  readonly world: WorkerWorld
  readonly a: WorldNode
  readonly b: WorldNode
  readonly c: WorldNode
  /** Mastered by b. */
  readonly channel: string
  /** A subscriber on each node, in order. */
  readonly subscribers: WorldClient[]
  /** On a. */
  readonly publisher: WorldClient
  /** Publishes `m<from>` up to `m<to>`, not included. */
  publish(from: number, to: number): string[]
}

/** Three nodes, with a channel that b masters and everybody hears. */
function region(seed: string, options: WorldOptions = {}): Region {
  const world = new WorkerWorld(seed, options)
  const [a, b, c] = world.nodes as [WorldNode, WorldNode, WorldNode]
  const channel = world.channelOf(b)
  const subscribers = [a, b, c].map((node) => world.client(node).attach(channel))
  const publisher = world.client(a, { format: 'msgpack' })
  world.run(100)
  const publish = (from: number, to: number): string[] => {
    const data = Array.from({ length: to - from }, (_, at) => `m${from + at}`)
    for (const each of data) publisher.publish(channel, each, each)
    return data
  }
  return { world, a, b, c, channel, subscribers, publisher, publish }
}

const flawsOf = (clients: WorldClient[]): string[] => clients.flatMap(({ flaws }) => flaws)

t.test('a publish reaches every node, once and in order, in either format', async (t) => {
  for (const workers of [1, 2, 3]) {
    const { world, channel, subscribers, publisher, publish, c } = region('all', { workers })
    const other = world.client(c, { format: 'msgpack' }, workers - 1).attach(channel)
    world.run(50)
    const wanted = publish(0, 30)
    world.run(200)
    t.equal(publisher.ackCount, 30)
    for (const client of [...subscribers, other]) {
      t.same(client.story(channel), ['attached', ...wanted], `${workers} workers`)
    }
    t.same(flawsOf([publisher, other, ...subscribers]), [])
  }
})

t.test('[4] the master\'s node dies with its log: the others are told, and go on', async (t) => {
  const { world, b, channel, subscribers, publisher, publish } = region('death')
  const before = publish(0, 5)
  world.run(100)
  world.kill(b)
  const meanwhile = publish(5, 8)
  world.run(500)
  t.equal(publisher.pendingCount, 3, 'nothing is acknowledged that nobody decided')
  world.remove(b)
  world.run(2_000)
  t.equal(publisher.ackCount, 8)
  t.equal(publisher.pendingCount, 0)
  for (const client of [subscribers[0]!, subscribers[2]!]) {
    t.same(client.story(channel), ['attached', ...before, 'lost', ...meanwhile])
  }
  t.same(flawsOf([publisher, ...subscribers]), [])
})

t.test('[3, A8] a log that outlives its master: nothing is lost, nothing is told', async (t) => {
  for (const afterMs of [0, 1, 2, 3, 5, 8]) {
    const { world, b, channel, subscribers, publisher, publish } =
      region(`outlive/${afterMs}`, { log: 'shared' })
    const wanted = publish(0, 5)
    world.run(afterMs)
    wanted.push(...publish(5, 10))
    world.run(afterMs / 2)
    world.kill(b)
    world.remove(b)
    wanted.push(...publish(10, 12))
    world.run(3_000)
    t.equal(publisher.ackCount, 12, `after ${afterMs} ms`)
    for (const client of [subscribers[0]!, subscribers[2]!]) {
      t.same(client.story(channel), ['attached', ...wanted], `after ${afterMs} ms`)
    }
    t.same(flawsOf([publisher, ...subscribers]), [])
  }
})

t.test('[12, 16] the view moves a channel under its publishes: once each, in order', async (t) => {
  for (const log of ['own', 'shared'] as const) {
    const { world, b, channel, subscribers, publisher, publish } = region(`move/${log}`, { log })
    const wanted: string[] = []
    for (let no = 0; no < 60; no++) {
      wanted.push(...publish(no, no + 1))
      world.run(0.4)
      if (no === 30) world.change({ leaving: new Set([b.member.incarnation]) })
    }
    world.run(3_000)
    t.not(world.masterOf(channel), b)
    t.equal(publisher.ackCount, 60)
    t.same(publisher.nackCodes, [])
    for (const client of subscribers) {
      const lostCount = client.story(channel).filter((word) => word === 'lost').length
      t.equal(lostCount, log === 'own' ? 1 : 0, 'a new lineage is told, and only that')
      const heard = client.messages(channel)
      if (log === 'shared') t.same(heard, wanted)
      const lost = client.story(channel).indexOf('lost')
      const stretches = lost < 0 ? [heard] : [heard.slice(0, lost - 1), heard.slice(lost - 1)]
      for (const stretch of stretches) {
        const first = wanted.indexOf(stretch[0]!)
        t.same(stretch, wanted.slice(first, first + stretch.length), 'no hole, no repeat')
      }
    }
    t.same(flawsOf([publisher, ...subscribers]), [])
  }
})

t.test('[2, A3] a master that stood still finds itself deposed by the log', async (t) => {
  const { world, b, channel, subscribers, publisher, publish } = region('still', { log: 'shared' })
  const wanted = publish(0, 3)
  world.run(100)
  b.isTold = false
  const late = world.client(b)
  world.run(10)
  late.publish(channel, 'late', 'late')
  world.run(0.02)
  b.workers[0]!.isFrozen = true
  world.remove(b)
  world.run(500)
  wanted.push(...publish(3, 6))
  world.run(500)
  world.thaw(b.workers[0]!)
  world.run(500)
  const partition = world.partitionOf(channel)
  const epochs = world.sharedLog.epochs(partition)
  t.same(epochs, epochs.toSorted((x, y) => x - y), 'each epoch is above the one before')
  t.equal(publisher.ackCount, 6)
  const heard = [subscribers[0]!, subscribers[2]!].map((each) => each.messages(channel))
  t.same(heard[0], heard[1])
  t.same(heard[0]!.filter((word) => word !== 'late'), wanted)
  const truth = world.sharedLog.publications(partition, `app/${channel}`)
  t.equal(heard[0]!.length, truth.length, 'what is shown is what the log holds')
})

t.test('[11] a worker\'s heir is joined anew, and knows nothing of before', async (t) => {
  const { world, b, channel, subscribers, publish, publisher } = region('heir')
  const before = publish(0, 3)
  world.run(100)
  subscribers[1]!.drop()
  world.restartWorker(b, 0)
  world.run(1_000)
  const wanted = publish(3, 6)
  world.run(1_000)
  t.equal(publisher.ackCount, 6)
  for (const client of [subscribers[0]!, subscribers[2]!]) {
    t.same(client.story(channel), ['attached', ...before, 'lost', ...wanted])
  }
  t.equal(b.workers[0]!.generation, 2)
  t.same(flawsOf([publisher, ...subscribers]), [])
})

t.test('[C2] an heir that joins before anybody hears of it stays joined', async (t) => {
  for (const workers of [1, 2]) {
    const { world, c, channel, subscribers, publish } = region('early', { workers })
    subscribers[2]!.drop()
    world.restartWorker(c, world.partitionOf(channel) % workers, false)
    const client = world.client(c, {}, workers - 1).attach(channel)
    world.run(3_000)
    const wanted = publish(0, 2)
    world.run(100)
    t.same(client.messages(channel), wanted)
    world.tellView()
    world.run(3_000)
    wanted.push(...publish(2, 4))
    world.run(1_000)
    t.same(client.story(channel), ['attached', ...wanted], `${workers} workers`)
  }
})

t.test('[11, D] a home worker dies: its siblings go on where they stood', async (t) => {
  const world = new WorkerWorld('home', { workers: 2, log: 'shared' })
  const [a, b, c] = world.nodes as [WorldNode, WorldNode, WorldNode]
  const channel = world.channelOf(b, 0)
  const subscriber = world.client(c, {}, 1).attach(channel)
  const publisher = world.client(c, {}, 1)
  world.run(100)
  const wanted = ['x', 'y']
  for (const data of wanted) publisher.publish(channel, data)
  world.run(50)
  world.restartWorker(c, 0)
  for (const data of ['z', 'w']) publisher.publish(channel, data)
  world.run(3_000)
  t.same(subscriber.story(channel), ['attached', ...wanted, 'z', 'w'])
  t.equal(publisher.ackCount, 4)
  const other = world.client(a).attach(channel)
  world.run(100)
  publisher.publish(channel, 'last')
  world.run(100)
  t.same([subscriber.messages(channel).at(-1), other.messages(channel)], ['last', ['last']])
  t.same(flawsOf([subscriber, publisher, other]), [])
})

t.test('[13] a bus that loses and repeats: everything once, in order, soon', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const { world, channel, subscribers, publisher, publish } = region(`bus/${seed}`)
    world.weather = { loss: 0.3, repeat: 0.3, delayMs: 5 }
    const wanted: string[] = []
    for (let no = 0; no < 20; no++) {
      wanted.push(...publish(no, no + 1))
      world.run(10)
    }
    world.weather = { loss: 0, repeat: 0, delayMs: 1 }
    world.run(10_000)
    t.equal(publisher.ackCount, 20)
    for (const client of subscribers) t.same(client.story(channel), ['attached', ...wanted])
    t.same(flawsOf([publisher, ...subscribers]), [])
  }
})

t.test('[C1] the last message before a silent hour arrives though it was lost', async (t) => {
  const { world, b, c, channel, subscribers, publish } = region('tail')
  let isLosing = true
  world.loses = (from, to) => {
    const { incarnation } = b.member
    return isLosing && from.incarnation === incarnation && to.incarnation === c.member.incarnation
  }
  const wanted = publish(0, 1)
  world.run(200)
  isLosing = false
  world.run(3_000)
  t.same(subscribers[2]!.story(channel), ['attached', ...wanted])
})

t.test('[13] an idle region says nothing, and nothing waits', async (t) => {
  const { world, publish, subscribers, channel } = region('idle', { workers: 2 })
  publish(0, 10)
  world.run(10_000)
  let frameCount = 0
  world.loses = () => {
    frameCount++
    return false
  }
  world.run(3_600_000)
  t.equal(frameCount, 0)
  for (const { workers } of world.nodes) {
    for (const { worker } of workers) t.equal(worker.counts().unconfirmedBytes, 0)
  }
  publish(10, 11)
  world.run(100)
  t.equal(subscribers[2]!.messages(channel).length, 11, 'and then all is as it was')
})

t.test('nothing is left of those who went, neither groups nor clients nor deadlines', async (t) => {
  const { world, subscribers, publisher, publish } = region('gone', { workers: 2 })
  publish(0, 5)
  world.run(100)
  for (const client of [...subscribers, publisher]) client.drop()
  world.run(limits.idKeptMs + limits.idleChannelMs + 60_000)
  for (const { workers } of world.nodes) {
    for (const { worker } of workers) {
      const { partitions, ...counts } = worker.counts()
      t.same(counts, { connections: 0, attachments: 0, groups: 0, clients: 0,
        channels: 0, registered: 0, questions: 0, parked: 0,
        requests: 0, comet: 0, unconfirmedBytes: 0, deadlines: 0, waiting: 0 })
      t.same(worker.describe().filter((line) => !/^partition .* 0 channels/.test(line)), [])
    }
  }
})

t.test('[10] the View is frozen and its master gone: the next owner takes over', async (t) => {
  const { world, b, channel, subscribers, publisher, publish } = region('frozen', { log: 'shared' })
  const wanted = publish(0, 3)
  world.run(100)
  world.kill(b)
  wanted.push(...publish(3, 5))
  world.tellView(new Set([b.member.incarnation]))
  world.run(2_000)
  t.equal(publisher.ackCount, 5)
  world.remove(b)
  world.run(1_000)
  wanted.push(...publish(5, 7))
  world.run(1_000)
  for (const client of [subscribers[0]!, subscribers[2]!]) {
    t.same(client.story(channel), ['attached', ...wanted])
  }
})

t.test('[7] one that was removed and lives on is heard by nobody any more', async (t) => {
  const { world, a, b, c, channel, publish, publisher } = region('zombie')
  c.isTold = false
  world.remove(c)
  world.run(100)
  const zombie = world.client(c).attach(channel)
  zombie.publish(channel, 'from the grave')
  world.run(limits.publishOutcomeMs + 2_000)
  t.equal(zombie.ackCount, 0)
  t.notOk(zombie.isOpen, 'its client is sent to somebody who can answer')
  world.kill(c)
  publish(0, 20)
  world.run(60_000)
  t.equal(publisher.ackCount, 20)
  for (const { workers } of [a, b]) t.equal(workers[0]!.worker.counts().unconfirmedBytes, 0)
})

t.test('[18, H] with the mesh away nothing is decided, and clients are told in time', async (t) => {
  const { world, c, channel, subscribers, publisher, publish } = region('away')
  world.loses = () => true
  publish(0, 3)
  const late = world.client(c).attach('elsewhere').attach(world.channelOf(world.nodes[0]!))
  world.run(limits.attachAnswerMs + 1_000)
  t.equal(publisher.ackCount, 0)
  t.notOk(publisher.isOpen, 'the outcome is unknown: the client is to come again')
  t.ok(subscribers.every((client) => client.isOpen), 'nobody else is cut off')
  t.ok(late.story(world.channelOf(world.nodes[0]!)).includes('detached'))
  world.loses = () => false
  publisher.connect(world.nodes[0]!.workers[0]!)
  world.run(10_000)
  t.equal(publisher.ackCount, 3)
  t.same(subscribers[2]!.messages(channel), ['m0', 'm1', 'm2'], 'once each: the ids are known')
  t.same(flawsOf([publisher, ...subscribers]), [])
})

t.test('[19, C4] a client that comes back elsewhere gets just what it missed', async (t) => {
  const { world, a, b, channel, subscribers, publish } = region('back')
  const wanted = publish(0, 4)
  world.run(100)
  const client = subscribers[2]!
  client.drop()
  wanted.push(...publish(4, 9))
  world.run(100)
  client.connect(a.workers[0]!)
  world.run(100)
  wanted.push(...publish(9, 11))
  world.run(100)
  client.drop()
  client.connect(b.workers[0]!)
  world.run(100)
  t.same(client.messages(channel), wanted)
  t.equal(client.story(channel).filter((word) => word === 'resumed').length, 2)
  t.same(client.flaws, [])
})
