/**
 * Statistics of dev mode: in the memory of the process's main thread, shared by all nodes and
 * workers like its log (store/embedded.ts). They go with the process, unless a file keeps them.
 */

import type { MessagePort } from 'node:worker_threads'
import type { StatsRecords, StatsStore } from '../node/ports.ts'
import type { PutOutcome } from '../stats/port.ts'
import type { FiledStats, StatsFile } from './stats-file.ts'
import { ownBytes, serveStore, StorePort } from './store-port.ts'

const PAGE_RECORDS = 256
/** What a record takes besides its bytes, about. */
const RECORD_OVERHEAD_BYTES = 200

export class EmbeddedStats implements StatsStore {
  /** By app, then by key, in order of `seq`. */
  readonly #apps = new Map<string, Map<string, FiledStats>>()
  readonly #bytesMax: number
  readonly #nowMs: () => number
  readonly #file: StatsFile | undefined
  #bytes = 0
  #seq = 0

  /** Holds at most `bytesMax`, above it refuses. What `file` has is there from the start. */
  constructor(bytesMax: number, nowMs: () => number = Date.now, file?: StatsFile) {
    this.#bytesMax = bytesMax
    this.#nowMs = nowMs
    this.#file = file
    for (const record of file?.records() ?? []) {
      this.#hold(this.#recordsOf(record.key), record)
      this.#seq = record.seq
    }
  }

  async put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome> {
    const former = this.#living(key).get(key)
    if ((former?.seq ?? 0) !== expectedSeq) return { kind: 'conflict', lastSeq: former?.seq ?? 0 }
    const more = sizeOf(bytes) - (former === undefined ? 0 : sizeOf(former.bytes))
    if (more > 0 && this.#bytes + more > this.#bytesMax) return { kind: 'refused' }
    const record = { key, seq: this.#seq + 1, bytes, expiresAtMs: this.#nowMs() + ttlMs }
    if (this.#file?.put(record) === false) return { kind: 'refused' }
    this.#seq = record.seq
    this.#hold(this.#living(key), record)
    return { kind: 'written', seq: record.seq }
  }

  async list(path: string, from: number): Promise<StatsRecords> {
    const found = this.#below(path).filter(({ seq }) => seq >= from)
    const records = found.slice(0, PAGE_RECORDS).map(({ key, seq, bytes }) => ({ key, seq, bytes }))
    return { records, isEnd: records.length === found.length }
  }

  async names(path: string): Promise<readonly string[]> {
    return this.#below(path).map(({ key }) => key)
  }

  async remove(key: string): Promise<boolean> {
    const records = this.#living(key)
    if (records.has(key)) this.#letGo(records, [key])
    return true
  }

  /** The app is gone, and everything of it. */
  forget(appId: string): void {
    const records = this.#apps.get(appId)
    if (records !== undefined) this.#letGo(records, [...records.keys()])
    this.#apps.delete(appId)
  }

  close(): void {
    this.#file?.close()
  }

  /** Answers the `PortStats` behind `port` until the port closes. */
  serve(port: MessagePort): void {
    serveStore(this, port)
  }

  #below(path: string): FiledStats[] {
    const records = this.#living(path)
    if (!path.endsWith('/')) {
      const record = records.get(path)
      return record === undefined ? [] : [record]
    }
    return [...records.values()].filter(({ key }) => key.startsWith(path))
  }

  /** The app's records, without those whose time is over. */
  #living(key: string): Map<string, FiledStats> {
    const records = this.#recordsOf(key)
    const nowMs = this.#nowMs()
    const over = [...records.values()].filter(({ expiresAtMs }) => expiresAtMs <= nowMs)
    if (over.length > 0) this.#letGo(records, over.map((record) => record.key))
    return records
  }

  #recordsOf(key: string): Map<string, FiledStats> {
    return this.#apps.get(appOf(key)) ?? new Map<string, FiledStats>()
  }

  /** In the place of what has its key, and behind all others. */
  #hold(records: Map<string, FiledStats>, record: FiledStats): void {
    const { key, bytes } = record
    const former = records.get(key)
    if (former !== undefined) this.#bytes -= sizeOf(former.bytes)
    records.delete(key)
    records.set(key, record)
    this.#apps.set(appOf(key), records)
    this.#bytes += sizeOf(bytes)
  }

  #letGo(records: Map<string, FiledStats>, keys: readonly string[]): void {
    for (const key of keys) {
      this.#bytes -= sizeOf(records.get(key)!.bytes)
      records.delete(key)
    }
    this.#file?.drop(keys)
  }
}

/** The embedded statistics as a worker thread sees them. */
export class PortStats implements StatsStore {
  readonly #store: StorePort<EmbeddedStats>

  constructor(port: MessagePort) {
    this.#store = new StorePort(port)
  }

  put(key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number): Promise<PutOutcome> {
    return this.#store.call('put', key, expectedSeq, ownBytes(bytes), ttlMs)
  }

  list(path: string, from: number): Promise<StatsRecords> {
    return this.#store.call('list', path, from)
  }

  names(path: string): Promise<readonly string[]> {
    return this.#store.call('names', path)
  }

  remove(key: string): Promise<boolean> {
    return this.#store.call('remove', key)
  }
}

function appOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

function sizeOf(bytes: Uint8Array): number {
  return bytes.byteLength + RECORD_OVERHEAD_BYTES
}
