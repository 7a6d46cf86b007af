/**
 * What a partition's log holds, as its master knows, and what may go (rule 6): when a snapshot is
 * due, and below which record everything is superfluous. Nothing is named for trimming that is
 * not in a whole snapshot, that somebody may still resume from, or that is the last record.
 */

import { limits } from '../base/limits.ts'
import { Queue } from '../base/queue.ts'
import type { Entry } from './entry.ts'
import type { RecordExtent, RecoveredLog } from './replay.ts'
import { type EpochEnds, snapshotEntries } from './snapshot.ts'

interface Kept extends RecordExtent {
  /** When it was appended, or found by this master. */
  readonly atMs: number
  /** True if a snapshot is worth being written for it. */
  readonly isState: boolean
}

interface UnderWay {
  readonly id: string
  readonly asOf: number
  readonly bytes: number
  firstSeq: number | undefined
}

/** Entries that say what is, so that they are kept until a snapshot says it. */
const STATE_KINDS: ReadonlySet<Entry['kind']> = new Set(['publication', 'ownership', 'claim'])

export class Retention {
  readonly #kept = new Queue<Kept>()
  readonly #epochEnds: Map<number, number>
  /** The first of them. */
  readonly #oldest: readonly [epoch: number, lastEntry: number] | undefined
  readonly #epoch: number
  #coveredThrough: number
  #lastSnapshotBytes = 0
  #bytesSince = 0
  #underWay: UnderWay | undefined
  #count = 0

  constructor(epoch: number, log: RecoveredLog, nowMs: number) {
    this.#epoch = epoch
    this.#epochEnds = new Map(log.epochEnds)
    this.#oldest = [...this.#epochEnds].sort(([a], [b]) => a - b)[0]
    this.#coveredThrough = log.coveredThrough
    this.#lastSnapshotBytes = log.state?.byteLength ?? 0
    for (const record of log.records) this.#keep({ ...record, atMs: nowMs, isState: true })
  }

  /** Bytes of all records that are kept. */
  get bytes(): number {
    return this.#kept.bytes
  }

  /** Where an epoch before this one ended: its last entry's number. Undefined: not known. */
  endOf(epoch: number): number | undefined {
    return this.#epochEnds.get(epoch)
  }

  /** The number that no entry of an epoch before this one is above. Undefined: not known. */
  boundOf(epoch: number): number | undefined {
    // Whatever is forgotten had ended when the first that is known began.
    return this.isForgotten(epoch) ? this.#oldest![1] - 1 : this.endOf(epoch)
  }

  /** True for one before all whose ends are known: whether and how far it went is forgotten. */
  isForgotten(epoch: number): boolean {
    return this.#oldest !== undefined && epoch < this.#oldest[0]
  }

  /** True for one that never was: the earliest are forgotten, but none after one that is known. */
  isNoEpoch(epoch: number): boolean {
    if (epoch === this.#epoch || this.#epochEnds.has(epoch)) return false
    return this.#oldest !== undefined && epoch > this.#oldest[0]
  }

  /** A record of ours is in the log. Returns where the last whole snapshot begins, if it is new. */
  onCommitted(entries: readonly Entry[], record: RecordExtent, nowMs: number): number | undefined {
    const isState = entries.some(({ kind }) => STATE_KINDS.has(kind))
    this.#keep({ ...record, atMs: nowMs, isState })
    const { seq } = record
    let firstSeq: number | undefined
    for (const entry of entries) {
      const underWay = this.#underWay
      if (underWay === undefined || !('id' in entry) || entry.id !== underWay.id) continue
      underWay.firstSeq ??= seq
      if (entry.kind === 'snapshotEnd') firstSeq = this.#onSnapshot(underWay)
    }
    return firstSeq
  }

  /** True while time alone will let something go. */
  get isShrinking(): boolean {
    const first = this.#kept.peek()
    if (first === undefined) return false
    if (this.#kept.length > 1 && first.lastEntry <= this.#coveredThrough) return true
    for (const { isState, lastEntry } of this.#kept) {
      if (isState && lastEntry > this.#coveredThrough) return true
    }
    return false
  }

  /** True if a snapshot would let something go, or make the next takeover cheaper. */
  wantsSnapshot(nowMs: number): boolean {
    if (this.#underWay !== undefined) return false
    const enough = Math.max(limits.snapshotEveryBytes, 2 * this.#lastSnapshotBytes)
    if (this.#bytesSince >= enough) return true
    for (const record of this.#kept) {
      if (nowMs - record.atMs < 2 * limits.tailMs) return false
      if (record.isState && record.lastEntry > this.#coveredThrough) return true
    }
    return false
  }

  /** The entries of a snapshot of `state`, which includes every entry up to `asOf`. */
  begin(asOf: number, state: Uint8Array, lineage: string): Entry[] {
    const id = `${this.#epoch}.${++this.#count}`
    this.#underWay = { id, asOf, bytes: state.byteLength, firstSeq: undefined }
    this.#bytesSince = 0
    const ends: EpochEnds = [...this.#epochEnds].sort(([a], [b]) => a - b)
    return snapshotEntries(id, asOf, state, lineage, ends.slice(-limits.epochEndsMax))
  }

  /** True if the first record may go, so that `bytesMax` are kept. */
  canTrim(nowMs: number, bytesMax: number): boolean {
    if (this.#kept.length <= 1) return false
    const first = this.#kept.peek()!
    const isOld = nowMs - first.atMs >= limits.tailMs
    const isTooMuch = this.#kept.bytes > bytesMax
    return first.lastEntry <= this.#coveredThrough && (isOld || isTooMuch)
  }

  /** Records below this go now, so that `bytesMax` are kept; undefined if none may. */
  trimBelow(nowMs: number, bytesMax: number): number | undefined {
    let below: number | undefined
    while (this.canTrim(nowMs, bytesMax)) {
      this.#kept.shift()
      below = this.#kept.peek()!.seq
    }
    return below
  }

  #keep(record: Kept): void {
    this.#kept.push(record, record.bytes)
    this.#bytesSince += record.bytes
  }

  #onSnapshot(underWay: UnderWay): number {
    this.#underWay = undefined
    this.#coveredThrough = Math.max(this.#coveredThrough, underWay.asOf)
    this.#lastSnapshotBytes = underWay.bytes
    return underWay.firstSeq!
  }
}
