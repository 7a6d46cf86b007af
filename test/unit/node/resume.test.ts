import t from 'tap'
import { ConnectionKeys } from '../../../src/auth/connection-key.ts'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { endOf, region, told, workerOf } from './resume-world.ts'
import { WorldClient } from './world-client.ts'

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
    claim: 0, lineage: undefined, viewVersion: 1, isRecovered: false }
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
  for (let no = 0; no < 9; no++) {
    client.send({ action: Action.HEARTBEAT, id: 'x'.repeat(limits.earlyBytesMax / 8) })
  }
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
