/*
`ringcast globalmaster` as a process, one beside each of two regions: a real API server, the
operator, and one real nats-server that both regions share. Their nodes are no more than their
words here.
*/

import t from 'tap'
import type { Test } from 'tap'
import { NatsMesh } from '../../src/bus/nats.ts'
import {
  globalmasterSubject, rosterSubject, subjectPrefix, worldSubject
} from '../../src/bus/subjects.ts'
import { CONFIG_MAPS } from '../../src/commands/kube-access.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { regionNames, ringResource, secretResource } from '../../src/operator/names.ts'
import { decodeGlobalmaster } from '../../src/region/globalmaster-codec.ts'
import { decodeWorldMessage, encodeWorldMessage } from '../../src/region/world-codec.ts'
import { WORLD_FORMAT_VERSION } from '../../src/region/world-message.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  conditionOfPeer, type Place, regionAt, startGlobalmaster, untilPeer
} from './globalmaster-process.ts'
import {
  appObject, appResource, createNamespace, makeRig, regionObject, regionResource, until,
  untilCondition
} from './operator-rig.ts'
import type { StatusObject } from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
const UNTIL_MS = 90_000
const ANNOUNCE_MS = 2_000

const eu: Place = { namespace: 'one', name: 'eu' }
const us: Place = { namespace: 'two', name: 'us' }

t.test('globalmasters', { skip, timeout: 400_000 }, async t => {
  const { server, client } = await startStandIn(t)
  const nats = await startNatsServer()
  t.teardown(() => nats.stop())
  const rig = await makeRig(server)
  rig.controller.start()
  t.teardown(() => rig.controller.stop())
  for (const place of [eu, us]) await makeRegion(server, client, place, nats.url)
  const voices = await Promise.all([eu, us].map(place => Nodes.begin(client, place, nats.url)))
  t.teardown(() => Promise.all(voices.map(nodes => nodes.end())))
  const start = async (place: Place) => await startGlobalmaster(t, server, place, nats.url)
  const ofEu = await start(eu)
  let ofUs = await start(us)

  await t.test('each region tells that the other is in touch, and its nodes who is there',
    async t => {
      for (const [place, other] of [[eu, us], [us, eu]] as const) {
        const region = await untilPeer(client, place, other, 'Synced', 'True', 'InTouch')
        t.equal(region.status?.syncedPeers, '1/1')
        t.ok(region.status?.peers[0].roundTripMs >= 0)
      }
      const uids = voices.map(nodes => nodes.uid).sort()
      for (const nodes of voices) {
        await until('the roster', () => nodes.roster.toSorted().join() === uids.join(), UNTIL_MS)
        t.equal(nodes.roster[0], nodes.uid, 'the own region is the nearest')
        t.same(nodes.names, nodes === voices[0] ? [eu.name, us.name] : [us.name, eu.name])
      }
    })

  await t.test('apps that are not the same are told', async t => {
    await client.create(appResource, appObject('one', 'chat', {
      regionRef: { name: 'eu' }, appId: 'AbC123'
    }))
    const region = await untilPeer(client, us, eu, 'Drift', 'True', 'AppsDiffer')
    t.match(conditionOfPeer(region, eu, 'Drift')?.message, /AbC123 is only there/)
    t.equal(conditionOfPeer(region, eu, 'Synced')?.status, 'True')
  })

  await t.test('until they are, their keys too; and again when one is changed', t =>
    testDrift(t, client))

  await t.test('one that is killed is missed, and goes on when it is started again', async t => {
    await ofUs.kill()
    await untilPeer(client, eu, us, 'Synced', 'Unknown', 'GlobalmasterSilent')
    const region = await regionAt(client, eu)
    t.equal(conditionOfPeer(region, us, 'Unreachable')?.status, 'False')
    ofUs = await start(us)
    await untilPeer(client, eu, us, 'Synced', 'True', 'InTouch')
    await untilPeer(client, us, eu, 'Synced', 'True', 'InTouch')
  })

  await t.test('one that stands by goes on where the one before it was killed', async t => {
    const standingBy = await start(eu)
    await ofEu.kill()
    const { worlds } = voices[0]!
    t.notOk(worlds.has('-'), 'who is killed says nothing')
    await client.mergePatch(regionResource, { ...us }, { spec: { world: null } })
    // Its pod would go with its Deployment, after its ConfigMap. Its nodes go on.
    const map = { namespace: us.namespace, name: regionNames(us.name).globalmaster }
    await until('its ConfigMap is gone', async () =>
      await client.get(CONFIG_MAPS, map) === undefined)
    await until('us says that it leaves', () => worlds.has('-'))
    const region = await until('us is let go', async () => {
      const found = await regionAt(client, eu)
      return found.status?.syncedPeers === '0/0' && found
    }, UNTIL_MS)
    t.ok(region)
    await until('the roster', () => voices[0]!.roster.join() === voices[0]!.uid, UNTIL_MS)
    t.equal(standingBy.ending(), undefined)
  })
})

async function testDrift (t: Test, client: KubeClient): Promise<void> {
  const spec = { regionRef: { name: 'us' }, appId: 'AbC123', keysSecretName: 'keys-of-eu' }
  const target = { namespace: 'two', name: 'chat-too' }
  const { data: keys } = await until('the keys of eu', async () =>
    await client.get<StatusObject>(secretResource, { namespace: 'one', name: 'chat-keys' }))
  const other = Buffer.from('AbC123.k1y2z3:anothersecret').toString('base64')
  const keysInUs = { namespace: 'two', name: 'keys-of-eu' }
  await client.create(secretResource, {
    apiVersion: 'v1', kind: 'Secret', metadata: keysInUs, data: { default: other }
  } as StatusObject)
  await client.create(appResource, appObject('two', target.name, spec))
  await untilCondition(client, appResource, 'two', target.name, 'Ready', 'True')
  const untilDrift = async (isThere: boolean): Promise<void> => {
    for (const [place, peer] of [[eu, us], [us, eu]] as const) {
      const region = isThere
        ? await untilPeer(client, place, peer, 'Drift', 'True', 'AppsDiffer', /AbC123 differs/)
        : await untilPeer(client, place, peer, 'Drift', 'False', 'AppsAgree')
      t.equal(conditionOfPeer(region, peer, 'Synced')?.status, 'True')
    }
  }
  await untilDrift(true)
  await client.mergePatch(secretResource, keysInUs, { data: keys })
  await untilDrift(false)
  await client.mergePatch(appResource, target, { spec: { limits: { publishRateMax: 7 } } })
  await untilDrift(true)
  await client.mergePatch(appResource, target, { spec: { limits: null } })
  await untilDrift(false)
}

async function makeRegion (
  server: ApiServer, client: KubeClient, { namespace, name }: Place, url: string
): Promise<void> {
  await createNamespace(server, namespace)
  const data = { password: Buffer.from('k'.repeat(24)).toString('base64') }
  await client.create(secretResource, {
    apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'acme-world' }, data
  } as StatusObject)
  await client.create(regionResource, regionObject(namespace, name, {
    nodes: 1,
    nats: { type: 'External', external: { urls: [url] } },
    world: {
      name: 'acme', secretName: 'acme-world', limits: { unreachableAfterSeconds: 10 }
    }
  }))
  await untilCondition(client, regionResource, namespace, name, 'Ready', 'True')
}

/** What nodes of a region say, and what they are told. */
class Nodes {
  readonly uid: string
  roster: readonly string[] = []
  /** In the same order. */
  names: readonly string[] | undefined
  /** What globalmasters said that they are in. */
  readonly worlds = new Set<string>()
  readonly #mesh: NatsMesh
  readonly #timer: NodeJS.Timeout

  private constructor (place: Place, uid: string, madeAtMs: number, mesh: NatsMesh) {
    this.uid = uid
    this.#mesh = mesh
    const prefix = subjectPrefix(place.name, uid)
    mesh.subscribe(rosterSubject(prefix), bytes => {
      const message = decodeWorldMessage(bytes)
      if (message?.kind !== 'roster') return
      this.roster = message.uids
      this.names = message.names
    })
    mesh.subscribe(globalmasterSubject, bytes => {
      this.worlds.add(decodeGlobalmaster(bytes)?.world ?? '')
    })
    const view = {
      version: 1, partitionCount: 1, successorCount: 0, members: [], tombstones: [], assignment: ''
    }
    const bytes = encodeWorldMessage({
      kind: 'region', formatVersion: WORLD_FORMAT_VERSION, name: place.name, ownName: place.name,
      uid, madeAtMs, prefix, endpoint: '', view, generations: []
    })!
    this.#timer = setInterval(() => mesh.publish(worldSubject, bytes), ANNOUNCE_MS)
  }

  static async begin (client: KubeClient, place: Place, url: string): Promise<Nodes> {
    const ring = await client.get<StatusObject>(ringResource, place)
    const events = { onUp () {}, onDown () {}, note () {} }
    const mesh = await NatsMesh.connect(
      { servers: [url], name: place.name }, events, new AbortController().signal)
    const { uid = '', creationTimestamp = '' } = ring?.metadata ?? {}
    return new Nodes(place, uid, Date.parse(creationTimestamp), mesh)
  }

  async end (): Promise<void> {
    clearInterval(this.#timer)
    await this.#mesh.close()
  }
}
