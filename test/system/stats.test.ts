/* Statistics of three real nodes, kept in a real NATS: over orderly ends, and after a kill. */

import { setTimeout as delay } from 'node:timers/promises'
import type * as Ably from 'ably'
import t from 'tap'
import { limits } from '../../src/base/limits.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

/** What a node that is killed may not have written. */
const LOST_MS = 10_000
const CHANNEL_COUNT = 12
const NAME = 'messages.inbound.realtime.messages.count'

/** What is told by a client, of all that there is. */
async function counted(client: Ably.Realtime): Promise<number> {
  const { items } = await client.stats({ unit: 'month' })
  return items.reduce((sum, { entries }) => sum + (entries?.[NAME] ?? 0), 0)
}

/** Publishes to channels whose masters are on all nodes; resolves once all is acknowledged. */
async function publish(client: Ably.Realtime, count: number): Promise<number> {
  const all = Array.from({ length: count }, (_, at) =>
    client.channels.get(`c${at % CHANNEL_COUNT}`).publish('n', 'x'))
  await Promise.all(all)
  return count
}

t.test('statistics of three nodes', { skip, timeout: 300_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const nodes = await Promise.all([0, 1, 2].map((index) => rig.startNode(index)))
  for (const node of nodes) await rig.untilReady(node)
  await rig.untilServing(await Promise.all(nodes.map(async (node) =>
    (await node.state()).incarnation)))
  const client = rig.client(t, 0)
  let count = await publish(client, 60)
  const isTold = (): Promise<boolean> => counted(client).then((told) => told === count)

  await t.test('every node\'s share is told, on each', async () => {
    await until('all are counted', isTold)
  })

  await t.test('nothing is missing after orderly ends', async (t) => {
    for (const index of [1, 2]) {
      count += await publish(client, 30)
      process.kill(nodes[index]!.process.pid, 'SIGTERM')
      await until('its end', () => nodes[index]!.process.ending() !== undefined)
      count += await publish(client, 12)
      nodes[index] = await rig.startReadyNode(index)
    }
    await until('all are counted', isTold)
    t.equal(await counted(client), count)
  })

  await t.test('after a kill the last seconds are, at most', async (t) => {
    count += await publish(client, 60)
    await delay(LOST_MS)
    const certain = count
    count += await publish(client, 60)
    process.kill(nodes[2]!.process.pid, 'SIGKILL')
    await until('its end', () => nodes[2]!.process.ending() !== undefined)
    count += await publish(client, 12)
    await delay(2 * limits.statsFlushMs)
    const told = await counted(client)
    t.ok(told >= certain + 12 && told <= count, `${told} of ${count}, ${certain} were certain`)
  })
})
