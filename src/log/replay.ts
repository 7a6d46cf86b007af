/**
 * What was read of a log so far, held against the chain that its records form (rules 2, 4 and 6).
 *
 * Every record names the one before it, so a hole shows; it may be a trim under way, and then a
 * new reading does not have it. What stands before an entry that starts a lineage counts no more,
 * holes included. A reading is whole if its chain is unbroken, and it begins where the log does,
 * at a start of lineage, or with a snapshot that covers what is not there any more.
 */

import { limits } from '../base/limits.ts'
import type { Append, Entry, EpochEntry } from './entry.ts'
import { decodeRecord } from './entry.ts'
import type { LogRecord } from './port.ts'
import { SnapshotAssembly } from './snapshot.ts'

/** An entry with its number, and the epoch that wrote it. */
export interface NumberedEntry {
  readonly entry: Entry
  readonly number: number
  readonly epoch: number
}

/** A record as the one who trims wants to know it. */
export interface RecordExtent {
  readonly seq: number
  readonly lastEntry: number
  readonly bytes: number
}

/** What a takeover found; nothing of it is doubtful. */
export interface RecoveredLog {
  readonly lineage: string
  /** Those that ended before it, as far as they can still be read. */
  readonly formers: ReadonlySet<string>
  /** The state after entry `asOf`; undefined where there is no snapshot (`asOf` is 0 then). */
  readonly state: Uint8Array | undefined
  readonly asOf: number
  /** Every entry that is still there, oldest first, those up to `asOf` too. */
  readonly entries: readonly NumberedEntry[]
  /** Ended epochs with the number of their last entry. */
  readonly epochEnds: ReadonlyMap<number, number>
  /** No entry up to this one is needed for the state: it is in the snapshot, or disowned. */
  readonly coveredThrough: number
  readonly records: readonly RecordExtent[]
}

/** One reading of one partition's log. */
export class Replay {
  #entries: NumberedEntry[] = []
  #records: RecordExtent[] = []
  #snapshots = new SnapshotAssembly()
  #epochEnds = new Map<number, number>()
  #lineage: string | undefined
  readonly #formers = new Set<string>()
  #lastSeq = 0
  #nextEntry = 1
  #lastEpoch = 0
  /** Who wrote the last record. */
  #writingEpoch = 0
  #snapshotSeq = 0
  /** What is missing in front of the first record that counts, if anything. */
  #firstEntry = 1
  /** The last entry of a lineage that ended, if one did. */
  #disownedThrough = 0
  #flaw: string | undefined
  #newerFormat: number | undefined

  /** The engine's sequence of the last record; 0 for none. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  get nextEntry(): number {
    return this.#nextEntry
  }

  get lastEpoch(): number {
    return this.#lastEpoch
  }

  /** The lineage that goes on; undefined where none does. */
  get lineage(): string | undefined {
    return this.#lineage
  }

  /** Lineages that were read and have ended. */
  get formers(): ReadonlySet<string> {
    return this.#formers
  }

  get snapshotSeq(): number {
    return this.#snapshotSeq
  }

  /** The format of a record that only a later release can read, if there is one. */
  get newerFormat(): number | undefined {
    return this.#newerFormat
  }

  /** Why this reading is not the whole log; undefined if it is. */
  get flaw(): string | undefined {
    if (this.#flaw !== undefined) return this.#flaw
    const coveredThrough = this.#snapshots.newest?.asOf ?? 0
    if (this.#firstEntry > coveredThrough + 1) return 'what came first is gone, without snapshot'
    return undefined
  }

  /** Takes the next record. */
  take({ seq, bytes }: LogRecord): void {
    const decoded = decodeRecord(bytes)
    if (decoded.kind === 'newer') {
      this.#newerFormat = decoded.formatVersion
    } else if (decoded.kind === 'garbage') {
      this.#flaw ??= `the record at ${seq} cannot be read`
      this.#lastSeq = seq
    } else {
      this.#onAppend(seq, decoded.append, bytes.byteLength)
    }
  }

  /** What the owner of the partition goes on from. */
  recovered(lineage: string): RecoveredLog {
    const snapshot = this.#snapshots.newest
    return {
      lineage,
      formers: this.#formers,
      state: snapshot?.state,
      asOf: snapshot?.asOf ?? 0,
      entries: this.#entries,
      epochEnds: this.#epochEnds,
      coveredThrough: Math.max(snapshot?.asOf ?? 0, this.#disownedThrough),
      records: this.#records
    }
  }

  /** Nothing that was read counts: a new lineage begins after the last record. */
  disown(): void {
    this.#entries = []
    this.#snapshots = new SnapshotAssembly()
    this.#epochEnds.clear()
    if (this.#lineage !== undefined) this.#formers.add(this.#lineage)
    this.#lineage = undefined
    this.#snapshotSeq = 0
    this.#firstEntry = 1
    this.#flaw = undefined
    this.#disownedThrough = this.#nextEntry - 1
  }

  #onAppend(seq: number, append: Append, bytes: number): void {
    const isFirst = this.#records.length === 0 && this.#lastSeq === 0
    if (isFirst) this.#firstEntry = append.firstEntry
    else if (append.previousSeq !== this.#lastSeq) this.#flaw ??= `a record before ${seq} is gone`
    else if (append.firstEntry !== this.#nextEntry) this.#flaw ??= `entries before ${seq} are gone`
    // An engine that was rolled back gives its sequences out again: a former master's append may
    // find the one that it expects.
    else if (append.epoch < this.#writingEpoch) this.#flaw ??= `the epoch of ${seq} had ended`
    else if (append.epoch > this.#writingEpoch && !beginsEpoch(append)) {
      this.#flaw ??= `the epoch of ${seq} was never begun`
    }
    let number = append.firstEntry
    for (const entry of append.entries) this.#onEntry(entry, number++, append.epoch, seq)
    this.#writingEpoch = append.epoch
    this.#nextEntry = number
    this.#lastSeq = seq
    this.#records.push({ seq, lastEntry: number - 1, bytes })
  }

  #onEntry(entry: Entry, number: number, epoch: number, seq: number): void {
    if (entry.kind === 'epoch') {
      if (entry.startsLineage) {
        this.disown()
        this.#disownedThrough = number - 1
      } else {
        // Whoever claimed it had read this log before it was rolled back, or made anew.
        if (this.#goesOnWithAnother(entry)) this.#flaw ??= `the lineage of ${seq} had ended`
        if (this.#lastEpoch > 0) this.#endEpoch(this.#lastEpoch, number - 1)
      }
      this.#lineage = entry.lineage
      this.#lastEpoch = Math.max(this.#lastEpoch, entry.epoch)
    } else if (entry.kind === 'snapshot' || entry.kind === 'snapshotEnd') {
      this.#snapshots.onEntry(entry, seq)
      const { newest } = this.#snapshots
      if (entry.kind === 'snapshotEnd' && newest?.end === entry) {
        this.#snapshotSeq = newest.firstSeq
        this.#lineage ??= entry.lineage
        for (const [ended, end] of entry.epochEnds) this.#endEpoch(ended, end)
      }
    }
    this.#lastEpoch = Math.max(this.#lastEpoch, epoch)
    this.#entries.push({ entry, number, epoch })
  }

  #goesOnWithAnother({ lineage }: EpochEntry): boolean {
    return this.#lineage !== undefined && this.#lineage !== lineage
  }

  #endEpoch(epoch: number, lastEntry: number): void {
    this.#epochEnds.set(epoch, lastEntry)
    if (this.#epochEnds.size <= limits.epochEndsMax) return
    this.#epochEnds.delete(Math.min(...this.#epochEnds.keys()))
  }
}

function beginsEpoch({ entries }: Append): boolean {
  return entries.some(({ kind }) => kind === 'epoch')
}
