/** The View is frozen, and a node is wrong about another one (rules 3, 8 and 10). */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { MASTER_LOOK_MS } from '../../../src/channel/serving.ts'
import { ownersOf } from '../../../src/ring/view.ts'
import { Action } from '../../../src/wire/actions.ts'
import { workerOf } from './resume-world.ts'
import { WorkerWorld } from './worker-world.ts'

/** Longer than the lineage is young: nothing but what is tested wakes the master. */
const LONG_MS = 1_200_000

/**
 * The master's heir alone takes it for gone, and acknowledges what somebody publishes there who
 * does nothing else; somebody is attached elsewhere, on a channel that was silent for long.
 */
function acknowledgedByHeir() {
  const world = new WorkerWorld('gone', { log: 'shared', nodes: 4 })
  world.run(1_000)
  const master = world.nodes[0]!
  const channel = world.channelOf(master)
  const owners = ownersOf(world.partitionOf(channel), world.view).map(({ node }) => node)
  const heir = world.nodes.find(({ member }) => member.node === owners[1])!
  const other = world.nodes.find(({ member }) => !owners.includes(member.node))!
  const subscriber = world.client(other).attach(channel)
  world.run(2_000)
  const first = world.client(other)
  world.run(100)
  first.publish(channel, 'before')
  world.run(LONG_MS)
  const publisher = world.client(heir)
  world.run(5_000)
  for (const node of world.nodes) node.isTold = node === heir
  world.tellView(new Set([master.member.incarnation]))
  world.run(100)
  publisher.publish(channel, 'm')
  world.run(1_000)
  return { world, heir, subscriber, publisher, shown: () => subscriber.messages(channel) }
}

t.test('[3, 10] what the heir has acknowledged is delivered once all agree again', async (t) => {
  const { world, publisher, shown } = acknowledgedByHeir()
  t.equal(publisher.ackCount, 1)
  t.same(shown(), ['before'])
  world.tellView()
  world.run(500)
  t.same(shown(), ['before', 'm'])
})

t.test('[10] who is only thought to be gone is told, too, that a client has left', async (t) => {
  const world = new WorkerWorld('left', { log: 'shared', nodes: 4 })
  world.run(1_000)
  const master = world.nodes[0]!
  const channel = world.channelOf(master)
  const owners = ownersOf(world.partitionOf(channel), world.view).map(({ node }) => node)
  const other = world.nodes.find(({ member }) => !owners.includes(member.node))!
  const subscriber = world.client(other).attach(channel)
  const words = `partition ${world.partitionOf(channel)} serving 1 channels`
  const isKnown = (): boolean => workerOf(master).worker.describe().includes(words)
  world.run(2_000)
  t.ok(isKnown(), 'somebody has joined')
  for (const node of world.nodes) node.isTold = node === other
  world.tellView(new Set([master.member.incarnation]))
  subscriber.send({ action: Action.CLOSE })
  world.run(2 * limits.lingerMs)
  world.tellView()
  world.run(limits.idKeptMs + limits.idleChannelMs)
  t.notOk(isKnown(), 'and nobody is there any more')
})

t.test('[3, 10] and soon where the heir dies without a word', async (t) => {
  const { world, heir, shown } = acknowledgedByHeir()
  world.kill(heir)
  world.run(2 * MASTER_LOOK_MS)
  t.same(shown(), ['before', 'm'])
})

t.test('[3, 10] and soon where it does not come to agree', async (t) => {
  const { world, shown } = acknowledgedByHeir()
  world.run(2 * MASTER_LOOK_MS)
  t.same(shown(), ['before', 'm'])
})
