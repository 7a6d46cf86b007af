/**
 * Statistics of dev mode: in the memory of the process's main thread, shared by all nodes and
 * workers like its log (store/embedded.ts), and gone with the process.
 */

import type { MessagePort } from 'node:worker_threads'
import type { StatsRecords, StatsStore } from '../node/ports.ts'
import type { PutOutcome, StatsRecord } from '../stats/port.ts'
import { ownBytes, serveStore, StorePort } from './store-port.ts'

const PAGE_RECORDS = 256
/** What a record takes besides its bytes, about. */
const RECORD_OVERHEAD_BYTES = 200

interface Kept extends StatsRecord {
  readonly expiresAtMs: number
}

export class EmbeddedStats implements StatsStore {
  /** By app, then by key, in order of `seq`. */
  readonly #apps = new Map<string, Map<string, Kept>>()
  readonly #bytesMax: number
  readonly #nowMs: () => number
  #bytes = 0
  #seq = 0

  /** Holds at most `bytesMax`; above it refuses. */
  constructor(bytesMax: number, nowMs: () => number = Date.now) {
    this.#bytesMax = bytesMax
    this.#nowMs = nowMs
  }

  async put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome> {
    const former = this.#living(key).get(key)
    if ((former?.seq ?? 0) !== expectedSeq) return { kind: 'conflict', lastSeq: former?.seq ?? 0 }
    const more = sizeOf(bytes) - (former === undefined ? 0 : sizeOf(former.bytes))
    if (more > 0 && this.#bytes + more > this.#bytesMax) return { kind: 'refused' }
    const records = this.#living(key)
    const seq = ++this.#seq
    records.delete(key)
    records.set(key, { key, seq, bytes, expiresAtMs: this.#nowMs() + ttlMs })
    this.#apps.set(appOf(key), records)
    this.#bytes += more
    return { kind: 'written', seq }
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
    const gone = records.get(key)
    if (gone !== undefined) this.#bytes -= sizeOf(gone.bytes)
    records.delete(key)
    return true
  }

  /** The app is gone, and everything of it. */
  forget(appId: string): void {
    for (const { bytes } of this.#apps.get(appId)?.values() ?? []) this.#bytes -= sizeOf(bytes)
    this.#apps.delete(appId)
  }

  /** Answers the `PortStats` behind `port` until the port closes. */
  serve(port: MessagePort): void {
    serveStore(this, port)
  }

  #below(path: string): Kept[] {
    const records = this.#living(path)
    if (!path.endsWith('/')) {
      const record = records.get(path)
      return record === undefined ? [] : [record]
    }
    return [...records.values()].filter(({ key }) => key.startsWith(path))
  }

  /** The app's records, without those whose time is over. */
  #living(key: string): Map<string, Kept> {
    const records = this.#apps.get(appOf(key)) ?? new Map<string, Kept>()
    const nowMs = this.#nowMs()
    for (const { key: each, bytes, expiresAtMs } of records.values()) {
      if (expiresAtMs > nowMs) continue
      records.delete(each)
      this.#bytes -= sizeOf(bytes)
    }
    return records
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
