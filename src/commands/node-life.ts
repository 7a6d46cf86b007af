/**
 * One incarnation of a node: its membership, and its worker threads from their start to their end.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Transferable } from 'node:worker_threads'
import type { AppConfig } from '../auth/app.ts'
import type { Mesh } from '../bus/mesh.ts'
import type { Adopt, PodFact, Standing } from '../node/member-ports.ts'
import { MemberNode } from '../node/member.ts'
import type { OtherRegions } from '../node/ports.ts'
import { Asking } from '../ops/asking.ts'
import { Flushing } from '../ops/flushing.ts'
import { LogGauge, type LogScale } from '../ops/log-gauge.ts'
import { LogKeeper, type LogStreams } from '../ops/log-keeper.ts'
import { MemberPump, type RingStore } from '../ops/member-pump.ts'
import type { Logger } from '../ops/notes.ts'
import { probe } from '../ops/probe.ts'
import { Supervisor } from '../ops/supervisor.ts'
import { systemClock } from '../ops/system-clock.ts'
import type {
  FromWorker,
  MeshSettings,
  ProvisionAnswer,
  ProvisionRequest,
  WorkerStatus
} from '../ops/thread-messages.ts'
import type { WorldTerms } from '../region/terms.ts'
import { masterOf, type View } from '../ring/view.ts'
import type { NodeOptions } from './node-runtime.ts'

/** How long workers may take to tell their clients. */
const DISMISS_MS = 250
const WORKER_ENTRY = new URL('./worker-thread.ts', import.meta.url)
const MESH_VERSION = 1
/** A multiple of the usual numbers of servers, so that each leads as many. */
const LOG_STREAM_COUNT = 6
/** Who take a partition over in turn while the view cannot be written; copies are the log's. */
const SUCCESSOR_COUNT = 2
const HANDED_OVER_CHECK_MS = 100

export interface NodeLifeOptions extends NodeOptions {
  readonly incarnation: string
  readonly prefix: string
}

export interface NodeLifePorts {
  readonly logger: Logger
  readonly ringStore: RingStore
  listPods(): Promise<readonly PodFact[]>
  readonly mesh: Mesh
  /** Absent where the log is none of the ring's business. */
  readonly logStreams: LogStreams | undefined
  readonly logScale: LogScale
  workerMesh(): { settings: MeshSettings; transfer: Transferable[] }
  provision?(request: ProvisionRequest): Promise<ProvisionAnswer>
  /** It believes something new of its region. */
  onAdopt(adopt: Adopt): void
  onLeft(reason: string): void
  onRemoved(reason: string): void
  onWorkerRestart(): void
}

export class NodeLife {
  readonly incarnation: string
  readonly #options: NodeLifeOptions
  readonly #ports: NodeLifePorts
  readonly #pump: MemberPump
  readonly #supervisor: Supervisor
  readonly #logKeeper: LogKeeper | undefined
  readonly #logGauge: LogGauge
  readonly #flushing: Flushing
  readonly #asking: Asking
  #view: View | undefined
  #standing: Standing = 'waiting'
  #failure: string | undefined
  #statusTimer: NodeJS.Timeout | undefined
  #handOverTimer: NodeJS.Timeout | undefined
  readonly #toldOfMesh: (boolean | undefined)[] = []
  /** By worker, the version of the view that it is settled with. */
  readonly #settled: number[] = []

  constructor(options: NodeLifeOptions, ports: NodeLifePorts) {
    this.incarnation = options.incarnation
    this.#options = options
    this.#ports = ports
    this.#pump = new MemberPump({
      clock: systemClock,
      mesh: ports.mesh,
      prefix: options.prefix,
      ringStore: ports.ringStore,
      listPods: () => ports.listPods(),
      probe,
      onAdopt: (adopt) => this.#onAdopt(adopt),
      onMakeLog: (plan) => this.#logKeeper?.make(plan),
      onStanding: (standing, reason) => this.#onStanding(standing, reason),
      note: (level, text, fields) => ports.logger[level](fields, text)
    })
    this.#logKeeper = ports.logStreams && new LogKeeper(ports.logStreams, {
      onMade: (generation) => this.#pump.input({ kind: 'logMade', generation }),
      note: (level, text) => ports.logger[level](text)
    })
    this.#logGauge = new LogGauge(ports.logScale, {
      onRoom: (room) => this.#supervisor.tellAll({ kind: 'logRoom', room }),
      note: (level, text) => ports.logger[level](text)
    })
    this.#supervisor = new Supervisor(
      {
        workers: options.workers,
        entry: WORKER_ENTRY,
        startOf: (worker, generation) => this.#startOf(worker, generation)
      },
      {
        onMessage: (worker, message) => this.#onWorkerMessage(worker, message),
        isMeshUp: () => ports.mesh.isUp,
        onGenerations: () => {
          ports.onWorkerRestart()
          this.#tellWorkers()
        },
        note: (level, text) => ports.logger[level](text)
      }
    )
    this.#flushing = new Flushing(this.#supervisor)
    this.#asking = new Asking(this.#supervisor)
  }

  get view(): View | undefined {
    return this.#view
  }

  get standing(): Standing {
    return this.#standing
  }

  get statuses(): readonly (WorkerStatus | undefined)[] {
    return this.#supervisor.statuses
  }

  get connectionCount(): number {
    let count = 0
    for (const status of this.statuses) count += status?.counts.connections ?? 0
    return count
  }

  /** How full the log is, and how many of its streams take no publishes. */
  get logFill(): { share: number; fullCount: number } {
    const { share, fullCount } = this.#logGauge
    return { share, fullCount }
  }

  /** Why clients cannot be served, or undefined. */
  get unreadyBecause(): string | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#standing !== 'serving') return `${this.#standing} in the ring`
    const trouble = this.#logKeeper?.unreadyBecause
    if (trouble !== undefined) return trouble
    // Which the log tells them.
    return this.#supervisor.isListening ? undefined
      : 'workers do not listen yet: they wait for apps, or for what is revoked'
  }

  /** Why a worker's loop stands still, or undefined. */
  get notLivingBecause(): string | undefined {
    const stuck = this.#supervisor.turning.indexOf(false)
    const hasSpoken = this.statuses[stuck] !== undefined
    return stuck >= 0 && hasSpoken ? `worker ${stuck} makes no turn` : undefined
  }

  /** Why the ring is not settled, or undefined: a restart would hurt then. */
  get unsettledBecause(): string | undefined {
    const moving = this.#view?.members.find(({ state }) => state !== 'serving')
    if (moving !== undefined) return `${moving.node} is ${moving.state}`
    return this.#view?.handovers && 'partitions are being handed over'
  }

  start(): void {
    const { node, uid, workers, zone, advertisedHost, privatePort, redundancy } = this.#options
    const log = this.#logKeeper && { streamCount: LOG_STREAM_COUNT, redundancy }
    const machine = new MemberNode(
      {
        identity: {
          node, uid, workers, zone,
          incarnation: this.incarnation,
          startedAt: systemClock.now().wallMs,
          meshVersion: MESH_VERSION,
          host: advertisedHost,
          privatePort
        },
        seed: this.incarnation,
        successorCount: SUCCESSOR_COUNT,
        log
      },
      this.#pump.outbox
    )
    this.#pump.start(machine, this.incarnation)
    this.#supervisor.start()
    this.#tellWorkers()
    this.#statusTimer = setInterval(() => this.#tellWorkers(), 1_000)
  }

  async end(): Promise<void> {
    clearInterval(this.#statusTimer)
    clearInterval(this.#handOverTimer)
    this.#pump.stop()
    this.#logKeeper?.stop()
    this.#logGauge.stop()
    await this.#flushing.flush()
    await this.#supervisor.stop()
  }

  /** Sends every client elsewhere, now: this life is over, and theirs go on (rule 11). */
  async dismiss(): Promise<void> {
    this.#supervisor.tellAll({ kind: 'drain', withinMs: 0 })
    await delay(DISMISS_MS)
  }

  onMesh(isUp: boolean): void {
    this.#pump.input({ kind: 'mesh', isUp })
  }

  onPods(pods: readonly PodFact[]): void {
    this.#pump.input({ kind: 'pods', pods })
  }

  onPodsAway(): void {
    this.#pump.input({ kind: 'podsAway' })
  }

  tellApps(apps: readonly AppConfig[]): void {
    this.#asking.tellApps(apps)
  }

  /** Tells the apps and waits until every worker knows them, or for a bound. */
  appsKnown(apps: readonly AppConfig[]): Promise<void> {
    return this.#asking.appsKnown(apps)
  }

  /** Tells every worker, and their heirs, which other regions there are. */
  tellWorld(world: OtherRegions): void {
    this.#supervisor.tellAll({ kind: 'world', ...world })
  }

  /** Tells every worker what follows from the world. */
  tellTerms(terms: WorldTerms): void {
    this.#supervisor.tellAll({ kind: 'terms', terms })
  }

  /**
   * Leaves: clients go over half of the time, so that channels can follow in the rest. Where
   * nobody stays to take either, all that waiting brings is a longer time without service.
   */
  drain(withinMs: number): void {
    if (this.#handOverTimer !== undefined) return
    this.#pump.input({ kind: 'drain' })
    this.#supervisor.tellAll({ kind: 'drain', withinMs: this.#hasHeirs() ? withinMs / 2 : 0 })
    this.#handOverTimer = setInterval(() => {
      const isEmpty = this.#areClientsGone() && !(this.#hasHeirs() && this.#mastersAnything())
      if (isEmpty) this.#pump.input({ kind: 'handedOver' })
    }, HANDED_OVER_CHECK_MS)
  }

  /** Everything in the workers, a line each. */
  describe(): Promise<string[]> {
    return this.#asking.describe()
  }

  #startOf(worker: number, generation: number) {
    const { settings, transfer } = this.#ports.workerMesh()
    const { workers, node, siteCode, prefix, isDev, secret, formerSecrets = [] } = this.#options
    const start = {
      worker,
      generation,
      workers,
      incarnation: this.incarnation,
      node,
      siteCode,
      prefix,
      mesh: settings,
      host: this.#options.publicHost,
      port: this.#options.publicPort,
      isDev,
      secret,
      formerSecrets
    }
    return { start, transfer }
  }

  #tellWorkers(): void {
    const { generations, turning } = this.#supervisor
    const statuses = this.statuses
    const workers = generations.map((generation, worker) => ({
      generation,
      isTurning: turning[worker]!,
      isMeshUp: statuses[worker]?.isMeshUp ?? false
    }))
    this.#pump.input({ kind: 'workers', workers })
  }

  /** False for a worker's first word about its mesh, and when that has changed. */
  #isToldOfMesh(worker: number, isMeshUp: boolean): boolean {
    const isTold = this.#toldOfMesh[worker] === isMeshUp
    this.#toldOfMesh[worker] = isMeshUp
    return isTold
  }

  #onAdopt(adopt: Adopt): void {
    const { view, generations, gone } = adopt
    this.#view = view
    this.#logKeeper?.onPlan(view.log)
    this.#logGauge.onView(view.log, view.members.length)
    this.#supervisor.tellAll({ kind: 'view', view, generations, gone })
    this.#ports.onAdopt(adopt)
  }

  #onStanding(standing: Standing, reason: string): void {
    this.#standing = standing
    this.#ports.logger.info({ standing, reason, incarnation: this.incarnation }, 'standing')
    // Asked by the ring: its pod is being deleted, or has the annotation.
    if (standing === 'leaving') this.drain(this.#options.drainMs)
    if (standing === 'left') this.#ports.onLeft(reason)
    if (standing === 'removed') this.#ports.onRemoved(reason)
  }

  /** What a worker said before it drained does not count: clients may have come since. */
  #areClientsGone(): boolean {
    return this.statuses.every((status) => {
      return status !== undefined && status.isDraining && status.counts.connections === 0
    })
  }

  /** Whether others stay. */
  #hasHeirs(): boolean {
    const members = this.#view?.members ?? []
    return members.some(({ incarnation, state }) =>
      incarnation !== this.incarnation && state !== 'leaving')
  }

  #mastersAnything(): boolean {
    const view = this.#view
    if (view === undefined) return false
    for (let partition = 0; partition < view.partitionCount; partition++) {
      if (masterOf(partition, view)?.incarnation === this.incarnation) return true
    }
    return false
  }

  #onWorkerMessage(worker: number, message: FromWorker): void {
    switch (message.kind) {
      case 'failed':
        this.#failure = message.reason
        this.#ports.logger.error(message.reason)
        return
      case 'status':
        if (!this.#isToldOfMesh(worker, message.status.isMeshUp)) this.#tellWorkers()
        return
      case 'note':
        this.#ports.logger[message.level]({ worker }, message.text)
        return
      case 'heardView':
        this.#pump.input(message)
        return
      case 'flushed':
        this.#flushing.onFlushed(worker)
        return
      case 'settled':
        this.#onSettled(worker, message.viewVersion)
        return
      case 'described':
        this.#asking.onDescribed(message.ticket, message.lines)
        return
      case 'appsKnown':
        this.#asking.onAppsKnown(worker, message.ticket)
        return
      case 'provision':
        void this.#provision(worker, message.ticket, message.request)
        return
      default:
        return
    }
  }

  #onSettled(worker: number, viewVersion: number): void {
    this.#settled[worker] = viewVersion
    const isForAll = this.#supervisor.generations.every((_, each) =>
      this.#settled[each] === viewVersion)
    if (isForAll) this.#pump.input({ kind: 'settled', viewVersion })
  }

  async #provision(worker: number, ticket: number, request: ProvisionRequest): Promise<void> {
    const answer = await this.#ports.provision?.(request)
    if (answer !== undefined) this.#supervisor.tell(worker, { kind: 'provisioned', ticket, answer })
  }
}
