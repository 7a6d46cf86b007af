/**
 * A simulated region: the world with its mesh, its Kubernetes API, its log, its pods and whoever
 * connects. Everything that happens to nodes from outside is a verb of this class.
 */

import type { AppDirectory } from '../../src/auth/app.ts'
import type { Random } from '../../src/base/random.ts'
import type { LogAnswer, LogRequest } from '../../src/log/port.ts'
import type { ProbeOutcome } from '../../src/node/member-ports.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { MembershipMessage } from '../../src/peer/membership.ts'
import type { LinkFrame } from '../../src/peer/link.ts'
import type { Place } from '../../src/peer/place.ts'
import { assign } from '../../src/ring/assignment.ts'
import { makeView } from '../../src/ring/view.ts'
import { theApp } from './app.ts'
import { SimMesh } from './bus.ts'
import type { Abroad } from './abroad.ts'
import type { Check } from './checks/check.ts'
import type { SimClient } from './clients.ts'
import { type ClockFault, EPOCH_MS, MachineClock } from './clock.ts'
import { type Answer, exchange } from './exchanges.ts'
import { SimKube, type SimPod } from './kube.ts'
import { Ledger } from './ledger.ts'
import { REVOCATIONS_PARTITION } from '../../src/node/revocation-log.ts'
import { SimArchive } from './archive.ts'
import { SimLog } from './log.ts'
import { SimStats } from './stats-store.ts'
import { SimNode } from './node.ts'
import { CometLine } from './comet-line.ts'
import { type SimSocket, SimWebSocket, type SocketClient, type SocketWitness } from './sockets.ts'
import type { Wire, WireFormat } from './wire.ts'
import type { WorkerThread } from './worker.ts'
import { World } from './world.ts'

const PROBE_WAY_MS = 1
const DRAIN_GRACE_MS = 25_000
/** What a node causes in a second is far less; where all come up at once they all hear of all. */
const EVENTS_PER_NODE_MAX = 20_000
export interface RegionOptions {
  readonly seed: string
  /** Of several regions, which names its pods, too. */
  readonly name?: string
  /** What it has in common with the others. */
  readonly abroad?: Abroad
  readonly nodeCount: number
  /** Worker threads per node. */
  readonly workers: number
  readonly partitionCount: number
  readonly successorCount: number
  /** The share of messages that go through the real codecs; the others go as frozen objects. */
  readonly codecShare: number
  /** Whether machines assert their own invariants after every turn. */
  readonly isChecking: boolean
  clockFault(random: Random): ClockFault
}

export const defaultRegion: Omit<RegionOptions, 'seed'> = {
  nodeCount: 3,
  workers: 2,
  partitionCount: 16,
  successorCount: 1,
  codecShare: 1,
  isChecking: true,
  clockFault: () => ({ skewMs: 0, drift: 0 })
}

export class Region implements SocketWitness {
  readonly options: RegionOptions
  readonly name: string
  readonly abroad: Abroad | undefined
  readonly world: World
  readonly mesh: SimMesh
  readonly kube: SimKube
  readonly log: SimLog
  readonly stats: SimStats
  readonly archive: SimArchive
  readonly ledger: Ledger
  readonly apps: AppDirectory
  /** By pod name: the process that is there now, running or not. */
  readonly nodes = new Map<string, SimNode>()
  readonly clients: SimClient[] = []
  readonly checks: Check[] = []
  readonly sockets = new Set<SimSocket>()
  /** What draws are named by, where there are several regions. */
  readonly #of: string
  readonly #random: Random
  readonly #wayRandom: Random
  readonly #requestRandom: Random
  /** When a socket went whose end at its server nobody sees. */
  goneUnseenAtMs = -Infinity
  #starts = 0
  #nextName: number
  /** Pods that are not made again. */
  readonly #going = new Set<SimPod>()
  #socketCount = 0

  constructor(options: RegionOptions) {
    this.options = options
    const { name = '', abroad } = options
    this.name = name
    this.abroad = abroad
    this.#nextName = options.nodeCount
    this.world = abroad?.world ?? new World(options.seed)
    this.world.eventsPerSecondMax = EVENTS_PER_NODE_MAX * Math.max(5, options.nodeCount)
    const of = this.#of = name === '' ? '' : `${name} `
    this.mesh = new SimMesh(this.world, of)
    this.kube = new SimKube(this.world, options.partitionCount, of)
    this.log = new SimLog(this.world, of)
    this.stats = new SimStats(this.world, this.log)
    this.archive = new SimArchive(this.world, this.log.cutOff)
    this.ledger = new Ledger(options.partitionCount)
    this.#random = this.fork('region')
    this.#wayRandom = this.fork('ways')
    this.#requestRandom = this.fork('requests')
    this.apps = theApp()
    this.log.onAccepted = (accepted) => {
      if (accepted.partition === REVOCATIONS_PARTITION) {
        for (const check of this.checks) check.onRevocationsStored?.(accepted)
        return
      }
      const append = this.ledger.take(accepted)
      for (const check of this.checks) check.onAppended?.(append, accepted)
    }
    this.log.onRolledBack = (partition, keptSeq) => {
      if (partition !== REVOCATIONS_PARTITION) this.ledger.rollBack(partition, keptSeq)
      for (const check of this.checks) check.onRolledBack?.(partition, keptSeq)
    }
  }

  /** Draws of its own, whatever other regions draw. */
  fork(label: string): Random {
    return this.world.fork(this.#of + label)
  }

  // -- pods and processes ----------------------------------------------------------------------

  /** Makes the region's pods, all at once. */
  start(): void {
    for (let at = 0; at < this.options.nodeCount; at++) this.startPod(`${this.name}n${at}`)
  }

  /** Everybody is there and listed as serving, as if the region had come up long ago. */
  startListed(): void {
    const { nodeCount, partitionCount, successorCount, workers } = this.options
    const members = Array.from({ length: nodeCount }, (_, at) => ({
      node: `n${at}`,
      uid: `uid-n${at}-${at + 1}`,
      incarnation: `n${at}-${at + 1}.1`,
      startedAt: EPOCH_MS,
      workers,
      zone: `z${at % 3}`,
      meshVersion: 1,
      state: 'serving' as const,
      host: `n${at}`,
      privatePort: 1
    }))
    const table = assign(undefined, members, partitionCount, successorCount)
    this.kube.preset(makeView({
      version: 1, partitionCount, successorCount, members, tombstones: [], table
    }))
    for (const { node, incarnation } of members) this.startPod(node, incarnation)
  }

  /** A pod of this name comes up, with a new uid, on some machine, and the process in it. */
  startPod(name: string, incarnation?: string): SimNode {
    const uid = `uid-${name}-${++this.#starts}`
    const { nodeCount, clockFault, workers } = this.options
    const zone = `z${Number(name.slice(this.name.length + 1)) % Math.min(3, nodeCount)}`
    const pod = {
      node: name,
      uid,
      phase: 'Running',
      isReady: true,
      host: name,
      zone,
      isTerminating: false,
      isTerminated: false,
      containerEndedAtMs: undefined
    }
    const monoZeroMs = this.#random.below(1_000_000)
    const clock = new MachineClock(this.world, clockFault(this.#random), monoZeroMs)
    const node = new SimNode(this, pod, clock, workers, this.#starts)
    this.nodes.set(name, node)
    this.kube.pods.set(name, pod)
    this.kube.podsChanged(`${name} is ${uid}`)
    node.start(incarnation)
    return node
  }

  /**
   * The process of a pod dies, and its container is started again. The kubelet reports the death
   * after `reportMs`, and starts the next one after `restartMs`.
   */
  crash(node: SimNode, reportMs: number, restartMs: number): void {
    if (!node.isRunning) return
    this.world.note(`${node.pod.node} crashes`)
    node.kill()
    const endedAtMs = Math.floor(node.clock.wallMs() / 1_000) * 1_000
    this.world.after(reportMs, () => {
      if (this.kube.pods.get(node.pod.node) !== node.pod) return
      node.pod.containerEndedAtMs = endedAtMs
      this.kube.podsChanged(`${node.pod.node}'s container ended`)
    })
    this.world.after(restartMs, () => {
      if (this.nodes.get(node.pod.node) !== node) return
      if (node.pod.isTerminating) {
        this.#replacePod(node, 1_000)
        return
      }
      const heir = new SimNode(this, node.pod, node.clock, node.workers, ++this.#starts)
      this.nodes.set(node.pod.node, heir)
      heir.start()
    })
  }

  /** The machine is lost: the API says so after `reportMs`, and the pod comes up elsewhere. */
  loseMachine(node: SimNode, reportMs: number): void {
    if (!node.isRunning) return
    this.world.note(`${node.pod.node}'s machine is lost`)
    node.kill()
    this.world.after(reportMs, () => this.#replacePod(node, 500))
  }

  /** The pod is deleted: it leaves in good order, or is killed after its grace. */
  deletePod(node: SimNode): void {
    if (!node.isRunning || node.pod.isTerminating) return
    node.pod.isTerminating = true
    this.kube.podsChanged(`${node.pod.node} terminates`)
    this.world.note(`${node.pod.node} is asked to leave`)
    node.drain()
    this.world.after(DRAIN_GRACE_MS, () => this.onLeft(node))
  }

  /** A node joins under a name of its own. */
  scaleUp(): void {
    this.world.note('one more node')
    this.startPod(`${this.name}n${this.#nextName++}`)
  }

  /** The pod is deleted as above, and none comes in its place. */
  scaleDown(node: SimNode): void {
    this.world.note(`${node.pod.node} goes for good`)
    this.#going.add(node.pod)
    this.deletePod(node)
  }

  /** A process that has left the ring ends. */
  onLeft(node: SimNode): void {
    if (this.nodes.get(node.pod.node) !== node || !node.isRunning) return
    node.kill()
    this.world.note(`${node.pod.node} has left`)
    if (node.pod.isTerminating) this.#replacePod(node, 1_000)
  }

  #replacePod(node: SimNode, afterMs: number): void {
    const { node: name } = node.pod
    if (this.kube.pods.get(name) !== node.pod) return
    this.kube.pods.delete(name)
    this.kube.podsChanged(`${name} is gone`)
    if (this.#going.has(node.pod)) {
      this.nodes.delete(name)
      return
    }
    this.world.after(afterMs, () => {
      if (!this.kube.pods.has(name)) this.startPod(name)
    })
  }

  get running(): SimNode[] {
    return [...this.nodes.values()].filter(({ isRunning }) => isRunning)
  }

  /** Asks the private port at `host` whether `incarnation` is there. */
  probe(
    from: SimNode,
    host: string,
    incarnation: string,
    timeoutMs: number,
    onOutcome: (outcome: ProbeOutcome) => void
  ): void {
    const delayMs = this.#wayRandom.jitter(PROBE_WAY_MS)
    const tell = (outcome: ProbeOutcome): void => {
      for (const check of this.checks) check.onProbed?.(from, incarnation, outcome)
      onOutcome(outcome)
    }
    this.world.after(delayMs, () => {
      const asked = this.nodes.get(host)
      const isCut = this.mesh.isCut(from.pod.node, host) || this.mesh.isCut(host, from.pod.node)
      const isGone = asked === undefined || this.kube.pods.get(host) !== asked.pod
      if (isGone || asked.isFrozen || isCut) {
        this.world.after(timeoutMs, () => tell('silent'))
      } else if (!asked.isRunning || asked.life === undefined) {
        this.world.after(delayMs, () => tell('refused'))
      } else {
        const { life } = asked
        const outcome = life.incarnation !== incarnation ? 'otherIncarnation'
          : asked.isMeshUp ? 'alive' : 'noMesh'
        this.world.after(delayMs, () => tell(outcome))
      }
    })
  }

  // -- clients ---------------------------------------------------------------------------------

  /** A client dials the region's address: it reaches some thread that listens, or none. */
  dial(
    client: SocketClient,
    format: WireFormat,
    echo: boolean,
    on?: string,
    isComet = false
  ): SimSocket | undefined {
    const server = this.#reached(on)
    if (server === undefined) return undefined
    const id = `${this.name}s${++this.#socketCount}`
    const options = { id, format, echo, random: this.world.fork(`socket ${id}`) }
    const reach = (): WorkerThread | undefined => this.#reached(on)
    const socket = isComet ? new CometLine(this.world, this, server, client, options, reach)
      : new SimWebSocket(this.world, this, server, client, options)
    this.sockets.add(socket)
    this.world.note(`${client.name} dials ${server.life} as ${id}${isComet ? ' (comet)' : ''}`)
    return socket
  }

  /** A client asks some thread that listens; it is told if there is none, or no answer comes. */
  ask(request: RawRequest, onAnswer: (answer: Answer | undefined) => void): void {
    const threads = this.#listening(undefined)
    const random = this.#requestRandom
    const thread = threads[random.below(threads.length)]
    if (thread === undefined) this.world.after(1, () => onAnswer(undefined))
    else exchange(this.world, random, thread, request, onAnswer)
  }

  /** A worker says something to another one. */
  onPeerSays(from: Place, frame: LinkFrame): void {
    for (const check of this.checks) check.onPeerSays?.(from, frame)
  }

  /** A worker hears what became of a question to the log. */
  onLogAnswer(thread: WorkerThread, request: LogRequest, answer: LogAnswer): void {
    const { life, loop: { turningMs } } = thread
    for (const check of this.checks) check.onLogAnswer?.(life, request, answer, turningMs)
  }

  /** A node says something to others about who is there. */
  onMeshSays(message: MembershipMessage): void {
    for (const check of this.checks) check.onMeshSays?.(message)
  }

  /** A worker is told to write what it has counted. */
  onFlushing(life: string): void {
    for (const check of this.checks) check.onFlushing?.(life)
  }

  /** A worker's life is over; `isFlushed`: what it had counted was written. */
  onLifeEnded({ life, loop: { turningMs } }: WorkerThread, isFlushed: boolean): void {
    for (const check of this.checks) check.onLifeEnded?.(life, isFlushed, turningMs)
  }

  #reached(on: string | undefined): WorkerThread | undefined {
    const threads = this.#listening(on)
    return threads.length === 0 ? undefined : threads[this.#wayRandom.below(threads.length)]
  }

  #listening(on: string | undefined): WorkerThread[] {
    const ready: WorkerThread[] = []
    for (const { isRunning, isDraining, life, pod } of this.nodes.values()) {
      if (!isRunning || isDraining || life?.standing !== 'serving') continue
      if (on !== undefined && pod.node !== on) continue
      for (const thread of life.threads) if (thread?.isListening === true) ready.push(thread)
    }
    return ready
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    if (socket.client.isRough === true) return
    for (const check of this.checks) check.onServerSays?.(socket, message)
  }

  onClientSays(socket: SimSocket, message: Wire): void {
    if (socket.client.isRough === true) return
    for (const check of this.checks) check.onClientSays?.(socket, message)
  }

  onSocketGone(socket: SimSocket): void {
    this.sockets.delete(socket)
    if (socket.isComet === true) this.goneUnseenAtMs = this.world.nowMs
    if (socket.client.isRough === true) return
    for (const check of this.checks) check.onSocketGone?.(socket)
  }
}
