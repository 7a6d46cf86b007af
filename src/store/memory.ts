/**
 * A log in the memory of its master: every rule of the port but survival. Whoever masters a
 * partition next finds it empty, mints a new lineage, and so continuity is announced as lost.
 * It ends with the mastership (`release`), since another master may have written meanwhile; and so
 * nobody ever needs its older records: above the byte limit the oldest go.
 */

import type { AppendOutcome, LogRecord, ReadOutcome } from '../log/port.ts'
import type { Log } from '../node/ports.ts'

const PAGE_RECORDS = 256

interface Partition {
  records: LogRecord[]
  /** Kept apart from the records: a trimmed log still knows where it ended. */
  lastSeq: number
}

/** Holds about `bytesMax` over all partitions; above it a partition that grows loses its oldest. */
export class MemoryLog implements Log {
  readonly #partitions = new Map<number, Partition>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes of all records. */
  get bytes(): number {
    return this.#bytes
  }

  async read(partition: number, from: number): Promise<ReadOutcome> {
    const all = this.#partitions.get(partition)?.records ?? []
    const start = all.findIndex((record) => record.seq >= from)
    const records = start < 0 ? [] : all.slice(start, start + PAGE_RECORDS)
    const isEnd = start < 0 || start + records.length === all.length
    return { kind: 'page', records, isEnd }
  }

  async append(no: number, expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome> {
    let partition = this.#partitions.get(no)
    const lastSeq = partition?.lastSeq ?? 0
    if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
    if (partition === undefined) {
      partition = { records: [], lastSeq: 0 }
      this.#partitions.set(no, partition)
    }
    partition.lastSeq++
    partition.records.push({ seq: partition.lastSeq, bytes })
    this.#bytes += bytes.byteLength
    while (this.#bytes > this.#bytesMax && partition.records.length > 1) {
      this.#bytes -= partition.records.shift()!.bytes.byteLength
    }
    return { kind: 'appended', seq: partition.lastSeq }
  }

  async trim(no: number, below: number): Promise<void> {
    const partition = this.#partitions.get(no)
    if (partition === undefined) return
    const keep = partition.records.findIndex(({ seq }) => seq >= below)
    const gone = partition.records.splice(0, keep < 0 ? partition.records.length : keep)
    for (const record of gone) this.#bytes -= record.bytes.byteLength
  }

  release(no: number): void {
    for (const record of this.#partitions.get(no)?.records ?? []) {
      this.#bytes -= record.bytes.byteLength
    }
    this.#partitions.delete(no)
  }
}
