/*
The operator: watches, a queue of names, passes over them, and a Lease that says who acts.

    change of any object ─▶ name of the region or app it belongs to ─▶ queue ─▶ pass
                                                          ▲                      │ look again
                                                          └──────────────────────┘

Every replica watches, so that a new leader starts with a warm cache; only the leader passes. All
state is in the cluster: a pass that is cut off anywhere is made good by the next one.
*/

import { randomBytes } from 'node:crypto'
import { Elector } from '../kube/elector.ts'
import { EventRecorder } from '../kube/events.ts'
import type { KubeClient } from '../kube/client.ts'
import type { ChangeEvent, ListWatchMetrics } from '../kube/list-watch.ts'
import type { KubeObject, Resource } from '../kube/resource.ts'
import { WorkQueue } from '../kube/work-queue.ts'
import type { WorkQueueMetrics } from '../kube/work-queue.ts'
import { reconcileApp } from './app-pass.ts'
import type { OperatorDefaults } from './desired.ts'
import { askClients, askRestart } from './gate.ts'
import { Inventory, isStatusOnly } from './inventory.ts'
import { appsOf } from './keyring.ts'
import {
  appResource, deploymentResource, group, labels, leaseResource, podResource, regionNames,
  regionResource, ringResource, secretResource, statefulSetResource
} from './names.ts'
import { NamedSecrets, secretNamesOf } from './named-secrets.ts'
import type { PassContext } from './pass.ts'
import { reconcileRegion } from './region-pass.ts'
import { LeaseAges, unjudgedAfterMs } from './unjudged.ts'
import { worldNameOf, worldOfNodes } from './world.ts'
import { NotLeaderError, Writer } from './writer.ts'

/** Where the operator tells what it does. */
export interface OperatorLog {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

/** What the operator counts; every hook may be absent. */
export interface OperatorMetrics {
  queue?: WorkQueueMetrics
  watchOf? (resource: Resource): ListWatchMetrics
  onPass? (kind: 'region' | 'app', outcome: 'done' | 'failed', durationMs: number): void
  onLeader? (isLeader: boolean): void
}

export interface OperatorOptions {
  client: KubeClient
  /** The namespace watched; every namespace when absent. */
  namespace?: string
  defaults: OperatorDefaults
  log: OperatorLog
  /** Unique among replicas: pod name and uid. */
  identity: string
  /** Who may act; absent: nobody else is there, and we act. */
  election?: { namespace: string, name: string, durationsMs?: ElectionDurations }
  /** Leadership is gone: the caller ends the process, as work under way cannot be called back. */
  onLost: (reason: string) => void
  /** Regions and apps handled at once. */
  workerCount?: number
  askRestart?: PassContext['askRestart']
  askClients?: PassContext['askClients']
  peersUnjudgedAfterMs?: number
  metrics?: OperatorMetrics
}

/** What a pass looks at the status of. */
const tellingStatuses: ReadonlySet<Resource> =
  new Set([podResource, statefulSetResource, deploymentResource])

export interface ElectionDurations {
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
}

export class OperatorController {
  readonly #options: OperatorOptions
  readonly #inventory: Inventory
  readonly #secrets: NamedSecrets
  readonly #queue: WorkQueue
  readonly #events: EventRecorder
  readonly #elector: Elector | undefined
  readonly #context: PassContext
  #isElected = false
  #isStopped = false

  constructor (options: OperatorOptions) {
    const { client, log, metrics } = options
    this.#options = options
    this.#inventory = new Inventory({
      client,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      onChange: (resource, event) => this.#onChange(resource, event),
      onProblem: (resource, during, error) => log.warn(
        { resource: resource.plural, during, reason: messageOf(error) },
        `cannot ${during} ${resource.plural}: ${messageOf(error)}; trying again`
      ),
      metricsOf: resource => metrics?.watchOf?.(resource) ?? {}
    })
    this.#secrets = new NamedSecrets({
      client,
      onChange: (namespace, region) => this.#queue.add(`region/${namespace}/${region}`),
      onProblem: (during, error) => log.warn(
        { resource: secretResource.plural, during, reason: messageOf(error) },
        `cannot ${during} a Secret that a region names: ${messageOf(error)}; trying again`
      ),
      metrics: metrics?.watchOf?.(secretResource) ?? {}
    })
    this.#events = new EventRecorder({
      client,
      reportingController: `${group}/operator`,
      reportingInstance: options.identity.slice(0, 128),
      onProblem: error => log.warn({}, `cannot record an event: ${messageOf(error)}`)
    })
    this.#queue = new WorkQueue({
      handle: async key => await this.#handle(key),
      onError: (key, error) => {
        if (error instanceof NotLeaderError) return
        log.warn({ key, reason: messageOf(error) }, `${key}: ${messageOf(error)}; trying again`)
      },
      workerCount: options.workerCount ?? 4,
      backoff: { baseMs: 200, maxMs: 60_000 },
      ...(metrics?.queue === undefined ? {} : { metrics: metrics.queue })
    })
    this.#elector = this.#makeElector()
    this.#context = this.#makeContext()
  }

  /** Starts watching; passes begin once the caches are full and we are elected. */
  start (): void {
    this.#inventory.start()
    this.#inventory.synced().then(
      () => this.#onSynced(),
      (error: unknown) => this.#options.onLost(`the caches failed: ${messageOf(error)}`)
    )
  }

  /** Ends the passes under way, then gives the Lease back. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#queue.stop()
    this.#inventory.stop()
    this.#secrets.stop()
    await this.#events.stop()
    await this.#elector?.stop()
  }

  isLeader (): boolean {
    return this.#elector === undefined ? this.#isElected : this.#elector.isLeader()
  }

  /** Settles when the caches are full: the operator is ready to lead. */
  async synced (): Promise<void> {
    await this.#inventory.synced()
  }

  #makeElector (): Elector | undefined {
    const { client, election, identity, log, onLost, metrics } = this.#options
    if (election === undefined) return undefined
    return new Elector({
      client,
      namespace: election.namespace,
      name: election.name,
      identity,
      ...election.durationsMs,
      onElected: () => this.#onElected(),
      onLost: reason => {
        metrics?.onLeader?.(false)
        onLost(reason)
      },
      onProblem: error => log.warn({}, `cannot renew the Lease: ${messageOf(error)}; trying again`)
    })
  }

  #makeContext (): PassContext {
    const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const { client, defaults } = this.#options
    return {
      inventory: this.#inventory,
      writer: new Writer({
        client, inventory: this.#inventory, isLeader: () => this.isLeader(), now
      }),
      defaults,
      askRestart: this.#options.askRestart ?? askRestart,
      askClients: this.#options.askClients ?? askClients,
      leases: new LeaseAges(() => performance.now()),
      peersUnjudgedAfterMs: this.#options.peersUnjudgedAfterMs ?? unjudgedAfterMs,
      tell: (regarding, type, reason, action, note) => {
        this.#options.log.info(
          { kind: regarding.kind, key: keyOfObject(regarding), reason }, note
        )
        this.#events.record({ regarding, type, reason, action, note })
      },
      wakeRegion: (namespace, name) => this.#queue.add(`region/${namespace}/${name}`),
      random: () => `k${randomBytes(24).toString('base64url')}`,
      now
    }
  }

  #onSynced (): void {
    if (this.#isStopped) return
    this.#options.log.info({}, 'caches are full')
    if (this.#elector === undefined) this.#onElected()
    else this.#elector.start()
  }

  #onElected (): void {
    if (this.#isStopped) return
    this.#isElected = true
    this.#options.metrics?.onLeader?.(true)
    this.#options.log.info({ identity: this.#options.identity }, 'this operator acts')
    this.#queue.start()
  }

  async #handle (key: string): Promise<{ afterMs: number } | void> {
    const [kind = '', namespace = '', name = ''] = key.split('/')
    const startedAtMs = performance.now()
    const report = (outcome: 'done' | 'failed') => this.#options.metrics?.onPass?.(
      kind === 'region' ? 'region' : 'app', outcome, performance.now() - startedAtMs
    )
    try {
      const { afterMs } = kind === 'region'
        ? await reconcileRegion(this.#context, namespace, name)
        : await reconcileApp(this.#context, namespace, name)
      report('done')
      if (afterMs !== undefined) return { afterMs }
    } catch (error) {
      report('failed')
      throw error
    }
  }

  /** Names what a change may concern. Too many names cost a pass each; too few cost the truth. */
  #onChange (resource: Resource, event: ChangeEvent<KubeObject>): void {
    if (!tellingStatuses.has(resource) && isStatusOnly(event)) return
    // Its holder renews it every few seconds.
    if (resource === leaseResource && event.type === 'MODIFIED') return
    const { object } = event
    const { namespace = '', name = '' } = object.metadata
    if (resource === regionResource) {
      const isGone = event.type === 'DELETED'
      if (!this.#isStopped) {
        this.#secrets.follow(namespace, name, isGone ? [] : secretNamesOf(object))
      }
      this.#queue.add(`region/${namespace}/${name}`)
      this.#addAppsOf(namespace, name)
      this.#addWorld(worldNameOf(object))
      // One whose spec is invalid is a mate by its nodes.
      const nodes = this.#inventory.get(statefulSetResource, { namespace, name })
      this.#addWorld(nodes && worldOfNodes(nodes))
      if (event.type === 'MODIFIED') this.#addWorld(worldNameOf(event.previous))
      return
    }
    if (resource === ringResource && event.type !== 'MODIFIED') {
      this.#addWorld(worldNameOf(this.#inventory.get(regionResource, { namespace, name })))
    }
    if (resource === appResource) {
      this.#queue.add(`app/${namespace}/${name}`)
      const spec = (object as { spec?: { regionRef?: { name?: string } } }).spec
      const region = spec?.regionRef?.name
      if (region !== undefined) this.#queue.add(`region/${namespace}/${region}`)
      return
    }
    const app = object.metadata.labels?.[labels.app]
    if (app !== undefined) this.#queue.add(`app/${namespace}/${app}`)
    const region = object.metadata.labels?.[labels.region] ?? ownerRegionOf(object)
    if (region === undefined) return
    this.#queue.add(`region/${namespace}/${region}`)
    if (resource === statefulSetResource && name === regionNames(region).node) {
      this.#onNodes(event)
    }
    if (resource === secretResource && name === regionNames(region).apps) {
      this.#addAppsOf(namespace, region)
    }
  }

  /** Others hear of a region by the world of its nodes. */
  #onNodes (event: ChangeEvent<KubeObject>): void {
    const { previous } = event.type === 'MODIFIED' ? event : { previous: event.object }
    const before = event.type === 'ADDED' ? undefined : worldOfNodes(previous)
    const after = event.type === 'DELETED' ? undefined : worldOfNodes(event.object)
    if (before === after) return
    this.#addWorld(before)
    this.#addWorld(after)
  }

  /** All regions of a world: each is told of the others. */
  #addWorld (world: string | undefined): void {
    if (world === undefined) return
    for (const region of this.#inventory.list(regionResource)) {
      const { namespace, name } = region.metadata
      if (worldNameOf(region) === world) this.#queue.add(`region/${namespace}/${name}`)
    }
  }

  #addAppsOf (namespace: string, region: string): void {
    for (const app of appsOf(this.#inventory, namespace, region)) {
      this.#queue.add(`app/${namespace}/${app.metadata.name}`)
    }
  }
}

function ownerRegionOf (object: KubeObject): string | undefined {
  return object.metadata.ownerReferences?.find(({ kind }) => kind === regionResource.kind)?.name
}

function keyOfObject ({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
