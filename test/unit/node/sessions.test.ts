import t from 'tap'
import { AppDirectory } from '../../../src/auth/app.ts'
import { ConnectionKeys } from '../../../src/auth/connection-key.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Tally } from '../../../src/base/tally.ts'
import { Gatekeeper, type GatekeeperPorts } from '../../../src/node/gatekeeper.ts'
import { type FrameSequence, Outbox } from '../../../src/node/outbox.ts'
import { Sessions } from '../../../src/node/sessions.ts'
import { Action } from '../../../src/wire/actions.ts'
import { payloadOf } from '../../../src/wire/frame.ts'
import { WorldClient } from './world-client.ts'
import { APPS, type WorldWorker, WorkerWorld } from './worker-world.ts'
import { oneMeter } from '../../support/meters.ts'

/** One node alone. */
function alone(seed: string): { world: WorkerWorld; worker: WorldWorker } {
  const world = new WorkerWorld(seed, { nodes: 1 })
  world.run(10)
  return { world, worker: world.nodes[0]!.workers[0]! }
}

const codesOf = (client: WorldClient): unknown[] =>
  client.received.map(({ action, error }) => [action, error?.code])

const countOf = (client: WorldClient, action: number): number =>
  client.received.filter((message) => message.action === action).length

t.test('who connects is told who it is; who may not is told why, and let go', async (t) => {
  const { world, worker } = alone('doors')
  const knocks: [Record<string, string>, number, number | undefined][] = [
    [{}, Action.CONNECTED, undefined],
    [{ format: 'msgpack' }, Action.CONNECTED, undefined],
    [{ resume: 'of!before' }, Action.CONNECTED, 80018],
    [{ key: '' }, Action.ERROR, 40101],
    [{ key: 'app.k' }, Action.ERROR, 40101],
    [{ key: 'other.k:secret' }, Action.ERROR, 40101],
    [{ key: 'app.other:secret' }, Action.ERROR, 40101],
    [{ key: 'app.k:Secret' }, Action.ERROR, 40101],
    [{ key: '', accessToken: 'token' }, Action.ERROR, 40145],
    [{ v: '7' }, Action.ERROR, 40017],
    [{ clientId: '*' }, Action.ERROR, 40012],
    [{ format: 'xml' }, Action.ERROR, 40003]
  ]
  for (const [query, action, code] of knocks) {
    const client = new WorldClient(world, { query }).connect(worker)
    world.run(10)
    t.same(codesOf(client), [[action, code]], JSON.stringify(query))
    t.equal(client.isOpen, action === Action.CONNECTED)
    client.drop()
  }
  t.match(worker.tally, { turnedAwayCount: knocks.length - 3 })
})

t.test('before it knows any app a worker sends clients elsewhere', async (t) => {
  const outbox = new Outbox()
  const now = { monoMs: 0, wallMs: 0 }
  const self = { incarnation: 'n', worker: 0, generation: 1 }
  const judge = <T>(proven: T): T => proven
  const gate = new Gatekeeper({ now: () => now, judge } as GatekeeperPorts)
  const sessions = new Sessions({ self, workers: 1, serverId: 's', siteCode: 't' }, {
    channels: undefined as never, events: { onRefused: () => undefined } as never, outbox,
    deadlines: new Deadlines(), random: new Random('ids'),
    gate, connectionKeys: new ConnectionKeys(new Uint8Array(32)), tally: new Tally(),
    meters: oneMeter(), now: () => now,
    viewVersion: () => 0, askRegister: () => undefined, answerRegister: () => undefined
  })
  const said: unknown[] = []
  let isClosed = false
  const socket = {
    write: (batch: FrameSequence) => {
      for (const frame of batch.frames()) said.push(JSON.parse(String(Buffer.from(
        payloadOf(frame)))))
    },
    queuedBytes: 0,
    ping: () => {},
    close: () => {
      isClosed = true
    }
  }
  sessions.onOpened({ socket, query: new Map([['key', 'app.k:secret']]), isTls: false })
  outbox.drainSockets()
  t.match(said, [{ action: Action.DISCONNECTED, error: { statusCode: 503 } }])
  t.ok(isClosed)
  t.equal(sessions.count, 0)
})

t.test('a socket that answers pings lives on; one that does not is dropped', async (t) => {
  const { world, worker } = alone('silence')
  const [lively, dead] = [world.client(world.nodes[0]!), world.client(world.nodes[0]!)]
  dead.answersPings = false
  const talking = world.client(world.nodes[0]!)
  talking.answersPings = false
  for (let second = 0; second < 120; second++) {
    if (second % 20 === 0) talking.send({ action: Action.HEARTBEAT, id: `${second}` })
    world.run(1_000)
  }
  t.ok(lively.isOpen)
  t.ok(talking.isOpen, 'what a client says shows as well that it lives')
  t.notOk(dead.isOpen)
  t.same(codesOf(dead).at(-1), [Action.DISCONNECTED, 80014])
  t.equal(worker.worker.counts().connections, 2)
})

t.test('an idle client hears the server often enough, in the way that it wants', async (t) => {
  const { world, worker } = alone('beats')
  const clients = Array.from({ length: 30 }, () => world.client(world.nodes[0]!))
  const quiet = world.client(world.nodes[0]!, { query: { heartbeats: 'false' } })
  world.run(100)
  const forMs = 10 * limits.maxIdleIntervalMs
  world.run(forMs)
  for (const client of clients) {
    const count = countOf(client, Action.HEARTBEAT)
    if (count < forMs / limits.maxIdleIntervalMs) t.fail(`${count} beats`)
  }
  t.equal(countOf(quiet, Action.HEARTBEAT), 0)
  t.ok(quiet.isOpen, 'pings do for it')
  for (const client of [...clients, quiet]) client.send({ action: Action.CLOSE })
  world.run(2 * limits.metaAskMs)
  t.equal(worker.worker.counts().deadlines, 0, 'nobody is beaten when nobody is there')
  const late = world.client(world.nodes[0]!)
  world.run(limits.maxIdleIntervalMs)
  t.ok(countOf(late, Action.HEARTBEAT) > 0, 'and the next one is again')
})

t.test('[25] a client that reads too slowly is told so and cut, the others are not', async (t) => {
  const { world } = alone('slow')
  const [slow, quick] = [world.client(world.nodes[0]!), world.client(world.nodes[0]!)]
  for (const client of [slow, quick]) client.attach('c')
  world.run(100)
  slow.queuedBytes = limits.socketQueueBytesMax - 10_000
  quick.publish('c', 'a')
  world.run(50)
  t.ok(slow.isOpen, 'up to the bound nothing happens')
  t.same(slow.messages('c'), ['a'])
  slow.queuedBytes = limits.socketQueueBytesMax
  quick.publish('c', 'b')
  world.run(50)
  t.notOk(slow.isOpen, 'at once, not at the next beat')
  t.same(codesOf(slow).at(-1), [Action.DISCONNECTED, 80003])
  t.same(slow.messages('c'), ['a'], 'what there was no room for was not written')
  t.same(quick.messages('c'), ['a', 'b'])
  slow.queuedBytes = 0
  slow.resume(world.nodes[0]!.workers[0]!)
  world.run(1_000)
  t.same(slow.messages('c'), ['a', 'b'], 'it goes on where it was')
})

t.test('draining asks everybody to go, evenly, and lets nobody in', async (t) => {
  const { world, worker } = alone('drain')
  const clients = Array.from({ length: 40 }, () => world.client(world.nodes[0]!))
  world.run(100)
  const openCount = (): number => clients.filter(({ isOpen }) => isOpen).length
  world.input(worker, { kind: 'drain', withinMs: 2_000 })
  world.input(worker, { kind: 'drain', withinMs: 100 })
  const left: number[] = []
  for (let step = 0; step < 5; step++) {
    world.run(400)
    left.push(openCount())
  }
  t.equal(left.at(-1), 0)
  t.same(left, left.toSorted((a, b) => b - a))
  t.ok(left[0]! >= 28 && left[2]! >= 10, `not all at once: ${left.join(' ')}`)
  for (const client of clients) {
    const last = client.received.at(-1)!
    t.match(last, { action: Action.DISCONNECTED, error: { statusCode: 503 } })
  }
  const late = world.client(world.nodes[0]!)
  world.run(100)
  t.match(late.received, [{ action: Action.DISCONNECTED, error: { statusCode: 503 } }])
  t.notOk(late.isOpen)
  world.run(10_000)
  t.match(worker.worker.counts(), { connections: 0, attachments: 0 })
})

t.test('a publish of a client that is asked to go is not lost nor doubled', async (t) => {
  const world = new WorkerWorld('leaving', { nodes: 2 })
  const [a, b] = world.nodes as [never, never]
  const subscriber = world.client(b).attach('c')
  const publisher = world.client(a)
  world.run(100)
  for (let no = 0; no < 10; no++) publisher.publish('c', `m${no}`, `m${no}`)
  world.input(world.nodes[0]!.workers[0]!, { kind: 'drain', withinMs: 0 })
  world.run(1_000)
  t.notOk(publisher.isOpen)
  publisher.connect(world.nodes[1]!.workers[0]!)
  world.run(1_000)
  t.equal(publisher.pendingCount, 0)
  const wanted = Array.from({ length: 10 }, (_, no) => `m${no}`)
  t.same(subscriber.story('c'), ['attached', ...wanted])
  t.same(publisher.flaws, [])
})

t.test('a key that is taken away ends its sessions, and no others', async (t) => {
  const { world, worker } = alone('keys')
  const [app] = APPS.apps
  const second = { ...app!.keys[0]!, id: 'k2' }
  const both = new AppDirectory([{ ...app!, keys: [app!.keys[0]!, second] }], 2)
  world.input(worker, { kind: 'apps', directory: both })
  const kept = world.client(world.nodes[0]!)
  const ended = world.client(world.nodes[0]!, { query: { key: 'app.k2:secret' } }).attach('c')
  world.run(100)
  t.ok(kept.isOpen && ended.isOpen)
  world.input(worker, { kind: 'apps', directory: APPS })
  world.run(100)
  t.ok(kept.isOpen)
  t.notOk(ended.isOpen)
  t.same(codesOf(ended).at(-1), [Action.ERROR, 40101])
  t.match(worker.worker.counts(), { connections: 1, attachments: 0 })
})

t.test('a socket that closed is forgotten with all it was attached to', async (t) => {
  const { world, worker } = alone('closed')
  const client = world.client(world.nodes[0]!).attach('c').attach('d')
  const other = world.client(world.nodes[0]!).attach('c')
  world.run(100)
  t.match(worker.worker.counts(), { connections: 2, attachments: 3 })
  client.publish('c', 'on its way')
  client.drop()
  client.drop()
  world.run(100)
  t.match(worker.worker.counts(), { connections: 1, attachments: 1 })
  t.same(other.messages('c'), ['on its way'])
  t.equal(client.ackCount, 0)
  t.equal(worker.worker.describe().filter((line) => line.startsWith('session')).length, 1)
})

t.test('every connection has an id and a key of its own', async (t) => {
  const { world } = alone('ids')
  const clients = Array.from({ length: 200 }, () => world.client(world.nodes[0]!))
  world.run(100)
  t.equal(new Set(clients.map(({ connectionId }) => connectionId)).size, 200)
  t.equal(new Set(clients.map(({ received }) => received[0]!.connectionKey)).size, 200)
})

t.test('an app at its bound of connections has no more, until one goes', async (t) => {
  const { world, worker } = alone('bounded')
  const [app] = APPS.apps
  const bounded = APPS.replace([{ ...app!, limits: { connectionCountMax: 2, publishRateMax: 7 } }])
  world.input(worker, { kind: 'apps', directory: bounded })
  world.run(10)
  const node = world.nodes[0]!
  const [one, two] = [world.client(node), world.client(node)]
  world.run(10)
  const three = world.client(node)
  world.run(10)
  t.ok(one.isOpen && two.isOpen)
  t.same(codesOf(three), [[Action.DISCONNECTED, 40111]], 'it may come again')
  t.equal(one.received[0]!.connectionDetails!.maxInboundRate, 7)
  one.drop()
  world.run(10)
  three.connect(worker)
  world.run(10)
  t.ok(three.isOpen)
  one.resume(worker)
  world.run(1_000)
  t.ok(one.isOpen, 'who goes on is let in')
  t.match(worker.tally, { appFullCount: 1, turnedAwayCount: 1 })
  const feigned = world.client(node)
  feigned.drop()
  feigned.received.length = 0
  feigned.resume(worker, 'made up')
  world.run(1_000)
  t.same(codesOf(feigned), [[Action.DISCONNECTED, 40111]], 'who only says so is not')
})

t.test('[25] who cannot go on begins nothing new where there is too much to do', async (t) => {
  const { world, worker } = alone('refused')
  const client = world.client(world.nodes[0]!)
  world.run(10)
  const key = client.connectionKey
  client.send({ action: Action.CLOSE })
  world.run(10)
  world.input(worker, { kind: 'strain', strain: {
    lagMs: 0, memoryShare: limits.strainedMemoryShare
  } })
  world.run(10)
  t.ok(worker.worker.strain().isStrained)
  client.received.length = 0
  client.resume(worker, key)
  world.run(1_000)
  t.same(codesOf(client), [[Action.DISCONNECTED, 50004]])
})

t.test('[25] when memory is nearly gone, who is behind with reading has to go', async (t) => {
  const { world, worker } = alone('dire')
  const [slow, quick] = [world.client(world.nodes[0]!), world.client(world.nodes[0]!)]
  world.run(10)
  slow.queuedBytes = limits.direQueueBytesMax + 1
  const strain = { lagMs: 0, memoryShare: limits.direMemoryShare }
  world.input(worker, { kind: 'strain', strain })
  world.run(10)
  t.same(codesOf(slow).at(-1), [Action.DISCONNECTED, 80003])
  t.ok(quick.isOpen)
  const late = world.client(world.nodes[0]!)
  world.run(10)
  t.same(codesOf(late), [[Action.DISCONNECTED, 50004]])
  t.match(worker.tally, { slowCount: 1, busyCount: 1 })
  t.ok(worker.worker.strain().isStrained)
})
