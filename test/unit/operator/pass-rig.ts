/**
 * Passes over regions against an API double, one at a time and in a time of their own: no
 * controller wakes them.
 */

import type { Test } from 'tap'
import { KubeClient } from '../../../src/kube/client.ts'
import { Inventory } from '../../../src/operator/inventory.ts'
import type { Outlook, PassContext } from '../../../src/operator/pass.ts'
import { reconcileRegion } from '../../../src/operator/region-pass.ts'
import type { Condition, RegionStatus, WorldStatus } from '../../../src/operator/spec.ts'
import { LeaseAges, unjudgedAfterMs } from '../../../src/operator/unjudged.ts'
import { Writer } from '../../../src/operator/writer.ts'
import { ApiDouble } from '../../support/api-double.ts'
import { until } from '../kube/fake-timers.ts'

export const world = { name: 'acme', secretName: 'acme-world' }

export class PassRig {
  readonly double: ApiDouble
  /** Events, as `type reason: note`. */
  readonly told: string[] = []
  /** For how long Leases stand still is counted by this. */
  nowMs = 0
  /** Versions of what was put last, and of what the caches were told. */
  #awaited = ''
  #renewals = 0
  readonly #seen = new Set<string>()
  readonly #client: KubeClient
  readonly #inventory: Inventory
  readonly #context: PassContext

  private constructor (double: ApiDouble) {
    this.double = double
    const client = new KubeClient({
      credentials: {
        server: double.url, authorization: async () => ({ headers: {} }), refresh: () => {}
      },
      userAgent: 'test'
    })
    const inventory = new Inventory({
      client,
      onChange: (_resource, { object }) => this.#seen.add(`${object.metadata.resourceVersion}`),
      onProblem: () => {}
    })
    const now = () => '2030-01-01T00:00:00Z'
    this.#client = client
    this.#inventory = inventory
    this.#context = {
      inventory,
      writer: new Writer({ client, inventory, isLeader: () => true, now }),
      defaults: { nodeImage: 'ringcast:1', natsImage: 'nats:2' },
      askRestart: async () => ({ isAllowed: true }),
      askClients: async () => undefined,
      leases: new LeaseAges(() => this.nowMs),
      peersUnjudgedAfterMs: unjudgedAfterMs,
      tell: (_about, type, reason, _action, note) => this.told.push(`${type} ${reason}: ${note}`),
      wakeRegion: () => {},
      random: () => 'krandom',
      now
    }
  }

  static async start (t: Test): Promise<PassRig> {
    const double = await ApiDouble.start()
    const rig = new PassRig(double)
    t.teardown(async () => {
      rig.#inventory.stop()
      rig.#client.close()
      await double.stop()
    })
    rig.#inventory.start()
    await rig.#inventory.synced()
    return rig
  }

  /** Applies a region; of one that is there, the spec alone is another. */
  putRegion (
    namespace: string, name: string, spec: object, madeAt = '2030-01-01T00:00:00Z'
  ): void {
    const known = this.double.find('realtimeregions', name, namespace)
    this.#put('realtimeregions', {
      ...known,
      apiVersion: 'ringcast.dev/v1alpha1',
      kind: 'RealtimeRegion',
      metadata: {
        namespace,
        name,
        uid: known?.metadata.uid ?? `uid-of-${namespace}-${name}`,
        creationTimestamp: madeAt,
        generation: Number(known?.metadata.generation ?? 0) + 1
      },
      spec
    })
  }

  putApp (namespace: string, name: string, spec: object): void {
    this.#put('realtimeapps', {
      apiVersion: 'ringcast.dev/v1alpha1',
      kind: 'RealtimeApp',
      metadata: { namespace, name, creationTimestamp: '2030-01-01T00:00:00Z' },
      spec
    })
  }

  /** That of the world, unless another is named; texts as they are. */
  putSecret (
    namespace: string, texts: Record<string, string> = { password: 'k'.repeat(24) },
    name = world.secretName
  ): void {
    const data = Object.fromEntries(Object.entries(texts).map(
      ([entry, text]) => [entry, Buffer.from(text).toString('base64')]))
    this.double.put('secrets', { kind: 'Secret', metadata: { namespace, name }, data })
  }

  /** Everything there is starts, as far as its controllers could see to that. */
  makeReady (namespace: string, name: string): void {
    for (const set of [name, `${name}-nats`, `${name}-relay`]) {
      const object = this.double.find('statefulsets', set, namespace)
      if (object === undefined) continue
      const { replicas } = object.spec as { replicas: number }
      this.#put('statefulsets', { ...object, status: {
        observedGeneration: 1, updateRevision: 'r1', readyReplicas: replicas
      } })
      if (set !== name) continue
      for (let no = 0; no < replicas; no++) this.#putPod(namespace, name, no)
    }
    this.setGlobalmasters(namespace, name, 1)
  }

  /** How many globalmasters are ready. */
  setGlobalmasters (namespace: string, name: string, readyReplicas: number): void {
    const object = this.double.find('deployments', `${name}-globalmaster`, namespace)
    if (object !== undefined) {
      this.#put('deployments', { ...object, status: { readyReplicas } })
    }
  }

  /** A globalmaster renews its Lease; the caches may not hear of it yet. */
  renew (namespace: string, name: string, isHeard = true): void {
    const object = this.double.find('leases', `${name}-globalmaster`, namespace)
    const spec = { holderIdentity: 'a', renewTime: `${++this.#renewals}` }
    this.#put('leases', { ...object, spec }, isHeard)
  }

  /** The operator is to leave a region as it is. */
  pause (namespace: string, name: string): void {
    const object = this.double.find('realtimeregions', name, namespace)!
    const annotations = { 'ringcast.dev/paused': 'true' }
    this.#put('realtimeregions', { ...object, metadata: { ...object.metadata, annotations } })
  }

  /** A globalmaster says how the others are. */
  report (namespace: string, name: string, said: WorldStatus, isHeard = true): void {
    const object = this.double.find('realtimeregions', name, namespace)
    const status = { ...this.statusOf(namespace, name), ...said }
    this.#put('realtimeregions', { ...object, status }, isHeard)
  }

  /** One pass, once the caches have what the double has. */
  async pass (namespace: string, name: string): Promise<Outlook> {
    await until(() => this.#awaited === '' || this.#seen.has(this.#awaited))
    return await reconcileRegion(this.#context, namespace, name)
  }

  statusOf (namespace: string, name: string): RegionStatus {
    return (this.double.find('realtimeregions', name, namespace)?.status ?? {}) as RegionStatus
  }

  conditionOf (namespace: string, name: string, type: string): Condition | undefined {
    return this.statusOf(namespace, name).conditions?.find(condition => condition.type === type)
  }

  /** Into a collection that the operator watches. */
  #put (collection: string, object: object, isHeard = true): void {
    this.double.isMute = !isHeard
    const { resourceVersion } = this.double.put(collection, object).metadata
    this.double.isMute = false
    if (isHeard) this.#awaited = resourceVersion
  }

  #putPod (namespace: string, name: string, no: number): void {
    this.#put('pods', {
      metadata: {
        namespace,
        name: `${name}-${no}`,
        labels: {
          'app.kubernetes.io/component': 'node',
          'ringcast.dev/region': name,
          'controller-revision-hash': 'r1'
        },
        ownerReferences: [{ kind: 'StatefulSet', name }]
      },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    })
  }
}
