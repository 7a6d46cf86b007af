/*
The operator on a real API server: what it makes, keeps, restores and refuses.
*/

import t from 'tap'
import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { fieldManager, ownedResources, podResource } from '../../src/operator/names.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  appObject, appResource, conditionOf, createNamespace, makeRig, regionObject,
  regionResource, until, untilCondition
} from './operator-rig.ts'
import type { Rig, StatusObject } from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools)
const resourceOfKind = (kind: string) => {
  const found = ownedResources.find(resource => resource.kind === kind)
  if (found === undefined) throw new Error(kind)
  return found
}

t.test('operator', { skip, timeout: 120_000 }, async t => {
  const { server, client } = await startStandIn(t)
  const rig = await makeRig(server)
  rig.controller.start()
  t.teardown(() => rig.controller.stop())

  await t.test('a region becomes ready, with all its objects', async t => {
    await testAppears(t, server, client)
  })
  await t.test('an app gets keys that the nodes are told of', t => testApp(t, client))
  await t.test('a second operator finds nothing to write', async t => {
    await testSteady(t, server, rig)
  })
  await t.test('what is deleted or edited comes back; foreign fields stay', t =>
    testRestored(t, client))
  await t.test('a paused region is left alone', t => testPaused(t, client, rig))
  await t.test('a name that is taken is refused and told', t => testClash(t, server, client))
  await t.test('what is no longer wanted is removed', t => testPruned(t, client))
  await t.test('keys survive the loss of their Secret', t => testKeysSurvive(t, client))
  await t.test('a Secret a person made is used and never written', t =>
    testForeignKeys(t, client))
  await t.test('keys are live: nodes are told of a change within seconds', t =>
    testLiveKeys(t, client))
  await t.test('a Secret of an external NATS that is missing is told', t =>
    testExternalNats(t, server, client))
  await t.test('an invalid spec that got past the server is told, and mended', t =>
    testInvalid(t, server, client))
})

async function testAppears (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'one')
  await client.create(regionResource, regionObject('one', 'eu', { networkPolicy: 'Managed' }))
  const region = await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
  t.match(region.status, {
    observedGeneration: 1,
    nodeCount: 3,
    readyNodeCount: 3,
    updatedNodeCount: 3,
    readyNodes: '3/3',
    selector: 'app.kubernetes.io/component=node,ringcast.dev/region=eu',
    region: 'eu',
    version: '1.0.0',
    endpoint: 'http://eu.one.svc',
    nodes: [{ podName: 'eu-0', state: 'Ready' }, { podName: 'eu-1' }, { podName: 'eu-2' }]
  })
  for (const type of ['Available', 'ConfigApplied']) {
    t.equal(conditionOf(region, type)?.status, 'True', type)
  }
  for (const type of ['Progressing', 'Degraded', 'Paused']) {
    t.equal(conditionOf(region, type)?.status, 'False', type)
  }
  const expected = {
    RealtimeRing: ['eu'],
    ServiceAccount: ['eu-node'],
    Role: ['eu-node'],
    RoleBinding: ['eu-node'],
    ConfigMap: ['eu-nats'],
    Secret: ['eu-apps', 'eu-nats'],
    Service: ['eu', 'eu-nats', 'eu-nats-client', 'eu-nodes'],
    PodDisruptionBudget: ['eu', 'eu-nats'],
    NetworkPolicy: ['eu', 'eu-nats'],
    StatefulSet: ['eu', 'eu-nats']
  }
  for (const [kind, names] of Object.entries(expected)) {
    const { items } = await client.list<KubeObject>(resourceOfKind(kind), {
      namespace: 'one', labelSelector: 'ringcast.dev/region=eu'
    })
    t.same(items.map(({ metadata }) => metadata.name).sort(), names, kind)
    for (const { metadata } of items) {
      t.match(metadata.ownerReferences, [{ uid: region.metadata.uid, controller: true }])
    }
  }
}

async function testApp (t: Test, client: KubeClient): Promise<void> {
  await client.create(appResource, appObject('one', 'chat', {
    regionRef: { name: 'eu' },
    keys: [{ name: 'server' }, { name: 'client', capability: { 'chat:*': ['subscribe'] } }],
    namespaces: [{ id: 'persisted', persisted: true }]
  }))
  const app = await untilCondition(client, appResource, 'one', 'chat', 'Ready', 'True')
  const entries = await entriesOf(client, 'one', 'chat-keys')
  t.same(Object.keys(entries).sort(), ['client', 'server'])
  const appId = app.status?.appId
  t.match(appId, /^[A-Za-z0-9]{6}$/)
  for (const key of Object.values(entries)) {
    t.match(key, new RegExp(`^${appId}\\.[A-Za-z0-9]{6}:[^.:\\s]{30,}$`))
  }
  const published = JSON.parse((await entriesOf(client, 'one', 'eu-apps'))['apps.json'] ?? '')
  t.match(published, {
    apps: [{
      appId,
      name: 'chat',
      keys: [
        { name: 'server', capability: { '*': ['*'] }, revocableTokens: false },
        { name: 'client', capability: { 'chat:*': ['subscribe'] } }
      ],
      namespaces: [{ id: 'persisted', persisted: true, mutableMessages: false }]
    }]
  })
  const [key] = published.apps[0].keys
  t.equal(entries.server, `${appId}.${key.id}:${key.secret}`)
}

async function testSteady (t: Test, server: ApiServer, rig: Rig): Promise<void> {
  await quiet(rig)
  const before = rig.writes.length
  const other = await makeRig(server, { identity: 'operator-b' })
  other.controller.start()
  await until('passes over the region and the app', () => other.passes.done >= 2)
  await quiet(other)
  await other.controller.stop()
  t.same(other.writes, [])
  t.equal(other.passes.failed, 0)
  t.equal(rig.writes.length, before, 'nor did the first one')
}

/** Until no pass has ended for as long as twenty looks. */
async function quiet (rig: Rig): Promise<void> {
  let count = -1
  let stillCount = 0
  await until('quiet', () => {
    const now = rig.passes.done + rig.passes.failed
    stillCount = now === count ? stillCount + 1 : 0
    count = now
    return stillCount > 20
  })
}

async function testRestored (t: Test, client: KubeClient): Promise<void> {
  const service = { namespace: 'one', name: 'eu' }
  for (const kind of ['Service', 'ConfigMap', 'Role', 'StatefulSet', 'PodDisruptionBudget']) {
    const resource = resourceOfKind(kind)
    const target = kind === 'Role'
      ? { namespace: 'one', name: 'eu-node' }
      : kind === 'ConfigMap' ? { namespace: 'one', name: 'eu-nats' } : service
    const before = await client.get(resource, target)
    await client.remove(resource, target)
    const after = await until(`${kind} back`, async () => await client.get(resource, target))
    t.not(after.metadata.uid, before?.metadata.uid, `${kind} is made anew`)
  }
  await client.mergePatch(resourceOfKind('Service'), service, {
    metadata: {
      labels: { 'example.com/team': 'a', 'ringcast.dev/region': 'stolen' },
      annotations: { 'example.com/note': 'kept' }
    },
    spec: { sessionAffinity: 'ClientIP' }
  })
  const restored = await until('the Service restored', async () => {
    const found = await client.get<StatusObject>(resourceOfKind('Service'), service)
    return found?.spec?.sessionAffinity === 'None' &&
      found.metadata.labels?.['ringcast.dev/region'] === 'eu' && found
  })
  t.match(restored.metadata, {
    labels: { 'example.com/team': 'a' }, annotations: { 'example.com/note': 'kept' }
  })
  await client.mergePatch(resourceOfKind('Service'), service, {
    metadata: { labels: { 'app.kubernetes.io/managed-by': null } }
  })
  await until('a Service that left our sight is found again', async () => {
    const found = await client.get<StatusObject>(resourceOfKind('Service'), service)
    return found?.metadata.labels?.['app.kubernetes.io/managed-by'] === fieldManager
  })
  await untilCondition(client, regionResource, 'one', 'eu', 'Ready', 'True')
}

async function testPaused (t: Test, client: KubeClient, rig: Rig): Promise<void> {
  const target = { namespace: 'one', name: 'eu' }
  const pause = async (value: string | null) => await client.mergePatch(regionResource, target, {
    metadata: { annotations: { 'ringcast.dev/paused': value } }
  })
  await pause('true')
  await untilCondition(client, regionResource, 'one', 'eu', 'Paused', 'True')
  await client.remove(resourceOfKind('PodDisruptionBudget'), target)
  await quiet(rig)
  t.equal(await client.get(resourceOfKind('PodDisruptionBudget'), target), undefined)
  await pause(null)
  await untilCondition(client, regionResource, 'one', 'eu', 'Paused', 'False')
  t.ok(await client.get(resourceOfKind('PodDisruptionBudget'), target))
}

async function testClash (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'clash')
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'clash', name: 'eu-nats' },
    data: { mine: 'yes' }
  }
  await client.create(resourceOfKind('ConfigMap'), configMap)
  await client.create(regionResource, regionObject('clash', 'eu'))
  const region = await untilCondition(
    client, regionResource, 'clash', 'eu', 'ConfigApplied', 'False', 'NameClash'
  )
  t.match(conditionOf(region, 'ConfigApplied')?.message, /ConfigMap eu-nats/)
  const kept = await client.get<StatusObject>(
    resourceOfKind('ConfigMap'), { namespace: 'clash', name: 'eu-nats' }
  )
  t.same(kept?.data, { mine: 'yes' })
  t.notOk(kept?.metadata.ownerReferences)
  await until('an event about it', async () => {
    const { body } = await server.call('GET', '/apis/events.k8s.io/v1/namespaces/clash/events')
    return body.items.some((event: { reason: string, note: string, type: string }) =>
      event.reason === 'NameClash' && event.type === 'Warning' && /eu-nats/.test(event.note))
  })
}

async function testPruned (t: Test, client: KubeClient): Promise<void> {
  await client.mergePatch(regionResource, { namespace: 'one', name: 'eu' }, {
    spec: { networkPolicy: 'None' }
  })
  await until('the policies gone', async () => {
    const { items } = await client.list(resourceOfKind('NetworkPolicy'), { namespace: 'one' })
    return items.length === 0
  })
  t.ok(await client.get(resourceOfKind('StatefulSet'), { namespace: 'one', name: 'eu' }))
}

async function testKeysSurvive (t: Test, client: KubeClient): Promise<void> {
  const secret = { namespace: 'one', name: 'chat-keys' }
  const before = await entriesOf(client, 'one', 'chat-keys')
  await client.remove(resourceOfKind('Secret'), secret)
  await until('the Secret back', async () => await client.get(resourceOfKind('Secret'), secret))
  t.same(await entriesOf(client, 'one', 'chat-keys'), before)
  await client.mergePatch(appResource, { namespace: 'one', name: 'chat' }, {
    spec: { keys: [{ name: 'server' }, { name: 'extra' }] }
  })
  const after = await until('the keys changed', async () => {
    const entries = await entriesOf(client, 'one', 'chat-keys')
    return entries.extra !== undefined && entries
  })
  t.equal(after.server, before.server, 'a key that stays keeps its value')
  t.equal(after.client, undefined, 'a key removed is gone')
  await untilCondition(client, appResource, 'one', 'chat', 'Ready', 'True')
}

/** How long the nodes may be without knowing of a change. */
const keysLiveMs = 5_000

/** The secrets of an app's keys as the nodes are given them. */
async function publishedSecrets (client: KubeClient, app: string): Promise<string[]> {
  const entries = await entriesOf(client, 'one', 'eu-apps')
  const { apps } = JSON.parse(entries['apps.json'] ?? '') as
    { apps: { name: string, keys: { secret: string }[] }[] }
  return apps.find(({ name }) => name === app)?.keys.map(({ secret }) => secret) ?? []
}

async function testLiveKeys (t: Test, client: KubeClient): Promise<void> {
  const own = { namespace: 'one', name: 'chat-keys' }
  const keysOf = async (app: string, holds: (secrets: string[]) => boolean) => await until(
    `keys of ${app}`,
    async () => await publishedSecrets(client, app).then(found => holds(found) && found),
    keysLiveMs
  )
  const patch = async (keys: object[]) => await client.mergePatch(
    appResource, { namespace: 'one', name: 'chat' }, { spec: { keys } }
  )
  const before = await publishedSecrets(client, 'chat')
  await patch([{ name: 'server' }, { name: 'extra' }, { name: 'third' }])
  const added = await keysOf('chat', found => found.length === 3)
  t.ok(before.every(secret => added.includes(secret)), 'a key is added, others stay')
  await client.mergePatch(resourceOfKind('Secret'), own, { data: { third: null } })
  const changed = await keysOf('chat', found => found.length === 3 && found[2] !== added[2])
  t.same(changed.slice(0, 2), added.slice(0, 2), 'a key is changed, others stay')
  await patch([{ name: 'server' }, { name: 'extra' }])
  const removed = await keysOf('chat', found => found.length === 2)
  t.same(removed, before, 'a key is taken away')
  const mine = { namespace: 'one', name: 'mine' }
  for (const secret of ['anotherlongsecret', 'averylongsecret']) {
    const data = { default: Buffer.from(`Zz9999.k1k1k1:${secret}`).toString('base64') }
    await client.mergePatch(resourceOfKind('Secret'), mine, { data })
    t.same(await keysOf('brought', ([found]) => found === secret), [secret], 'of a person, too')
  }
  await untilCondition(client, appResource, 'one', 'brought', 'Ready', 'True')
}

async function testForeignKeys (t: Test, client: KubeClient): Promise<void> {
  const data = { default: Buffer.from('Zz9999.k1k1k1:averylongsecret').toString('base64') }
  const spec = { regionRef: { name: 'eu' }, keysSecretName: 'mine' }
  await client.create(resourceOfKind('Secret'), {
    apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'one', name: 'mine' }, data
  } as KubeObject)
  await client.create(appResource, appObject('one', 'brought', spec))
  const app = await untilCondition(client, appResource, 'one', 'brought', 'Ready', 'True')
  t.equal(app.status?.appId, 'Zz9999')
  const secret = await client.get<StatusObject>(
    resourceOfKind('Secret'), { namespace: 'one', name: 'mine' }
  )
  t.same(secret?.data, data)
  t.notOk(secret?.metadata.ownerReferences)
  await client.create(appResource, appObject('one', 'twin', { ...spec, appId: 'Zz9999' }))
  await untilCondition(client, appResource, 'one', 'twin', 'Ready', 'False', 'AppIdTaken')
  await client.remove(appResource, { namespace: 'one', name: 'twin' })
}

async function testExternalNats (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  await createNamespace(server, 'outside')
  const external = { urls: ['nats://nats.example:4222'], secretName: 'nats-login' }
  await client.create(regionResource, regionObject('outside', 'eu', {
    nats: { type: 'External', external }
  }))
  const region = await untilCondition(
    client, regionResource, 'outside', 'eu', 'ConfigApplied', 'False', 'NatsSecretMissing'
  )
  t.match(conditionOf(region, 'ConfigApplied')?.message, /nats-login does not exist/)
  await client.create(resourceOfKind('Secret'), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'outside', name: 'nats-login' },
    stringData: { token: 'abc' }
  } as KubeObject)
  await untilCondition(client, regionResource, 'outside', 'eu', 'Ready', 'True')
  const { items } = await client.list<StatusObject>(podResource, { namespace: 'outside' })
  t.equal(items.length, 3, 'no NATS of its own')
  t.match(items[0]?.spec?.containers[0].env.filter(
    ({ name }: { name: string }) => name.startsWith('RINGCAST_NATS')
  ), [
    { name: 'RINGCAST_NATS_URL', value: 'nats://nats.example:4222' },
    { name: 'RINGCAST_NATS_TOKEN', valueFrom: { secretKeyRef: { name: 'nats-login' } } }
  ])
}

/** An old CRD, or none of our rules: the server lets everything in. */
async function testInvalid (t: Test, server: ApiServer, client: KubeClient): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/' +
    'realtimeregions.ringcast.dev'
  const { body: definition } = await server.call('GET', path)
  const lenient = structuredClone(definition)
  const { openAPIV3Schema: schema } = lenient.spec.versions[0].schema
  schema.properties.spec = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  delete schema['x-kubernetes-validations']
  t.equal((await server.call('PUT', path, lenient)).status, 200)
  await createNamespace(server, 'lenient')
  const bad = { nodes: 0, drain: { timeoutSeconds: 100 }, workers: 'many' }
  await until('the lenient schema', async () => {
    try {
      return await client.create(regionResource, regionObject('lenient', 'eu', bad))
    } catch {
      return undefined
    }
  })
  const region = await untilCondition(
    client, regionResource, 'lenient', 'eu', 'ConfigApplied', 'False', 'SpecInvalid'
  )
  for (const at of [/spec\.nodes/, /spec\.drain/, /spec\.workers/]) {
    t.match(conditionOf(region, 'ConfigApplied')?.message, at)
  }
  t.equal(conditionOf(region, 'Ready')?.reason, 'ConfigurationRefused')
  await client.mergePatch(regionResource, { namespace: 'lenient', name: 'eu' }, {
    spec: { nodes: 1, drain: null, workers: null }
  })
  await untilCondition(client, regionResource, 'lenient', 'eu', 'Ready', 'True')
}

async function entriesOf (
  client: KubeClient, namespace: string, name: string
): Promise<Record<string, string>> {
  const secret = await client.get<StatusObject>(resourceOfKind('Secret'), { namespace, name })
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(
    ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]
  ))
}
