/**
 * A whole node: the main thread's half (membership, health, drain) and its worker threads. What
 * differs between production and dev mode is handed in: the mesh, the ring's store, where pods
 * and apps are learnt from.
 *
 * A node lives one or several *lives*, each with an incarnation of its own and empty workers: one
 * that finds itself removed from the ring ends everything and joins again as somebody new
 * (rule 11), in the same process.
 */

import { randomBytes } from 'node:crypto'
import type { Transferable } from 'node:worker_threads'
import type { AppConfig } from '../auth/app.ts'
import type { Mesh } from '../bus/mesh.ts'
import { subjectPrefix } from '../bus/subjects.ts'
import { ensurePublicPort } from '../edge/public-port.ts'
import { nodeMetrics } from '../ops/metrics.ts'
import type { LogScale } from '../ops/log-gauge.ts'
import type { LogStreams } from '../ops/log-keeper.ts'
import type { RingStore } from '../ops/member-pump.ts'
import type { Logger } from '../ops/notes.ts'
import { type NodeFacts, startPrivateServer } from '../ops/private-server.ts'
import { systemClock } from '../ops/system-clock.ts'
import type {
  MeshSettings,
  ProvisionAnswer,
  ProvisionRequest
} from '../ops/thread-messages.ts'
import { tellRelays } from '../ops/relay-telling.ts'
import { WorldPump } from '../ops/world-pump.ts'
import type { PodFact } from '../node/member-ports.ts'
import type { OtherRegions } from '../node/ports.ts'
import type { Drain, WorldSettings, WorldTerms } from '../region/terms.ts'
import { NodeLife } from './node-life.ts'

const DRAIN_NOTES: Readonly<Record<Drain, string>> = {
  none: 'the region keeps its clients',
  draining: 'the region sends its clients to others',
  alone: 'the region is to send its clients to others, and there is no other one: it serves on'
}

export interface NodeOptions {
  readonly region: string
  /** The region's id as clients are told it. */
  readonly siteCode: string
  /** How many copies the log of a partition has. */
  readonly redundancy: number
  /** The pod's name and uid. */
  readonly node: string
  readonly uid: string
  readonly zone: string
  readonly workers: number
  readonly publicHost: string
  readonly publicPort: number
  readonly privateHost: string
  readonly privatePort: number
  /** Where peers reach the private port. */
  readonly advertisedHost: string
  /** The world that the region is part of; undefined: it is alone. */
  readonly world: string | undefined
  /** Where clients reach the region from anywhere, as other regions are told; may be empty. */
  readonly endpoint: string
  readonly isDev: boolean
  readonly drainMs: number
  /** Signs connection keys; the same on all nodes of a region. */
  readonly secret: Uint8Array
  /** What signed them before, while there may be connections of then. */
  readonly formerSecrets?: readonly Uint8Array[]
}

/** The ring object: a region that was made anew has another one. */
export interface RingIdentity {
  readonly uid: string
  /** When it was made, in ms since the Unix epoch. */
  readonly madeAtMs: number
}

/** Stops what was started. */
export type Stop = () => void

/** The region's pods, as the API has them. */
export interface PodWatch {
  readonly stop: Stop
  /** Lists them anew, from now on; the answer may take long, but comes. */
  list(): Promise<readonly PodFact[]>
}

export interface NodePorts<M extends Mesh = Mesh> {
  readonly logger: Logger
  readonly ringStore: RingStore
  /** Which ring object it is, once it is there; retried until then or until the signal aborts. */
  ringIdentity(signal: AbortSignal): Promise<RingIdentity>
  /** Connects the main thread's mesh; `onUpOrDown` hears every change afterwards. */
  connectMesh(onUpOrDown: (isUp: boolean) => void, signal: AbortSignal): Promise<M>
  /** The streams of the ring's log; absent where the log is none of the ring's business. */
  logStreams?(mesh: M, prefix: string): LogStreams
  /** How full that log is. */
  logScale(mesh: M, prefix: string): LogScale
  /** Sees to where statistics are kept, until that is done; absent where nothing is to be done. */
  prepareStats?(mesh: M, prefix: string, signal: AbortSignal): Promise<void>
  /** How a worker thread is to connect, and what must be transferred for it. */
  workerMesh(): { settings: MeshSettings; transfer: Transferable[] }
  watchPods(onPods: (pods: readonly PodFact[]) => void, onAway: () => void): PodWatch
  watchApps(onApps: (apps: readonly AppConfig[]) => void): Stop
  /** In a world: what people say of the region's part in it; absent where nobody can. */
  watchSettings?(onSettings: (settings: WorldSettings) => void): Stop
  /** Dev mode: the sandbox API. Resolves once every node knows. */
  provision?(request: ProvisionRequest): Promise<ProvisionAnswer>
}

export class NodeRuntime<M extends Mesh = Mesh> {
  readonly #options: NodeOptions
  readonly #ports: NodePorts<M>
  readonly #aborter = new AbortController()
  readonly #stops: Stop[] = []
  readonly #left: Promise<void>
  #onLeft: () => void = () => undefined
  #life: NodeLife | undefined
  #mesh: M | undefined
  #podWatch: PodWatch | undefined
  #prefix = ''
  #apps: readonly AppConfig[] | undefined
  #pods: readonly PodFact[] | undefined
  #worldPump: WorldPump | undefined
  #world: OtherRegions | undefined
  #terms: WorldTerms | undefined
  #restartCount = 0
  #isDraining = false
  #waitsFor = 'the ring object'
  #privatePort = 0

  constructor(options: NodeOptions, ports: NodePorts<M>) {
    this.#options = options
    this.#ports = ports
    this.#left = new Promise((resolve) => {
      this.#onLeft = resolve
    })
  }

  /** Where the private port listens, once `start` has come that far. */
  get privatePort(): number {
    return this.#privatePort
  }

  /**
   * Starts everything; resolves when the first life has begun (not yet: serving). Rejects with an
   * Error when one of the ports cannot be listened on.
   */
  async start(): Promise<void> {
    const { publicHost, publicPort, privateHost, privatePort } = this.#options
    await ensurePublicPort(publicHost, publicPort)
    const server = await startPrivateServer(privateHost, privatePort, {
      facts: () => this.facts(),
      describe: async () => [
        ...this.#worldPump?.describe() ?? [], ...await this.#life?.describe() ?? ['no life yet']
      ],
      drain: () => void this.drain(),
      metrics: this.#metrics()
    })
    this.#privatePort = server.port
    this.#stops.push(() => void server.close())
    const { signal } = this.#aborter
    const ring = await this.#ports.ringIdentity(signal)
    this.#prefix = subjectPrefix(this.#options.region, ring.uid)
    this.#waitsFor = 'the mesh'
    const onUpOrDown = (isUp: boolean): void => {
      this.#life?.onMesh(isUp)
      this.#worldPump?.onMesh(isUp)
    }
    this.#mesh = await this.#ports.connectMesh(onUpOrDown, signal)
    if (this.#options.world !== undefined) this.#joinWorld(ring, this.#mesh)
    void this.#ports.prepareStats?.(this.#mesh, this.#prefix, signal)
    this.#waitsFor = 'a place in the ring'
    this.#podWatch = this.#ports.watchPods(
      (pods) => {
        this.#pods = pods
        this.#life?.onPods(pods)
      },
      () => this.#life?.onPodsAway()
    )
    this.#begin()
    this.#stops.push(
      () => this.#worldPump?.stop(),
      this.#podWatch.stop,
      this.#ports.watchApps((apps) => {
        this.#apps = apps
        this.#life?.tellApps(apps)
      })
    )
  }

  /** Gives every worker these apps; resolves when all of them know (or after a bound). */
  async appsKnown(apps: readonly AppConfig[]): Promise<void> {
    this.#apps = apps
    await this.#life?.appsKnown(apps)
  }

  /** Leaves the ring and lets the clients go; resolves when that is done, or after its bound. */
  async drain(): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true
      this.#ports.logger.info({ withinMs: this.#options.drainMs }, 'draining')
      this.#life?.drain(this.#options.drainMs)
      const bound = setTimeout(() => this.#onLeft(), this.#options.drainMs)
      void this.#left.then(() => clearTimeout(bound))
      if (this.#life === undefined) this.#onLeft()
    }
    await this.#left
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#aborter.abort()
    for (const stop of this.#stops.splice(0)) stop()
    await this.#life?.end()
    await this.#mesh?.close()
  }

  /** The node as health checks, peers and people see it. */
  facts(): NodeFacts {
    const life = this.#life
    const isMeshUp = this.#mesh?.isUp ?? false
    const unready = this.#isDraining ? 'draining'
      : life === undefined ? `waiting for ${this.#waitsFor}`
        : !isMeshUp ? 'the mesh is down' : life.unreadyBecause
    return {
      incarnation: life?.incarnation ?? '',
      isMeshUp,
      viewVersion: life?.view?.version ?? 0,
      standing: life?.standing ?? 'waiting',
      connections: life?.connectionCount ?? 0,
      drain: this.#terms?.drain ?? 'none',
      unreadyBecause: unready,
      notLivingBecause: life?.notLivingBecause,
      noRestartBecause: unready ?? life?.unsettledBecause
    }
  }

  #joinWorld(ring: RingIdentity, mesh: Mesh): void {
    const { siteCode, region, endpoint, world } = this.#options
    const own = {
      ...ring, name: siteCode, ownName: region, prefix: this.#prefix, endpoint,
      ...world !== undefined && { world }
    }
    const pump = new WorldPump(own, {
      clock: systemClock,
      mesh,
      onWorld: (world) => {
        this.#world = world
        this.#life?.tellWorld(world)
      },
      onTerms: (terms) => this.#onTerms(terms),
      note: (level, text, fields) => this.#ports.logger[level](fields, text)
    })
    this.#worldPump = pump
    this.#stops.push(tellRelays(mesh, this.#prefix, () => ({
      incarnation: this.#life?.incarnation ?? '',
      isFirst: this.#life?.view?.members[0]?.incarnation === this.#life?.incarnation,
      regions: this.#world?.regions ?? [],
      workers: (this.#life?.statuses ?? []).map((status) => status?.relays ?? [])
    })))
    const stop = this.#ports.watchSettings?.((settings) => pump.onSettings(settings))
    if (stop !== undefined) this.#stops.push(stop)
  }

  #onTerms(terms: WorldTerms): void {
    const { drain } = terms
    const former = this.#terms?.drain ?? 'none'
    if (drain !== former) this.#ports.logger.info({ drain }, DRAIN_NOTES[drain])
    this.#terms = terms
    this.#life?.tellTerms(terms)
  }

  #begin(): void {
    const mesh = this.#mesh!
    const incarnation = `${this.#options.node}-${randomBytes(5).toString('hex')}`
    const life = new NodeLife(
      { ...this.#options, privatePort: this.#privatePort, incarnation, prefix: this.#prefix },
      {
        logger: this.#ports.logger,
        ringStore: this.#ports.ringStore,
        listPods: () => this.#podWatch!.list(),
        mesh,
        logStreams: this.#ports.logStreams?.(mesh, this.#prefix),
        logScale: this.#ports.logScale(mesh, this.#prefix),
        workerMesh: () => this.#ports.workerMesh(),
        provision: this.#ports.provision,
        onAdopt: ({ view, generations, gone }) => {
          this.#worldPump?.onAdopt({ incarnation, view, generations, gone })
        },
        onLeft: (reason) => {
          if (this.#isDraining) this.#onLeft()
          else this.#beginAnew(life, reason)
        },
        onRemoved: (reason) => this.#beginAnew(life, reason),
        onWorkerRestart: () => {
          this.#restartCount++
        }
      }
    )
    this.#life = life
    life.start()
    if (this.#terms !== undefined) life.tellTerms(this.#terms)
    if (this.#apps !== undefined) life.tellApps(this.#apps)
    if (this.#world !== undefined) life.tellWorld(this.#world)
    if (this.#pods !== undefined) life.onPods(this.#pods)
  }

  #beginAnew(life: NodeLife, reason: string): void {
    if (this.#life !== life || this.#isDraining) return
    this.#ports.logger.warn({ reason }, 'out of the ring; joining again as a new member')
    void life.dismiss().then(() => life.end()).then(() => {
      if (!this.#aborter.signal.aborted) this.#begin()
    })
  }

  #metrics() {
    return nodeMetrics({
      statuses: () => this.#life?.statuses ?? [],
      viewVersion: () => this.#life?.view?.version ?? 0,
      memberCount: () => this.#life?.view?.members.length ?? 0,
      standing: () => this.#life?.standing ?? 'waiting',
      logFill: () => this.#life?.logFill ?? { share: 0, fullCount: 0 },
      workerRestarts: () => this.#restartCount
    })
  }
}
