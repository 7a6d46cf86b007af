/**
 * A world of two regions of real pods, as small as they come, with clients in each. Their relays
 * prove to each other who they are; that of `us` has two servers, as is usual.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as Ably from 'ably'
import {
  type Component, regionNames, selectorLabels, selectorText
} from '../../src/operator/names.ts'
import type { PeerStatus } from '../../src/operator/spec.ts'
import { until } from '../chaos/patience.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ablyClient, type Closing } from '../support/ably-clients.ts'
import { createAuthority } from '../support/pki.ts'
import { conditionOf, type StatusObject } from '../system/operator-rig.ts'

const KEY = 'World1.keyid0:secretOfTheWorld'
const SMALL = { requests: { cpu: '20m', memory: '64Mi' } }
/** Images are there; pods start and join within seconds, the machine permitting. */
const READY_MS = 240_000

/** Each is in a namespace of its name. */
export const NAMES = ['eu', 'us'] as const
export type Name = typeof NAMES[number]

/** What a region is to say: conditions of its own, and of the other one, as `status reason`. */
export interface Truth {
  readonly own?: Readonly<Record<string, string>>
  readonly peer?: Readonly<Record<string, string>>
}

export const WELL: Truth = {
  own: { Ready: 'True AsSpecified', Available: 'True NodesServe', Degraded: 'False AllNodesServe' },
  peer: {
    Synced: 'True InTouch', Unreachable: 'False Heard', Drift: 'False AppsAgree',
    NotParticipating: 'False Participates'
  }
}

export class PodWorld {
  readonly regions = NAMES.map((name) => ({ name }))
  /** Pods start anew, and find each other. */
  readonly healedMs = READY_MS
  readonly #cluster: Cluster
  readonly #urls = new Map<string, string>()

  private constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Applies both; resolves when each says that all is well with it and with the other. */
  static async start(t: Closing, cluster: Cluster): Promise<PodWorld> {
    const world = new PodWorld(cluster)
    const secret = worldSecret()
    const items = NAMES.flatMap((name) => manifestsOf(name, secret))
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    for (const name of NAMES) {
      await world.untilSays(name, WELL)
      const forward = await cluster.forward(await cluster.serviceTarget(name, name, 80))
      t.teardown(() => forward.close())
      world.#urls.set(name, `http://127.0.0.1:${forward.port}`)
    }
    return world
  }

  client(t: Closing, name: string): Ably.Realtime {
    return ablyClient(t, this.#urls.get(name)!, KEY)
  }

  /** Kills what a region has of a part; nothing takes its place until `replace`. */
  async kill(name: Name, component: Component): Promise<void> {
    for (const node of this.#cluster.nodeNames) await this.#cluster.kubectl(['cordon', node])
    await this.#cluster.kubectl([
      'delete', 'pods', '--namespace', name, '--force', '--grace-period=0',
      '--selector', selectorText(selectorLabels(name, component))
    ])
  }

  /** From now on what was killed is made anew. */
  async replace(): Promise<void> {
    for (const node of this.#cluster.nodeNames) await this.#cluster.kubectl(['uncordon', node])
  }

  /** Waits until `kubectl get realtimeregion` of a region says so, all of it at once. */
  async untilSays(name: Name, { own = {}, peer = {} }: Truth): Promise<void> {
    const other = NAMES.find((each) => each !== name)!
    let said = ''
    await until(`${name} says ${JSON.stringify({ own, peer })}`, async () => {
      const { status = {} } = await this.#region(name)
      const peers: readonly PeerStatus[] = status.peers ?? []
      const ofPeer = peers.find(({ region }) => region === other)
      said = JSON.stringify([status.conditions, ofPeer])
      const arePeersRight = peer.Synced === undefined ||
        status.syncedPeers === `${syncedOf(peer.Synced)}/1`
      return says(status.conditions, own) && says(ofPeer?.conditions, peer) && arePeersRight
    }, () => said, READY_MS)
  }

  /** Since when a region says that it is as it should be. */
  async readySince(name: Name): Promise<string | undefined> {
    const { status, lastTransitionTime } = conditionOf(await this.#region(name), 'Ready') ?? {}
    return status === 'True' ? lastTransitionTime : undefined
  }

  /** What `kubectl get realtimeregions` shows of both. */
  async table(): Promise<string> {
    return await this.#cluster.kubectl(['get', 'realtimeregions', '--all-namespaces'])
  }

  async #region(name: Name): Promise<StatusObject> {
    return JSON.parse(await this.#cluster.kubectl([
      'get', 'realtimeregion', name, '--namespace', name, '--output', 'json'
    ])) as StatusObject
  }
}

/** What is shown of the one peer that has this condition `Synced`. */
function syncedOf(synced: string): string {
  if (synced === 'Unknown NotJudged') return '?'
  return synced.startsWith('True') ? '1' : '0'
}

type Conditions = readonly {
  readonly type: string; readonly status: string; readonly reason: string
}[]

function says(
  conditions: Conditions | undefined, wanted: Readonly<Record<string, string>>
): boolean {
  return Object.entries(wanted).every(([type, words]) => {
    const condition = conditions?.find((each) => each.type === type)
    return `${condition?.status} ${condition?.reason}` === words
  })
}

/** Password and certificates, the same in both. */
function worldSecret(): object {
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-world-'))
  try {
    const authority = createAuthority(join(folder, 'ca'))
    const { certFile, keyFile } = authority.issue({
      name: 'relay', subject: '/CN=relay',
      names: NAMES.map((name) => `DNS:${regionNames(name).relayGateway}.${name}.svc`)
    })
    const files = { 'tls.crt': certFile, 'tls.key': keyFile, 'ca.crt': authority.certFile }
    const texts = Object.entries(files).map(([entry, file]) => [entry, readFileSync(file, 'utf8')])
    return { password: 'thePasswordOfTheWorld', ...Object.fromEntries(texts) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function manifestsOf(name: Name, world: object): object[] {
  const secret = (called: string, stringData: object): object => ({
    apiVersion: 'v1', kind: 'Secret', metadata: { namespace: name, name: called }, stringData
  })
  const ringcast = { apiVersion: 'ringcast.dev/v1alpha1', metadata: { namespace: name, name } }
  const managed = {
    servers: 1, storage: { type: 'Persistent', size: '1Gi' }, syncInterval: '2m', resources: SMALL
  }
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    secret('acme-world', world),
    secret('world-keys', { default: KEY }),
    {
      ...ringcast,
      kind: 'RealtimeRegion',
      spec: {
        nodes: 1, workers: 1, redundancy: 1, resources: SMALL,
        drain: { timeoutSeconds: 5, terminationGracePeriodSeconds: 15 },
        nats: { type: 'Managed', managed },
        world: {
          name: 'acme', secretName: 'acme-world', limits: { unreachableAfterSeconds: 10 },
          relay: { servers: name === 'us' ? 2 : 1, resources: SMALL },
          globalmaster: { resources: SMALL }
        }
      }
    },
    {
      ...ringcast,
      kind: 'RealtimeApp',
      spec: { regionRef: { name }, appId: 'World1', keysSecretName: 'world-keys' }
    }
  ]
}
