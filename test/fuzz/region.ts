/**
 * Two nodes with the whole production core of their workers, in virtual time and without a
 * network: what one says to the other is encoded, carried and decoded at once, and the log answers
 * at once or, when a test is in the mood, later. Made to carry a million frames in minutes.
 *
 * A frame that makes more turns than TURNS_MAX has set something going that does not end.
 */

import { AppDirectory, parseApps } from '../../src/auth/app.ts'
import { ConnectionKeys } from '../../src/auth/connection-key.ts'
import { Random } from '../../src/base/random.ts'
import { Tally } from '../../src/base/tally.ts'
import type { LogAnswer, LogRecord, LogRequest } from '../../src/log/port.ts'
import { Outbox } from '../../src/node/outbox.ts'
import type { WorkerInput } from '../../src/node/ports.ts'
import { Worker } from '../../src/node/worker.ts'
import { PeerCodec } from '../../src/peer/codec.ts'
import { nextView, noChange } from '../../src/ring/succession.ts'
import { emptyView, type Member, type View } from '../../src/ring/view.ts'
import { FuzzStats } from './stats.ts'

const EPOCH_MS = 1_750_000_000_000
const TURNS_MAX = 50_000
const PARTITION_COUNT = 16
const PAGE_RECORDS = 50

export const KEYS = ['app.all:secret', 'app.some:secret', 'small.all:secret'] as const

/** A worker of a node, and the only one of it. */
export interface FuzzNode {
  readonly incarnation: string
  readonly worker: Worker
  readonly outbox: Outbox
  isDirty: boolean
}

/** Every partition's records, until they are trimmed. */
class FuzzLog {
  readonly #partitions = new Map<number, { records: LogRecord[]; lastSeq: number }>()
  #seq = 0

  perform(request: LogRequest): LogAnswer | undefined {
    const log = this.#partitions.get(request.partition) ?? { records: [], lastSeq: 0 }
    this.#partitions.set(request.partition, log)
    switch (request.kind) {
      case 'read': {
        const all = log.records.filter(({ seq }) => seq >= request.from)
        const records = all.slice(0, PAGE_RECORDS)
        const isEnd = records.length === all.length
        return { kind: 'read', ticket: request.ticket, outcome: { kind: 'page', records, isEnd } }
      }
      case 'append': {
        const { ticket } = request
        if (request.expectedSeq !== log.lastSeq) {
          return { kind: 'append', ticket, outcome: { kind: 'conflict', lastSeq: log.lastSeq } }
        }
        log.lastSeq = ++this.#seq
        log.records.push({ seq: log.lastSeq, bytes: request.bytes.slice() })
        return { kind: 'append', ticket, outcome: { kind: 'appended', seq: log.lastSeq } }
      }
      case 'trim':
        log.records = log.records.filter(({ seq }) => seq >= request.below)
        return undefined
      case 'release':
        return undefined
    }
  }
}

export class FuzzRegion {
  readonly random: Random
  readonly nodes: readonly FuzzNode[]
  nowMs = 1_000
  /** The log answers when time passes, no sooner. */
  isLogSlow = false
  /** All that it took so far. */
  turnCount = 0
  readonly notes: string[] = []
  readonly #codec = new PeerCodec()
  readonly #log = new FuzzLog()
  readonly #stats = new FuzzStats()
  #queue: { readonly node: FuzzNode; readonly input: WorkerInput }[] = []
  #late: { readonly node: FuzzNode; readonly input: WorkerInput }[] = []

  constructor(seed: string) {
    this.random = new Random(seed)
    const members = ['n0', 'n1'].map(memberOf)
    this.nodes = members.map(({ incarnation }) => this.#born(incarnation))
    const view = viewOf(members)
    const generations = new Map(members.map(({ incarnation }) => [incarnation, [1]]))
    for (const node of this.nodes) {
      this.input(node, { kind: 'apps', directory: directory() })
      this.input(node, { kind: 'view', view, generations, gone: new Set() })
    }
    this.settle()
  }

  input(node: FuzzNode, input: WorkerInput): void {
    this.#queue.push({ node, input })
  }

  /** Handles what is there and all that follows from it, until everything is still. */
  settle(): void {
    const endTurns = this.turnCount + TURNS_MAX
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const { node, input } of queue) this.#turn(node, input)
      if (this.turnCount > endTurns) throw new Error(`more than ${TURNS_MAX} turns for one frame`)
      for (const node of this.nodes) if (node.isDirty) this.#drain(node)
    }
  }

  /** Lets time pass, from deadline to deadline. */
  advance(forMs: number): void {
    const endMs = this.nowMs + forMs
    this.#queue.push(...this.#late.splice(0))
    this.settle()
    let turnsAtOnce = 0
    for (;;) {
      const dueMs = Math.min(...this.nodes.map(({ worker }) => worker.nextDeadlineMs()))
      if (dueMs > endMs) break
      turnsAtOnce = dueMs > this.nowMs ? 0 : turnsAtOnce + 1
      if (turnsAtOnce > 1_000) throw new Error('deadlines that are due again and again')
      this.nowMs = Math.max(this.nowMs, dueMs)
      for (const node of this.nodes) {
        if (node.worker.nextDeadlineMs() <= this.nowMs) this.input(node, { kind: 'deadline' })
      }
      this.settle()
    }
    this.nowMs = endMs
    this.#queue.push(...this.#late.splice(0))
    this.settle()
  }

  #born(incarnation: string): FuzzNode {
    const outbox = new Outbox()
    const worker = new Worker({
      self: { incarnation, worker: 0 }, generation: 1, workers: 1, serverId: incarnation,
      siteCode: 'fuzz', connectionKeys: new ConnectionKeys(new Uint8Array(32)),
      allocate: (bytes) => new Uint8Array(bytes), tally: new Tally()
    }, outbox, this.random.fork(incarnation))
    return { incarnation, worker, outbox, isDirty: false }
  }

  #turn(node: FuzzNode, input: WorkerInput): void {
    this.turnCount++
    node.isDirty = true
    node.worker.turn(input, this.#now())
  }

  #drain(node: FuzzNode): void {
    node.isDirty = false
    const { worker, outbox } = node
    worker.settle(this.#now())
    for (const request of outbox.takeLogRequests()) {
      const answer = this.#log.perform(request)
      if (answer === undefined) continue
      const later = this.isLogSlow ? this.#late : this.#queue
      later.push({ node, input: { kind: 'log', answer } })
    }
    for (const request of outbox.takeStatsRequests()) {
      const answer = this.#stats.perform(request, this.nowMs)
      this.#queue.push({ node, input: { kind: 'stats', answer } })
    }
    for (const { to, frame } of outbox.takeFrames()) {
      const there = this.nodes.find(({ incarnation }) => incarnation === to.incarnation)
      const carried = this.#codec.decodeFrame(this.#codec.encodeFrame(frame))
      if (carried === undefined) throw new Error(`a ${frame.kind} that its receiver cannot read`)
      if (there !== undefined) this.input(there, { kind: 'peerFrame', frame: carried })
    }
    for (const socket of outbox.drainSockets()) this.input(node, { kind: 'socketFull', socket })
    outbox.takeSettled()
    outbox.takeHeardView()
    this.notes.push(...outbox.takeNotes())
    if (this.notes.length > 100) this.notes.splice(0, 50)
  }

  #now(): { monoMs: number; wallMs: number } {
    return { monoMs: this.nowMs, wallMs: EPOCH_MS + Math.floor(this.nowMs) }
  }
}

function memberOf(node: string, no: number): Member {
  return {
    node, uid: `uid-${node}`, incarnation: `${node}#1`, startedAt: no, workers: 1, zone: '',
    meshVersion: 1, state: 'joining', host: node, privatePort: 1
  }
}

function viewOf(members: readonly Member[]): View {
  const step = (view: View, change: object): View =>
    nextView(view, { ...noChange, ...change }, view.version + 1, EPOCH_MS, 600_000)
  const promoted = new Set(members.map(({ incarnation }) => incarnation))
  let view = step(emptyView(PARTITION_COUNT, 2), { joined: members })
  view = step(view, { promoted })
  while (view.handovers !== undefined) view = step(view, { isStep: true })
  return view
}

const APPS_JSON = [
  {
    appId: 'app',
    keys: [
      { id: 'all', secret: 'secret', revocableTokens: true },
      { id: 'some', secret: 'secret', capability: { one: ['subscribe'], two: ['publish'] } }
    ]
  },
  {
    appId: 'small',
    keys: [{ id: 'all', secret: 'secret' }],
    limits: { presenceMemberCountMax: 5, publishRateMax: 20, messageBytesMax: 1_000 }
  }
]

function directory(): AppDirectory {
  const parsed = parseApps({ apps: APPS_JSON })
  if (!parsed.ok) throw new Error(parsed.problems.join(', '))
  return new AppDirectory(parsed.apps, 1)
}
