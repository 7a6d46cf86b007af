/*
Three real nodes with a real NATS and a real API server: how they find together, and what clients
see when one of them goes. One region lives through all of it; each part leaves three nodes behind.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { runCommand } from '../support/command-line.ts'
import { missingTools } from '../support/tools.ts'
import { type NodeProcess, NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

/** The region as the parts hand it on: the process of each pod. */
interface Region {
  readonly rig: NodeRig
  readonly nodes: NodeProcess[]
}

t.test('nodes', { skip, timeout: 180_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const region: Region = { rig, nodes: [] }
  await t.test('two nodes started at once from an empty ring agree; a third joins', (t) =>
    testBeginning(t, region))
  await t.test('ringcast ring shows it', (t) => testRingCommand(t, region))
  for (const useBinaryProtocol of [false, true]) {
    const format = useBinaryProtocol ? 'MessagePack' : 'JSON'
    await t.test(`1,000 messages over channels of every master, in order (${format})`, (t) =>
      testMessages(t, region, useBinaryProtocol))
  }
  await t.test('[8] a killed node whose pod stays is removed by silence; its channels move', (t) =>
    testKilled(t, region))
  await t.test('[8] a killed node whose pod is gone is removed by that fact', (t) =>
    testPodGone(t, region))
  await t.test('[8] a container that restarts at once: its former life is removed at once', (t) =>
    testRestarted(t, region))
  await t.test('[11, E2, E3] a stopped node is removed; it wakes as a new incarnation', (t) =>
    testStopped(t, region))
  await t.test('[12] SIGTERM drains: clients are told and move on, the process exits 0', (t) =>
    testDrain(t, region))
})

async function testBeginning(t: Test, { rig, nodes }: Region): Promise<void> {
  nodes.push(...await Promise.all([rig.startReadyNode(0), rig.startReadyNode(1)]))
  const view = await rig.untilServing(await incarnationsOf(nodes))
  for (const node of nodes) {
    const { viewVersion } = await rig.untilState(node, 'up to date', (state) =>
      state.viewVersion >= view.version)
    t.equal(viewVersion, view.version)
  }
  nodes.push(await rig.startReadyNode(2))
  const whole = await rig.untilServing(await incarnationsOf(nodes))
  t.same(whole.tombstones, [], 'nobody was removed on the way')
  t.same(whole.members.map(({ host }) => host).sort(), nodes.map(({ host }) => host))
  t.equal(whole.partitionCount, 4_096)
}

async function testRingCommand(t: Test, { rig, nodes }: Region): Promise<void> {
  const ring = (...args: string[]) => runCommand(t, ['ring', ...args], {
    env: { KUBECONFIG: rig.kubeconfigPath }
  })
  const { code, output, errors } = await ring('--region', 'eu', '--namespace', 'default')
  t.same({ code, errors }, { code: 0, errors: '' })
  const [title, head, ...rows] = output.trimEnd().split('\n').map((line) => line.split(/\s+/))
  t.match(title, ['view', /^\d+$/])
  t.match(head, ['NODE', 'STATE', 'ZONE', 'WORKERS', 'PARTITIONS'])
  t.same(rows.map(([node]) => node).sort(), nodes.map(({ name }) => name))
  t.ok(rows.every(([, state]) => state === 'serving'))
  const shares = rows.map(([, , , , share]) => Number(share))
  t.equal(shares.reduce((sum, share) => sum + share, 0), 4_096)
  t.ok(Math.max(...shares) - Math.min(...shares) < 4_096 / 10, `shared out evenly: ${shares}`)
  const [absent, forbidden] = await Promise.all([
    ring('--region', 'none'), ring('--region', 'eu', '--namespace', 'kube-system')
  ])
  t.match(absent, {
    code: 1, output: '', errors: /^ringcast: no RealtimeRing default\/none\n$/
  })
  t.match(forbidden, { code: 1, output: '', errors: /^ringcast: .*forbidden.*\n$/ })
}

async function testMessages(t: Test, region: Region, useBinaryProtocol: boolean): Promise<void> {
  const { rig, nodes } = region
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const names = incarnations.flatMap((incarnation) =>
    rig.channelsOf(incarnation, view, 4, `messages-${useBinaryProtocol}-`))
  const received = new Map(names.map((name) => [name, [] as string[]]))
  const subscriber = rig.client(t, 2, [2], { useBinaryProtocol })
  await Promise.all(names.map((name) => subscriber.channels.get(name)
    .subscribe(({ data }) => void received.get(name)!.push(data))))
  const publisher = rig.client(t, 0, [0], { useBinaryProtocol })
  const sent = new Map(names.map((name) => [name, [] as string[]]))
  const acknowledged: Promise<unknown>[] = []
  for (let number = 0; number < 1_000; number++) {
    const name = names[number % names.length]!
    sent.get(name)!.push(`m${number}`)
    acknowledged.push(publisher.channels.get(name).publish('n', `m${number}`))
  }
  await Promise.all(acknowledged)
  const countOf = (texts: Map<string, string[]>): number => [...texts.values()].flat().length
  await until('all are there', () => countOf(received) >= 1_000)
  t.same(received, sent, 'per channel in order, none lost or repeated')
}

async function testKilled(t: Test, region: Region): Promise<void> {
  const { rig, nodes } = region
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const [moving = ''] = rig.channelsOf(incarnations[2]!, view, 1, 'killed-')
  const [staying = ''] = rig.channelsOf(incarnations[1]!, view, 1, 'killed-')
  const far = await Listener.on(rig.client(t, 0), [moving, staying])
  // Its node dies under it, and with it the master of one of its channels.
  const bereft = await Listener.on(rig.client(t, 2, [0, 1, 2]), [moving, staying])
  const publisher = rig.client(t, 1).channels
  await publisher.get(moving).publish('n', 'before')
  await publisher.get(staying).publish('n', 'before')
  await until('both have both', () => [far, bereft].every(({ heard }) =>
    heard.get(moving)!.length === 1 && heard.get(staying)!.length === 1))

  const { id } = bereft.client.connection
  await nodes[2]!.process.kill()
  // Nobody masters the channel now: this waits for the next master and is never refused.
  const during = publisher.get(moving).publish('n', 'during')
  await rig.untilServing(incarnations.slice(0, 2))
  t.match(evidenceIn(nodes, incarnations[2]!), /silent, and its private port too/)
  await during
  await until('it has reconnected', () => bereft.client.connection.state === 'connected')
  t.not(hostOf(bereft.client), rig.hostOf(2), 'another host')
  t.equal(bereft.client.connection.id, id, 'and the same connection')
  await until('attached there', () => [moving, staying].every((name) =>
    bereft.client.channels.get(name).state === 'attached'))
  await publisher.get(moving).publish('n', 'after')
  await publisher.get(staying).publish('n', 'after')
  await until('all go on', () => [far, bereft].every(({ heard }) =>
    [moving, staying].every((name) => heard.get(name)!.includes('after'))))
  for (const { heard } of [far, bereft]) {
    t.same(heard.get(moving), ['before', 'during', 'after'], 'the log outlives its master')
    t.same(heard.get(staying), ['before', 'after'])
  }
  t.same([...far.losses.values()].flat(), [], 'so nothing is announced as lost')

  nodes[2] = await rig.startReadyNode(2)
  await rig.untilServing(await incarnationsOf(nodes))
}

async function testPodGone(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const [moving = ''] = rig.channelsOf(incarnations[1]!, view, 1, 'gone-')
  const listener = await Listener.on(rig.client(t, 0), [moving])
  await nodes[1]!.process.kill()
  await rig.deletePod(1)
  await rig.untilServing([incarnations[0]!, incarnations[2]!])
  t.match(evidenceIn([nodes[0]!, nodes[2]!], incarnations[1]!), /its pod is gone/)
  await rig.client(t, 2).channels.get(moving).publish('n', 'after')
  await until('it goes on', () => listener.heard.get(moving)!.includes('after'))
  t.same(listener.losses.get(moving), [])

  nodes[1] = await rig.startReadyNode(1)
  const { tombstones } = await rig.untilServing(await incarnationsOf(nodes))
  t.ok(tombstones.some(({ incarnation }) => incarnation === incarnations[1]))
}

async function testRestarted(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  await rig.untilServing(incarnations)
  await nodes[0]!.process.kill()
  nodes[0] = await rig.startReadyNode(0)
  const now = await incarnationsOf(nodes)
  t.not(now[0], incarnations[0])
  await rig.untilServing(now)
  t.match(evidenceIn(nodes, incarnations[0]!), /its container ended|a newer incarnation was heard/)
}

async function testStopped(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const [moving = ''] = rig.channelsOf(incarnations[2]!, view, 1, 'stopped-')
  const far = await Listener.on(rig.client(t, 0), [moving])
  const near = await Listener.on(rig.client(t, 2, [0, 1, 2]), [moving])
  const publisher = rig.client(t, 1).channels.get(moving)
  await publisher.publish('n', 'before')
  await until('both have it', () =>
    [far, near].every(({ heard }) => heard.get(moving)!.length === 1))
  const disconnected = near.client.connection.once('disconnected')
  const { id } = near.client.connection
  const { process: stopped } = nodes[2]!
  process.kill(stopped.pid, 'SIGSTOP')
  try {
    await rig.untilServing(incarnations.slice(0, 2))
    await publisher.publish('n', 'meanwhile')
    await until('the others go on', () => far.heard.get(moving)!.includes('meanwhile'))
  } finally {
    process.kill(stopped.pid, 'SIGCONT')
  }
  t.match((await disconnected).reason, { statusCode: 503 })
  const { incarnation } = await rig.untilState(nodes[2]!, 'new', (state) =>
    state.unreadyBecause === undefined && state.incarnation !== incarnations[2])
  await rig.untilServing([...incarnations.slice(0, 2), incarnation])
  t.equal(stopped.ending(), undefined, 'the same process')
  await until('its client is back', () => near.client.connection.state === 'connected' &&
    near.client.channels.get(moving).state === 'attached')
  t.equal(near.client.connection.id, id, 'the same connection')
  await publisher.publish('n', 'after')
  await until('all have it', () => [far, near].every(({ heard }) =>
    heard.get(moving)!.includes('after')))
  for (const { heard, losses } of [far, near]) {
    t.same(heard.get(moving), ['before', 'meanwhile', 'after'])
    t.same(losses.get(moving), [], 'what was said while it slept is in the log')
  }
}

async function testDrain(t: Test, { rig, nodes }: Region): Promise<void> {
  const incarnations = await incarnationsOf(nodes)
  const view = await rig.untilServing(incarnations)
  const [moving = ''] = rig.channelsOf(incarnations[2]!, view, 1, 'drain-')
  const clients = Array.from({ length: 4 }, () => rig.client(t, 2, [0, 1, 2]))
  const listeners = await Promise.all(clients.map((client) => Listener.on(client, [moving])))
  const ids = clients.map(({ connection }) => connection.id)
  const told = clients.map(async ({ connection }) => {
    const { reason } = await connection.once('disconnected')
    return reason
  })
  process.kill(nodes[2]!.process.pid, 'SIGTERM')
  for (const reason of await Promise.all(told)) {
    t.match(reason, { statusCode: 503, message: /leaving/ })
  }
  await rig.untilServing(incarnations.slice(0, 2))
  t.match(evidenceIn(nodes, incarnations[2]!), /handed over/)
  await until('it has ended', () => nodes[2]!.process.ending() !== undefined)
  t.equal(nodes[2]!.process.ending(), 'ended with code 0')
  await until('all are elsewhere', () => clients.every((client) =>
    client.connection.state === 'connected' && hostOf(client) !== rig.hostOf(2) &&
    client.channels.get(moving).state === 'attached'))
  t.same(clients.map(({ connection }) => connection.id), ids, 'the same connections')
  await rig.client(t, 1).channels.get(moving).publish('n', 'after')
  await until('all hear', () => listeners.every(({ heard }) =>
    heard.get(moving)!.includes('after')))
}

/** A client that notes what it hears, and the losses it is told of, by channel. */
class Listener {
  readonly client: Ably.Realtime
  readonly heard = new Map<string, string[]>()
  readonly losses = new Map<string, { resumed: boolean; code: number | undefined }[]>()

  private constructor(client: Ably.Realtime) {
    this.client = client
  }

  static async on(client: Ably.Realtime, names: readonly string[]): Promise<Listener> {
    const listener = new Listener(client)
    await Promise.all(names.map((name) => listener.#listen(name)))
    return listener
  }

  async #listen(name: string): Promise<void> {
    const heard: string[] = []
    const losses: { resumed: boolean; code: number | undefined }[] = []
    this.heard.set(name, heard)
    this.losses.set(name, losses)
    const channel = this.client.channels.get(name)
    await channel.subscribe(({ data }) => void heard.push(data))
    channel.on(['attached', 'update'], ({ resumed, reason }) => {
      if (!resumed) losses.push({ resumed, code: reason?.code })
    })
  }
}

async function incarnationsOf(nodes: readonly NodeProcess[]): Promise<string[]> {
  const states = await Promise.all(nodes.map((node) => node.state()))
  return states.map(({ incarnation }) => incarnation)
}

/** Why `incarnation` was removed, in the words of whoever proposed it. */
function evidenceIn(nodes: readonly NodeProcess[], incarnation: string): string {
  const pattern = new RegExp(`proposing view \\d+: .*?${incarnation} gone \\(([^)]*)\\)`)
  const logs = nodes.map((node) => node.log()).join('\n')
  return pattern.exec(logs)?.[1] ?? 'nobody proposed it'
}

/** The host that the client's transport is connected to. */
function hostOf(client: Ably.Realtime): string {
  const { connectionManager } = client.connection as unknown as {
    connectionManager: { activeProtocol?: { transport: { params: { host: string } } } }
  }
  return connectionManager.activeProtocol?.transport.params.host ?? ''
}
