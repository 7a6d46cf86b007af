/*
Regions that are part of a world, on a real API server: what the operator makes for them, how they
learn of each other, who writes which part of a status, and that all of it goes again.
*/

import t from 'tap'
import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import {
  appResource, deploymentResource, leaseResource, ownedResources, podResource, ringResource,
  secretResource, statefulSetResource
} from '../../src/operator/names.ts'
import type { Condition } from '../../src/operator/spec.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  appObject, createNamespace, makeRig, ownedFields, putWorldSecret, regionObject, regionResource,
  reportPeers, until, untilCondition, world
} from './operator-rig.ts'
import type { Rig, StatusObject } from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools)
const configMaps = ownedResources.find(({ kind }) => kind === 'ConfigMap')!

t.test('a world', { skip, timeout: 180_000 }, async t => {
  const { server, client } = await startStandIn(t)
  const rig = await makeRig(server)
  rig.controller.start()
  t.teardown(() => rig.controller.stop())

  await t.test('without its Secret nothing is begun, and a person is told', t =>
    testSecret(t, server, client))
  await t.test('regions of two namespaces find each other', t => testMates(t, server, client))
  await t.test('an app with the keys of another region is the same app', t =>
    testSameApp(t, client))
  await t.test('a name is one region\'s', t => testNamesake(t, server, client))
  await t.test('what the globalmaster writes is left to it', t => testStatus(t, client, rig))
  await t.test('another Secret is noticed at once, by whoever names it', t =>
    testOtherSecret(t, client, rig))
  await t.test('how far a region drains is told', t => testDraining(t, client, rig))
  await t.test('a Lease that is renewed wakes nobody', t => testLease(t, client, rig))
  await t.test('a globalmaster that is gone is told', t => testDegraded(t, client))
  await t.test('a region that leaves keeps nothing of it, and the others forget it', t =>
    testLeft(t, client, rig))
  await t.test('of whom no globalmaster speaks nothing is known', t =>
    testUnjudged(t, server, client, rig))
})

async function testSecret (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'one')
  await client.create(regionResource, regionObject('one', 'eu', { world }))
  const refused = async (lack: RegExp) => {
    const region = await until(`${lack}`, async () => {
      const found = await untilCondition(
        client, regionResource, 'one', 'eu', 'ConfigApplied', 'False', 'WorldSecretUnusable')
      const { message } = found.status?.conditions?.find(
        ({ type }) => type === 'ConfigApplied') ?? {}
      return lack.test(`${message}`) && found
    })
    t.ok(region)
  }
  await refused(/does not exist/)
  await putWorldSecret(client, 'one', { password: 'short' })
  await refused(/needs a password of 16 to 256/)
  t.equal(await client.get(deploymentResource, { namespace: 'one', name: 'eu-globalmaster' }),
    undefined)
  // Relays of other clusters come from anywhere, and must prove who they are.
  const password = 'k'.repeat(24)
  await putWorldSecret(client, 'one', { password })
  const peers = [{ region: 'far', address: 'relay.far.example:7222' }]
  const relay = { advertise: 'relay.eu.example:7222' }
  await client.mergePatch(regionResource, { namespace: 'one', name: 'eu' }, {
    spec: { world: { peers, relay } }
  })
  await refused(/has no tls.crt, tls.key, ca.crt, which/)
  await putWorldSecret(client, 'one', { password, 'tls.crt': 'a', 'ca.crt': 'b' })
  await refused(/has no tls.key(;|$)/)
  await putWorldSecret(client, 'one', { password })
  await client.mergePatch(regionResource, { namespace: 'one', name: 'eu' }, {
    spec: { world: { peers: null, relay: null } }
  })
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
}

async function testMates (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'two')
  await putWorldSecret(client, 'two', { password: 'k'.repeat(24) })
  await client.create(regionResource, regionObject('two', 'us', { world }))
  const elsewhere = { ...world, name: 'other' }
  await client.create(regionResource, regionObject('two', 'ap', { world: elsewhere }))
  await untilCondition(client, regionResource, 'two', 'us', 'Ready', 'True')
  const rings = {
    eu: await client.get(ringResource, { namespace: 'one', name: 'eu' }),
    us: await client.get(ringResource, { namespace: 'two', name: 'us' })
  }
  for (const [namespace, own, mate, of] of [
    ['one', 'eu', 'us', 'two'], ['two', 'us', 'eu', 'one']
  ] as const) {
    const peer = {
      region: mate,
      object: `${of}/${mate}`,
      ring: {
        uid: rings[mate]?.metadata.uid,
        madeAtMs: Date.parse(`${rings[mate]?.metadata.creationTimestamp}`)
      }
    }
    const file = await until(`${own} knows of the ring of ${mate}`, async () => {
      const found = JSON.parse(await dataOf(client, namespace, `${own}-globalmaster`, 'world.json'))
      return found.peers[0]?.ring !== undefined && found.ring !== undefined && found
    })
    t.same(file.peers, [peer])
    t.match(file, { world: 'acme', region: own, ring: { uid: rings[own]?.metadata.uid } })
    const relay = await dataOf(client, namespace, `${own}-relay`, 'nats.conf')
    t.match(relay, new RegExp(`gateways: \\[\\s+{ name: "relay-${mate}"`))
    t.notMatch(relay, /relay-ap/)
    t.match(await dataOf(client, namespace, `${own}-nats`, 'nats.conf'), /leafnodes/)
  }
}

async function testSameApp (t: Test, client: KubeClient): Promise<void> {
  const spec = { keys: [{ name: 'server' }, { name: 'client' }], keysSecretName: 'shared-keys' }
  await client.create(appResource, appObject('one', 'chat', { ...spec, regionRef: { name: 'eu' } }))
  const first = await untilCondition(client, appResource, 'one', 'chat', 'Ready', 'True')
  const made = await client.get<StatusObject>(
    secretResource, { namespace: 'one', name: 'shared-keys' })
  const copy = { namespace: 'two', name: 'shared-keys' }
  await client.create(secretResource, {
    apiVersion: 'v1', kind: 'Secret', metadata: copy, data: made?.data
  } as KubeObject)
  await client.create(appResource, appObject('two', 'chat', { ...spec, regionRef: { name: 'us' } }))
  const second = await untilCondition(client, appResource, 'two', 'chat', 'Ready', 'True')
  t.ok(first.status?.appId)
  t.equal(second.status?.appId, first.status?.appId)
  t.same((await client.get<StatusObject>(secretResource, copy))?.data, made?.data)
  const digestsOf = async (namespace: string, region: string) =>
    JSON.parse(await dataOf(client, namespace, `${region}-globalmaster`, 'world.json')).apps
  const digests = await until('globalmasters compare it', async () => {
    const found = await Promise.all([digestsOf('one', 'eu'), digestsOf('two', 'us')])
    return found.every(apps => apps?.[`${first.status?.appId}`] !== undefined) && found
  })
  t.same(digests[1], digests[0], 'no drift')
  // Without them it is another app.
  await client.create(appResource, appObject('two', 'other', { regionRef: { name: 'us' } }))
  await client.create(appResource, appObject('one', 'other', { regionRef: { name: 'eu' } }))
  const others = await Promise.all(['one', 'two'].map(namespace =>
    untilCondition(client, appResource, namespace, 'other', 'Ready', 'True')))
  t.not(others[0]?.status?.appId, others[1]?.status?.appId)
  for (const namespace of ['one', 'two']) {
    for (const name of ['chat', 'other']) await client.remove(appResource, { namespace, name })
  }
}

async function dataOf (
  client: KubeClient, namespace: string, name: string, key: string
): Promise<string> {
  const object = await client.get<StatusObject>(configMaps, { namespace, name })
  return object?.data?.[key] ?? '{"peers":[]}'
}

async function testNamesake (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'three')
  await putWorldSecret(client, 'three', { password: 'k'.repeat(24) })
  await client.create(regionResource, regionObject('three', 'eu', { world }))
  const region = await untilCondition(
    client, regionResource, 'three', 'eu', 'ConfigApplied', 'False', 'WorldNameTaken')
  t.match(region.status?.conditions, [{ message: /one\/eu is eu in the world acme/ }])
  await client.remove(regionResource, { namespace: 'three', name: 'eu' })
}

const peers = [{ region: 'us', isInWorld: true, conditions: [] }]
const said = { peers, syncedPeers: '1/1' }

async function testStatus (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  await reportPeers(client, 'one', 'eu', said)
  // Something for the operator to write into the same status.
  await client.mergePatch(
    regionResource, { namespace: 'one', name: 'eu' }, { spec: { image: 'ringcast:2' } })
  const region = await until('the new version is told', async () => {
    const found = await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
    return found.status?.version === '2' && found.status.updatedNodeCount === 3 && found
  })
  t.match(region.status, { peers, syncedPeers: '1/1' })
  const ofOperator = ownedFields(region, 'ringcast-operator')
  t.match(ofOperator, /f:readyNodes/)
  t.notMatch(ofOperator, /f:peers|f:syncedPeers/)
  await untilQuiet(rig)
  const { length } = rig.writes
  const { done } = rig.passes
  await client.mergePatch(regionResource, { namespace: 'one', name: 'eu' }, {
    metadata: { annotations: { 'example.com/look': 'again' } }
  })
  await until('it has looked again', () => rig.passes.done > done)
  t.same(rig.writes.slice(length), [], 'it finds nothing to write')
}

/** Until a while has passed without a pass. */
async function untilQuiet (rig: Rig): Promise<void> {
  let [count, sinceMs] = [-1, 0]
  await until('calm', () => {
    if (rig.passes.done !== count) [count, sinceMs] = [rig.passes.done, performance.now()]
    return performance.now() - sinceMs > 500
  })
}

/** True if a change is followed by no pass; something else may cause one, but not every time. */
async function wakesNobody (
  rig: Rig, change: (no: number) => Promise<unknown>
): Promise<boolean> {
  for (const no of [1, 2, 3]) {
    await untilQuiet(rig)
    const { done } = rig.passes
    await change(no)
    await untilQuiet(rig)
    if (rig.passes.done === done) return true
  }
  return false
}

async function testOtherSecret (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  await untilQuiet(rig)
  const digestOf = async (): Promise<string> => {
    const relay = await client.get<StatusObject>(
      statefulSetResource, { namespace: 'one', name: 'eu-relay' })
    return `${relay?.spec?.template.metadata.annotations['ringcast.dev/configuration']}`
  }
  const before = await digestOf()
  await putWorldSecret(client, 'one', { password: 'm'.repeat(24) })
  await until('the relay is another', async () => await digestOf() !== before)
  t.match(await dataOf(client, 'one', 'eu-globalmaster', 'world.json'), /"apps"/)
  const change = async (no: number): Promise<void> => {
    await client.create(secretResource, {
      apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'one', name: `somebody-s-${no}` }
    } as KubeObject)
    await putWorldSecret(client, 'one', { password: 'm'.repeat(24) })
  }
  t.ok(await wakesNobody(rig, change), 'what nobody names, and what says the same, wakes nobody')
  const relayed = await digestOf()
  await client.remove(secretResource, { namespace: 'one', name: world.secretName })
  await untilCondition(
    client, regionResource, 'one', 'eu', 'ConfigApplied', 'False', 'WorldSecretUnusable')
  await testHeld(t, client, 'WorldSecretUnusable')
  t.equal(await digestOf(), relayed)
  await putWorldSecret(client, 'one', { password: 'k'.repeat(24) })
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
  t.equal(await digestOf(), before)
}

/** What is wrong with its part in the world does not keep a region from being looked after. */
async function testHeld (t: Test, client: KubeClient, reason: string): Promise<void> {
  const target = { namespace: 'one', name: 'eu' }
  const { spec = {} } = await client.get<StatusObject>(regionResource, target) ?? {}
  const globalmaster = { ...target, name: 'eu-globalmaster' }
  const before = await client.get<StatusObject>(deploymentResource, globalmaster)
  for (const nodes of [spec.nodes + 1, spec.nodes]) {
    await client.mergePatch(regionResource, target, { spec: { nodes } })
    const region = await until(`${nodes} nodes serve`, async () => {
      const found = await untilCondition(
        client, regionResource, 'one', 'eu', 'Ready', 'False', 'ConfigurationRefused')
      return found.status?.readyNodes === `${nodes}/${nodes}` && found
    })
    t.equal(region.status?.nodeCount, nodes)
    await untilCondition(client, regionResource, 'one', 'eu', 'ConfigApplied', 'False', reason)
  }
  const after = await client.get<StatusObject>(deploymentResource, globalmaster)
  t.equal(after?.metadata.uid, before?.metadata.uid)
  t.same(after?.spec, before?.spec)
}

async function testDraining (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  const target = { namespace: 'one', name: 'eu' }
  const settings = async () =>
    JSON.parse(await dataOf(client, 'one', 'eu-world', 'settings.json'))
  t.same(await settings(), { isToDrain: false, drainedPerSecond: 500, lostRegionGraceMs: 60_000 })
  const podsOf = async () => (await client.list<KubeObject>(podResource, {
    namespace: 'one', labelSelector: 'ringcast.dev/region=eu'
  })).items.map(({ metadata }) => metadata.uid).sort()
  const before = await podsOf()
  rig.clients.answer = { connections: 40, drain: 'draining' }
  await client.mergePatch(regionResource, target, { spec: {
    world: { isDraining: true, limits: { drainedClientsPerSecond: 20 } }
  } })
  const region = await untilCondition(
    client, regionResource, 'one', 'eu', 'Draining', 'True', 'ClientsLeave')
  t.match(region.status?.conditions?.find(({ type }) => type === 'Draining'), {
    message: '120 clients are left; 3 of 3 nodes send theirs away'
  })
  t.match(await settings(), { isToDrain: true, drainedPerSecond: 20 })
  rig.clients.answer = { connections: 0, drain: 'draining' }
  await untilCondition(client, regionResource, 'one', 'eu', 'Draining', 'True', 'Drained')
  rig.clients.answer = { connections: 0, drain: 'alone' }
  await untilCondition(client, regionResource, 'one', 'eu', 'Draining', 'False', 'NoOtherRegion')
  await client.mergePatch(regionResource, target, { spec: { world: { isDraining: false } } })
  await untilCondition(client, regionResource, 'one', 'eu', 'Draining', 'False', 'NotAsked')
  t.match(await settings(), { isToDrain: false })
  t.same(await podsOf(), before, 'no pod was made anew for it')
  for (const line of ['120 clients are left; 3 of 3 nodes send theirs away', 'no client is left',
    'the region keeps its clients']) {
    t.equal(rig.lines.filter((each) => each === line).length, 1, 'each step is told once')
  }
}

async function testLease (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  await untilQuiet(rig)
  const { done } = rig.passes
  const target = { namespace: 'one', name: 'eu-globalmaster' }
  for (let no = 0; no < 5; no++) {
    await client.mergePatch(leaseResource, target, { spec: { leaseTransitions: no } })
  }
  await untilQuiet(rig)
  t.equal(rig.passes.done, done)
  await client.remove(leaseResource, target)
  await until('it is made again', async () => await client.get(leaseResource, target))
}

async function testDegraded (t: Test, client: KubeClient): Promise<void> {
  const target = { namespace: 'one', name: 'eu-globalmaster' }
  await client.mergePatch(
    deploymentResource, target, { status: { readyReplicas: null } }, { subresource: 'status' })
  const region = await untilCondition(
    client, regionResource, 'one', 'eu', 'Degraded', 'True', 'GlobalmasterNotReady')
  t.ok(region)
  await client.mergePatch(
    deploymentResource, target, { status: { readyReplicas: 1 } }, { subresource: 'status' })
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
}

async function testLeft (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  await client.mergePatch(
    regionResource, { namespace: 'one', name: 'eu' }, { spec: { world: null } })
  const region = await until('its peers are forgotten', async () => {
    const found = await client.get<StatusObject>(
      regionResource, { namespace: 'one', name: 'eu' })
    return found?.status?.peers === undefined && found
  })
  t.equal(region.status?.syncedPeers, undefined)
  for (const resource of ownedResources) {
    const { items } = await client.list<KubeObject>(resource, {
      namespace: 'one', labelSelector: 'ringcast.dev/region=eu'
    })
    const left = items.filter(({ metadata }) =>
      /relay|globalmaster/.test(`${metadata.name}`) && metadata.deletionTimestamp === undefined)
    t.same(left.map(({ metadata }) => metadata.name), [], resource.kind)
  }
  t.notMatch(await dataOf(client, 'one', 'eu-nats', 'nats.conf'), /leafnodes/)
  await until('us forgets it', async () =>
    JSON.parse(await dataOf(client, 'two', 'us-globalmaster', 'world.json')).peers.length === 0)
  t.notMatch(await dataOf(client, 'two', 'us-relay', 'nats.conf'), /relay-eu/)
  t.equal(await client.get(configMaps, { namespace: 'one', name: 'eu-world' }), undefined)
  const change = (no: number) => putWorldSecret(client, 'one', { password: `${no}`.repeat(24) })
  t.ok(await wakesNobody(rig, change), 'its Secret is nobody\'s business any more')
}

async function testUnjudged (
  t: Test, server: ApiServer, client: KubeClient, rig: Rig
): Promise<void> {
  await rig.controller.stop()
  const { controller } = await makeRig(server, { peersUnjudgedAfterMs: 500 })
  t.teardown(() => controller.stop())
  await reportPeers(client, 'two', 'us', said)
  controller.start()
  const target = { namespace: 'two', name: 'us-globalmaster' }
  await client.mergePatch(
    deploymentResource, target, { status: { readyReplicas: null } }, { subresource: 'status' })
  const syncedOf = (wanted: string) => until(`us says ${wanted}`, async () => {
    const found = await client.get<StatusObject>(regionResource, { namespace: 'two', name: 'us' })
    return found?.status?.syncedPeers === wanted && found
  })
  const region = await syncedOf('?/1')
  const [peer] = region.status?.peers ?? []
  t.match(peer, { region: 'us', isInWorld: true })
  t.same(peer.conditions.map(({ type, status, reason }: Condition) => [type, status, reason]), [
    ['Drift', 'Unknown', 'NotJudged'], ['NotParticipating', 'Unknown', 'NotJudged'],
    ['Synced', 'Unknown', 'NotJudged'], ['Unreachable', 'Unknown', 'NotJudged']
  ])
  t.notMatch(ownedFields(region, 'ringcast-operator'), /f:peers|f:syncedPeers/)
  // The next leader writes all of it, and it is as it says.
  await client.mergePatch(leaseResource, target, {
    spec: { renewTime: '2030-01-01T00:00:00.000000Z' }
  })
  await reportPeers(client, 'two', 'us', said)
  const [next] = (await syncedOf('1/1')).status?.peers ?? []
  t.same(next?.conditions ?? [], [])
}
