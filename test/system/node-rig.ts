/*
A region of real `ringcast node` processes, against a real API server and a real NATS. The rig is
its operator, its StatefulSet controller and its kubelet: it makes the objects that the operator
would make, runs each pod's container as a process with the environment that its manifest says, and
tells the API how the container fares. Every pod has an address of its own on the loopback.
*/

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as Ably from 'ably'
import { partitionOf } from '../../src/base/hash.ts'
import { CONFIG_MAPS, RINGS, SECRETS } from '../../src/commands/kube-access.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { nodeAccess } from '../../src/operator/access.ts'
import { appsData } from '../../src/operator/apps.ts'
import { resourceOf } from '../../src/operator/desired.ts'
import { podResource, regionNames } from '../../src/operator/names.ts'
import { nodeStatefulSet, ring } from '../../src/operator/node-manifests.ts'
import { parseRegion } from '../../src/operator/spec.ts'
import { worldSettings, worldSettingsEntry } from '../../src/operator/world.ts'
import { masterOf, type View, viewFromStatus } from '../../src/ring/view.ts'
import { ablyClient, type AblyOptions } from '../support/ably-clients.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import type { NatsCluster } from '../support/nats-cluster.ts'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../support/nats-server.ts'
import { freePorts } from '../support/server-process.ts'
import { TcpGate } from '../support/tcp-gate.ts'
import { clientOf, regionObject, until } from './operator-rig.ts'
import { type NodeProcess, type NodeState, startNodeProcess } from './node-process.ts'
import { environmentOf, type Pod } from './pod-environment.ts'
import { APPS, KEY } from './rig-app.ts'

export { type NodeProcess, type NodeState, until }

/** A process starts within seconds, on a machine that has nothing else to do. */
const STATE_MS = 60_000
/** So many names are tried to find some of one master. */
const NAMES_MAX = 10_000
export interface Teardowns {
  teardown(run: () => unknown): void
}

type Nats = NatsServer | NatsCluster

/** What of a region is not as it is mostly. */
export interface RigOptions {
  /** One that the test runs, as a cluster. */
  readonly nats?: Nats
  /** That of another region. */
  readonly api?: ApiServer
  /** Which is there. */
  readonly namespace?: string
  readonly region?: string
  /** Different for regions that are there at once. */
  readonly no?: number
  /** Where its nodes listen, for clients and else; regions that share them have other hosts. */
  readonly ports?: readonly [number, number]
  /** The world that it is part of. */
  readonly world?: string
  /** So many seconds members of a lost region stay, if not as long as elsewhere. */
  readonly lostRegionGraceS?: number | undefined
  /** What its nodes are told besides. */
  readonly env?: Readonly<Record<string, string>>
}

export class NodeRig {
  readonly key = KEY
  readonly #t: Teardowns
  readonly region: string
  readonly #namespace: string
  readonly #no: number
  readonly #world: ReturnType<typeof worldOf>
  readonly #env: Readonly<Record<string, string>>
  readonly api: ApiServer
  readonly #client: KubeClient
  readonly #folder: string
  /** A kubeconfig with the rights of the nodes. */
  readonly kubeconfigPath: string
  readonly #ports: readonly [number, number]
  /** Between the nodes and the API server. */
  readonly apiGate: TcpGate
  nats: Nats
  #startCount = 0

  private constructor(t: Teardowns, options: RigOptions, parts: {
    api: ApiServer; client: KubeClient; nats: Nats; apiGate: TcpGate; folder: string
    kubeconfigPath: string; ports: readonly [number, number]
  }) {
    this.#t = t
    this.region = options.region ?? 'eu'
    this.#namespace = options.namespace ?? 'default'
    this.#world = worldOf(options)
    this.#env = options.env ?? {}
    this.#no = options.no ?? 0
    this.api = parts.api
    this.#client = parts.client
    this.nats = parts.nats
    this.apiGate = parts.apiGate
    this.#folder = parts.folder
    this.kubeconfigPath = parts.kubeconfigPath
    this.#ports = parts.ports
  }

  /**
   * Starts API server and NATS (which keeps its streams over a stop), unless they are given, and
   * makes the objects of the region; all of it ends with `t`.
   */
  static async start(t: Teardowns, options: RigOptions = {}): Promise<NodeRig> {
    const api = options.api ?? await startApiServer({ crds: ['crds'] })
    if (options.api === undefined) t.teardown(() => api.stop())
    const folder = mkdtempSync(join(tmpdir(), 'ringcast-nodes-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const [port = 0] = await freePorts(1)
    const nats = options.nats ?? await startNatsServer({ ...natsOptions(folder), port })
    const apiGate = await TcpGate.before(Number(new URL(api.url).port))
    t.teardown(() => apiGate.shut())
    const client = await clientOf(api)
    t.teardown(() => client.close())
    const ports = options.ports ?? await freePorts(2) as [number, number]
    const rig = new NodeRig(t, options, {
      api, client, nats, apiGate, folder, ports,
      kubeconfigPath: join(folder, 'kubeconfig')
    })
    t.teardown(() => rig.nats.stop())
    await rig.#makeRegion()
    return rig
  }

  /** Makes pod `index` of the region, unless it is there, and starts its container (again). */
  async startNode(index: number): Promise<NodeProcess> {
    const target = this.#podOf(index)
    const { name } = target
    const known = await this.#client.get<Pod>(podResource, target)
    const pod = known ?? await this.#client.create<Pod>(podResource, this.#podManifest(name))
    const host = this.hostOf(index)
    const lastState = known === undefined ? {} : { terminated: {
      exitCode: 137, startedAt: known.metadata.creationTimestamp, finishedAt: nowText()
    } }
    const node = this.#run(pod, name, host)
    const container = { name: 'node', image: 'ringcast', imageID: '', restartCount: 0 }
    await this.#client.mergePatch(podResource, target, {
      status: {
        phase: 'Running',
        podIP: host,
        podIPs: [{ ip: host }],
        conditions: [{ type: 'Ready', status: 'False' }],
        containerStatuses: [{
          ...container, ready: false, state: { running: { startedAt: nowText() } }, lastState
        }]
      }
    }, { subresource: 'status' })
    return node
  }

  /** Starts node `index` and waits until it is ready. */
  async startReadyNode(index: number): Promise<NodeProcess> {
    const node = await this.startNode(index)
    await this.untilReady(node)
    return node
  }

  async untilReady(node: NodeProcess): Promise<void> {
    await this.untilState(node, 'ready', ({ unreadyBecause }) => unreadyBecause === undefined)
  }

  /** Waits for a state of a node; rejects, with its log, if it ends first. */
  async untilState(
    node: NodeProcess, what: string, holds: (state: NodeState) => boolean
  ): Promise<NodeState> {
    return await until(`${node.name} ${what}`, async () => {
      const ending = node.process.ending()
      if (ending !== undefined) throw new Error(`${node.name} ${ending}\n${node.process.logTail()}`)
      const state = await node.state().catch(() => undefined)
      return state !== undefined && holds(state) && state
    }, STATE_MS)
  }

  /** Takes the pod out of the API, as it is once its grace is over. */
  async deletePod(index: number): Promise<void> {
    await this.#client.remove(podResource, this.#podOf(index), { gracePeriodSeconds: 0 })
  }

  /** The keys of the region's own app. */
  async giveKeys(keys: object[]): Promise<void> {
    await this.#writeApps([{ ...APPS.apps[0], keys }])
  }

  /** Apps beside the region's own. */
  async giveApps(others: readonly object[]): Promise<void> {
    await this.#writeApps([...APPS.apps, ...others])
  }

  /** What the nodes are given to know of apps, as the operator writes it. */
  async #writeApps(apps: readonly object[]): Promise<void> {
    const data = { 'apps.json': null, 'apps.json.gz': null, ...appsData(JSON.stringify({ apps })) }
    const { apps: name } = regionNames(this.region)
    await this.#client.mergePatch(SECRETS, { namespace: this.#namespace, name }, { data })
  }

  /** Asks the pod's node to drain, or no longer, as a person would: by annotation. */
  async annotateDrain(index: number, isAsked: boolean): Promise<void> {
    const annotations = { 'ringcast.dev/drain': isAsked ? 'true' : null }
    await this.#client.mergePatch(podResource, this.#podOf(index), { metadata: { annotations } })
  }

  /** Asks the region to send its clients to others, so many a second, or no longer. */
  async drainRegion(isToDrain: boolean, drainedPerSecond: number): Promise<void> {
    const data = { [worldSettingsEntry]: JSON.stringify({ isToDrain, drainedPerSecond }) }
    const target = { namespace: this.#namespace, name: regionNames(this.region).world }
    await this.#client.mergePatch(CONFIG_MAPS, target, { data })
  }

  /** The view as the RealtimeRing has it; undefined before the first. */
  async view(): Promise<View | undefined> {
    interface Ring extends KubeObject { spec: { partitionCount: number }, status?: object }
    const target = { namespace: this.#namespace, name: this.region }
    const object = await this.#client.get<Ring>(RINGS, target)
    if (object?.status === undefined) return undefined
    const reading = viewFromStatus(object.status, object.spec)
    if (reading.outcome === 'malformed') throw new Error(`the ring: ${reading.reason}`)
    return reading.view
  }

  /**
   * Waits until the ring lists exactly these incarnations, all serving, and no more moves are
   * planned; else tells the story.
   */
  async untilServing(incarnations: readonly string[]): Promise<View> {
    const wanted = incarnations.map((incarnation) => `${incarnation} serving`).sort().join(', ')
    let listed = ''
    try {
      return await until(wanted, async () => {
        const view = await this.view()
        const members = view?.members ?? []
        const words = members.map(({ incarnation, state }) => `${incarnation} ${state}`)
        listed = words.sort().join(', ')
        const areMovesOver = (view?.handovers ?? []).length === 0
        return listed === wanted && areMovesOver && view
      })
    } catch (error) {
      throw new Error(`${(error as Error).message}, but ${listed}\n${this.#story()}`)
    }
  }

  /** `count` channels whose master is `incarnation`. */
  channelsOf(incarnation: string, view: View, count: number, prefix = 'c'): string[] {
    const names: string[] = []
    for (let at = 0; names.length < count; at++) {
      if (at > NAMES_MAX) throw new Error(`${incarnation} masters too little: ${view.version}`)
      const name = `${prefix}${at}`
      if (this.isMaster(incarnation, name, view)) names.push(name)
    }
    return names
  }

  isMaster(incarnation: string, channel: string, view: View): boolean {
    const partition = partitionOf(`chat00/${channel}`, view.partitionCount)
    return masterOf(partition, view)?.incarnation === incarnation
  }

  /** An SDK client whose first host is node `index`; the others of `among` are its fallbacks. */
  client(
    t: Teardowns, index: number, among: readonly number[] = [index], options: AblyOptions = {}
  ): Ably.Realtime {
    const fallbackHosts = among.filter((other) => other !== index)
      .map((other) => this.hostOf(other))
    const url = `http://${this.hostOf(index)}:${this.#ports[0]}`
    return ablyClient(t, url, this.key, { fallbackHosts, ...options })
  }

  stopNats = async (): Promise<void> => await this.nats.stop()

  /** Starts NATS again, where it was. */
  async startNats(): Promise<void> {
    if ('urls' in this.nats) throw new Error('a given NATS is started by whoever gave it')
    this.nats = await startNatsServer({ ...natsOptions(this.#folder), port: this.nats.port })
  }

  /** The address of pod `index`; no other process of this machine is likely to listen there. */
  hostOf(index: number): string {
    return `127.${20 + process.pid % 200}.${this.#no}.${index + 1}`
  }

  #podOf(index: number): { namespace: string; name: string } {
    return { namespace: this.#namespace, name: `${this.region}-${index}` }
  }

  /** What all nodes, past ones too, logged of themselves and of the ring, in order. */
  #story(): string {
    const files = readdirSync(this.#folder).filter((file) => file.endsWith('.log'))
    return files.flatMap((file) => readFileSync(join(this.#folder, file), 'utf8').split('\n'))
      .filter((line) => /standing|proposing|removed|mesh is|draining/.test(line))
      .sort((a, b) => timeIn(a) < timeIn(b) ? -1 : 1).join('\n')
  }

  #podManifest(name: string): Pod {
    const urls = 'urls' in this.nats ? this.nats.urls : [this.nats.url]
    const parsed = parseRegion(regionObject(this.#namespace, this.region, {
      nats: { type: 'External', external: { urls } },
      redundancy: urls.length,
      workers: 1,
      drain: { timeoutSeconds: 4 }
    }))
    if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
    const { template } = nodeStatefulSet({
      ...this.#context(), spec: parsed.spec
    }).spec as { template: Pod }
    const metadata = { ...template.metadata, name, namespace: this.#namespace }
    return { ...template, apiVersion: 'v1', kind: 'Pod', metadata }
  }

  #context() {
    return {
      name: this.region,
      namespace: this.#namespace,
      defaults: { nodeImage: 'ringcast', natsImage: 'nats' },
      replicas: 3,
      natsCredentials: 'none' as const,
      credentialsDigest: ''
    }
  }

  /** What the operator makes before there are nodes. */
  async #makeRegion(): Promise<void> {
    const parsed = parseRegion(regionObject(this.#namespace, this.region, { world: this.#world }))
    if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
    const [{ spec }, names] = [parsed, regionNames(this.region)]
    const apps = {
      apiVersion: 'v1', kind: 'Secret', metadata: { name: names.apps, namespace: this.#namespace },
      stringData: { 'apps.json': JSON.stringify(APPS) }
    }
    const manifests = [
      ...nodeAccess(this.region, this.#namespace, spec.world !== undefined), apps,
      ring({ ...this.#context(), spec }),
      ...spec.world === undefined ? []
        : [worldSettings(this.region, this.#namespace, spec.world)]
    ]
    for (const manifest of manifests as KubeObject[]) {
      await this.#client.create(resourceOf(manifest), manifest)
    }
    await this.#writeKubeconfig(names.account)
  }

  /** The nodes have the rights of their own ServiceAccount, and no others. */
  async #writeKubeconfig(account: string): Promise<void> {
    const { body } = await this.api.call(
      'POST', `/api/v1/namespaces/${this.#namespace}/serviceaccounts/${account}/token`,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
    )
    const kubeconfig = JSON.parse(readFileSync(this.api.kubeconfigPath, 'utf8'))
    kubeconfig.clusters[0].cluster.server = `https://127.0.0.1:${this.apiGate.port}`
    kubeconfig.users[0].user = { token: body.status.token }
    writeFileSync(this.kubeconfigPath, JSON.stringify(kubeconfig), { mode: 0o600 })
  }

  /** Clients from anywhere reach the region by its first node. */
  #worldEnvironment(): Record<string, string> {
    if (this.#world === undefined) return {}
    return {
      RINGCAST_WORLD: this.#world.name,
      RINGCAST_WORLD_SETTINGS: regionNames(this.region).world,
      RINGCAST_ENDPOINT: `${this.hostOf(0)}:${this.#ports[0]}`
    }
  }

  #run(pod: Pod, name: string, host: string): NodeProcess {
    const [publicPort, privatePort] = this.#ports
    const logFile = join(this.#folder, `${name}-${++this.#startCount}.log`)
    const env = {
      ...environmentOf(pod, host),
      PATH: process.env.PATH,
      KUBECONFIG: this.kubeconfigPath,
      RINGCAST_HOST: host,
      RINGCAST_PORT: String(publicPort),
      RINGCAST_PRIVATE_PORT: String(privatePort),
      ...this.#worldEnvironment(),
      ...this.#env
    }
    const node = startNodeProcess({ name, host, publicPort, privatePort, logFile, env })
    this.#t.teardown(() => node.process.kill())
    return node
  }
}

function worldOf({ world: name, lostRegionGraceS }: RigOptions) {
  const limits = { lostRegionGraceSeconds: lostRegionGraceS ?? 60 }
  return name === undefined ? undefined : { name, secretName: 'of-the-world', limits }
}

const nowText = (): string => new Date().toISOString()

function timeIn(line: string): string {
  return /"time":"([^"]*)"/.exec(line)?.[1] ?? ''
}

function natsOptions(folder: string): NatsServerOptions {
  return { jetstream: true, storeFolder: join(folder, 'jetstream') }
}
