/**
 * One life of a simulated node, with a membership machine and worker threads of its own, as
 * `commands/node-life.ts` has it.
 */

import type { Random } from '../../src/base/random.ts'
import { ampleRoom, roomOf } from '../../src/log/room.ts'
import { MemberNode } from '../../src/node/member.ts'
import type {
  Adopt,
  MemberInput,
  MemberOutput,
  Standing
} from '../../src/node/member-ports.ts'
import { decodeMembership, encodeMembership } from '../../src/peer/membership-codec.ts'
import type { MembershipMessage } from '../../src/peer/membership.ts'
import { MAIN_THREAD, placeKey } from '../../src/peer/place.ts'
import { masterOf, type View } from '../../src/ring/view.ts'
import { Endpoint } from './bus.ts'
import { Loop } from './loop.ts'
import type { SimNode } from './node.ts'
import type { Region } from './region.ts'
import { WorkerThread } from './worker.ts'

const PORT_MS = 0.05
/** How often a node looks how full the log is. */
export const LOOK_MS = 2_000
const TELL_MS = 1_000
const HEIR_MS = 100
const HANDED_OVER_MS = 100
const DRAIN_MS = 10_000
/** As `ops/supervisor.ts` has it. */
const PATIENCE_MS = 12_000
const DISMISS_MS = 250
const PROBE_MS = 1_000

/** One incarnation: its membership, and its workers from their start to their end. */
export class Life {
  readonly incarnation: string
  readonly beganAtMs: number
  readonly node: SimNode
  readonly member: MemberNode
  readonly loop: Loop<MemberInput>
  readonly endpoint: Endpoint
  readonly threads: (WorkerThread | undefined)[] = []
  readonly generations: number[] = []
  standing: Standing = 'waiting'
  /** What its workers were told to believe. */
  adopted: Adopt | undefined
  #told: Adopt | undefined
  /** When it last judged what it heard: while it stands still it believes what it did before. */
  judgedAtMs = -Infinity
  /** Whom they are told to be gone besides. */
  #wronglyGone: readonly string[] = []
  isOver = false
  #isDraining = false
  readonly #settled: number[] = []
  #room = ampleRoom
  readonly #outputs: MemberOutput[] = []
  readonly #region: Region
  readonly #random: Random

  constructor(region: Region, node: SimNode, incarnation: string) {
    this.#region = region
    this.node = node
    this.incarnation = incarnation
    this.beganAtMs = region.world.nowMs
    this.#random = region.world.fork(`life ${incarnation}`)
    const { pod, clock, workers } = node
    const identity = {
      node: pod.node,
      uid: pod.uid,
      incarnation,
      startedAt: clock.wallMs(),
      workers,
      zone: pod.zone,
      meshVersion: 1,
      host: pod.host ?? '',
      privatePort: 1
    }
    const { successorCount } = region.options
    this.member = new MemberNode({ identity, seed: incarnation, successorCount }, this.#outputs)
    this.loop = new Loop<MemberInput>(
      {
        turn: (input, now) => {
          this.member.turn(input, now)
          if (region.options.isChecking) this.member.check()
        },
        nextDeadlineMs: () => this.member.nextDeadlineMs()
      },
      {
        world: region.world,
        clock,
        random: this.#random.fork('loop'),
        deadline: { kind: 'deadline' },
        drain: () => this.#drain()
      }
    )
    const key = placeKey({ incarnation, worker: MAIN_THREAD })
    this.endpoint = new Endpoint(key, pod.node, true, (payload) => this.#onPayload(payload))
  }

  start(isMeshUp: boolean): void {
    const { world, mesh } = this.#region
    mesh.open(this.endpoint)
    this.endpoint.isUp = isMeshUp
    this.input({ kind: 'mesh', isUp: isMeshUp })
    for (let worker = 0; worker < this.node.workers; worker++) this.#spawn(worker)
    this.#tellWorkers()
    world.every(TELL_MS, () => {
      if (!this.node.isFrozen) this.#tellWorkers()
      return !this.isOver
    })
    world.every(LOOK_MS, () => {
      if (!this.node.isFrozen) this.#lookAtLog()
      return !this.isOver
    })
  }

  input(input: MemberInput): void {
    if (!this.isOver) this.loop.input(input)
  }

  /** A worker thread dies; its heir starts soon. */
  killWorker(worker: number): void {
    const thread = this.threads[worker]
    if (this.isOver || thread === undefined) return
    thread.end(false)
    this.threads[worker] = undefined
    this.#region.world.after(this.#random.jitter(HEIR_MS), () => {
      if (!this.isOver) this.#spawn(worker)
    })
  }

  /** A worker makes no turn; one that does so for too long is ended (scenario E1). */
  hangWorker(worker: number, forMs: number): void {
    const thread = this.threads[worker]
    if (this.isOver || thread === undefined) return
    thread.loop.freeze()
    this.#region.world.after(Math.min(forMs, PATIENCE_MS), () => {
      if (forMs > PATIENCE_MS) this.#endThread(worker, thread)
      else if (!this.node.isFrozen) thread.loop.wake()
    })
  }

  /** A worker alone has no mesh: its clients would sit there deaf, so they are sent away. */
  cutWorker(worker: number, forMs: number): void {
    const thread = this.threads[worker]
    if (this.isOver || thread === undefined) return
    thread.endpoint.isUp = false
    this.#region.world.after(Math.min(forMs, PATIENCE_MS), () => {
      if (forMs <= PATIENCE_MS) {
        thread.endpoint.isUp = this.endpoint.isUp
        return
      }
      thread.tellDrain(0)
      this.#region.world.after(DISMISS_MS, () => this.#endThread(worker, thread))
    })
  }

  /** Every worker turns, and has the mesh that its node has. */
  mendWorkers(): void {
    for (const thread of this.threads) {
      if (thread === undefined) continue
      thread.loop.wake()
      thread.endpoint.isUp = this.endpoint.isUp
    }
  }

  #endThread(worker: number, thread: WorkerThread): void {
    const isIll = thread.loop.isFrozen || !thread.endpoint.isUp
    if (this.threads[worker] === thread && isIll) this.killWorker(worker)
  }

  drain(): void {
    if (this.#isDraining || this.isOver) return
    this.#isDraining = true
    this.input({ kind: 'drain' })
    for (const thread of this.threads) thread?.tellDrain(DRAIN_MS / 2)
    this.#region.world.every(HANDED_OVER_MS, () => {
      if (this.isOver) return false
      if (this.node.isFrozen) return true
      const isEmpty = this.threads.every((thread) => thread === undefined ||
        thread.worker.counts().connections === 0)
      if (isEmpty && !this.#mastersAnything()) this.input({ kind: 'handedOver' })
      return true
    })
  }

  /** `unfinished`: the threads that have not written what they counted. */
  end(unfinished: ReadonlySet<WorkerThread | undefined> = new Set(this.threads)): void {
    if (this.isOver) return
    this.isOver = true
    this.loop.end()
    this.#region.mesh.close(this.endpoint)
    for (const thread of this.threads) thread?.end(!unfinished.has(thread))
  }

  setMeshUp(isUp: boolean): void {
    if (this.isOver || this.endpoint.isUp === isUp) return
    this.endpoint.isUp = isUp
    this.input({ kind: 'mesh', isUp })
    for (const thread of this.threads) if (thread !== undefined) thread.endpoint.isUp = isUp
  }

  freeze(): void {
    this.loop.freeze()
    for (const thread of this.threads) thread?.loop.freeze()
  }

  wake(): void {
    this.loop.wake()
    for (const thread of this.threads) thread?.loop.wake()
  }

  #spawn(worker: number): void {
    const generation = (this.generations[worker] ?? 0) + 1
    this.generations[worker] = generation
    const { clock, workers, pod } = this.node
    const thread = new WorkerThread(this.#region, {
      self: { incarnation: this.incarnation, worker },
      generation,
      workers,
      machine: pod.node,
      clock,
      random: this.#random.fork(`worker ${worker}/${generation}`),
      onViewHeard: (version, from) => {
        this.#region.world.after(PORT_MS, () => this.input({ kind: 'heardView', version, from }))
      },
      onSettled: (version) => {
        this.#region.world.after(PORT_MS, () => this.#onSettled(worker, version))
      },
      sibling: (index) => this.threads[index]
    })
    thread.endpoint.isUp = this.endpoint.isUp
    if (this.node.isFrozen) thread.loop.freeze()
    this.threads[worker] = thread
    const { adopted } = this
    this.#post(thread, () => thread.tellApps(this.#region.apps))
    if (adopted !== undefined) this.#post(thread, () => thread.tellView(adopted))
    const foreign = this.#region.abroad?.knownBy(this.#region) ?? []
    const absent = this.#region.abroad?.absentFor(this.#region) ?? []
    if (foreign.length + absent.length > 0) {
      this.#post(thread, () => thread.tellWorld(foreign, absent))
    }
    const room = this.#room
    if (room !== ampleRoom) this.#post(thread, () => thread.tellLogRoom(room))
    if (this.#isDraining) this.#post(thread, () => thread.tellDrain(DRAIN_MS / 2))
    if (generation > 1) this.#tellWorkers()
  }

  #post(thread: WorkerThread, run: () => void): void {
    this.#region.world.after(PORT_MS, () => {
      if (!thread.loop.isOver) run()
    })
  }

  /** As `ops/log-gauge.ts` does, but nobody hears of a log that nobody bounds. */
  #lookAtLog(): void {
    const { log, archive } = this.#region
    const isBounded = log.streamBytesMax < Infinity || archive.faults.isFull
    const isReachable = this.endpoint.isUp && !log.cutOff.has(this.node.pod.node)
    if (!isReachable || (!isBounded && this.#room === ampleRoom)) return
    const fill = { ...log.fill(), archive: archive.fill() }
    const room = isBounded ? roomOf(fill, this.#room) : ampleRoom
    this.#room = room
    for (const thread of this.threads) {
      if (thread !== undefined) this.#post(thread, () => thread.tellLogRoom(room))
    }
  }

  #tellWorkers(): void {
    const workers = this.generations.map((generation, worker) => ({
      generation,
      isTurning: this.threads[worker]?.loop.isFrozen === false,
      isMeshUp: this.threads[worker]?.endpoint.isUp ?? false
    }))
    this.input({ kind: 'workers', workers })
  }

  #onSettled(worker: number, viewVersion: number): void {
    this.#settled[worker] = viewVersion
    const isForAll = this.generations.every((_, each) => this.#settled[each] === viewVersion)
    if (isForAll) this.input({ kind: 'settled', viewVersion })
  }

  #onPayload(payload: unknown): void {
    const message = payload instanceof Uint8Array ? decodeMembership(payload)
      : (payload as MembershipMessage)
    const isForeign = message !== undefined && message.sender.incarnation !== this.incarnation
    if (!isForeign) return
    if (!this.node.isFrozen) {
      const { incarnation } = message.sender
      for (const check of this.#region.checks) check.onMeshHears?.(this.incarnation, incarnation)
    }
    this.input({ kind: 'peer', message })
  }

  #drain(): void {
    this.judgedAtMs = this.#region.world.nowMs
    for (const output of this.#outputs.splice(0)) this.#perform(output)
  }

  #perform(output: MemberOutput): void {
    const { world, kube } = this.#region
    switch (output.kind) {
      case 'send':
        this.#send(output.to, output.message)
        return
      case 'readRing':
        kube.readRing(this.node.pod.node, (reading) => {
          this.input({ kind: 'ringRead', ticket: output.ticket, reading })
        })
        return
      case 'listPods':
        this.node.listPods(this)
        return
      case 'writeRing': {
        const { expected, view, ticket } = output
        kube.writeRing(this.node.pod.node, expected, view, (writing) => {
          this.input({ kind: 'ringWritten', ticket, writing })
        })
        return
      }
      case 'probe': {
        const { host, incarnation, ticket } = output
        this.#region.probe(this.node, host, incarnation, PROBE_MS, (outcome) => {
          this.input({ kind: 'probed', ticket, outcome })
        })
        return
      }
      case 'adopt':
        if (this.adopted === undefined) this.#lookAtLog()
        this.#told = output
        this.#adopt()
        return
      case 'standing':
        this.standing = output.standing
        world.note(`${this.incarnation} is ${output.standing}: ${output.reason}`)
        if (output.standing === 'left' || output.standing === 'removed') {
          world.after(PORT_MS, () => this.node.onLifeOver(this, output.standing))
        }
        return
      case 'note':
        world.note(`${this.incarnation} notes: ${output.text}`)
    }
  }

  #send(to: string, message: MembershipMessage): void {
    const { mesh, options } = this.#region
    const isEncoded = options.codecShare >= 1 || this.#random.unit() < options.codecShare
    const bytes = isEncoded ? encodeMembership(message) : undefined
    const size = bytes?.length ?? 0
    if (this.endpoint.isUp) this.#region.onMeshSays(message)
    if (bytes !== undefined) this.#region.world.mixBytes(bytes)
    const payload = bytes ?? message
    if (to === 'all') mesh.sendAll(this.endpoint, message.kind, payload, size)
    else mesh.send(this.endpoint, `${to}/${MAIN_THREAD}`, message.kind, payload, size)
  }

  /** Whom it takes for gone by what it heard. */
  get believedGone(): ReadonlySet<string> {
    return this.#told?.gone ?? new Set()
  }

  /** It takes these for gone, whatever the ring says of them. */
  misbelieve(gone: readonly string[]): void {
    this.#wronglyGone = gone
    this.#adopt()
  }

  #adopt(): void {
    if (this.#told === undefined) return
    const gone = this.#told.gone.union(new Set(this.#wronglyGone))
    const adopted = { ...this.#told, gone }
    this.adopted = adopted
    for (const check of this.#region.checks) check.onAdopted?.()
    for (const thread of this.threads) {
      if (thread !== undefined) this.#post(thread, () => thread.tellView(adopted))
    }
  }

  #mastersAnything(): boolean {
    const view: View | undefined = this.adopted?.view
    if (view === undefined) return false
    for (let partition = 0; partition < view.partitionCount; partition++) {
      if (masterOf(partition, view)?.incarnation === this.incarnation) return true
    }
    return false
  }
}
