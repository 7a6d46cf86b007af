/**
 * One reading of what another region missed: a page of what was published behind a place in our
 * log. It tells nothing where something may be missing between: a record must stand there that
 * reaches back to the place, and each one behind it names the one before.
 *
 * Cost: as many requests as the shelf's stretch of sequences can be halved, and one or two per
 * hundred publications.
 */

import { limits } from '../base/limits.ts'
import type { ArchiveOutbox, Shelf } from '../log/archive.ts'
import type { Publication } from '../peer/message.ts'
import { type Found, ShelfReader } from './shelf-reader.ts'

const PAGE_RECORDS = 64

/** What is sought. */
export interface HoleBounds {
  /** Of the channel, now. */
  readonly lineage: string
  /** What was published after this seq of it. */
  readonly afterSeq: number
  /** And at this time or later, in ms since the Unix epoch. */
  readonly sinceMs: number
  /** Nothing that is kept stands between that and this. */
  readonly firstSeq: number
  /** From this seq on, somebody else tells. */
  readonly endSeq: number
}

/**
 * What was read, in order; it may be that nothing was published there. Gone: not all of it is in
 * the archive. Unread: that could not be found out.
 */
export type HolePart = readonly Publication[] | 'gone' | 'unread'

export class HoleReading {
  readonly #bounds: HoleBounds
  readonly #reader: ShelfReader
  readonly #onDone: (part: HolePart) => void
  readonly #publications: Publication[] = []
  #bytes = 0

  constructor(
    shelf: Shelf, bounds: HoleBounds, archive: ArchiveOutbox, onDone: (part: HolePart) => void
  ) {
    this.#bounds = bounds
    this.#onDone = onDone
    this.#reader = new ShelfReader(shelf, archive, () => onDone('unread'))
  }

  begin(): void {
    this.#reader.last((last) => {
      if (last === undefined) this.#end('gone')
      else this.#beginBefore(last)
    })
  }

  /** Nobody waits for it any more. */
  stop(): void {
    this.#reader.stop()
  }

  #beginBefore(last: Found): void {
    this.#reader.search(last, (record) => this.#reachesBack(record), (found) => {
      if (found === undefined) this.#end('gone')
      else this.#from(found.seq, last.seq, undefined)
    })
  }

  /** True if nothing can stand before the record that is sought. */
  #reachesBack({ archived: { lineage, publications } }: Found): boolean {
    const [first] = publications
    return lineage !== this.#bounds.lineage || first === undefined ||
      first.seq <= this.#bounds.firstSeq || first.timestamp < this.#bounds.sinceMs
  }

  /** `before`: the record before that one, if it is known. */
  #from(seq: number, lastSeq: number, before: number | undefined): void {
    this.#reader.page(seq, PAGE_RECORDS, (records) => {
      const [first] = records
      // Of a copy that lags; it is known that there is one.
      if (first === undefined || (before === undefined && first.seq !== seq)) this.#reader.fail()
      else this.#over(records, lastSeq, before)
    })
  }

  #over(records: readonly Found[], lastSeq: number, before: number | undefined): void {
    let previous = before
    for (const record of records) {
      if (previous !== undefined && record.archived.before !== previous) {
        this.#overHole(previous + 1, record)
        return
      }
      if (!this.#take(record)) {
        this.#end(this.#publications)
        return
      }
      previous = record.seq
    }
    if (previous! >= lastSeq) this.#end(this.#publications)
    else this.#from(previous! + 1, lastSeq, previous)
  }

  /** Something stood there that has had its time; or it has not come to the copy. */
  #overHole(seq: number, record: Found): void {
    this.#reader.next(seq, (found) => {
      if (found?.seq === record.seq) this.#end('gone')
      else this.#reader.fail()
    })
  }

  /** False once that is the end. */
  #take({ archived: { lineage, publications } }: Found): boolean {
    if (lineage !== this.#bounds.lineage) return true
    const { afterSeq, sinceMs, endSeq } = this.#bounds
    for (const publication of publications) {
      const { seq, timestamp, payload } = publication
      if (seq <= afterSeq || timestamp < sinceMs) continue
      if (seq >= endSeq) return false
      this.#bytes += payload.byteLength
      const isFull = this.#bytes > limits.backlogPageBytesMax
      if (isFull && this.#publications.length > 0) return false
      this.#publications.push(publication)
    }
    return true
  }

  #end(part: HolePart): void {
    this.#reader.stop()
    this.#onDone(part)
  }
}
