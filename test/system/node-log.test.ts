/*
Real nodes whose logs are on three real nats-servers: what clients see when servers die, one or all
of them, and when the log cannot be made as it should be.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts'
import { missingTools } from '../support/tools.ts'
import { type NodeProcess, NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)
const CHANNEL_COUNT = 12

interface Region {
  readonly rig: NodeRig
  readonly cluster: NatsCluster
  readonly nodes: NodeProcess[]
}

t.test('logs', { skip, timeout: 180_000 }, async (t) => {
  const cluster = await startNatsCluster(3)
  t.teardown(() => cluster.stop())
  const rig = await NodeRig.start(t, { nats: cluster })
  const region: Region = { rig, cluster, nodes: [] }
  await t.test('[A15] no node is ready before every copy of the log is there', (t) =>
    testBeginning(t, region))
  await t.test('[A8, H1] servers die, one and then all: nothing that was acknowledged is lost',
    (t) => testServersDie(t, region))
})

async function testBeginning(t: Test, { rig, cluster, nodes }: Region): Promise<void> {
  await cluster.kill(2)
  nodes.push(...await Promise.all([rig.startNode(0), rig.startNode(1)]))
  const waiting = await rig.untilState(nodes[0]!, 'named', ({ unreadyBecause = '' }) =>
    /^the log: /.test(unreadyBecause) || /the log is being made by/.test(unreadyBecause))
  t.ok(waiting.unreadyBecause)
  const { log } = await until('a plan', async () => rig.view().then((view) => view?.log && view))
  t.match(log, { redundancy: 3, maker: /eu-/ })
  await cluster.start(2)
  for (const node of nodes) await rig.untilReady(node)
  const made = (await rig.view())!.log
  t.same(made, { generation: log!.generation, streamCount: 6, redundancy: 3 })
}

async function testServersDie(t: Test, { rig, cluster }: Region): Promise<void> {
  const [subscriber, publisher] = [rig.client(t, 0), rig.client(t, 1)]
  const names = Array.from({ length: CHANNEL_COUNT }, (_, no) => `logs-${no}`)
  const heard = new Map(names.map((name) => [name, [] as string[]]))
  const losses: string[] = []
  for (const name of names) {
    const channel = subscriber.channels.get(name)
    await channel.subscribe(({ data }) => void heard.get(name)!.push(data))
    channel.on(['attached', 'update'], ({ resumed }) => {
      if (!resumed) losses.push(name)
    })
  }
  const sayAll = async (data: string): Promise<void> => {
    await Promise.all(names.map((name) => said(publisher.channels.get(name), data)))
    await until(`${data} is heard`, () => names.every((name) => heard.get(name)!.includes(data)))
  }
  await sayAll('before')
  await cluster.kill(0)
  await sayAll('without one')
  await cluster.start(0)
  await sayAll('with it again')
  await Promise.all([0, 1, 2].map((index) => cluster.kill(index)))
  await Promise.all([0, 1, 2].map((index) => cluster.start(index)))
  await sayAll('after all died')
  const all = ['before', 'without one', 'with it again', 'after all died']
  // A publish whose outcome is not known in time is published again, by the test.
  for (const name of names) t.same([...new Set(heard.get(name))], all, name)
  t.same(losses, [])
}

async function said(channel: Ably.RealtimeChannel, data: string): Promise<void> {
  await until(`${channel.name} takes ${data}`, async () => {
    return await channel.publish('n', data).then(() => true, () => false)
  })
}
