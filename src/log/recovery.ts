/**
 * Taking a partition over: read its log to what looks like the end, then claim it by appending
 * an Epoch that expects the last record read (rule 2). Only the accepted Epoch proves that the
 * end was the end; from then on the former master's appends are refused by the log.
 *
 *   reading ──page──▶ reading ──end──▶ claiming ──appended──▶ done
 *      │ unreadable: again, later        │ conflict: somebody wrote meanwhile: read on
 *      │                                 │ unknown, busy, refused: the same bytes again
 *      ▼ broken chain: a new lineage (rule 4)
 *
 * It must never serve, and must never let a claim with an unknown outcome go.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import { epochOf, nextEpoch } from '../peer/epoch.ts'
import { type Append, decodeAppend, encodeAppend, encodeEntry, type Entry } from './entry.ts'
import type { LogAnswer, LogOutbox } from './port.ts'
import type { WriterStart } from './writer.ts'

const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 2_000
/** A log without a past says nothing of attempts elsewhere: the first is drawn from so many. */
const FIRST_ATTEMPTS = 32_768

/** Who claims, and in which view. */
export interface Claimant {
  readonly partition: number
  readonly viewVersion: number
  readonly incarnation: string
  readonly workerGeneration: number
}

/** What the owner of a recovery hears. */
export interface RecoveryOwner {
  /** An entry that is committed, in order; `number` is its number in the partition. */
  onRecovered(entry: Entry, number: number): void
  /** The history that was read so far does not join: forget it (a new lineage follows). */
  onBrokenChain(reason: string): void
  /** The partition is ours in `start.epoch`; `lineage` is new if the log was empty or broken. */
  onClaimed(start: WriterStart, lineage: string): void
}

/** One takeover of one partition. */
export class Recovery {
  readonly #claimant: Claimant
  readonly #owner: RecoveryOwner
  readonly #log: LogOutbox
  readonly #deadlines: Deadlines
  readonly #random: Random
  #lastSeq = 0
  #nextEntry = 1
  #lastEpoch = 0
  #lineage: string | undefined
  #snapshotSeq = 0
  #retryMs = RETRY_FIRST_MS
  #retry: Deadline | undefined
  #isStopped = false
  #nowMs: number

  constructor(
    claimant: Claimant,
    owner: RecoveryOwner,
    log: LogOutbox,
    deadlines: Deadlines,
    random: Random,
    nowMs: number
  ) {
    this.#claimant = claimant
    this.#owner = owner
    this.#log = log
    this.#deadlines = deadlines
    this.#random = random
    this.#nowMs = nowMs
    this.#read()
  }

  /** Gives the takeover up (the view changed its mind). A claim that lands later is harmless. */
  stop(): void {
    this.#isStopped = true
    this.#deadlines.cancel(this.#retry)
  }

  #read(): void {
    const request = {
      kind: 'read' as const,
      partition: this.#claimant.partition,
      from: this.#lastSeq + 1
    }
    this.#log.ask(request, (answer) => {
      if (this.#isStopped || answer.kind !== 'read') return
      if (answer.outcome.kind === 'unreadable') {
        this.#later(() => this.#read())
        return
      }
      for (const record of answer.outcome.records) this.#onRecord(record.seq, record.bytes)
      if (answer.outcome.isEnd) this.#claim()
      else this.#read()
    })
  }

  #onRecord(seq: number, bytes: Uint8Array): void {
    const append = decodeAppend(bytes)
    // Also what stands behind a hole was somebody's epoch, and must never be one again.
    this.#lastEpoch = Math.max(this.#lastEpoch, append?.epoch ?? 0)
    const problem = this.#problemWith(append)
    if (problem !== undefined || append === undefined) {
      this.#owner.onBrokenChain(problem ?? 'unreadable record')
      this.#lineage = undefined
      this.#lastSeq = seq
      return
    }
    this.#lastSeq = seq
    this.#snapshotSeq = append.snapshotSeq
    let number = append.firstEntry
    for (const entry of append.entries) {
      if (entry.kind === 'epoch') this.#lineage = entry.lineage
      this.#owner.onRecovered(entry, number++)
    }
    this.#nextEntry = number
  }

  #problemWith(append: Append | undefined): string | undefined {
    if (append === undefined) return 'unreadable record'
    const isFirst = this.#lastSeq === 0
    if (isFirst) return undefined
    if (append.previousSeq !== this.#lastSeq) return 'a record is missing'
    if (append.firstEntry !== this.#nextEntry) return 'entry numbers do not join'
    return undefined
  }

  #claim(): void {
    const { partition, viewVersion, incarnation, workerGeneration } = this.#claimant
    const epoch = this.#nextEpoch(viewVersion)
    const lineage = this.#lineage ?? this.#random.id(10)
    const entry: Entry = {
      kind: 'epoch',
      epoch,
      lineage,
      viewVersion,
      incarnation,
      workerGeneration
    }
    const firstEntry = this.#nextEntry
    const head = {
      epoch,
      counter: -1,
      previousSeq: this.#lastSeq,
      firstEntry,
      snapshotSeq: this.#snapshotSeq
    }
    const bytes = encodeAppend(head, [encodeEntry(entry)])
    const append = { kind: 'append' as const, partition, expectedSeq: this.#lastSeq, bytes }
    const onAnswer = (answer: LogAnswer): void => {
      if (this.#isStopped || answer.kind !== 'append') return
      const { outcome } = answer
      if (outcome.kind === 'appended') {
        this.#owner.onRecovered(entry, firstEntry)
        const nextEntry = firstEntry + 1
        const snapshotSeq = this.#snapshotSeq
        const start = { partition, epoch, lastSeq: outcome.seq, nextEntry, snapshotSeq }
        this.#owner.onClaimed(start, lineage)
      } else if (outcome.kind === 'conflict') {
        // Somebody appended meanwhile, or an earlier try of ours landed: read on, claim again
        // above whatever epoch is found. A claim of ours that landed is only one more epoch.
        this.#later(() => this.#read())
      } else {
        this.#later(() => this.#log.ask(append, onAnswer))
      }
    }
    this.#log.ask(append, onAnswer)
  }

  /**
   * Above every epoch of this log. A log that was lost, or that each master keeps for itself, has
   * forgotten what this view's other attempts were; clients have not, and would take what the
   * former master says for this one's.
   */
  #nextEpoch(viewVersion: number): number {
    const next = nextEpoch(viewVersion, this.#lastEpoch)
    if (this.#lineage !== undefined) return next
    return Math.max(next, epochOf(viewVersion, 1 + this.#random.below(FIRST_ATTEMPTS)))
  }

  #later(run: () => void): void {
    const pauseMs = this.#random.jitter(this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
    this.#retry = this.#deadlines.at(this.#nowMs + pauseMs, (nowMs) => {
      this.#nowMs = nowMs
      if (!this.#isStopped) run()
    })
  }
}
