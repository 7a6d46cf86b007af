/*
Rollouts, scaling, leadership and bad weather, on a real API server.
*/

import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import { podResource, statefulSetResource } from '../../src/operator/names.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { freePorts } from '../support/server-process.ts'
import { missingTools } from '../support/tools.ts'
import {
  conditionOf, createNamespace, makeRig, regionObject, regionResource, until, untilCondition
} from './operator-rig.ts'
import type { Rig, StatusObject } from './operator-rig.ts'
import { type StandInCluster, startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools)
const eu = { namespace: 'one', name: 'eu' }

t.test('operator', { skip, timeout: 120_000 }, async t => {
  const { server, client, cluster } = await startStandIn(t)
  const rig = await makeRig(server)
  rig.controller.start()
  t.teardown(() => rig.controller.stop())
  await createNamespace(server, 'one')
  await client.create(regionResource, regionObject('one', 'eu'))
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')

  await t.test('a new image goes round one pod at a time, when each pod agrees', t =>
    testRollout(t, client, cluster, rig))
  await t.test('a bad image stops at one pod, and its correction heals it', t =>
    testBadImage(t, client, rig))
  await t.test('the number of nodes goes up at once and down one by one', t =>
    testScale(t, client, rig))
  await t.test('of two operators one acts, and the other takes over', t =>
    testElection(t, server, client))
  await t.test('an API server that is away at the start is told and waited for', t =>
    testUnreachable(t, server))
})

async function setImage (client: KubeClient, image: string): Promise<void> {
  await client.mergePatch(regionResource, eu, { spec: { image } })
}

async function imagesOf (client: KubeClient): Promise<string[]> {
  const { items } = await client.list<StatusObject>(podResource, {
    namespace: 'one', labelSelector: 'app.kubernetes.io/component=node'
  })
  return items.map(({ spec }) => spec?.containers[0].image)
}

async function testRollout (
  t: Test, client: KubeClient, cluster: StandInCluster, rig: Rig
): Promise<void> {
  rig.gate.answer = { isAllowed: false, reason: 'a handover is running' }
  await setImage(client, 'ringcast:2')
  const held = await until('the refusal in the status', async () => {
    const region = await client.get<StatusObject>(regionResource, eu)
    const progressing = conditionOf(region, 'Progressing')
    return progressing?.message.includes('a handover is running') === true && progressing
  })
  t.match(held, { status: 'True', reason: 'RollingOut', message: /^eu-2 restarts next/ })
  t.same(await imagesOf(client), Array(3).fill('ringcast:1.0.0'), 'nothing has restarted')
  rig.gate.answer = { isAllowed: true }
  const region = await until('the rollout done', async () => {
    const found = await client.get<StatusObject>(regionResource, eu)
    return conditionOf(found, 'Ready')?.status === 'True' && found?.status?.version === '2' &&
      found.status.updatedNodeCount === 3 && found
  })
  t.same(await imagesOf(client), Array(3).fill('ringcast:2'))
  t.equal(cluster.unavailableMax, 1, 'one at a time')
  t.match(region.status?.rollout, { podName: 'eu-0', reason: 'Outdated' })
}

async function testBadImage (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  await setImage(client, 'ringcast:bad')
  await until('one pod on the bad image, and no other', async () => {
    const region = await client.get<StatusObject>(regionResource, eu)
    return conditionOf(region, 'Progressing')?.message === 'eu-2 is not ready'
  })
  t.same((await imagesOf(client)).sort(), ['ringcast:2', 'ringcast:2', 'ringcast:bad'])
  const asked = rig.gate.askedCount
  rig.gate.answer = { isAllowed: false, reason: 'not now' }
  await setImage(client, 'ringcast:3')
  await until('the bad pod replaced without being asked', async () =>
    (await imagesOf(client)).includes('ringcast:3'))
  t.ok((await imagesOf(client)).filter(image => image === 'ringcast:2').length === 2)
  rig.gate.answer = { isAllowed: true }
  await until('all on the good image', async () =>
    (await imagesOf(client)).every(image => image === 'ringcast:3'))
  t.ok(rig.gate.askedCount > asked)
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
}

async function testScale (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  const scaleTo = async (nodes: number) => {
    await client.mergePatch(regionResource, eu, { spec: { replicas: nodes } }, {
      subresource: 'scale'
    })
  }
  await scaleTo(5)
  await until('five nodes', async () => (await imagesOf(client)).length === 5)
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
  rig.gate.answer = { isAllowed: false, reason: 'its log has one copy too few' }
  await scaleTo(2)
  await until('the refusal in the status', async () => {
    const region = await client.get<StatusObject>(regionResource, eu)
    return conditionOf(region, 'Progressing')?.message ===
      'scaling to 2 nodes: eu-4 goes next (its log has one copy too few)'
  })
  t.equal((await imagesOf(client)).length, 5)
  const seen: number[] = []
  rig.gate.answer = { isAllowed: true }
  await until('two nodes', async () => {
    const set = await client.get<StatusObject>(statefulSetResource, eu)
    if (set?.spec?.replicas !== seen.at(-1)) seen.push(set?.spec?.replicas)
    return set?.spec?.replicas === 2 && (await imagesOf(client)).length === 2
  })
  t.ok(seen.every((count, at) => at === 0 || count < (seen[at - 1] ?? 0)), `${seen} only falls`)
  const region = await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
  t.match(region.status, { nodeCount: 2, readyNodes: '2/2' })
  const events = rig.lines.filter(line => /^the StatefulSet now has/.test(line))
  t.same(events, [4, 3, 2].map(count => `the StatefulSet now has ${count} pods`))
}

async function testElection (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'system')
  await createNamespace(server, 'two')
  const election = {
    namespace: 'system',
    name: 'ringcast-operator',
    // The first one gives the Lease back, so none of these is ever waited for.
    durationsMs: { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 100 }
  }
  const only = { election, namespace: 'two' }
  const first = await makeRig(server, { ...only, identity: 'first' })
  first.controller.start()
  await until('the first one leads', () => first.controller.isLeader())
  const second = await makeRig(server, { ...only, identity: 'second' })
  second.controller.start()
  await second.controller.synced()
  await client.create(regionResource, regionObject('two', 'eu', { nodes: 1 }))
  await untilCondition(client, regionResource, 'two', 'eu', 'Ready', 'True')
  t.ok(first.writes.length > 0)
  t.same(second.writes, [])
  t.notOk(second.controller.isLeader())
  await first.controller.stop()
  t.notOk(first.controller.isLeader())
  await until('the second one leads', () => second.controller.isLeader())
  await client.remove(statefulSetResource, { namespace: 'two', name: 'eu' })
  await until('the StatefulSet back', async () =>
    await client.get(statefulSetResource, { namespace: 'two', name: 'eu' }))
  // The object can be seen before its writer has heard that it was written.
  await until('the second one wrote it', () => second.writes.includes('apply statefulsets'))
  t.same([first.lost, second.lost], [[], []], 'nobody lost the Lease')
  await second.controller.stop()
}

async function testUnreachable (t: Test, server: ApiServer): Promise<void> {
  const [port = 0] = await freePorts(1)
  const rig = await makeRig(server, { url: `https://127.0.0.1:${port}`, namespace: 'one' })
  rig.controller.start()
  const line = await until('a line about it', () =>
    rig.lines.find(text => text.startsWith('cannot list realtimeregions')))
  t.match(line, new RegExp(`127.0.0.1:${port}.*; trying again$`), line)
  t.notMatch(line, /\n/, 'no stack trace')
  const target = Number(new URL(server.url).port)
  const open = new Set<Socket>()
  const proxy = createServer(near => {
    open.add(near)
    const far = connect(target, '127.0.0.1')
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  await new Promise<void>(resolve => proxy.listen(port, '127.0.0.1', resolve))
  await until('passes, once it is there', () => rig.passes.done > 0)
  await rig.controller.stop()
  for (const socket of open) socket.destroy()
  await new Promise(resolve => proxy.close(resolve))
}
