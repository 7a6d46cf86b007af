/*
Passes over regions in a world: what is wrong with their part in it holds up nothing else.
*/

import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { appsJsonIn } from '../../../src/operator/apps.ts'
import { PassRig, world } from './pass-rig.ts'

const object = (rig: PassRig, collection: string, name: string): any =>
  rig.double.find(collection, name, 'one')

const worldNames = ['eu-relay', 'eu-relay-gateway', 'eu-globalmaster']

const worldFile = (rig: PassRig): any =>
  JSON.parse(object(rig, 'configmaps', 'eu-globalmaster').data['world.json'])

/** Everything there is of relay and globalmaster, as it was written, but for its apps. */
const worldObjects = (rig: PassRig): string => JSON.stringify([
  'configmaps', 'deployments', 'leases', 'poddisruptionbudgets', 'rolebindings', 'roles',
  'serviceaccounts', 'services', 'statefulsets'
].flatMap(collection => worldNames.map(name => {
  const { metadata, data, spec } = object(rig, collection, name) ?? {}
  if (data?.['world.json'] !== undefined) {
    const { apps: _, areAppsUnknown: __, ...file } = worldFile(rig)
    return [file]
  }
  return [collection, name, metadata?.annotations, data, spec]
})))

const worldOfNodes = (rig: PassRig): string | undefined =>
  object(rig, 'statefulsets', 'eu').spec.template.spec.containers[0].env.find(
    ({ name }: { name: string }) => name === 'RINGCAST_WORLD')?.value

const told = (rig: PassRig, type: string): string => {
  const { status, reason, message } = rig.conditionOf('one', 'eu', type) ?? {}
  return `${status} ${reason}: ${message}`
}

/** Two passes: what the first one applies is ready for the second. */
async function settle (rig: PassRig, namespace = 'one'): Promise<void> {
  await rig.pass(namespace, 'eu')
  rig.makeReady(namespace, 'eu')
  await rig.pass(namespace, 'eu')
}

async function running (t: Test, spec: object): Promise<PassRig> {
  const rig = await PassRig.start(t)
  rig.putSecret('one')
  rig.putRegion('one', 'eu', spec)
  await settle(rig)
  t.match(told(rig, 'Ready'), 'True AsSpecified')
  return rig
}

t.test('a region whose world Secret has gone is looked after in all else', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const before = worldObjects(rig)
  rig.double.delete('secrets', world.secretName, 'one')
  await rig.pass('one', 'eu')
  const held = 'Secret acme-world does not exist; until then relay and globalmaster stay as ' +
    'they were'
  t.equal(told(rig, 'ConfigApplied'), `False WorldSecretUnusable: ${held}`)
  t.equal(told(rig, 'Ready'), `False ConfigurationRefused: ${held}`)
  t.match(told(rig, 'Available'), 'True NodesServe')
  t.match(told(rig, 'Degraded'), 'False')
  t.ok(rig.told.includes(`Warning WorldSecretUnusable: ${held}`))
  const { length } = rig.told
  await rig.pass('one', 'eu')
  t.equal(rig.told.length, length, 'it is told once')
  rig.putRegion('one', 'eu', {
    nodes: 2, redundancy: 1, logLevel: 'debug', networkPolicy: 'Managed',
    world: { ...world, isDraining: true, relay: { servers: 3 }, globalmaster: { replicas: 2 } }
  })
  await settle(rig)
  t.equal(object(rig, 'statefulsets', 'eu').spec.replicas, 2)
  t.equal(rig.statusOf('one', 'eu').readyNodes, '2/2')
  t.match(JSON.stringify(object(rig, 'statefulsets', 'eu').spec.template), /"debug"/)
  t.match(object(rig, 'configmaps', 'eu-world').data['settings.json'], /"isToDrain":true/)
  t.ok(object(rig, 'networkpolicies', 'eu'))
  t.equal(worldObjects(rig), before, 'relay and globalmaster are as they were')
  rig.putSecret('one')
  await settle(rig)
  t.match(told(rig, 'ConfigApplied'), 'True Applied')
  t.match(told(rig, 'Ready'), 'True AsSpecified')
  t.equal(object(rig, 'statefulsets', 'eu-relay').spec.replicas, 3)
})

t.test('what its nodes lack is told before what cannot be applied', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  rig.putSecret('one', { password: 'short' })
  rig.putRegion('one', 'eu', { nodes: 2, redundancy: 1, world })
  await rig.pass('one', 'eu')
  t.match(told(rig, 'Ready'), 'False Degraded: 1 of 2 nodes ready')
  t.match(told(rig, 'ConfigApplied'), 'False WorldSecretUnusable: Secret acme-world needs a pass')
})

t.test('keys are withdrawn, whatever is wrong with the world', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  rig.double.delete('secrets', world.secretName, 'one')
  const spec = {
    regionRef: { name: 'eu' }, appId: 'AbC123', keys: [{ name: 'server' }], keysSecretName: 'mine'
  }
  const published = (): string =>
    Buffer.from(object(rig, 'secrets', 'eu-apps').data['apps.json'], 'base64').toString()
  for (const secret of ['leakedleaked', 'anotheranother']) {
    rig.putSecret('one', { server: `AbC123.k1y2z3:${secret}` }, 'mine')
    rig.putApp('one', 'chat', spec)
    await rig.pass('one', 'eu')
    t.match(published(), new RegExp(secret))
  }
  t.notMatch(published(), /leaked/)
})

t.test('another world that cannot be had leaves nodes in the former one', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const [before, nodes] = [worldObjects(rig), object(rig, 'statefulsets', 'eu').spec.template]
  rig.putRegion('one', 'eu', {
    nodes: 1, redundancy: 1, world: { name: 'other', secretName: 'not-there' }
  })
  await settle(rig)
  t.match(told(rig, 'ConfigApplied'), 'False WorldSecretUnusable: Secret not-there does not exist')
  t.same(object(rig, 'statefulsets', 'eu').spec.template, nodes)
  t.equal(worldObjects(rig), before)
})

t.test('a region that was alone stays alone until it can join', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1 })
  rig.double.delete('secrets', world.secretName, 'one')
  rig.putRegion('one', 'eu', { nodes: 2, redundancy: 1, world })
  await settle(rig)
  t.match(told(rig, 'ConfigApplied'), 'False WorldSecretUnusable: Secret acme-world does not ' +
    'exist; until then it goes on without a world')
  t.equal(rig.statusOf('one', 'eu').readyNodes, '2/2')
  t.equal(worldOfNodes(rig), undefined)
  t.notMatch(object(rig, 'configmaps', 'eu-nats').data['nats.conf'], /leafnodes/)
  rig.putSecret('one')
  await settle(rig)
  t.match(told(rig, 'Ready'), 'True AsSpecified')
  t.equal(worldOfNodes(rig), 'acme')
})

t.test('a region that has not begun does not begin as what it is not to be', async t => {
  const rig = await PassRig.start(t)
  rig.putRegion('one', 'eu', { nodes: 1, redundancy: 1, world })
  await rig.pass('one', 'eu')
  t.equal(told(rig, 'ConfigApplied'),
    'False WorldSecretUnusable: Secret acme-world does not exist')
  t.equal(object(rig, 'statefulsets', 'eu'), undefined)
})

t.test('an older region that takes the name later does not stop the one that has it', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const before = worldObjects(rig)
  rig.putSecret('two')
  rig.putRegion('two', 'eu', { nodes: 1, redundancy: 1, world }, '2029-01-01T00:00:00Z')
  rig.putRegion('one', 'eu', { nodes: 2, redundancy: 1, world })
  await settle(rig)
  t.equal(told(rig, 'ConfigApplied'), 'False WorldNameTaken: two/eu is eu in the world acme; ' +
    'set another spec.region; until then relay and globalmaster stay as they were')
  t.match(told(rig, 'Ready'), 'False ConfigurationRefused')
  t.equal(rig.statusOf('one', 'eu').readyNodes, '2/2')
  t.equal(worldObjects(rig), before)
})

t.test('what apps there are is told on as long as somebody can tell', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  let keyCount = 0
  const putApp = (): void => {
    const keys = Array.from({ length: ++keyCount }, (_, no) => ({ name: `k${no}` }))
    const texts = keys.map(({ name }, no) => [name, `AbC123.k1y2z${no}:secretsecret`])
    rig.putSecret('one', Object.fromEntries(texts), 'mine')
    rig.putApp('one', 'chat', {
      regionRef: { name: 'eu' }, appId: 'AbC123', keys, keysSecretName: 'mine'
    })
  }
  const apps = async (): Promise<any> => {
    await rig.pass('one', 'eu')
    const { apps: digests, areAppsUnknown = false } = worldFile(rig)
    return { digest: digests.AbC123, areAppsUnknown }
  }
  putApp()
  const first = await apps()
  t.match(first, { digest: /./, areAppsUnknown: false })
  rig.putRegion('two', 'eu', { nodes: 1, redundancy: 1, world }, '2029-01-01T00:00:00Z')
  putApp()
  const second = await apps()
  t.match(told(rig, 'ConfigApplied'), 'False WorldNameTaken')
  t.match(second, { digest: /./, areAppsUnknown: false })
  t.not(second.digest, first.digest)
  putApp()
  const others = {
    ...world,
    name: 'other',
    peers: [{ region: 'far', address: 'far.example:7222' }],
    relay: { advertise: 'eu.example:7222' }
  }
  rig.putRegion('one', 'eu', { nodes: 1, redundancy: 1, world: others })
  t.same(await apps(), { ...second, areAppsUnknown: true }, 'it is the Secret of another world')
  t.match(told(rig, 'ConfigApplied'), 'False WorldSecretUnusable: Secret acme-world has no tls')
  rig.putRegion('one', 'eu', { nodes: 1, redundancy: 1, world: { ...others, name: 'acme' } })
  const third = await apps()
  t.equal(third.areAppsUnknown, false)
  t.not(third.digest, second.digest)
  rig.double.delete('secrets', world.secretName, 'one')
  t.same(await apps(), { ...third, areAppsUnknown: true })
})

t.test('a region that leaves can say so: what that goes through goes later', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const { length } = rig.double.seen
  rig.putRegion('one', 'eu', { nodes: 1, redundancy: 1 })
  await rig.pass('one', 'eu')
  const done = rig.double.seen.slice(length).map(
    ({ verb, collection, objectName }) => `${verb} ${collection}/${objectName}`)
  const order = [
    'delete configmaps/eu-globalmaster', 'patch statefulsets/eu-nats',
    'delete deployments/eu-globalmaster', 'delete leases/eu-globalmaster',
    'delete statefulsets/eu-relay'
  ]
  t.same(done.filter(one => order.includes(one)), order)
  t.equal(done.indexOf('delete serviceaccounts/eu-globalmaster') > done.indexOf(order[0]!), true)
})

t.test('a region that cannot have another world yet stays a mate in its former one', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const spec = { nodes: 1, redundancy: 1, world: { name: 'other', secretName: 'not-there' } }
  const known = async (): Promise<object> => {
    await rig.pass('one', 'eu')
    const { peers } = JSON.parse(object(rig, 'configmaps', 'eu-globalmaster').data['world.json'])
    const conf = object(rig, 'configmaps', 'eu-relay').data['nats.conf']
    return { peers: peers.map(({ region }: any) => region), isLinked: /relay-us/.test(conf) }
  }
  rig.putSecret('two')
  rig.putRegion('two', 'us', { ...spec, world })
  await rig.pass('two', 'us')
  t.same(await known(), { peers: ['us'], isLinked: true })
  rig.putRegion('two', 'us', spec)
  t.same(await known(), { peers: ['us'], isLinked: true }, 'nothing is decided yet')
  await rig.pass('two', 'us')
  t.same(await known(), { peers: ['us'], isLinked: true }, 'it is held')
  rig.putSecret('two', undefined, 'not-there')
  await rig.pass('two', 'us')
  t.same(await known(), { peers: [], isLinked: false }, 'it is in the other one')
})

t.test('a region whose spec is invalid now stays a mate as it runs', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const spec = { nodes: 1, redundancy: 1, world }
  rig.putSecret('two')
  rig.putRegion('two', 'us', spec)
  await rig.pass('two', 'us')
  await rig.pass('one', 'eu')
  const before = [worldFile(rig), object(rig, 'configmaps', 'eu-relay').data]
  t.match(before, [{ peers: [{ region: 'us', object: 'two/us' }] }, { 'nats.conf': /relay-us/ }])
  const invalid: [string, object][] = [
    ['of its nodes', { ...spec, nodes: -1 }], ['of another name', { ...spec, region: 'ap' }],
    ['of its world', { ...spec, world: { name: 7 } }]
  ]
  for (const [what, wrong] of invalid) {
    rig.putRegion('two', 'us', wrong)
    await rig.pass('two', 'us')
    t.equal(rig.conditionOf('two', 'us', 'ConfigApplied')?.reason, 'SpecInvalid', what)
    await rig.pass('one', 'eu')
    t.same([worldFile(rig), object(rig, 'configmaps', 'eu-relay').data], before, what)
  }
  rig.putRegion('two', 'us', { nodes: 1, redundancy: 1 })
  await rig.pass('two', 'us')
  await rig.pass('one', 'eu')
  t.same(worldFile(rig).peers, [], 'it has left')
})

t.test('a name is taken by one that is there, or is to be', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1, world })
  const spec = { region: 'eu', nodes: 1, redundancy: 1 }
  const older = '2029-01-01T00:00:00Z'
  const other = { name: 'other', secretName: 'not-there' }
  for (const namespace of ['two', 'three', 'four']) rig.putSecret(namespace)
  rig.putRegion('two', 'za', { ...spec, world: { ...world, name: 'third' } }, older)
  await rig.pass('two', 'za')
  rig.putRegion('two', 'za', { ...spec, world: other }, older)
  await rig.pass('two', 'za')
  const isTaken = async (namespace: string, name: string): Promise<boolean> => {
    rig.putRegion(namespace, 'eu', { ...spec, world: { ...world, name } })
    await rig.pass(namespace, 'eu')
    return rig.conditionOf(namespace, 'eu', 'ConfigApplied')?.reason === 'WorldNameTaken'
  }
  t.equal(await isTaken('three', 'third'), true, 'there it is held')
  t.equal(await isTaken('four', 'other'), true, 'there it wants to be')
})

/** An app with keys of a Secret that a person made. */
function putKeys (rig: PassRig, appId: string, keys: Record<string, string>): void {
  const name = appId.toLowerCase()
  const entries = Object.entries(keys).map(([key, secret]) => [key, `${appId}.${key}:${secret}`])
  rig.putSecret('one', Object.fromEntries(entries), name)
  rig.putApp('one', name, {
    regionRef: { name: 'eu' }, appId, keysSecretName: name,
    keys: Object.keys(keys).map(key => ({ name: key }))
  })
}

/** More apps than one Secret can hold; returns their ids. */
function putTooMany (rig: PassRig): string[] {
  const appIds = Array.from({ length: 170 }, (_, no) => `app${100 + no}`)
  for (const appId of appIds) {
    putKeys(rig, appId, Object.fromEntries(Array.from({ length: 100 }, (_, no) =>
      [`key${100 + no}`, randomBytes(45).toString('base64url')])))
  }
  return appIds
}

/** Ids of the keys that nodes are given, by app. */
function givenKeys (rig: PassRig): Record<string, string[]> {
  const { apps } = JSON.parse(appsJsonIn(object(rig, 'secrets', 'eu-apps').data)!) as
    { apps: { appId: string, keys: { id: string }[] }[] }
  return Object.fromEntries(apps.map(({ appId, keys }) => [appId, keys.map(({ id }) => id)]))
}

t.test('apps that are too many hold up nothing else; what is taken away goes', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1 })
  putKeys(rig, 'chat01', { key001: 'secretsecret', key002: 'leakedleaked' })
  putKeys(rig, 'chat02', { key001: 'secretsecret' })
  await rig.pass('one', 'eu')
  t.same(givenKeys(rig), { chat01: ['key001', 'key002'], chat02: ['key001'] })
  const many = putTooMany(rig)
  rig.putRegion('one', 'eu', { nodes: 2, redundancy: 1 })
  await settle(rig)
  t.match(told(rig, 'ConfigApplied'), 'False AppsTooLarge: the 172 apps')
  t.match(told(rig, 'Ready'), 'False ConfigurationRefused: the 172 apps')
  t.equal(rig.statusOf('one', 'eu').readyNodes, '2/2')
  t.same(givenKeys(rig), { chat01: ['key001', 'key002'], chat02: ['key001'] })
  rig.double.delete('statefulsets', 'eu', 'one')
  rig.putRegion('one', 'eu', { nodes: 2, redundancy: 1 })
  await rig.pass('one', 'eu')
  t.ok(object(rig, 'statefulsets', 'eu'), 'what runs is made again')
  const other = { key001: 'secretsecret', key003: 'isNewisNew' }
  rig.double.delete('realtimeapps', 'chat02', 'one')
  putKeys(rig, 'chat01', other)
  await rig.pass('one', 'eu')
  t.same(givenKeys(rig), { chat01: ['key001'] }, 'nothing is added')
  for (const appId of many) rig.double.delete('realtimeapps', appId, 'one')
  putKeys(rig, 'chat01', other)
  await rig.pass('one', 'eu')
  t.match(told(rig, 'ConfigApplied'), 'True Applied')
  t.same(givenKeys(rig), { chat01: ['key001', 'key003'] })
})

t.test('nodes are not told that there are no apps where nobody knows what they have', async t => {
  const rig = await running(t, { nodes: 1, redundancy: 1 })
  putTooMany(rig)
  await rig.pass('one', 'eu')
  t.same(givenKeys(rig), {}, 'they had none')
  const garbled = { 'apps.json': Buffer.from('{"apps":').toString('base64') }
  rig.double.put('secrets', { ...object(rig, 'secrets', 'eu-apps'), data: garbled })
  await rig.pass('one', 'eu')
  t.match(told(rig, 'ConfigApplied'), 'False AppsTooLarge')
  t.same(object(rig, 'secrets', 'eu-apps').data, garbled)
  rig.double.delete('secrets', 'eu-apps', 'one')
  await rig.pass('one', 'eu')
  t.equal(object(rig, 'secrets', 'eu-apps'), undefined)
})
