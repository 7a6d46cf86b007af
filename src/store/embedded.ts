/**
 * The log of dev mode: in the memory of the process's main thread, shared by all nodes and
 * workers, so that it outlives each of them; not the process. Workers reach it over a
 * MessagePort, in the order in which they ask.
 *
 * At its bound it refuses, and lets nothing go: what an acknowledgement promised stays until a
 * trim names it.
 */

import type { MessagePort } from 'node:worker_threads'
import type { AppendOutcome, LogRecord, ReadOutcome } from '../log/port.ts'
import type { LogFill } from '../log/room.ts'
import type { Log } from '../node/ports.ts'
import { ownBytes, serveStore, StorePort } from './store-port.ts'

const PAGE_RECORDS = 256
/** A page ends with the record that passes this. */
const PAGE_BYTES = 1024 * 1024
/** What a record takes besides its bytes, about. */
const RECORD_OVERHEAD_BYTES = 100

interface Partition {
  readonly records: LogRecord[]
  lastSeq: number
}

export class EmbeddedLog implements Log {
  readonly #partitions = new Map<number, Partition>()
  readonly #bytesMax: number
  #bytes = 0

  /** Holds at most `bytesMax` over all partitions. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  async read(no: number, from: number): Promise<ReadOutcome> {
    const all = this.#partitions.get(no)?.records ?? []
    const start = firstAt(all, from)
    let end = start
    for (let bytes = 0; end < all.length && end - start < PAGE_RECORDS && bytes < PAGE_BYTES;) {
      bytes += all[end++]!.bytes.byteLength
    }
    return { kind: 'page', records: all.slice(start, end), isEnd: end === all.length }
  }

  async append(no: number, expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome> {
    const partition = this.#partitions.get(no) ?? { records: [], lastSeq: 0 }
    const { records, lastSeq } = partition
    if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
    if (this.#bytes + sizeOf(bytes) > this.#bytesMax) {
      return { kind: 'refused', reason: `the log holds its ${this.#bytesMax} bytes` }
    }
    const seq = lastSeq + 1
    records.push({ seq, bytes })
    partition.lastSeq = seq
    this.#bytes += sizeOf(bytes)
    this.#partitions.set(no, partition)
    return { kind: 'appended', seq }
  }

  async trim(no: number, below: number): Promise<void> {
    const records = this.#partitions.get(no)?.records ?? []
    const gone = records.splice(0, Math.min(firstAt(records, below), records.length - 1))
    for (const { bytes } of gone) this.#bytes -= sizeOf(bytes)
  }

  release(): void {
    // Whoever masters the partition next finds it here.
  }

  /** How full it is: all of it is one stream, and the process is its account. */
  async fill(): Promise<LogFill> {
    const all = { bytes: this.#bytes, bytesMax: this.#bytesMax }
    return { streams: [all], account: all }
  }

  /** Answers the `PortLog` behind `port` until the port closes. */
  serve(port: MessagePort): void {
    serveStore(this, port)
  }
}

/** The embedded log as a worker thread sees it. */
export class PortLog implements Log {
  readonly #store: StorePort<Log>

  constructor(port: MessagePort) {
    this.#store = new StorePort(port)
  }

  read(partition: number, from: number): Promise<ReadOutcome> {
    return this.#store.call('read', partition, from)
  }

  append(partition: number, expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome> {
    return this.#store.call('append', partition, expectedSeq, ownBytes(bytes))
  }

  trim(partition: number, below: number): Promise<void> {
    return this.#store.call('trim', partition, below)
  }

  release(): void {
    // Nothing is held for a partition.
  }
}

function sizeOf(bytes: Uint8Array): number {
  return bytes.byteLength + RECORD_OVERHEAD_BYTES
}

/** The place of the first record with at least `seq`; the length if there is none. */
function firstAt(records: readonly LogRecord[], seq: number): number {
  let [low, high] = [0, records.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (records[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}
