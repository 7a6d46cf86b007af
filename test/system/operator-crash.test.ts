/*
An operator that dies at any of its writes, before or after the server has carried it out: the next
one finds what is there and makes the rest, and the end is always the same.
*/

import t from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import { KubeError } from '../../src/kube/kube-error.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { ownedResources, podResource } from '../../src/operator/names.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  appObject, appResource, clientOf, createNamespace, makeRig, regionObject, regionResource, until,
  untilCondition
} from './operator-rig.ts'
import type { StatusObject } from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools)
/** Beyond the number of writes that a small region with an app takes. */
const writeCountMax = 40
const spec = { nodes: 2, redundancy: 1, nats: { managed: { servers: 1 } } }

t.test('crash', { skip, timeout: 180_000 }, async t => {
  const { server, client } = await startStandIn(t)

  let expected: string[] | undefined
  let crashCount = 0
  for (let at = 1; at <= writeCountMax; at++) {
    const namespace = `crash-${at}`
    await createNamespace(server, namespace)
    const dying = dyingAt(await clientOf(server), at)
    const first = await makeRig(server, { namespace, client: dying.client })
    first.controller.start()
    await client.create(regionResource, regionObject(namespace, 'eu', spec))
    await client.create(appResource, appObject(namespace, 'chat', { regionRef: { name: 'eu' } }))
    await until('its death, or its work done', async () =>
      dying.isDead() || await isReady(client, namespace))
    await first.controller.stop()
    const podsBefore = await uidsOf(client, namespace)
    const keyBefore = await secretDataOf(client, namespace, 'chat-keys')
    const natsBefore = await secretDataOf(client, namespace, 'eu-nats')

    const second = await makeRig(server, { namespace })
    second.controller.start()
    await untilCondition(client, regionResource, namespace, 'eu', 'Ready', 'True')
    await untilCondition(client, appResource, namespace, 'chat', 'Ready', 'True')
    await second.controller.stop()
    const found = await inventoryOf(client, namespace)
    expected ??= found
    t.same(found, expected, `write ${at}: the same objects`)
    const podsAfter = await uidsOf(client, namespace)
    t.ok(podsBefore.every(uid => podsAfter.includes(uid)), `write ${at}: no pod restarted`)
    const keyAfter = await secretDataOf(client, namespace, 'chat-keys')
    t.same(keyAfter, keyBefore ?? keyAfter, `write ${at}: keys stay as they were made`)
    const natsAfter = await secretDataOf(client, namespace, 'eu-nats')
    t.same(natsAfter, natsBefore ?? natsAfter, `write ${at}: so do passwords`)
    if (!dying.isDead()) break
    crashCount++
  }
  t.ok(crashCount >= 15, `${crashCount} writes, each tried`)
  t.ok(crashCount < writeCountMax, 'and none left out')
})

/** A client whose owner dies at its `at`-th write: just before it or, every other time, after. */
function dyingAt (client: KubeClient, at: number): { client: KubeClient, isDead: () => boolean } {
  let count = 0
  const gone = () => new KubeError({ status: 0, reason: 'Unreachable', message: 'died' })
  const dying = new Proxy(client, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'apply' && name !== 'remove') return value.bind(target)
      return async (...words: unknown[]) => {
        count++
        if (count > at || (count === at && at % 2 === 1)) throw gone()
        const answer: unknown = await value.apply(target, words)
        if (count === at) throw gone()
        return answer
      }
    }
  })
  return { client: dying, isDead: () => count >= at }
}

async function isReady (client: KubeClient, namespace: string): Promise<boolean> {
  const app = await client.get<StatusObject>(appResource, { namespace, name: 'chat' })
  const region = await client.get<StatusObject>(regionResource, { namespace, name: 'eu' })
  return [app, region].every(object => object?.status?.conditions?.some(
    ({ type, status }) => type === 'Ready' && status === 'True'
  ) === true)
}

async function inventoryOf (client: KubeClient, namespace: string): Promise<string[]> {
  const found: string[] = []
  for (const resource of ownedResources) {
    const { items } = await client.list<KubeObject>(resource, { namespace })
    found.push(...items.map(({ metadata }) => `${resource.kind} ${metadata.name}`))
  }
  return found.sort()
}

async function uidsOf (client: KubeClient, namespace: string): Promise<Array<string | undefined>> {
  const { items } = await client.list<KubeObject>(podResource, { namespace })
  return items.map(({ metadata }) => metadata.uid)
}

async function secretDataOf (
  client: KubeClient, namespace: string, name: string
): Promise<Record<string, string> | undefined> {
  const secrets = ownedResources.find(({ kind }) => kind === 'Secret')
  if (secrets === undefined) throw new Error('no Secrets')
  return (await client.get<StatusObject>(secrets, { namespace, name }))?.data
}
