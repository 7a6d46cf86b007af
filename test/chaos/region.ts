/**
 * A region of real processes: an API server, three nats-servers as a cluster, and nodes whose pods
 * the played kubelets look after. What an operator makes of a RealtimeRegion is made here.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type * as Ably from 'ably'
import { connect } from 'nats'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { nodeAccess } from '../../src/operator/access.ts'
import { resourceOf } from '../../src/operator/desired.ts'
import { regionNames } from '../../src/operator/names.ts'
import { nodeStatefulSet, ring } from '../../src/operator/node-manifests.ts'
import { parseRegion, type RegionSpec } from '../../src/operator/spec.ts'
import type { View } from '../../src/ring/view.ts'
import { ablyClient, type AblyOptions, type Closing } from '../support/ably-clients.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts'
import { freePorts } from '../support/server-process.ts'
import { clientOf, regionObject } from '../system/operator-rig.ts'
import { Kubelet, type PodManifest, signalTo } from './kubelet.ts'
import { KEPT_NAMESPACE } from './load.ts'
import { until } from './patience.ts'
import { evidenceIn, RingWatch, type Seen } from './ring-watch.ts'
import type { Ground } from './scene.ts'

const NAMESPACE = 'default'
const REGION = 'eu'
const APP = 'chaos0'
const SECRET = 'secretOfTheStorm'
const KEY = `${APP}.app000:${SECRET}`
const APPS = {
  apps: [{
    appId: APP,
    keys: [{ id: 'app000', secret: SECRET, capability: { '*': ['*'] } }],
    namespaces: [KEPT_NAMESPACE],
    limits: {}
  }]
}
const NATS_COUNT = 3
const COPY_COUNT = 3
const DRAIN_S = 6

export class Region implements Ground {
  readonly nodeCount: number
  readonly nats: NatsCluster
  readonly kubelet: Kubelet
  readonly #ring: RingWatch
  readonly #publicPort: number

  private constructor(parts: {
    nodeCount: number; nats: NatsCluster; kubelet: Kubelet; ring: RingWatch; publicPort: number
  }) {
    this.nodeCount = parts.nodeCount
    this.nats = parts.nats
    this.kubelet = parts.kubelet
    this.#ring = parts.ring
    this.#publicPort = parts.publicPort
  }

  /** Starts everything; all processes end with `t`. The nodes log into `folder`. */
  static async start(t: Closing, nodeCount: number, folder: string): Promise<Region> {
    const api = await startApiServer({ crds: ['crds'] })
    t.teardown(() => api.stop())
    const nats = await startNatsCluster(NATS_COUNT)
    t.teardown(() => nats.stop())
    const client = await clientOf(api)
    t.teardown(() => client.close())
    const spec = specOf(nats)
    await makeObjects(client, spec)
    const kubeconfigPath = join(folder, 'kubeconfig')
    await writeKubeconfig(api, kubeconfigPath)
    const [publicPort = 0, privatePort = 0] = await freePorts(2)
    const kubelet = new Kubelet({
      namespace: NAMESPACE, folder, kubeconfigPath, publicPort, privatePort, nameOf, hostOf,
      manifestOf: (name) => podManifest(name, spec)
    }, client)
    t.teardown(() => kubelet.end())
    const ring = new RingWatch(client, { namespace: NAMESPACE, name: REGION }, APP)
    const region = new Region({ nodeCount, nats, kubelet, ring, publicPort })
    const indexes = Array.from({ length: nodeCount }, (_, index) => index)
    await Promise.all(indexes.map((index) => kubelet.create(index)))
    ring.keepLooking(t)
    await region.untilWhole()
    return region
  }

  get indexes(): readonly number[] {
    return Array.from({ length: this.nodeCount }, (_, index) => index)
  }

  /** All views so far. */
  get views(): readonly Seen[] {
    return this.#ring.views
  }

  /** Waits until every pod's node is ready, and the ring lists these and no others. */
  async untilWhole(): Promise<View> {
    let listed = ''
    return await until('the region is whole', async () => {
      const [view, ...states] = await Promise.all([
        this.#ring.view(), ...this.indexes.map((index) => this.kubelet.state(index))
      ])
      const members = view?.members ?? []
      listed = members.map(({ incarnation, state }) => `${incarnation} ${state}`).join(', ')
      const unready = states.map((state) => state === undefined ? 'no answer'
        : state.unreadyBecause)
      listed += `; unready because: ${unready.map((reason) => reason ?? '-').join(', ')}`
      const wanted = states.map((state) => `${state?.incarnation} serving`)
      const isAsWanted = members.length === wanted.length &&
        members.every(({ incarnation, state }) => wanted.includes(`${incarnation} ${state}`))
      const isMoving = view?.handovers !== undefined
      return unready.every((reason) => reason === undefined) && isAsWanted && !isMoving && view
    }, () => `members: ${listed}`)
  }

  untilRemoved(incarnation: string): Promise<View> {
    return this.#ring.untilRemoved(incarnation)
  }

  async incarnationOf(index: number): Promise<string> {
    return await until(`node ${index} answers`, async () => {
      const state = await this.kubelet.state(index)
      return state?.incarnation
    })
  }

  masterOf(channel: string, view: View): string | undefined {
    return this.#ring.masterOf(channel, view)
  }

  /** Sends a signal to a nats-server that runs. */
  signalNats(server: number, signal: NodeJS.Signals): void {
    signalTo(this.nats.servers[server]?.process, signal)
  }

  /** Which nats-server leads most streams. */
  async leadingNats(): Promise<number> {
    const connection = await connect({ servers: [...this.nats.urls] })
    try {
      const manager = await connection.jetstreamManager({ checkAPI: false })
      const leads = Array.from({ length: NATS_COUNT }, () => 0)
      for await (const { cluster } of manager.streams.list()) {
        const leader = Number(cluster?.leader?.slice(1))
        if (leads[leader] !== undefined) leads[leader]++
      }
      return leads.indexOf(Math.max(...leads))
    } finally {
      await connection.close()
    }
  }

  /** A client whose first host is that of node `index`; the others are its fallbacks. */
  client(t: Closing, index: number, options: AblyOptions = {}): Ably.Realtime {
    const fallbackHosts = this.indexes.filter((other) => other !== index).map(hostOf)
    return ablyClient(t, `http://${hostOf(index)}:${this.#publicPort}`, KEY, {
      ...options, fallbackHosts
    })
  }

  hostOf(index: number): string {
    return hostOf(index)
  }

  evidenceOf(incarnation: string): string {
    return evidenceIn(this.#logs(), incarnation)
  }

  /** How many worker threads have ended so far. */
  get workerEndCount(): number {
    return this.#logs().split('ended; its heir starts').length - 1
  }

  #logs(): string {
    return this.kubelet.logFiles.map((file) => readFileSync(file, 'utf8')).join('\n')
  }
}

function nameOf(index: number): string {
  return `${REGION}-${index}`
}

/** The address of pod `index`; no other process of this machine is likely to listen there. */
function hostOf(index: number): string {
  return `127.${20 + process.pid % 200}.1.${index + 1}`
}

function specOf(nats: NatsCluster): RegionSpec {
  const parsed = parseRegion(regionObject(NAMESPACE, REGION, {
    nats: { type: 'External', external: { urls: [...nats.urls] } },
    redundancy: COPY_COUNT,
    workers: 1,
    drain: { timeoutSeconds: DRAIN_S }
  }))
  if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
  return parsed.spec
}

function contextOf(spec: RegionSpec) {
  return {
    name: REGION,
    namespace: NAMESPACE,
    spec,
    defaults: { nodeImage: 'ringcast', natsImage: 'nats' },
    replicas: 3,
    natsCredentials: 'none' as const,
    credentialsDigest: ''
  }
}

function podManifest(name: string, spec: RegionSpec): PodManifest {
  const { template } = nodeStatefulSet(contextOf(spec)).spec as { template: PodManifest }
  const metadata = { ...template.metadata, name, namespace: NAMESPACE }
  // The API lets only pods of a machine end in peace; others it forgets at once.
  const onMachine = { ...template.spec, nodeName: `machine-of-${name}` }
  return { ...template, apiVersion: 'v1', kind: 'Pod', metadata, spec: onMachine }
}

/** What the operator makes before there are nodes. */
async function makeObjects(client: KubeClient, spec: RegionSpec): Promise<void> {
  const apps = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: regionNames(REGION).apps, namespace: NAMESPACE },
    stringData: { 'apps.json': JSON.stringify(APPS) }
  }
  const manifests = [...nodeAccess(REGION, NAMESPACE, false), ring(contextOf(spec)), apps]
  for (const manifest of manifests as KubeObject[]) {
    await client.create(resourceOf(manifest), manifest)
  }
}

/** The nodes have the rights of their own ServiceAccount, and no others. */
async function writeKubeconfig(api: ApiServer, path: string): Promise<void> {
  const { account } = regionNames(REGION)
  const { body } = await api.call(
    'POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${account}/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
  )
  const kubeconfig = JSON.parse(readFileSync(api.kubeconfigPath, 'utf8'))
  kubeconfig.users[0].user = { token: body.status.token }
  writeFileSync(path, JSON.stringify(kubeconfig), { mode: 0o600 })
}
