/**
 * Whole workers of several nodes in one deterministic world: virtual time, a bus that carries the
 * real bytes and may lose or repeat them, logs, and views that reach each node when the test
 * says. Nothing happens until `run` lets time pass.
 */

import { AppDirectory } from '../../../src/auth/app.ts'
import { DEFAULT_CAPABILITY } from '../../../src/auth/capability.ts'
import { ConnectionKeys } from '../../../src/auth/connection-key.ts'
import { partitionOf } from '../../../src/base/hash.ts'
import { Random } from '../../../src/base/random.ts'
import { Tally } from '../../../src/base/tally.ts'
import type { LogRequest } from '../../../src/log/port.ts'
import { Outbox } from '../../../src/node/outbox.ts'
import type { WorkerInput } from '../../../src/node/ports.ts'
import { Worker } from '../../../src/node/worker.ts'
import { PeerCodec } from '../../../src/peer/codec.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'
import type { Place } from '../../../src/peer/place.ts'
import { type Change, nextView, noChange } from '../../../src/ring/succession.ts'
import {
  emptyView, homeWorkerOf, masterOf, type Member, type View
} from '../../../src/ring/view.ts'
import { type AppendFate, SimulatedLog } from './simulated-log.ts'
import { type ClientOptions, WorldClient } from './world-client.ts'

/** The wall clock when a world begins. */
export const EPOCH_MS = 1_750_000_000_000
const SIBLING_MS = 0.05

export interface WorldOptions {
  readonly nodes?: number
  readonly workers?: number
  /** `own`: each worker's log is its memory; `shared`: one log that outlives everybody. */
  readonly log?: 'own' | 'shared'
}

/** One life of a worker thread. */
export interface WorldWorker {
  readonly node: WorldNode
  readonly place: Place
  readonly generation: number
  readonly worker: Worker
  readonly outbox: Outbox
  readonly log: SimulatedLog
  readonly tally: Tally
  isAlive: boolean
  /** It gets its inputs, all of them, when it goes on again. */
  isFrozen: boolean
  frozenInputs: WorkerInput[]
  notes: string[]
}

/** One life of a node. */
export interface WorldNode {
  readonly member: Member
  readonly workers: WorldWorker[]
  isAlive: boolean
  /** False: it is told of no view until `tellView`. */
  isTold: boolean
}

export class WorkerWorld {
  readonly random: Random
  readonly #options: Required<WorldOptions>
  readonly nodes: WorldNode[] = []
  readonly sharedLog = new SimulatedLog()
  readonly #codec = new PeerCodec()
  nowMs = 1_000
  view: View = emptyView(16, 2)
  /** Shares of frames between nodes that are lost and repeated; the longest a frame takes. */
  weather = { loss: 0, repeat: 0, delayMs: 1 }
  loses: (from: Place, to: Place, frame: LinkFrame) => boolean = () => false
  appendFate: (request: LogRequest) => AppendFate = () => 'fine'
  readonly #generations = new Map<string, number[]>()
  readonly #arrivals = new Map<string, number>()
  readonly #dirty = new Set<WorldWorker>()
  #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = []
  #order = 0
  #lifeNo = 0

  constructor(seed: string, options: WorldOptions = {}) {
    this.random = new Random(seed)
    this.#options = { nodes: 3, workers: 1, log: 'own', ...options }
    for (let no = 0; no < this.#options.nodes; no++) this.start(`n${no}`)
  }

  /** A node starts and serves at once. */
  start(node: string): WorldNode {
    const incarnation = `${node}#${++this.#lifeNo}`
    const { workers } = this.#options
    const member: Member = {
      node, uid: `uid-${incarnation}`, incarnation, startedAt: this.#lifeNo, workers, zone: '',
      meshVersion: 1, state: 'joining', host: node, privatePort: 1
    }
    const born: WorldNode = { member, workers: [], isAlive: true, isTold: true }
    this.nodes.push(born)
    this.#generations.set(incarnation, Array.from({ length: workers }, () => 1))
    for (let no = 0; no < workers; no++) born.workers.push(this.#bornWorker(born, no, 1))
    this.change({ joined: [member] })
    this.change({ promoted: new Set([incarnation]) })
    return born
  }

  /** Dies with everything in it; nobody is told. */
  kill(node: WorldNode): void {
    node.isAlive = false
    for (const worker of node.workers) worker.isAlive = false
  }

  /** The worker thread dies and its heir begins; nodes hear of the new generation if `isTold`. */
  restartWorker(node: WorldNode, no: number, isTold = true): WorldWorker {
    const former = node.workers[no]!
    former.isAlive = false
    const heir = this.#bornWorker(node, no, former.generation + 1)
    node.workers[no] = heir
    this.#generations.get(node.member.incarnation)![no] = heir.generation
    this.#tell(heir)
    if (isTold) this.tellView()
    return heir
  }

  /** A new view, told to everybody who is told. */
  change(change: Partial<Change>): void {
    const whole = { ...noChange, ...change }
    this.view = nextView(this.view, whole, this.view.version + 1, EPOCH_MS, 600_000)
    this.tellView()
    while (this.view.handovers !== undefined) this.step()
  }

  /** The view after the announced handovers, prepared or not. */
  step(): void {
    const step = { ...noChange, isStep: true }
    this.view = nextView(this.view, step, this.view.version + 1, EPOCH_MS, 600_000)
    this.tellView()
  }

  remove(node: WorldNode): void {
    this.change({ removed: new Map([[node.member.incarnation, 'test']]) })
  }

  /** Tells the present view to those who live and are told. */
  tellView(gone: ReadonlySet<string> = new Set()): void {
    for (const { isTold, workers } of this.nodes) {
      if (isTold) for (const worker of workers) this.#tell(worker, gone)
    }
  }

  thaw(worker: WorldWorker): void {
    worker.isFrozen = false
    for (const input of worker.frozenInputs.splice(0)) this.input(worker, input)
  }

  client(node: WorldNode, options: ClientOptions = {}, workerNo = 0): WorldClient {
    return new WorldClient(this, options).connect(node.workers[workerNo]!)
  }

  /** A channel's name that `node` masters, at worker `workerNo`. */
  channelOf(node: WorldNode, workerNo = 0, prefix = 'c'): string {
    for (let no = 0; no < 10_000; no++) {
      const partition = this.partitionOf(`${prefix}${no}`)
      const master = masterOf(partition, this.view)
      if (master?.incarnation !== node.member.incarnation) continue
      if (homeWorkerOf(partition, master) === workerNo) return `${prefix}${no}`
    }
    throw new Error(`${node.member.node} masters nothing there`)
  }

  partitionOf(channel: string): number {
    return partitionOf(`app/${channel}`, this.view.partitionCount)
  }

  masterOf(channel: string): WorldNode {
    const { incarnation } = masterOf(this.partitionOf(channel), this.view)!
    return this.nodes.find(({ member }) => member.incarnation === incarnation)!
  }

  /** Handles an input a moment from now, as an event of its own. */
  input(worker: WorldWorker, input: WorkerInput, delayMs = 0.01): void {
    this.#at(this.nowMs + delayMs, () => this.#turn(worker, input))
  }

  /** Lets `forMs` pass, jumping from event to event. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      let nextMs = this.#queue[0]?.atMs ?? Infinity
      for (const each of this.#awake()) {
        nextMs = Math.min(nextMs, each.worker.nextDeadlineMs())
      }
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs + 0.001, nextMs)
      while (this.#queue.length > 0 && this.#queue[0]!.atMs <= this.nowMs) {
        this.#queue.shift()!.run()
      }
      for (const each of this.#awake()) {
        if (each.worker.nextDeadlineMs() <= this.nowMs) this.#turn(each, { kind: 'deadline' })
      }
      for (const each of this.#dirty) this.#drain(each)
      this.#dirty.clear()
    }
    this.nowMs = endMs
  }

  #awake(): WorldWorker[] {
    return this.nodes.flatMap(({ workers }) =>
      workers.filter(({ isAlive, isFrozen }) => isAlive && !isFrozen))
  }

  #bornWorker(node: WorldNode, no: number, generation: number): WorldWorker {
    const { incarnation } = node.member
    const place = { incarnation, worker: no }
    const outbox = new Outbox()
    const tally = new Tally()
    const home = `${incarnation}/${no}`
    const worker = new Worker({
      self: place, generation, workers: node.member.workers, serverId: home, siteCode: 'test',
      connectionKeys: new ConnectionKeys(new Uint8Array(32)),
      allocate: (bytes) => new Uint8Array(bytes), tally
    }, outbox, this.random.fork(`${home}/${generation}`))
    const log = this.#options.log === 'own' ? new SimulatedLog() : this.sharedLog
    const born: WorldWorker = {
      node, place, generation, worker, outbox, log, tally, isAlive: true, isFrozen: false,
      frozenInputs: [], notes: []
    }
    this.input(born, { kind: 'apps', directory: APPS })
    return born
  }

  #tell(worker: WorldWorker, gone: ReadonlySet<string> = new Set()): void {
    const generations = structuredClone(this.#generations)
    this.input(worker, { kind: 'view', view: this.view, generations, gone })
  }

  #at(atMs: number, run: () => void): void {
    const event = { atMs, order: this.#order++, run }
    let at = this.#queue.length
    while (at > 0 && this.#queue[at - 1]!.atMs > atMs) at--
    this.#queue.splice(at, 0, event)
  }

  #turn(to: WorldWorker, input: WorkerInput): void {
    if (!to.isAlive) return
    if (to.isFrozen) {
      to.frozenInputs.push(input)
      return
    }
    to.worker.turn(input, { monoMs: this.nowMs, wallMs: EPOCH_MS + Math.floor(this.nowMs) })
    this.#dirty.add(to)
  }

  #drain(from: WorldWorker): void {
    if (!from.isAlive) return
    from.worker.settle({ monoMs: this.nowMs, wallMs: EPOCH_MS + Math.floor(this.nowMs) })
    for (const request of from.outbox.takeLogRequests()) this.#ask(from, request)
    for (const { to, frame } of from.outbox.takeFrames()) this.#carry(from.place, to, frame)
    for (const socket of from.outbox.drainSockets()) {
      this.input(from, { kind: 'socketFull', socket })
    }
    for (const { responder, response } of from.outbox.takeResponses()) responder.respond(response)
    from.notes.push(...from.outbox.takeNotes())
  }

  #ask(from: WorldWorker, request: LogRequest): void {
    const delayMs = () => 0.2 + this.random.below(3)
    this.#at(this.nowMs + delayMs(), () => {
      if (request.kind === 'release' && this.#options.log === 'own') {
        from.log.forget(request.partition)
      }
      const answer = from.log.perform(request, this.appendFate(request))
      if (answer !== undefined) this.input(from, { kind: 'log', answer }, delayMs())
    })
  }

  #carry(from: Place, to: Place, frame: LinkFrame): void {
    const arrive = (arriving: LinkFrame): void => {
      const node = this.nodes.find(({ member }) => member.incarnation === to.incarnation)
      const worker = node?.workers[to.worker]
      if (worker !== undefined) this.#turn(worker, { kind: 'peerFrame', frame: arriving })
    }
    if (from.incarnation === to.incarnation) {
      const clone = structuredClone(frame)
      this.#at(this.nowMs + SIBLING_MS, () => arrive(clone))
      return
    }
    const { loss, repeat, delayMs } = this.weather
    const bytes = this.#codec.encodeFrame(frame)
    if (this.loses(from, to, frame) || this.random.unit() < loss) return
    const copyCount = this.random.unit() < repeat ? 2 : 1
    const path = `${from.incarnation}/${from.worker} ${to.incarnation}/${to.worker}`
    for (let copy = 0; copy < copyCount; copy++) {
      const delay = 0.3 + this.random.below(delayMs)
      const atMs = Math.max(this.#arrivals.get(path) ?? 0, this.nowMs + delay)
      this.#arrivals.set(path, atMs)
      this.#at(atMs, () => arrive(this.#codec.decodeFrame(bytes)!))
    }
  }
}

export const APPS = new AppDirectory([{
  appId: 'app', namespaces: [], limits: {},
  keys: [{ id: 'k', secret: 'secret', capability: DEFAULT_CAPABILITY, revocableTokens: false }]
}], 1)
