import t from 'tap'
import { ConnectionKeys } from '../../../src/auth/connection-key.ts'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { masterOf } from '../../../src/ring/view.ts'
import { partitionOf } from '../../../src/base/hash.ts'
import { WorldClient } from './world-client.ts'
import { type WorldNode, type WorldOptions, type WorldWorker, WorkerWorld }
  from './worker-world.ts'

interface Region {
  readonly world: WorkerWorld
  readonly nodes: readonly [WorldNode, WorldNode, WorldNode]
  /** On the first node, which does not master what the connection or `channel` fall into. */
  readonly client: WorldClient
  /** The register of the client's connection. */
  readonly register: WorldNode
  readonly home: WorldNode
  /** Neither of both. */
  readonly third: WorldNode
  readonly channel: string
}

/** Three nodes and a client; its home, its register and the third are three. */
function region(seed: string, options: WorldOptions = {}): Region {
  const world = new WorkerWorld(seed, { log: 'shared', ...options })
  const nodes = world.nodes as [WorldNode, WorldNode, WorldNode]
  world.run(20)
  const home = nodes[0]
  for (;;) {
    const client = world.client(home)
    world.run(20)
    const register = registerOf(world, client)
    if (register === home) {
      client.send({ action: Action.CLOSE })
      continue
    }
    const third = nodes.find((node) => node !== home && node !== register)!
    return { world, nodes, client, register, home, third, channel: world.channelOf(third) }
  }
}

function registerOf(world: WorkerWorld, { connectionId }: WorldClient): WorldNode {
  const { partitionCount } = world.view
  const { incarnation } = masterOf(partitionOf(connectionId, partitionCount), world.view)!
  return world.nodes.find(({ member }) => member.incarnation === incarnation)!
}

const workerOf = (node: WorldNode): WorldWorker => node.workers[0]!

/** What the last CONNECTED said: `resumed`, or the code of why not. */
function told(client: WorldClient, connectionId: string): unknown {
  const connected = client.received.findLast(({ action }) => action === Action.CONNECTED)!
  if (connected.connectionId === connectionId) return connected.error?.code ?? 'resumed'
  return connected.error?.code ?? 'new'
}

/** How its last socket was ended, if it was. */
const endOf = (client: WorldClient): unknown =>
  client.received.findLast(({ action }) => action === Action.DISCONNECTED)?.error?.code

t.test('[20] resumed on any node: the same connection with a new key, and no error', async (t) => {
  const { world, nodes, client } = region('anywhere')
  const { connectionId } = client
  const keys = new Set([client.connectionKey])
  for (const node of [...nodes, ...nodes]) {
    client.drop()
    world.run(5)
    client.resume(workerOf(node))
    world.run(100)
    t.equal(told(client, connectionId), 'resumed')
    t.ok(client.isOpen)
    keys.add(client.connectionKey)
  }
  t.equal(keys.size, 7)
  t.same(client.flaws, [])
})

t.test('[18, 20] what was not answered is sent again, and taken once', async (t) => {
  for (const [afterMs, to] of [[0, 0], [1, 1], [2, 2], [3, 0], [4, 1], [6, 2]] as const) {
    const { world, nodes, client, third, channel } = region(`pending/${afterMs}`)
    const subscriber = world.client(third).attach(channel)
    client.attach(channel)
    world.run(100)
    const wanted: string[] = []
    for (let no = 0; no < 10; no++) {
      client.publish(channel, `m${no}`)
      wanted.push(`m${no}`)
    }
    world.run(afterMs)
    client.drop()
    client.resume(workerOf(nodes[to]))
    world.run(500)
    client.publish(channel, 'after')
    wanted.push('after')
    world.run(500)
    t.equal(client.ackCount, 11, `after ${afterMs} ms`)
    t.equal(client.pendingCount, 0)
    t.same(subscriber.messages(channel), wanted)
    t.same(client.messages(channel), wanted, 'and its channel went on where it was')
    t.same(client.story(channel).filter((each) => each === 'lost'), [])
    t.same([...client.flaws, ...subscriber.flaws], [])
  }
})

t.test('[20] a socket that was half open is told that another one carries on', async (t) => {
  for (const to of [0, 1, 2]) {
    const { world, nodes, client } = region(`half-open/${to}`)
    const { connectionId, connectionKey } = client
    const other = world.client(nodes[2])
    world.run(20)
    other.drop()
    other.resume(workerOf(nodes[to]!), connectionKey, 'recover')
    world.run(100)
    t.equal(told(other, connectionId), 'resumed')
    t.equal(endOf(client), 80016)
    t.notOk(client.isOpen)
    t.ok(other.isOpen)
  }
})

t.test('[20, D2] CONNECTED was lost: the old key is good until the new one is used', async (t) => {
  const { world, nodes, client } = region('lost')
  const { connectionId, connectionKey } = client
  for (const at of [1, 2, 0]) {
    client.drop()
    client.resume(workerOf(nodes[at]!), connectionKey)
    world.run(100)
    t.equal(told(client, connectionId), 'resumed')
  }
  client.send({ action: Action.HEARTBEAT, id: 'x' })
  world.run(100)
  const thief = world.client(nodes[1])
  world.run(20)
  thief.drop()
  thief.resume(workerOf(nodes[2]), connectionKey, 'recover')
  world.run(100)
  t.equal(told(thief, connectionId), 80018)
  t.ok(client.isOpen, 'who has the newer key goes on')
  client.drop()
  thief.drop()
  thief.resume(workerOf(nodes[1]), connectionKey)
  world.run(100)
  t.equal(told(thief, connectionId), 80018, 'also while nobody is there')
})

t.test('[20, D2] two processes with one stored key: one goes on, one begins anew', async (t) => {
  const { world, nodes, client, channel, third } = region('two')
  const subscriber = world.client(third).attach(channel)
  client.publish(channel, 'first')
  world.run(100)
  const { connectionId } = client
  client.drop()
  const processes = [nodes[1], nodes[2]].map((node, at) => {
    const each = new WorldClient(world).recover(workerOf(node), client)
    world.run(50)
    each.publish(channel, `of process ${at}`)
    world.run(100)
    return each
  })
  t.same(processes.map((each) => told(each, connectionId)), ['resumed', 80018])
  t.same(subscriber.messages(channel), ['first', 'of process 0', 'of process 1'])
  t.same(processes.map(({ ackCount }) => ackCount), [1, 1])
})

t.test('[20] closed, or expired: a new connection, and why', async (t) => {
  for (const [how, code] of [['closed', 80017], ['expired', 80008]] as const) {
    const { world, nodes, client } = region(how)
    const { connectionId } = client
    if (how === 'closed') client.send({ action: Action.CLOSE })
    else client.drop()
    world.run(how === 'closed' ? 10 : limits.connectionStateTtlMs + 10)
    client.resume(workerOf(nodes[1]))
    world.run(100)
    t.equal(told(client, connectionId), code)
    t.not(client.connectionId, connectionId)
    client.publish('x', 'and it works')
    world.run(100)
    t.equal(client.ackCount, 1)
  }
})

t.test('[20] just before it expires it is resumed, and has its time in full again', async (t) => {
  const { world, nodes, client } = region('almost')
  const { connectionId } = client
  for (const node of [nodes[1], nodes[2], nodes[0], nodes[1]]) {
    client.drop()
    world.run(limits.connectionStateTtlMs - 1_000)
    client.resume(workerOf(node))
    world.run(500)
    t.equal(told(client, connectionId), 'resumed')
  }
})

t.test('[20] keys that are none, of others, and with other credentials', async (t) => {
  const { world, nodes, client, home } = region('keys')
  const { connectionId } = client
  const life = { incarnation: home.member.incarnation, worker: 0, generation: 1 }
  const facts = { connectionId, appId: 'app', keyName: 'app.k', clientId: '*', home: life,
    claim: 0, lineage: undefined }
  const ours = new ConnectionKeys(new Uint8Array(32))
  const foreign = new ConnectionKeys(new Uint8Array(32).fill(1))
  for (const [key, code] of [
    ['nonsense', 80018],
    [`${connectionId}!secret`, 80018],
    [foreign.issue(facts), 80018],
    [ours.issue({ ...facts, appId: 'other', keyName: 'other.k' }), 80011],
    [ours.issue({ ...facts, keyName: 'app.other' }), 80011],
    [ours.issue({ ...facts, clientId: 'ann' }), 40102],
    [ours.issue(facts), 'resumed']
  ] as const) {
    const other = world.client(nodes[1])
    world.run(20)
    other.drop()
    other.resume(workerOf(nodes[1]), key)
    world.run(100)
    t.equal(told(other, connectionId), code)
    t.ok(other.isOpen, 'never fatal')
    t.equal(client.isOpen, code !== 'resumed', 'and nobody else is disturbed')
  }
})

t.test('[20, D1] the home is paused: its client goes on elsewhere; waking, it ends', async (t) => {
  const { world, client, home, third, channel } = region('paused')
  const { connectionId, connectionKey } = client
  client.attach(channel)
  world.run(100)
  workerOf(home).isFrozen = true
  const other = world.client(third)
  world.run(20)
  other.drop()
  other.resume(workerOf(third), connectionKey)
  world.run(limits.holderAnswerMs / 2)
  t.not(other.connectionId, connectionId, 'the home is asked first')
  world.run(limits.holderAnswerMs)
  t.equal(told(other, connectionId), 'resumed')
  t.ok(client.isOpen)
  world.thaw(workerOf(home))
  world.run(10_000)
  t.equal(endOf(client), 80016)
  t.ok(other.isOpen)
})

t.test('[20, D3] the home died: resumed at once when that is known, soon when not', async (t) => {
  for (const isKnown of [true, false]) {
    const { world, client, home, third } = region(`died/${isKnown}`)
    const { connectionId } = client
    world.kill(home)
    if (isKnown) world.remove(home)
    client.resume(workerOf(third))
    world.run(isKnown ? 100 : limits.holderAnswerMs + 100)
    t.equal(told(client, connectionId), 'resumed')
  }
})

t.test('[20, D3] the home died too long ago: the session is not honoured', async (t) => {
  for (const ago of [-1_000, 1_000]) {
    const { world, client, home, third } = region(`ago/${ago}`)
    const { connectionId } = client
    world.kill(home)
    world.remove(home)
    world.run(limits.connectionStateTtlMs + ago)
    client.resume(workerOf(third))
    world.run(1_000)
    t.equal(told(client, connectionId), ago < 0 ? 'resumed' : 80008)
  }
})

t.test('[11, 20] the home\'s worker died: its sessions live on, for their time', async (t) => {
  for (const ago of [-1_000, 1_000]) {
    const { world, client, home, third } = region(`worker/${ago}`)
    const { connectionId } = client
    world.restartWorker(home, 0)
    world.run(limits.connectionStateTtlMs + ago)
    client.resume(workerOf(third))
    world.run(1_000)
    t.equal(told(client, connectionId), ago < 0 ? 'resumed' : 80008)
  }
})

t.test('[20] a register that is away is waited for; the client has an answer in time', async (t) => {
  const { world, client, register, third } = region('away')
  const { connectionId } = client
  workerOf(register).isFrozen = true
  client.drop()
  client.resume(workerOf(third))
  world.run(limits.claimAnswerMs - 1_000)
  t.not(client.received.at(-1)?.error?.code, 80008, 'it waits rather than fail')
  world.thaw(workerOf(register))
  world.run(3_000)
  t.equal(told(client, connectionId), 'resumed')
  workerOf(register).isFrozen = true
  client.drop()
  client.resume(workerOf(third))
  world.run(limits.claimAnswerMs + 10)
  t.equal(told(client, connectionId), 80008)
  t.ok(client.isOpen)
})

t.test('[20, A17] the register dies in the middle: the next one knows, or is asked', async (t) => {
  for (let afterMs = 0; afterMs < 12; afterMs++) {
    const { world, client, register, home, third } = region(`middle/${afterMs}`)
    const { connectionId, connectionKey } = client
    client.drop()
    client.resume(workerOf(third))
    world.run(afterMs)
    world.kill(register)
    world.remove(register)
    world.run(5_000)
    t.equal(told(client, connectionId), 'resumed', `${afterMs} ms`)
    client.send({ action: Action.HEARTBEAT, id: 'x' })
    world.run(1_000)
    const thief = world.client(home)
    world.run(20)
    thief.drop()
    thief.resume(workerOf(home), connectionKey)
    world.run(2_000)
    t.equal(told(thief, connectionId), 80018)
    t.ok(client.isOpen)
  }
})

t.test('[20, 4] the register lost its log: what it had claimed cannot go on', async (t) => {
  const { world, client, register, home, third } = region('lineage', { log: 'own' })
  const { connectionId } = client
  client.drop()
  client.resume(workerOf(third))
  world.run(100)
  t.equal(told(client, connectionId), 'resumed')
  const { connectionKey } = client
  world.kill(register)
  world.remove(register)
  world.run(100)
  const other = world.client(home)
  world.run(20)
  other.drop()
  other.resume(workerOf(home), connectionKey)
  world.run(2_000)
  t.equal(told(other, connectionId), 80008)
  t.equal(endOf(client), 80016, 'and the old session is ended')
})

t.test('[20, D8] a node that leaves sends its clients away; they go on elsewhere', async (t) => {
  const { world, client, home, third, channel } = region('drain')
  const { connectionId } = client
  client.attach(channel)
  world.run(100)
  world.input(workerOf(home), { kind: 'drain', withinMs: 1_000 })
  world.run(2_000)
  t.notOk(client.isOpen)
  t.match(client.received.at(-1), { action: Action.DISCONNECTED, error: { statusCode: 503 } })
  client.resume(workerOf(third))
  world.run(100)
  t.equal(told(client, connectionId), 'resumed')
  client.drop()
  world.kill(home)
  world.remove(home)
  world.run(100)
  client.resume(workerOf(third))
  world.run(100)
  t.equal(told(client, connectionId), 'resumed')
  t.same(client.story(channel), ['attached', 'resumed', 'resumed'])
})

t.test('[20] a socket that goes while it waits: the same key is good elsewhere', async (t) => {
  const { world, client, register, nodes, third } = region('impatient')
  const { connectionId, connectionKey } = client
  client.drop()
  workerOf(register).isFrozen = true
  client.resume(workerOf(third), connectionKey)
  world.run(100)
  client.drop()
  world.thaw(workerOf(register))
  world.run(100)
  client.resume(workerOf(nodes[0]), connectionKey)
  world.run(100)
  t.equal(told(client, connectionId), 'resumed')
})

t.test('[25] a client that does not wait for CONNECTED is heard, up to a bound', async (t) => {
  const { world, client, third, channel } = region('early')
  const { connectionId } = client
  client.drop()
  client.resume(workerOf(third))
  client.send({ action: Action.MESSAGE, channel, msgSerial: 0, messages: [{ data: 'early' }] })
  world.run(200)
  t.match(client.received.at(-1), { action: Action.ACK, msgSerial: 0 })
  t.equal(told(client, connectionId), 'resumed')
  client.drop()
  client.resume(workerOf(third))
  for (let no = 0; no <= limits.earlyFramesMax; no++) client.send({ action: Action.HEARTBEAT })
  world.run(200)
  t.equal(endOf(client), 80003)
})

t.test('[20] nothing is left of those who went', async (t) => {
  const { world, client, third } = region('left')
  client.drop()
  client.resume(workerOf(third))
  world.run(100)
  client.send({ action: Action.HEARTBEAT })
  world.run(100)
  client.drop()
  world.run(limits.idKeptMs + limits.idleChannelMs + 60_000)
  for (const { workers } of world.nodes) {
    const { worker } = workers[0]!
    t.match(worker.counts(), { connections: 0, deadlines: 0, unconfirmedBytes: 0 })
    t.same(worker.describe().filter((line) => !/^partition .* 0 channels/.test(line)), [])
  }
})
