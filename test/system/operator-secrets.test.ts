/*
What the operator knows and must not tell: keys of apps and passwords of NATS stand in Secrets, and
nowhere else that it writes to. Its logs, its events and every object it keeps are looked through,
also after faults: entries that are no keys, credentials that do not fit, writes that are refused.
*/

import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { ownedResources, podResource, secretResource } from '../../src/operator/names.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  appObject, appResource, createNamespace, makeRig, regionObject, regionResource, untilCondition
} from './operator-rig.ts'
import type { StatusObject } from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools)
const namespace = 'discreet'
/** Shorter parts of what a Secret holds are names. */
const secretLengthMin = 12

t.test('no secret is told', { skip, timeout: 120_000 }, async t => {
  const { server, client } = await startStandIn(t)
  const logged: string[] = []
  const write = (fields: object, message: string) => {
    logged.push(`${message} ${inspect(fields, { depth: Infinity })}`)
  }
  const rig = await makeRig(server, { log: { info: write, warn: write, error: write } })
  rig.controller.start()
  t.teardown(() => rig.controller.stop())
  await createNamespace(server, namespace)
  const known = new Set<string>()
  const look = async () => {
    for (const secret of await secretsOf(client)) known.add(secret)
  }

  await t.test('while all goes well', async t => {
    await makeRegion(client)
    await look()
    t.ok(known.size >= 6, 'keys of two apps, and passwords')
    await testSilence(t, server, client, logged, known)
  })
  await t.test('of entries that are none, and credentials that do not fit', async t => {
    await makeMistakes(client)
    await look()
    const told = await testSilence(t, server, client, logged, known)
    t.match(told, /odd-keys: entry default is not an API key/, 'they are told of')
  })
  await t.test('when a write is refused', async t => {
    await refuseWrites(client)
    await look()
    const told = await testSilence(t, server, client, logged, known)
    t.match(told, /Secret eu-apps: [^\n]*immutable/, 'it is told of')
  })
})

/** A region with its own NATS, an app with keys of the operator's, one with a person's. */
async function makeRegion (client: KubeClient): Promise<void> {
  await client.create(regionResource, regionObject(namespace, 'eu'))
  await makeSecret(client, 'brought-keys', { default: 'Zz9999.k1k1k1:averylongsecretOfAPerson' })
  await client.create(appResource, appObject(namespace, 'chat', {
    regionRef: { name: 'eu' }, keys: [{ name: 'server' }, { name: 'client' }]
  }))
  await client.create(appResource, appObject(namespace, 'brought', {
    regionRef: { name: 'eu' }, keysSecretName: 'brought-keys'
  }))
  await untilCondition(client, regionResource, namespace, 'eu', 'Ready', 'True')
  for (const name of ['chat', 'brought']) {
    await untilCondition(client, appResource, namespace, name, 'Ready', 'True')
  }
}

/** An app whose Secret holds no key, and a region whose Secret holds no credentials. */
async function makeMistakes (client: KubeClient): Promise<void> {
  await makeSecret(client, 'odd-keys', { default: 'Zz8888:theKeysIdWasLeftOutOfThis' })
  await client.create(appResource, appObject(namespace, 'odd', {
    regionRef: { name: 'eu' }, keysSecretName: 'odd-keys'
  }))
  await untilCondition(client, appResource, namespace, 'odd', 'Ready', 'False', 'KeysUnusable')
  await makeSecret(client, 'nats-login', { passwort: 'thisEntryHasAnotherName' })
  await client.create(regionResource, regionObject(namespace, 'out', {
    nats: {
      type: 'External', external: { urls: ['nats://nats.example:4222'], secretName: 'nats-login' }
    }
  }))
  await untilCondition(
    client, regionResource, namespace, 'out', 'ConfigApplied', 'False', 'NatsSecretMissing'
  )
}

/** The nodes' Secret may not be changed any more, and there is a new key for it. */
async function refuseWrites (client: KubeClient): Promise<void> {
  await client.mergePatch(secretResource, { namespace, name: 'eu-apps' }, { immutable: true })
  await client.mergePatch(appResource, { namespace, name: 'chat' }, {
    spec: { keys: [{ name: 'server' }, { name: 'another' }] }
  })
  await untilCondition(
    client, regionResource, namespace, 'eu', 'ConfigApplied', 'False', 'Refused'
  )
}

async function makeSecret (
  client: KubeClient, name: string, stringData: Record<string, string>
): Promise<void> {
  const metadata = { namespace, name }
  await client.create(secretResource, {
    apiVersion: 'v1', kind: 'Secret', metadata, stringData
  } as KubeObject)
}

/** All that the Secrets of the namespace hold which is long enough to be one, and its base64. */
async function secretsOf (client: KubeClient): Promise<string[]> {
  const { items } = await client.list<StatusObject>(secretResource, { namespace })
  return items.flatMap(({ data = {} }) => Object.values(data)).flatMap(encoded => {
    const value = Buffer.from(encoded, 'base64').toString('utf8')
    return [encoded, ...partsOf(value)]
  })
}

/** Secrets of keys, those in `apps.json` too, and anything else as it is. */
function partsOf (value: string): string[] {
  const ofKeys = [...value.matchAll(/"secret":"([^"]+)"/g)].map(([, secret]) => `${secret}`)
  if (ofKeys.length > 0) return ofKeys
  return value.split(':').slice(-1).filter(({ length }) => length >= secretLengthMin)
}

/** Looks through all that is told by now, and returns it. */
async function testSilence (
  t: Test, server: ApiServer, client: KubeClient, logged: string[], secrets: Set<string>
): Promise<string> {
  const { body } = await server.call('GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`)
  const places = { log: logged.join('\n'), events: JSON.stringify(body.items) }
  const objects: string[] = []
  for (const resource of [...ownedResources, podResource, regionResource, appResource]) {
    if (resource.kind === 'Secret') continue
    const { items } = await client.list<KubeObject>(resource, { namespace })
    objects.push(...items.map(item => JSON.stringify(item)))
  }
  for (const [place, text] of Object.entries({ ...places, objects: objects.join('\n') })) {
    t.ok(text.length > 100, `${place}: there is something to look at`)
    const found = [...secrets].filter(secret => text.includes(secret))
    t.equal(found.length, 0, `${place}: nothing of a Secret`)
  }
  return `${places.log}\n${places.events}\n${objects.join('\n')}`
}
