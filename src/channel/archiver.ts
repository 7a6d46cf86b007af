/**
 * Brings what is committed on a persisted channel into one shelf of the archive (rule 22): one
 * append under way, carrying what waits, each expecting the record before it.
 *
 *   unread ──flush──▶ reading the last record ──▶ ready ⇄ appending
 *                         ▲    │ of another lineage: once the log has shown that we are the
 *                         │    │ master, a record that begins ours, so that nothing of the
 *                         │    ▼ other one can come any more
 *                         │  beginning ──▶ ready
 *                         └── conflict: somebody else's, or our own late one; what it holds of
 *                             ours is stored
 *
 * A record of our lineage that holds what our log does not have proves that the log was rolled
 * back (rule 4): what is given the same places now must not be taken for what stands there.
 *
 * An append whose outcome is unknown, or that was refused, is tried again for ever: what was
 * committed is never given up. It must never store anything twice, nor leave anything out: what
 * waits is in order, and goes on after the last record, whoever wrote that.
 *
 * The shelf of what was said last is another thing: of what waits the last one is stored for all,
 * and what stood there before is let go now and then. Nothing begins a lineage there, for that
 * would take the last one's place.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { archiveLimits } from '../base/archive-limits.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import {
  type Archived, type ArchiveOutbox, decodeArchived, encodeArchived, type RecordOutcome, type Shelf
} from '../log/archive.ts'
import type { AppendOutcome } from '../log/port.ts'
import type { Publication, Standing } from '../peer/message.ts'
import type { Backlog } from './backlog.ts'

const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 1_000
const OVERHEAD_BYTES = 200
/** So many records of a shelf of which only the last one counts are let go at once. */
const TRIM_EVERY = 16

export interface ArchiverPorts {
  readonly archive: ArchiveOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  readonly epoch: number
  readonly lineage: string
  /** What waits in the partition. */
  readonly backlog: Backlog
  nowMs(): number
  /** Runs once the log has accepted an append that began now. */
  confirm(run: () => void): void
  /** True if our log cannot have been there; then `onRolledBack`, once that is sure. */
  disproves(standing: Standing): boolean
  onRolledBack(): void
  /** These are in the archive. */
  onStored(publications: readonly Publication[]): void
  /** The last tick in the shelf is known. */
  onKnown(tick: Archived['tick']): void
}

interface Recent {
  readonly seq: number
  readonly count: number
  readonly bytes: number
}

export class Archiver {
  readonly #shelf: Shelf
  readonly #ports: ArchiverPorts
  /** Only what was said last is wanted. */
  readonly #isOfLast: boolean
  #untrimmedCount = TRIM_EVERY
  #state: 'unread' | 'reading' | 'ready' | 'appending' = 'unread'
  #waiting: Publication[] = []
  #waitingBytes = 0
  #lastSeq = 0
  #tick = { ms: 0, counter: 0 }
  /** The last records of the shelf, about a page of them. */
  #recent: Recent[] = []
  /** Since when the archive owes us something. */
  #owedSinceMs: number | undefined
  #isRefused = false
  #isKnown = false
  #isStopped = false
  #retryMs = RETRY_FIRST_MS
  #retry: Deadline | undefined

  constructor(shelf: Shelf, ports: ArchiverPorts) {
    this.#shelf = shelf
    this.#isOfLast = shelf.of === 'last'
    this.#ports = ports
  }

  /** Committed, and not known to be in the archive; in order. */
  get waiting(): readonly Publication[] {
    return this.#waiting
  }

  /** True if the shelf's last record was read in this mastership. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#owedSinceMs === undefined
  }

  /** True while it is better not to bring more. */
  isInTrouble(nowMs: number): boolean {
    const owedMs = this.#owedSinceMs === undefined ? 0 : nowMs - this.#owedSinceMs
    return this.#isRefused || owedMs >= archiveLimits.archiveSilentMs
  }

  /** Takes the next committed publication. */
  add(publication: Publication): void {
    this.#waiting.push(publication)
    this.#count(sizeOf(publication))
  }

  /** Appends what waits, unless something is under way. */
  flush(): void {
    if (this.#state === 'unread') this.#read()
    else if (this.#state === 'ready' && this.#waiting.length > 0) this.#append()
  }

  /** Nothing is called back any more; what waits stands in the log. */
  stop(): void {
    this.#isStopped = true
    this.#ports.deadlines.cancel(this.#retry)
    this.#count(-this.#waitingBytes)
    this.#waiting = []
  }

  #read(): void {
    this.#state = 'reading'
    this.#owedSinceMs ??= this.#ports.nowMs()
    this.#ports.archive.askArchive({ kind: 'last', shelf: this.#shelf }, (answer) => {
      if (!this.#isStopped && answer.kind === 'record') this.#onLast(answer.outcome)
    })
  }

  #onLast(outcome: RecordOutcome): void {
    const record = outcome.kind === 'record' ? outcome.record : undefined
    const archived = record === undefined ? undefined : decodeArchived(record.bytes)
    if (outcome.kind !== 'record' || (record !== undefined && archived === undefined)) {
      this.#later(() => this.#read())
      return
    }
    this.#lastSeq = record?.seq ?? 0
    this.#recent = []
    if (archived === undefined) {
      this.#onRead()
      return
    }
    const { publications, tick, lineage } = archived
    const bytes = record!.bytes.byteLength
    this.#tick = tick
    this.#recent.push({ seq: this.#lastSeq, count: publications.length, bytes })
    if (lineage !== this.#ports.lineage) {
      // Only who is the master goes on behind what another lineage has left.
      this.#ports.confirm(() => {
        if (this.#isOfLast && !this.#isStopped) this.#onRead()
        else this.#beginLineage()
      })
      return
    }
    if (this.#isAhead(archived)) {
      this.#ports.confirm(() => {
        if (!this.#isStopped) this.#ports.onRolledBack()
      })
      return
    }
    const storedSeq = publications.at(-1)?.seq ?? 0
    const stored = this.#waiting.findIndex(({ seq }) => seq > storedSeq)
    this.#onStored(stored === -1 ? this.#waiting.length : stored)
    this.#onRead()
  }

  #isAhead({ lineage, epoch, publications }: Archived): boolean {
    const last = publications.at(-1)
    if (last === undefined) return false
    const { seq, entry } = last
    return this.#ports.disproves({ lineage, seq, epoch, entry })
  }

  /** From here on, appends of whoever does not know of our lineage are refused. */
  #beginLineage(): void {
    if (this.#isStopped) return
    this.#say([], limits.retentionMaxMs, (outcome) => {
      if (outcome.kind === 'appended') {
        this.#onAppended(outcome.seq, 0, 0)
        this.#onRead()
      } else if (outcome.kind === 'conflict') this.#read()
      else this.#tryAgain(outcome, () => this.#beginLineage())
    })
  }

  #onRead(): void {
    this.#state = 'ready'
    this.#owedSinceMs = undefined
    this.#isRefused = false
    this.#retryMs = RETRY_FIRST_MS
    if (!this.#isKnown) {
      this.#isKnown = true
      this.#ports.onKnown(this.#tick)
    }
    this.flush()
  }

  #append(): void {
    this.#state = 'appending'
    const count = this.#isOfLast ? this.#waiting.length : this.#fitting()
    const publications = this.#waiting.slice(this.#isOfLast ? -1 : 0, count)
    const keptMs = this.#isOfLast ? limits.retentionMaxMs
      : Math.max(...publications.map(({ keptMs = 0 }) => keptMs))
    this.#say(publications, keptMs, (outcome, bytes) => {
      if (outcome.kind === 'appended') {
        const { timestamp: ms, counter } = publications.at(-1)!
        this.#tick = { ms, counter }
        this.#onAppended(outcome.seq, count, bytes)
        this.#trim()
        this.#onStored(count)
        this.#onRead()
      } else if (outcome.kind === 'conflict') this.#read()
      else this.#tryAgain(outcome, () => this.#append())
    })
  }

  #say(
    publications: readonly Publication[], keptMs: number,
    onOutcome: (outcome: AppendOutcome, bytes: number) => void
  ): void {
    const { lineage, epoch, archive, nowMs } = this.#ports
    this.#owedSinceMs ??= nowMs()
    const { timestamp: ms, counter } = publications.at(-1) ?? { timestamp: this.#tick.ms,
      counter: this.#tick.counter }
    const bytes = encodeArchived(this.#shelf.channel, {
      lineage, epoch, ...this.#back(), publications, tick: { ms, counter }
    })
    const request = {
      kind: 'append' as const, shelf: this.#shelf, expectedSeq: this.#lastSeq, bytes, keptMs
    }
    archive.askArchive(request, (answer) => {
      if (this.#isStopped || answer.kind !== 'append') return
      onOutcome(answer.outcome, bytes.byteLength)
    })
  }

  /** Where reading backwards goes on from the next record. */
  #back(): Pick<Archived, 'before' | 'back' | 'backCount'> {
    if (this.#isOfLast) return { before: 0, back: 0, backCount: 0 }
    const { length, 0: first } = this.#recent
    return { before: this.#lastSeq, back: first?.seq ?? 0, backCount: length }
  }

  /** Lets go what is not the last any more; where that fails it is done with the next ones. */
  #trim(): void {
    if (!this.#isOfLast || ++this.#untrimmedCount < TRIM_EVERY) return
    this.#untrimmedCount = 0
    this.#ports.archive.askArchive(
      { kind: 'trim', shelf: this.#shelf, below: this.#lastSeq }, () => undefined)
  }

  /** How many of those that wait one record takes. */
  #fitting(): number {
    const { archiveRecordCountMax, archiveRecordBytesMax } = archiveLimits
    let bytes = 0
    let count = 0
    for (const { payload } of this.#waiting) {
      bytes += payload.byteLength
      const isFull = count >= archiveRecordCountMax || bytes > archiveRecordBytesMax
      if (count > 0 && isFull) break
      count++
    }
    return count
  }

  /** Keeps of the last records as many as the next one is to point back over. */
  #onAppended(seq: number, count: number, bytes: number): void {
    this.#lastSeq = seq
    this.#recent.push({ seq, count, bytes })
    const { archiveBackCount, archiveBackBytes } = archiveLimits
    let [countAfter, bytesAfter, needed] = [0, 0, 0]
    for (const record of this.#recent.toReversed()) {
      if (countAfter >= archiveBackCount || bytesAfter >= archiveBackBytes) break
      countAfter += record.count
      bytesAfter += record.bytes
      needed++
    }
    this.#recent = this.#recent.slice(-Math.min(needed, archiveBackCount))
  }

  #onStored(count: number): void {
    if (count === 0) return
    const stored = this.#waiting.splice(0, count)
    for (const publication of stored) this.#count(-sizeOf(publication))
    this.#ports.onStored(stored)
  }

  /** Refused stored nothing, busy and unknown may have: what was expected makes sure of it. */
  #tryAgain(outcome: AppendOutcome, again: () => void): void {
    if (outcome.kind === 'refused') this.#isRefused = true
    this.#later(again)
  }

  #later(run: () => void): void {
    const { deadlines, random, nowMs } = this.#ports
    const pauseMs = random.jitter(this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS)
    this.#retry = deadlines.at(nowMs() + pauseMs, () => {
      if (!this.#isStopped) run()
    })
  }

  #count(bytes: number): void {
    this.#waitingBytes += bytes
    this.#ports.backlog.add(bytes)
  }
}

function sizeOf({ payload }: Publication): number {
  return payload.byteLength + OVERHEAD_BYTES
}
