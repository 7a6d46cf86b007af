import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { endOf, region, told, workerOf } from './resume-world.ts'

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

t.test('[20] a register that is away is waited for; there is an answer in time', async (t) => {
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
  t.equal(endOf(client), undefined)
})

t.test('[20, B9] a resume that stays undecided is to be tried again; the next try goes on',
  async (t) => {
    for (const isDecidedFirst of [false, true]) {
      const { world, client, register, home, third } = region(`undecided/${isDecidedFirst}`)
      const { connectionId } = client
      workerOf(register).isFrozen = true
      client.drop()
      client.resume(workerOf(third))
      world.run(limits.claimAnswerMs + 10)
      t.match(client.received.at(-1), {
        action: Action.DISCONNECTED, error: { code: 80003, statusCode: 503 }
      })
      t.equal(client.isOpen, false)
      // The first claim is granted meanwhile, or waits before the second one.
      if (isDecidedFirst) {
        world.thaw(workerOf(register))
        world.run(1_000)
      }
      client.resume(workerOf(home))
      world.run(100)
      if (!isDecidedFirst) world.thaw(workerOf(register))
      world.run(3_000)
      t.equal(told(client, connectionId), 'resumed')
    }
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

t.test('[20, D8, E2] a node that leaves sends its clients away; they go on', async (t) => {
  for (const withinMs of [0, 1_000]) {
    const { world, client, home, third, channel } = region(`drain/${withinMs}`)
    const { connectionId } = client
    client.attach(channel)
    world.run(100)
    world.input(workerOf(home), { kind: 'drain', withinMs })
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
  }
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

t.test('[18, B8] a channel without a master: sent away once, told that nobody knows', async (t) => {
  const { world, client, home, register, third, channel } = region('unknown')
  const { connectionId } = client
  workerOf(third).isFrozen = true
  client.publish(channel, 'x')
  world.run(limits.publishOutcomeMs + 100)
  t.equal(endOf(client), 50003)
  for (const node of [home, register]) {
    client.resume(workerOf(node))
    world.run(limits.publishOutcomeMs - 100)
    t.equal(told(client, connectionId), 'resumed')
    if (node === home) client.drop()
  }
  t.same(client.nackCodes, [])
  world.run(200)
  t.same(client.nackCodes, [50003])
  t.ok(client.isOpen)
  world.thaw(workerOf(third))
  world.run(5_000)
  client.publish(channel, 'y')
  world.run(100)
  t.same([client.ackCount, client.flaws], [1, []])
})
