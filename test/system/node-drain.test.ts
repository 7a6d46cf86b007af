/* A node that a person asks to drain by annotation, and asks back. */

import t from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

t.test('ringcast.dev/drain', { skip, timeout: 120_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const nodes = await Promise.all([rig.startNode(0), rig.startNode(1)])
  for (const node of nodes) await rig.untilReady(node)
  const [stays, goes] = await Promise.all(nodes.map((node) => node.state()))
  const subscriber = rig.client(t, 1, [1, 0])
  const publisher = rig.client(t, 0)
  const heard: string[] = []
  const channel = subscriber.channels.get('drained')
  const losses: unknown[] = []
  channel.on('update', ({ resumed, reason }) => {
    if (!resumed) losses.push(reason?.code)
  })
  await channel.subscribe(({ data }) => void heard.push(data))
  await publisher.channels.get('drained').publish('n', 'zero')

  await rig.annotateDrain(1, true)
  await rig.untilServing([stays!.incarnation])
  await publisher.channels.get('drained').publish('n', 'one')
  await until('both are heard', async () => heard.length === 2)
  t.same(heard, ['zero', 'one'], 'nothing is lost or repeated')
  t.same(losses, [])
  t.equal(nodes[1]!.process.ending(), undefined, 'its process goes on')
  const waiting = await rig.untilState(nodes[1]!, 'new', ({ incarnation }) =>
    incarnation !== goes!.incarnation)
  t.ok(waiting.unreadyBecause, 'and waits unready')

  await rig.annotateDrain(1, false)
  await rig.untilReady(nodes[1]!)
  await rig.untilServing([stays!.incarnation, (await nodes[1]!.state()).incarnation])
})

t.test('the only node of a region', { skip, timeout: 120_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const first = await rig.startReadyNode(0)
  const client = rig.client(t, 0)
  const channel = client.channels.get('alone')
  const heard: string[] = []
  await channel.subscribe(({ data }) => void heard.push(data))
  const losses: unknown[] = []
  channel.on(['attached', 'update'], ({ resumed, reason }) => {
    if (!resumed) losses.push(reason?.code)
  })
  await channel.publish('n', 'before')
  const id = client.connection.id
  process.kill(first.process.pid, 'SIGTERM')
  const published = until('it leaves', () => client.connection.state !== 'connected')
    .then(() => channel.publish('n', 'meanwhile'))
  await until('its end', () => first.process.ending() !== undefined)
  t.match(first.log(), /gone \(handed over\)/, 'it does not wait for somebody to take over')
  await rig.startReadyNode(0)
  await published
  await until('both are heard', () => heard.length === 2)
  t.same(heard, ['before', 'meanwhile'])
  t.equal(client.connection.id, id, 'the connection goes on')
  t.same(losses, [])
})
