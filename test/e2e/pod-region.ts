/** A region of real pods, with eyes and hands: its ring, its pods, and what its nodes say. */

import type * as Ably from 'ably'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject, ObjectName } from '../../src/kube/resource.ts'
import {
  appResource, type Component, podResource, regionResource, secretResource, selectorLabels,
  selectorText
} from '../../src/operator/names.ts'
import type { View } from '../../src/ring/view.ts'
import { KEPT_NAMESPACE } from '../chaos/load.ts'
import { until } from '../chaos/patience.ts'
import { evidenceIn, RingWatch, type Seen } from '../chaos/ring-watch.ts'
import type { Ground } from '../chaos/scene.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ablyClient, type AblyOptions, type Closing } from '../support/ably-clients.ts'
import { conditionOf, type StatusObject } from '../system/operator-rig.ts'
import type { NodeState } from '../system/node-rig.ts'
import { Doors } from './doors.ts'
import { PodLogs } from './pod-logs.ts'

export const NAMESPACE = 'default'
const LOOK_MS = 200
/** Several pods are made anew one by one, each of which starts and joins within seconds. */
const WHOLE_MS = 240_000
const READY_MS = 180_000
const STATE_MS = 2_000
/** As many pods as there are doors for. */
const PODS_MAX = 5
const KEY_NAME = 'storm'

/** What a RealtimeRegion is to be. */
export interface RegionWish {
  readonly nodes: number
  readonly [field: string]: unknown
}

export interface Pod extends KubeObject {
  readonly spec: { readonly nodeName?: string }
  readonly status?: {
    readonly podIP?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly containerStatuses?: readonly { readonly containerID?: string }[]
  }
}

export class PodRegion implements Ground {
  readonly name: string
  readonly cluster: Cluster
  readonly kube: KubeClient
  /** The nodes that clients are at home on. */
  readonly indexes: readonly number[]
  readonly doors: Doors
  readonly logs: PodLogs
  /** How many nodes there are to be. */
  size: number
  #ring!: RingWatch
  #pods: readonly Pod[] = []
  #key = ''

  private constructor(cluster: Cluster, kube: KubeClient, name: string, size: number) {
    this.cluster = cluster
    this.kube = kube
    this.name = name
    this.size = size
    this.indexes = Array.from({ length: size }, (_, index) => index)
    this.doors = new Doors(cluster, (index) => this.#find(index)?.status?.podIP)
    this.logs = new PodLogs(cluster, `${NAMESPACE}_${name}-`)
  }

  /** Makes a region and an app for it; resolves once it is whole. It is removed with `t`. */
  static async start(
    t: Closing, cluster: Cluster, kube: KubeClient, name: string, spec: RegionWish
  ): Promise<PodRegion> {
    const region = new PodRegion(cluster, kube, name, spec.nodes)
    t.teardown(() => region.logs.end())
    const appSpec = {
      regionRef: { name }, keys: [{ name: KEY_NAME }], namespaces: [KEPT_NAMESPACE]
    }
    for (const [resource, object] of [[regionResource, spec], [appResource, appSpec]] as const) {
      await kube.create(resource, {
        apiVersion: `${resource.group}/${resource.version}`, kind: resource.kind,
        metadata: { ...region.target }, spec: object
      } as KubeObject)
      t.teardown(() => kube.remove(resource, region.target))
    }
    for (const resource of [appResource, regionResource]) {
      await until(`${resource.kind} ${name} is Ready`, async () => {
        const object = await kube.get<StatusObject>(resource, region.target)
        return conditionOf(object, 'Ready')?.status === 'True'
      }, () => '', READY_MS)
    }
    region.#key = await region.#readKey()
    region.#ring = new RingWatch(kube, region.target, region.#key.split('.')[0]!)
    region.#ring.keepLooking(t)
    await region.#keepLooking(t)
    await region.doors.open(t, PODS_MAX, await cluster.serviceTarget(NAMESPACE, name, 80))
    await region.untilWhole()
    return region
  }

  get views(): readonly Seen[] {
    return this.#ring.views
  }

  get target(): ObjectName {
    return { namespace: NAMESPACE, name: this.name }
  }

  podTarget(index: number): ObjectName {
    return { namespace: NAMESPACE, name: `${this.name}-${index}` }
  }

  /** The pod of node `index` as it was last seen; throws an Error when there is none. */
  pod(index: number): Pod {
    const pod = this.#find(index)
    if (pod === undefined) throw new Error(`there is no pod ${this.name}-${index}`)
    return pod
  }

  /** The pods of a part of the region. */
  async pods(component: Component): Promise<readonly Pod[]> {
    const labelSelector = selectorText(selectorLabels(this.name, component))
    return (await this.kube.list<Pod>(podResource, { namespace: NAMESPACE, labelSelector })).items
  }

  /** Changes the spec of the region. */
  async patch(spec: object): Promise<void> {
    await this.kube.mergePatch(regionResource, this.target, { spec })
  }

  hostOf(index: number): string {
    return this.doors.hostOf(index)
  }

  /** A client whose first host is the door of node `index`; the others and the Service follow. */
  client(t: Closing, index: number, options: AblyOptions = {}): Ably.Realtime {
    const others = this.indexes.filter((other) => other !== index)
    const fallbackHosts = [...others.map((other) => this.hostOf(other)), this.doors.serviceHost]
    return ablyClient(t, this.doors.urlOf(index), this.#key, { ...options, fallbackHosts })
  }

  async incarnationOf(index: number): Promise<string> {
    return await until(`node ${index} answers`, async () =>
      (await this.#state(index))?.incarnation)
  }

  /** Why node `index` is not ready, as it says itself. */
  async unreadyBecause(index: number): Promise<string | undefined> {
    return (await this.#state(index))?.unreadyBecause
  }

  async untilWhole(): Promise<View> {
    const indexes = Array.from({ length: this.size }, (_, index) => index)
    let story = ''
    return await until(`${this.name} is whole`, async () => {
      const [view, ...states] = await Promise.all([
        this.#ring.view(), ...indexes.map((index) => this.#state(index))
      ])
      const members = view?.members ?? []
      story = members.map(({ incarnation, state }) => `${incarnation} ${state}`).join(', ')
      const unready = states.map((state) => state === undefined ? 'no answer'
        : state.unreadyBecause)
      story += `; unready because: ${unready.map((reason) => reason ?? '-').join(', ')}; pods: ` +
        this.#pods.map((pod) => `${pod.metadata.name} ${isReady(pod)}`).join(', ')
      const wanted = states.map((state) => `${state?.incarnation} serving`)
      const isAsWanted = members.length === wanted.length &&
        members.every(({ incarnation, state }) => wanted.includes(`${incarnation} ${state}`))
      const arePodsReady = this.#pods.length === this.size && this.#pods.every(isReady)
      return isAsWanted && arePodsReady && unready.every((why) => why === undefined) && view
    }, () => `members: ${story}`, WHOLE_MS)
  }

  untilRemoved(incarnation: string): Promise<View> {
    return this.#ring.untilRemoved(incarnation)
  }

  masterOf(channel: string, view: View): string | undefined {
    return this.#ring.masterOf(channel, view)
  }

  evidenceOf(incarnation: string): string {
    return evidenceIn(this.logs.text(), incarnation)
  }

  #find(index: number): Pod | undefined {
    return this.#pods.find(({ metadata }) => metadata.name === `${this.name}-${index}`)
  }

  /** What the node says of itself; undefined while it says nothing. */
  async #state(index: number): Promise<NodeState | undefined> {
    const ask = async (path: string): Promise<Record<string, unknown>> => {
      const signal = AbortSignal.timeout(STATE_MS)
      const answer = await fetch(`${this.doors.privateUrlOf(index)}${path}`, { signal })
      return await answer.json() as Record<string, unknown>
    }
    try {
      const [probe, readiness] = await Promise.all([ask('/probe'), ask('/readyz')])
      return { ...probe, unreadyBecause: readiness.reason } as unknown as NodeState
    } catch {
      // It is down, cut off or starting.
      return undefined
    }
  }

  async #keepLooking(t: Closing): Promise<void> {
    const look = async (): Promise<void> => {
      this.#pods = await this.pods('node')
      this.logs.gather()
    }
    await look()
    const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS)
    t.teardown(() => clearInterval(looking))
  }

  /** The app's key, once the operator has made it. */
  async #readKey(): Promise<string> {
    interface Secret extends KubeObject { readonly data?: Record<string, string> }
    const name = `${this.name}-keys`
    const secret = await this.kube.get<Secret>(secretResource, { namespace: NAMESPACE, name })
    return Buffer.from(secret?.data?.[KEY_NAME] ?? '', 'base64').toString('utf8')
  }
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  return metadata.deletionTimestamp === undefined && ready?.status === 'True'
}
