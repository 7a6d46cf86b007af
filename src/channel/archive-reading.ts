/**
 * One reading of a shelf of the archive: a page of publications, forwards or backwards, beginning
 * where the page before ended, or at a place that is searched for by halving.
 *
 * Cost, at any depth: a page that goes on from another is one or two requests per hundred
 * publications; one that begins at the end is one more, one that begins in the midst as many more
 * as the shelf's stretch of sequences can be halved. Backwards it goes by the records' own word
 * of where a page earlier begins. A hole costs one more.
 *
 * Pages come from any copy, so perhaps from one that lags; each record names the one before it,
 * and the last one is known, so that a hole shows. Then it is asked, without copies, whether what
 * is missing has had its time; if not, nothing is told, and the question is asked again.
 */

import { limits } from '../base/limits.ts'
import type { Archived, ArchiveOutbox, Shelf } from '../log/archive.ts'
import type { Publication } from '../peer/message.ts'
import type { HistoryQuestion } from '../peer/question-message.ts'
import { type Found, ShelfReader } from './shelf-reader.ts'

const PAGE_RECORDS = 256

/** What was read. */
export interface ArchivePart {
  readonly publications: readonly Publication[]
  /** The record that each of them stands in. */
  readonly marks: readonly number[]
  /** Of all of them. */
  readonly lineage: string | undefined
  /** False: there may be more behind the last of them. */
  readonly isWhole: boolean
  /** When the first was published that came after `until`, of those that were seen. */
  readonly nextMs: number | undefined
}

export interface ArchiveBounds {
  /** Of the channel, now. */
  readonly lineage: string
  /** From this seq of that lineage on, somebody else tells. */
  readonly endSeq: number
  /** What was published before is over. */
  readonly sinceMs: number
  /** What was told of this page already; it is of that lineage. */
  readonly toldCount: number
  readonly toldBytes: number
}

/** Where a publication stands to what is wanted, in the log's order. */
type Side = 'before' | 'in' | 'after'

export class ArchiveReading {
  readonly #question: HistoryQuestion
  readonly #bounds: ArchiveBounds
  readonly #reader: ShelfReader
  readonly #onDone: (part: ArchivePart | undefined) => void
  readonly #publications: Publication[] = []
  readonly #marks: number[] = []
  #lineage: string | undefined
  #bytes: number
  #nextMs: number | undefined

  /** `onDone` is told undefined where the archive could not be read. */
  constructor(
    shelf: Shelf, question: HistoryQuestion, bounds: ArchiveBounds, archive: ArchiveOutbox,
    onDone: (part: ArchivePart | undefined) => void
  ) {
    this.#question = question
    this.#bounds = bounds
    this.#reader = new ShelfReader(shelf, archive, () => onDone(undefined))
    this.#onDone = onDone
    this.#bytes = bounds.toldBytes
    if (bounds.toldCount > 0) this.#lineage = bounds.lineage
  }

  begin(): void {
    const { isBackwards, from } = this.#question
    if (isBackwards && from?.mark !== undefined) this.#backwardsAt(from.mark)
    else this.#withLast((last) => this.#beginAt(last))
  }

  /** Nobody waits for it any more. */
  stop(): void {
    this.#reader.stop()
  }

  #beginAt(last: Found): void {
    const { isBackwards, from } = this.#question
    if (isBackwards) {
      this.#reader.search(last, (each) => this.#beginningOf(each) !== 'after', (found) => {
        if (found === undefined) this.#end(true)
        else this.#backwardsFrom(found)
      })
    } else if (from?.mark !== undefined) {
      this.#forwardsFrom(from.mark, last.seq, undefined)
    } else {
      this.#reader.search(last, (each) => this.#beginningOf(each) === 'before', (found) => {
        this.#forwardsFrom(found?.seq ?? 1, last.seq, undefined)
      })
    }
  }

  #beginningOf({ archived }: Found): Side {
    return this.#sideOf(firstOf(archived), archived)
  }

  /** Goes on if nothing stands from `seq` on before the record: it has had its time. */
  #overHole(seq: number, record: Found, run: () => void): void {
    this.#reader.next(seq, (found) => {
      if (found?.seq === record.seq) run()
      else this.#reader.fail()
    })
  }

  #forwardsFrom(seq: number, lastSeq: number, before: number | undefined): void {
    const countMax = Math.min(PAGE_RECORDS, this.#question.countMax + 2)
    this.#reader.page(seq, countMax, (records) => {
      if (records.length === 0) this.#reader.fail()
      else this.#forwardsOver(records, lastSeq, before)
    })
  }

  /** `before`: the record before these, if it is known. */
  #forwardsOver(records: readonly Found[], lastSeq: number, before: number | undefined): void {
    let previous = before
    for (const [at, record] of records.entries()) {
      if (previous !== undefined && record.archived.before !== previous) {
        const rest = records.slice(at)
        this.#overHole(previous + 1, record, () => this.#forwardsOver(rest, lastSeq, undefined))
        return
      }
      if (!this.#take(record)) return
      previous = record.seq
    }
    if (previous! >= lastSeq) this.#end(true)
    else this.#forwardsFrom(previous! + 1, lastSeq, previous)
  }

  #backwardsAt(seq: number): void {
    this.#reader.next(seq, (record) => {
      // One whose time is over, and all before it.
      if (record?.seq === seq) this.#backwardsFrom(record)
      else this.#end(true)
    })
  }

  #backwardsFrom(record: Found): void {
    if (!this.#take(record)) return
    const { back, backCount, before } = record.archived
    if (before === 0) {
      this.#end(true)
      return
    }
    this.#reader.page(back, backCount, (records) => {
      const earlier = records.filter(({ seq }) => seq < record.seq)
      if (earlier.length === 0) this.#backwardsBefore(record)
      else this.#backwardsOver(earlier, record, before)
    })
  }

  /** `later`: the record behind them, which names `before`. */
  #backwardsOver(records: readonly Found[], later: Found, before: number): void {
    let [behind, next] = [later, before]
    for (const [at, each] of [...records.entries()].reverse()) {
      if (each.seq !== next) {
        const rest = records.slice(0, at + 1)
        this.#overHole(each.seq + 1, behind, () => this.#backwardsOver(rest, behind, each.seq))
        return
      }
      // The first one leads on to the page before.
      if (at === 0) this.#backwardsFrom(each)
      else if (!this.#take(each)) return
      behind = each
      next = each.archived.before
    }
  }

  /** A page that is gone, or not there yet, may have others before it. */
  #backwardsBefore({ seq, archived }: Found): void {
    this.#reader.search({ seq, archived }, (each) => each.seq < seq, (found) => {
      if (found === undefined) this.#end(true)
      else this.#backwardsFrom(found)
    })
  }

  /** False once that is the end. */
  #take(record: Found): boolean {
    const { isBackwards, countMax } = this.#question
    const { archived, seq } = record
    const inOrder = isBackwards ? archived.publications.toReversed() : archived.publications
    for (const publication of inOrder) {
      const side = this.#sideOf(publication, archived)
      if (side === (isBackwards ? 'before' : 'after')) {
        this.#end(true)
        return false
      }
      if (side !== 'in') continue
      this.#bytes += publication.payload.byteLength
      const count = this.#bounds.toldCount + this.#publications.length
      const isFull = count >= countMax || (count > 0 && this.#bytes > limits.backlogPageBytesMax)
      if (isFull || (this.#lineage ?? archived.lineage) !== archived.lineage) {
        this.#end(false)
        return false
      }
      this.#lineage = archived.lineage
      this.#publications.push(publication)
      this.#marks.push(seq)
    }
    return true
  }

  #sideOf(
    { timestamp, counter, seq }: Pick<Publication, 'timestamp' | 'counter' | 'seq'>,
    { lineage }: Archived
  ): Side {
    const { startMs = 0, endMs = Infinity, from, until, isBackwards } = this.#question
    const { endSeq, sinceMs } = this.#bounds
    if (lineage === this.#bounds.lineage && seq >= endSeq) return 'after'
    if (until?.lineage === lineage && seq > until.seq) {
      this.#nextMs = Math.min(this.#nextMs ?? Infinity, timestamp)
      return 'after'
    }
    if (timestamp > endMs) return 'after'
    if (timestamp < startMs || timestamp < sinceMs) return 'before'
    if (from === undefined) return 'in'
    const difference = timestamp - from.ms || counter - from.counter
    const isBehind = isBackwards ? difference < 0 : difference > 0
    if (isBehind || (difference === 0 && from.isIncluded)) return 'in'
    return isBackwards ? 'after' : 'before'
  }

  #withLast(run: (last: Found) => void): void {
    this.#reader.last((last) => {
      if (last === undefined) this.#end(true)
      else run(last)
    })
  }

  #end(isWhole: boolean): void {
    this.#reader.stop()
    const [publications, marks] = [this.#publications, this.#marks]
    const [lineage, nextMs] = [this.#lineage, this.#nextMs]
    this.#onDone({ publications, marks, lineage, isWhole, nextMs })
  }
}

/** The place at which a record begins. */
function firstOf({ publications, tick }: Archived):
  Pick<Publication, 'timestamp' | 'counter' | 'seq'> {
  return publications[0] ?? { timestamp: tick.ms, counter: tick.counter, seq: 0 }
}
