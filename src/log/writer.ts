/**
 * The writing half of a mastership: one append under way, carrying everything that waited for it
 * (group commit), each expecting the sequence of the one before (rule 2).
 *
 *   idle ──add──▶ appending ──appended──▶ idle, or appending what waited meanwhile
 *                    │ conflict: ours has landed after all? go on. A newer epoch: deposed.
 *                    │   Nothing there, again and again: the log was rolled back (rule 4)
 *                    │ unknown, busy: the same bytes again, until appended or conflict
 *                    │ refused: nothing was stored; the same bytes again, after a pause
 *
 * It must never have two appends under way, never give up one whose outcome is unknown, and never
 * call anything committed before the log said so.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import { decodeAppend, encodeAppend, encodeEntry, type Entry, type EpochEntry } from './entry.ts'
import type { LogAnswer, LogOutbox, LogRecord } from './port.ts'
import type { RecordExtent } from './replay.ts'

const RETRY_FIRST_MS = 10
const RETRY_MAX_MS = 1_000
/** So many conflicts with nobody must be seen before the log is called rolled back. */
const MISSING_MAX = 5

/** What the writer's owner hears. */
export interface WriterOwner {
  /** These entries, the first of them numbered `firstEntry`, are in the log, in one record. */
  onCommitted(entries: readonly Entry[], firstEntry: number, record: RecordExtent): void
  /** The writer was stopped, and what was under way then has landed: it is only to be counted. */
  onLandedLate(entries: readonly Entry[]): void
  /**
   * Another mastership writes; whatever waited is decided by the log alone (rule 3). `by`: its
   * Epoch, if that can be read.
   */
  onDeposed(by: EpochEntry | undefined): void
  /** The log does not hold any more what it had accepted from us (rule 4). */
  onRolledBack(): void
}

export interface WriterStart {
  readonly partition: number
  readonly epoch: number
  readonly lastSeq: number
  readonly nextEntry: number
  readonly snapshotSeq: number
}

interface UnderWay {
  readonly entries: readonly Entry[]
  readonly firstEntry: number
  readonly bytes: Uint8Array
  readonly counter: number
  /** When the first try was asked. */
  readonly askedAtMs: number
  retryMs: number
  missingCount: number
}

/** Appends the entries of one epoch of one partition. */
export class LogWriter {
  readonly #start: WriterStart
  readonly #owner: WriterOwner
  readonly #log: LogOutbox
  readonly #deadlines: Deadlines
  readonly #random: Random
  #lastSeq: number
  #nextEntry: number
  #counter = 0
  #waiting: Entry[] = []
  #waitingEncoded: Uint8Array[] = []
  #waitingBytes = 0
  #underWay: UnderWay | undefined
  #retry: Deadline | undefined
  #isStopped = false
  #nowMs: number
  #confirmedAtMs: number
  #confirmedCounter = -1
  #snapshotSeq: number

  constructor(
    start: WriterStart,
    owner: WriterOwner,
    log: LogOutbox,
    deadlines: Deadlines,
    random: Random,
    nowMs: number
  ) {
    this.#start = start
    this.#owner = owner
    this.#log = log
    this.#deadlines = deadlines
    this.#random = random
    this.#lastSeq = start.lastSeq
    this.#nextEntry = start.nextEntry
    this.#snapshotSeq = start.snapshotSeq
    this.#nowMs = nowMs
    this.#confirmedAtMs = nowMs
  }

  /** The engine's sequence of our last record. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** When the last append that was accepted began: until then surely nobody else was master. */
  get confirmedAtMs(): number {
    return this.#confirmedAtMs
  }

  /** The counter of the next append that begins, and of the last one that was accepted. */
  get nextCounter(): number {
    return this.#counter
  }

  get confirmedCounter(): number {
    return this.#confirmedCounter
  }

  /** The last whole snapshot begins at this record; appends say so from now on. */
  set snapshotSeq(seq: number) {
    this.#snapshotSeq = seq
  }

  /** True if nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return this.#underWay === undefined && this.#waiting.length === 0
  }

  /** True while the log has not taken what it was asked to take long ago. */
  isStalled(nowMs: number): boolean {
    return this.#underWay !== undefined && nowMs - this.#underWay.askedAtMs > limits.confirmedMs
  }

  /** The number that the next added entry will have. */
  get nextEntry(): number {
    return this.#nextEntry
  }

  /** False while so much waits that new work must be refused at admission (rule 6). */
  get hasRoom(): boolean {
    return !this.#isStopped && this.#waitingBytes < limits.waitingEntriesBytesMax
  }

  /**
   * What clients published of it, but for the last: that one was let in while there was room. What
   * else waits, Epochs, claims and snapshots, is bounded by what it is of.
   */
  *sizes(): Generator<Size> {
    let bytes = 0
    let lastBytes = 0
    for (const [at, entry] of this.#waiting.entries()) {
      if (entry.kind !== 'publication' || entry.publication.said === undefined) continue
      lastBytes = this.#waitingEncoded[at]!.byteLength
      bytes += lastBytes
    }
    yield ['waitingEntriesBytesMax', bytes - lastBytes]
  }

  /** Adds an entry to what waits; `flush` appends it. Returns the entry's number. */
  add(entry: Entry): number {
    const encoded = encodeEntry(entry)
    this.#waiting.push(entry)
    this.#waitingEncoded.push(encoded)
    this.#waitingBytes += encoded.byteLength
    return this.#nextEntry++
  }

  /** Called once at the end of a turn: appends what waits, unless an append is under way. */
  flush(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#underWay !== undefined || this.#waiting.length === 0 || this.#isStopped) return
    const count = this.#fitting()
    const entries = this.#waiting.splice(0, count)
    const encoded = this.#waitingEncoded.splice(0, count)
    for (const bytes of encoded) this.#waitingBytes -= bytes.byteLength
    const firstEntry = this.#nextEntry - this.#waiting.length - entries.length
    const counter = this.#counter++
    const { epoch } = this.#start
    const snapshotSeq = this.#snapshotSeq
    const head = { epoch, counter, previousSeq: this.#lastSeq, firstEntry, snapshotSeq }
    const bytes = encodeAppend(head, encoded)
    const state = { askedAtMs: nowMs, retryMs: RETRY_FIRST_MS, missingCount: 0 }
    this.#underWay = { entries, firstEntry, bytes, counter, ...state }
    this.#append(this.#underWay)
  }

  /** Ends the mastership on this side; nothing is called back any more but `onLandedLate`. */
  stop(): void {
    this.#isStopped = true
    this.#deadlines.cancel(this.#retry)
    this.#underWay = undefined
    this.#waiting = []
    this.#waitingEncoded = []
    this.#waitingBytes = 0
  }

  /** How many of the waiting entries one append takes: at least one, else up to the limit. */
  #fitting(): number {
    let bytes = 0
    let count = 0
    for (const encoded of this.#waitingEncoded) {
      bytes += encoded.byteLength
      if (count > 0 && bytes > limits.appendBytesMax) break
      count++
    }
    return count
  }

  #append(underWay: UnderWay): void {
    this.#log.ask(
      {
        kind: 'append',
        partition: this.#start.partition,
        expectedSeq: this.#lastSeq,
        bytes: underWay.bytes
      },
      (answer) => this.#onAnswer(underWay, answer)
    )
  }

  #onAnswer(underWay: UnderWay, answer: LogAnswer): void {
    if (answer.kind !== 'append') return
    const { outcome } = answer
    if (this.#isStopped || this.#underWay !== underWay) {
      if (outcome.kind === 'appended') this.#owner.onLandedLate(underWay.entries)
      return
    }
    if (outcome.kind === 'appended') {
      this.#onLanded(underWay, outcome.seq)
    } else if (outcome.kind === 'conflict') {
      this.#readConflict(underWay)
    } else {
      // Refused stored nothing, busy and unknown may have: the cure is the same bytes again, and
      // the expected sequence makes sure that they land at most once.
      this.#appendLater(underWay)
    }
  }

  #onLanded(underWay: UnderWay, seq: number): void {
    const { entries, firstEntry, bytes, askedAtMs, counter } = underWay
    this.#lastSeq = seq
    this.#underWay = undefined
    this.#confirmedAtMs = askedAtMs
    this.#confirmedCounter = counter
    const lastEntry = firstEntry + entries.length - 1
    this.#owner.onCommitted(entries, firstEntry, { seq, lastEntry, bytes: bytes.byteLength })
  }

  #appendLater(underWay: UnderWay): void {
    const pauseMs = this.#random.jitter(underWay.retryMs)
    underWay.retryMs = Math.min(underWay.retryMs * 2, RETRY_MAX_MS)
    this.#retry = this.#deadlines.at(this.#nowMs + pauseMs, (nowMs) => {
      this.#nowMs = nowMs
      if (this.#underWay === underWay) this.#append(underWay)
    })
  }

  /** Whose record stands where ours was to be: our own late one, or a newer epoch's? */
  #readConflict(underWay: UnderWay): void {
    const from = this.#lastSeq + 1
    this.#log.ask({ kind: 'read', partition: this.#start.partition, from }, (answer) => {
      if (this.#isStopped || answer.kind !== 'read' || this.#underWay !== underWay) return
      const first = answer.outcome.kind === 'page' ? answer.outcome.records[0] : undefined
      if (first !== undefined) this.#onConflicting(underWay, first)
      else if (answer.outcome.kind === 'page') this.#onNothingThere(underWay)
      else this.#appendLater(underWay)
    })
  }

  #onConflicting(underWay: UnderWay, { seq, bytes }: LogRecord): void {
    const append = decodeAppend(bytes)
    const { epoch } = this.#start
    if (append === undefined || append.epoch > epoch) {
      this.#owner.onDeposed(append?.entries.find((entry) => entry.kind === 'epoch'))
    } else if (append.epoch === epoch && append.counter === underWay.counter) {
      this.#onLanded(underWay, seq)
    } else {
      this.#owner.onRolledBack()
    }
  }

  /** A copy that lags shows nothing either: one look is not believed. */
  #onNothingThere(underWay: UnderWay): void {
    if (++underWay.missingCount < MISSING_MAX) this.#appendLater(underWay)
    else this.#owner.onRolledBack()
  }
}
