/**
 * The records of one partition as every log made for tests holds them: compare-and-append, pages,
 * and a trim that never takes the last record (rules 1, 2 and 6). Who delays, refuses or forgets
 * does it around this; that it is right is what the contract suite shows.
 */

import type { AppendOutcome, LogRecord, ReadPage } from '../../src/log/port.ts'

/** A page ends with the record that passes this. */
const PAGE_BYTES = 1024 * 1024

export class PartitionRecords<R extends LogRecord = LogRecord> {
  /** Oldest first. */
  all: R[] = []

  get lastSeq(): number {
    return this.all.at(-1)?.seq ?? 0
  }

  /** Stores what `make` gives, if the last record is the one that is expected. */
  append(expectedSeq: number, make: () => R): AppendOutcome {
    const { lastSeq } = this
    if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
    const record = make()
    this.all.push(record)
    return { kind: 'appended', seq: record.seq }
  }

  /** An emptied log would expect 0 again, as if nobody had ever written to it. */
  trim(below: number): void {
    const least = Math.min(below, this.lastSeq)
    this.all = this.all.filter(({ seq }) => seq >= least)
  }
}

/** The first of `records` from `from` on, and whether there are more. */
export function pageOf(records: readonly LogRecord[], from: number, recordsMax: number): ReadPage {
  const wanted = records.filter(({ seq }) => seq >= from)
  let count = 0
  for (let bytes = 0; count < wanted.length && count < recordsMax && bytes < PAGE_BYTES;) {
    bytes += wanted[count++]!.bytes.byteLength
  }
  return { kind: 'page', records: wanted.slice(0, count), isEnd: count === wanted.length }
}
