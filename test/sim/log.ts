/**
 * The simulated replicated log (rule 1). It survives masters: any place may read it and append to
 * it, and only compare-and-append decides. Partitions share a few streams, so sequences grow along
 * a partition, not by one. The weather refuses, delays, forgets to answer, does later what it was
 * asked, and lets lagging copies answer reads.
 */

import type { Random } from '../../src/base/random.ts'
import type { AppendOutcome, LogAnswer, LogRecord, LogRequest } from '../../src/log/port.ts'
import type { LogFill } from '../../src/log/room.ts'
import { pageOf, PartitionRecords } from '../support/partition-records.ts'
import { Violation, type World } from './world.ts'

export const STREAM_COUNT = 3
/** NATS takes so much at once, where nobody says otherwise. */
const PAYLOAD_BYTES_MAX = 1024 * 1024
const PAGE_RECORDS = 16
const ANSWER_MS = 0.4
const UNKNOWN_AFTER_MS = 2_000

/** What the weather does to the log; chances are per request. */
export interface LogFaults {
  refusedChance: number
  /** Unknown, and it did not happen; it happened; it happens later. */
  lostChance: number
  lostAnswerChance: number
  lateChance: number
  lateMs: number
  busyChance: number
  unreadableChance: number
  slowChance: number
  slowMs: number
  /** A read is answered by a copy that is up to `lagMs` behind. */
  lagChance: number
  lagMs: number
  /** Nothing has room any more. */
  isFull: boolean
  /** No majority: reads may be answered, appends are not. */
  isAway: boolean
}

/** One accepted append, with who wrote it. */
export interface Accepted {
  readonly partition: number
  readonly seq: number
  readonly bytes: Uint8Array
  readonly atMs: number
  /** The worker's life that asked. */
  readonly writer: string
}

/** Who asks: a worker's life, and whether it can reach the log at all. */
export interface Asker {
  readonly life: string
  readonly machine: string
  readonly isUp: boolean
}

interface Held extends LogRecord {
  readonly atMs: number
}

class Partition extends PartitionRecords<Held> {
  /** Appends that are on their way though nobody waits for them any more. */
  lateCount = 0
}

type Ask = LogRequest & { readonly kind: 'read' | 'append' }

/** None. */
export function calmFaults(): LogFaults {
  return {
    refusedChance: 0, lostChance: 0, lostAnswerChance: 0, lateChance: 0, lateMs: 0, busyChance: 0,
    unreadableChance: 0, slowChance: 0, slowMs: 0, lagChance: 0, lagMs: 0, isFull: false,
    isAway: false
  }
}

export class SimLog {
  readonly faults: LogFaults = calmFaults()

  /** For planted faults: a trim takes the last record, too. */
  isLastTrimmed = false
  /** Streams without a leader, and those without room. */
  readonly awayStreams = new Set<number>()
  readonly fullStreams = new Set<number>()
  /** Machines that do not reach the log. */
  readonly cutOff = new Set<string>()
  onAccepted: (accepted: Accepted) => void = () => undefined
  /** Records of a partition above `keptSeq` are gone. */
  onRolledBack: (partition: number, keptSeq: number) => void = () => undefined
  readonly #world: World
  readonly #random: Random
  readonly #partitions = new Map<number, Partition>()
  readonly #streamSeq: number[] = new Array<number>(STREAM_COUNT).fill(0)
  #streamBytesMax = Infinity
  #streamBytesLeast = Infinity

  /** `of`: what its draws are named by, where there are several regions. */
  constructor(world: World, of = '') {
    this.#world = world
    this.#random = world.fork(`${of}log`)
  }

  /** True while some do not reach it, or it takes nothing. */
  get isTroubled(): boolean {
    const { isAway, isFull } = this.faults
    return isAway || isFull ||
      this.cutOff.size + this.awayStreams.size + this.fullStreams.size > 0
  }

  /** What one stream may hold. */
  get streamBytesMax(): number {
    return this.#streamBytesMax
  }

  set streamBytesMax(bytesMax: number) {
    this.#streamBytesMax = bytesMax
    this.#streamBytesLeast = Math.min(this.#streamBytesLeast, bytesMax)
  }

  /** What one could hold when streams were at their smallest. */
  get streamBytesLeast(): number {
    return this.#streamBytesLeast
  }

  /** Asks; `onAnswer` is called once for reads and appends, however late. */
  ask(asker: Asker, request: LogRequest, onAnswer: (answer: LogAnswer) => void): void {
    if (request.kind === 'release') return
    if (request.kind === 'trim') {
      this.#world.after(this.#delayMs(), () => this.#trim(request.partition, request.below))
      return
    }
    this.#world.after(this.#delayMs(), () => this.#serve(asker, request, onAnswer))
  }

  /** The partition's records as they stand. */
  recordsOf(partition: number): readonly LogRecord[] {
    return this.#partitions.get(partition)?.all ?? []
  }

  /** How full each stream is, as JetStream would tell; no account bounds them. */
  fill(): LogFill {
    const bytes = new Array<number>(STREAM_COUNT).fill(0)
    for (const [no, { all }] of this.#partitions) {
      for (const record of all) bytes[no % STREAM_COUNT]! += record.bytes.byteLength
    }
    const streams = bytes.map((each) => ({ bytes: each, bytesMax: this.streamBytesMax }))
    return { streams, account: { bytes: 0, bytesMax: Infinity } }
  }

  /** A stream loses its last `count` records, as after a restore from a backup. */
  rollBack(stream: number, count: number): void {
    const kept = Math.max(0, this.#streamSeq[stream]! - count)
    this.#world.note(`stream ${stream} is rolled back to ${kept}`)
    for (const [no, partition] of this.#partitions) {
      if (no % STREAM_COUNT !== stream) continue
      const before = partition.all.length
      partition.all = partition.all.filter(({ seq }) => seq <= kept)
      if (partition.all.length < before) this.onRolledBack(no, kept)
    }
    this.#streamSeq[stream] = kept
  }

  /** A stream is lost and made anew: everything in it is gone. */
  makeAnew(stream: number): void {
    this.rollBack(stream, Infinity)
  }

  #serve(asker: Asker, request: Ask, onAnswer: (answer: LogAnswer) => void): void {
    const isReachable = asker.isUp && !this.cutOff.has(asker.machine)
    if (request.kind === 'read') this.#read(isReachable, request, onAnswer)
    else this.#append(asker, isReachable, request, onAnswer)
  }

  #read(
    isReachable: boolean,
    { ticket, partition, from }: Ask & { kind: 'read' },
    onAnswer: (answer: LogAnswer) => void
  ): void {
    const isFailing = !isReachable || this.#isDrawn(this.faults.unreadableChance)
    if (isFailing) {
      const outcome = { kind: 'unreadable', reason: 'no answer' } as const
      this.#world.after(isReachable ? this.#delayMs() : UNKNOWN_AFTER_MS, () => {
        onAnswer({ kind: 'read', ticket, outcome })
      })
      return
    }
    const lagMs = this.#isDrawn(this.faults.lagChance) ? this.#random.below(this.faults.lagMs) : 0
    const seenMs = this.#world.nowMs - lagMs
    const all = this.recordsOf(partition) as readonly Held[]
    const copy = lagMs > 0 ? all.filter(({ atMs }) => atMs <= seenMs) : all
    const outcome = pageOf(copy, from, PAGE_RECORDS)
    this.#world.mix(`read ${partition} ${from} ${outcome.records.length}`)
    this.#world.after(this.#delayMs(), () => onAnswer({ kind: 'read', ticket, outcome }))
  }

  #append(
    asker: Asker,
    isReachable: boolean,
    { ticket, partition, expectedSeq, bytes }: Ask & { kind: 'append' },
    onAnswer: (answer: LogAnswer) => void
  ): void {
    const { faults } = this
    if (bytes.length > PAYLOAD_BYTES_MAX) {
      throw new Violation('record', `partition ${partition}: a record of ${bytes.length} bytes`)
    }
    const say = (outcome: AppendOutcome, afterMs: number): void => {
      this.#world.mix(`append ${partition} ${outcome.kind}`)
      this.#world.after(afterMs, () => onAnswer({ kind: 'append', ticket, outcome }))
    }
    const unknown = { kind: 'unknown', reason: 'no answer in time' } as const
    const holder = this.#partition(partition)
    const stream = partition % STREAM_COUNT
    const isAway = faults.isAway || this.awayStreams.has(stream)
    const isFull = faults.isFull || this.fullStreams.has(stream)
    if (!isReachable || isAway || this.#isDrawn(faults.lostChance)) {
      say(unknown, this.#random.jitter(UNKNOWN_AFTER_MS))
    } else if (isFull || this.#isDrawn(faults.refusedChance) ||
      !this.#hasRoom(partition, bytes)) {
      say({ kind: 'refused', reason: 'limits' }, this.#delayMs())
    } else if (holder.lateCount > 0 || this.#isDrawn(faults.busyChance)) {
      say({ kind: 'busy' }, this.#delayMs())
    } else if (this.#isDrawn(faults.lateChance)) {
      // A leader that knows of it says that it is busy; a new leader does not know.
      const isKnown = this.#random.below(2) === 0
      if (isKnown) holder.lateCount++
      this.#world.after(this.#random.below(faults.lateMs), () => {
        if (isKnown) holder.lateCount--
        this.#store(asker, partition, expectedSeq, bytes)
      })
      say(unknown, this.#random.jitter(faults.lateMs))
    } else {
      const outcome = this.#store(asker, partition, expectedSeq, bytes)
      const isHeard = !this.#isDrawn(faults.lostAnswerChance)
      say(isHeard ? outcome : unknown, isHeard ? this.#delayMs() : UNKNOWN_AFTER_MS)
    }
  }

  #store(asker: Asker, partition: number, expectedSeq: number, bytes: Uint8Array): AppendOutcome {
    const atMs = this.#world.nowMs
    const outcome = this.#partition(partition).append(expectedSeq, () => {
      return { seq: ++this.#streamSeq[partition % STREAM_COUNT]!, bytes, atMs }
    })
    if (outcome.kind !== 'appended') return outcome
    this.#world.mixBytes(bytes)
    this.onAccepted({ partition, seq: outcome.seq, bytes, atMs, writer: asker.life })
    return outcome
  }

  #trim(partition: number, below: number): void {
    const holder = this.#partition(partition)
    holder.trim(below)
    if (this.isLastTrimmed && holder.lastSeq < below) holder.all = []
  }

  #partition(no: number): Partition {
    let partition = this.#partitions.get(no)
    if (partition === undefined) {
      partition = new Partition()
      this.#partitions.set(no, partition)
    }
    return partition
  }

  #hasRoom(partition: number, { byteLength }: Uint8Array): boolean {
    if (this.streamBytesMax === Infinity) return true
    return this.fill().streams[partition % STREAM_COUNT]!.bytes + byteLength <= this.streamBytesMax
  }

  #isDrawn(chance: number): boolean {
    return chance > 0 && this.#random.unit() < chance
  }

  #delayMs(): number {
    const { slowChance, slowMs } = this.faults
    return this.#random.jitter(ANSWER_MS / 2) +
      (this.#isDrawn(slowChance) ? this.#random.below(slowMs) : 0)
  }
}
