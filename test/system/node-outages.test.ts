/*
Three real nodes while what they depend on is away: the Kubernetes API, then NATS. Nobody is
removed for it, clients keep their sockets, and what is started meanwhile waits.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { defaultTiming } from '../../src/ring/timing.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { type NodeProcess, NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)
/** How long NATS is away: silence has been noticed by then, and peers asked if it is only ours. */
const AWAY_MS = defaultTiming.cutOffMs + 1_500

interface Region {
  readonly rig: NodeRig
  readonly nodes: NodeProcess[]
}

t.test('outages', { skip, timeout: 180_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const nodes = await Promise.all([0, 1, 2].map((index) => rig.startReadyNode(index)))
  const region = { rig, nodes }
  await t.test('[10] the API is away: traffic goes on, a dead master is succeeded', (t) =>
    testApiAway(t, region))
  await t.test('[10, A13, H1] NATS is away: nobody is removed, and it goes on afterwards', (t) =>
    testNatsAway(t, region))
  await t.test('[10] the API is away unnoticed: a dead master is succeeded', (t) =>
    testApiUnheard(t, region))
  await t.test('[7] all die at once: those who come back find the ring and go on', (t) =>
    testAllDead(t, region))
})

async function testApiAway(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const names = incarnations.flatMap((incarnation) =>
    rig.channelsOf(incarnation, view, 1, 'api-'))
  const [, staying = '', orphaned = ''] = names
  const subscriber = rig.client(t, 0)
  const drops = countDrops(subscriber)
  const heard: string[] = []
  const losses: string[] = []
  for (const name of names) {
    const channel = subscriber.channels.get(name)
    await channel.subscribe(({ data }) => void heard.push(`${name} ${data}`))
    channel.on('update', ({ reason }) => void losses.push(`${name} ${reason?.code}`))
  }
  await rig.apiGate.shut()
  await until('all of them miss it', () => nodes.every((node) => /watching pods/.test(node.log())))
  const publisher = rig.client(t, 1)
  for (const name of names) await publisher.channels.get(name).publish('n', 'away')
  await publisher.channels.get('api-new').attach()
  await until('all are heard', () => heard.length === names.length)
  for (const node of nodes) t.equal((await node.state()).unreadyBecause, undefined)

  // The view cannot be written, yet the next owner in the table takes over.
  await nodes[2]!.process.kill()
  await publisher.channels.get(orphaned).publish('n', 'inherited')
  await publisher.channels.get(orphaned).publish('n', 'after')
  await publisher.channels.get(staying).publish('n', 'after')
  await until('all go on', () => [orphaned, staying].every((name) =>
    heard.includes(`${name} after`)))
  t.same(losses, [], 'what its log holds is not lost')
  t.equal((await rig.view())?.version, view.version, 'the view is frozen')

  await rig.apiGate.open()
  await rig.untilServing(incarnations.slice(0, 2))
  // The view that is now written may share out anew what was inherited.
  await publisher.channels.get(orphaned).publish('n', 'back')
  await until('it goes on', () => heard.includes(`${orphaned} back`))
  const all = ['away', 'inherited', 'after', 'back'].map((data) => `${orphaned} ${data}`)
  t.same(heard.filter((words) => words.startsWith(`${orphaned} `)), all)
  t.same(losses, [])
  t.equal(drops(), 0, 'sockets stayed')
}

async function testNatsAway(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes.slice(0, 2))
  const view = await rig.untilServing(incarnations)
  // Their master and subscriber are on one side of the mesh, their publisher on the other.
  const names = rig.channelsOf(incarnations[0]!, view, 8, 'nats-')
  const [subscriber, publisher] = [rig.client(t, 0), rig.client(t, 1)]
  const drops = [countDrops(subscriber), countDrops(publisher)]
  const heard = new Map(names.map((name) => [name, [] as string[]]))
  const losses = new Set<string>()
  for (const name of names) {
    const channel = subscriber.channels.get(name)
    await channel.subscribe(({ data }) => void heard.get(name)!.push(data))
    channel.on('update', () => void losses.add(name))
  }
  const publishAll = (data: string) => Promise.all(names.map((name) =>
    publisher.channels.get(name).publish('n', data)))
  await publishAll('before')

  await rig.stopNats()
  for (const node of nodes.slice(0, 2)) {
    const { unreadyBecause } = await rig.untilState(node, 'without mesh', (state) =>
      !state.isMeshUp)
    t.equal(unreadyBecause, 'the mesh is down')
  }
  const awaySinceMs = performance.now()
  const starting = nodes[2] = await rig.startNode(2)
  const { unreadyBecause } = await rig.untilState(starting, 'waiting', (state) =>
    state.unreadyBecause === 'waiting for the mesh')
  t.ok(unreadyBecause)
  await testGivingUp(t, rig)
  await until('all patience has run out', () => performance.now() > awaySinceMs + AWAY_MS)
  t.match(starting.log(), /NATS at \S+ cannot be used/)
  t.equal((await rig.view())?.version, view.version, 'nobody wrote anything')

  const during = publishAll('during')
  await rig.startNats()
  await during
  await rig.untilReady(starting)
  const [incarnation = ''] = await incarnationsOf([starting])
  const after = await rig.untilServing([...incarnations, incarnation])
  t.notOk(after.tombstones.some((tombstone) => incarnations.includes(tombstone.incarnation)))
  for (const node of nodes.slice(0, 2)) await rig.untilReady(node)
  await publishAll('after')
  await until('all are heard', () => names.every((name) => heard.get(name)!.includes('after')))
  // The newcomer took some of them over, and nobody needs to know.
  for (const name of names) {
    t.same(heard.get(name), ['before', 'during', 'after'])
    t.notOk(losses.has(name))
  }
  t.same(drops.map((count) => count()), [0, 0], 'sockets stayed')
}

async function testApiUnheard(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const [orphaned = ''] = rig.channelsOf(incarnations[1]!, view, 1, 'unheard-')
  const client = rig.client(t, 0)
  const channel = client.channels.get(orphaned)
  const heard: string[] = []
  await channel.subscribe(({ data }) => void heard.push(data))
  const missedCounts = nodes.map(({ log }) => log().split('watching pods').length)

  rig.apiGate.isSwallowing = true
  await nodes[1]!.process.kill()
  await channel.publish('n', 'inherited')
  await until('it is heard', () => heard.length > 0)
  t.equal((await rig.view())?.version, view.version, 'the view is frozen')
  t.same(nodes.map(({ log }) => log().split('watching pods').length), missedCounts)

  rig.apiGate.isSwallowing = false
  await rig.untilServing([incarnations[0]!, incarnations[2]!])
  nodes[1] = await rig.startReadyNode(1)
  await channel.publish('n', 'back')
  await until('it is heard too', () => heard.length > 1)
  t.same(heard, ['inherited', 'back'])
}

async function testAllDead(t: Test, { rig, nodes }: Region): Promise<void> {
  const former = await rig.untilServing(await incarnationsOf(nodes))
  const client = rig.client(t, 0, [0, 1])
  const channel = client.channels.get('all-dead')
  const heard: string[] = []
  await channel.subscribe(({ data }) => void heard.push(data))
  const attachedAgain = new Promise<Ably.ChannelStateChange>((resolve) => {
    channel.on('attached', (change) => resolve(change))
  })
  await Promise.all(nodes.map((node) => node.process.kill()))
  // The third stays away, its pod does not: nobody who is listed lives to say that it is silent.
  const back = await Promise.all([0, 1].map((index) => rig.startReadyNode(index)))
  const view = await rig.untilServing(await incarnationsOf(back))
  t.ok(view.version > former.version, 'the number goes on')
  const buried = new Set(view.tombstones.map(({ incarnation }) => incarnation))
  for (const { incarnation } of former.members) t.ok(buried.has(incarnation))
  t.match(await attachedAgain, { resumed: true }, 'the log outlives every node')
  await rig.client(t, 1).channels.get('all-dead').publish('n', 'after')
  await until('it is heard', () => heard.length > 0)
  t.same(heard, ['after'])
}

/** A node that waits can be asked to end like any other. */
async function testGivingUp(t: Test, rig: NodeRig): Promise<void> {
  const waiting = await rig.startNode(3)
  await rig.untilState(waiting, 'waiting', (state) =>
    state.unreadyBecause === 'waiting for the mesh')
  process.kill(waiting.process.pid, 'SIGTERM')
  await until('it has ended', () => waiting.process.ending() !== undefined)
  t.equal(waiting.process.ending(), 'ended with code 0')
  await rig.deletePod(3)
}

/** How often the client has lost its connection so far. */
function countDrops(client: Ably.Realtime): () => number {
  let count = 0
  client.connection.on('disconnected', () => void count++)
  return () => count
}

async function incarnationsOf(nodes: readonly NodeProcess[]): Promise<string[]> {
  const states = await Promise.all(nodes.map((node) => node.state()))
  return states.map(({ incarnation }) => incarnation)
}
