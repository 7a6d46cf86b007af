/**
 * Statistics of dev mode: in the memory of the process's main thread, shared by all nodes and
 * workers like its log (store/embedded.ts), and gone with the process.
 */

import type { MessagePort } from 'node:worker_threads'
import type { StatsRecords, StatsStore } from '../node/ports.ts'
import type { PutOutcome, StatsRecord } from '../stats/port.ts'

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
    port.on('message', async ({ ticket, method, args }: Question) => {
      const ask = this[method] as (...args: readonly unknown[]) => Promise<unknown>
      port.postMessage({ ticket, value: await ask.apply(this, [...args]) } satisfies Answer)
    })
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

interface Question {
  readonly ticket: number
  readonly method: keyof StatsStore
  readonly args: readonly unknown[]
}

interface Answer {
  readonly ticket: number
  readonly value: unknown
}

/** The embedded statistics as a worker thread sees them. */
export class PortStats implements StatsStore {
  readonly #port: MessagePort
  readonly #open = new Map<number, (value: unknown) => void>()
  #ticket = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ ticket, value }: Answer) => {
      this.#open.get(ticket)?.(value)
      this.#open.delete(ticket)
    })
  }

  async put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome> {
    // A copy of just these bytes: a message takes the whole buffer that they are a part of.
    return await this.#ask('put', [key, expectedSeq, bytes.slice(), ttlMs]) as PutOutcome
  }

  async list(path: string, from: number): Promise<StatsRecords> {
    return await this.#ask('list', [path, from]) as StatsRecords
  }

  async names(path: string): Promise<readonly string[]> {
    return await this.#ask('names', [path]) as readonly string[]
  }

  async remove(key: string): Promise<boolean> {
    return await this.#ask('remove', [key]) as boolean
  }

  #ask(method: keyof StatsStore, args: readonly unknown[]): Promise<unknown> {
    const ticket = ++this.#ticket
    this.#port.postMessage({ ticket, method, args } satisfies Question)
    return new Promise((resolve) => this.#open.set(ticket, resolve))
  }
}

function appOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

function sizeOf(bytes: Uint8Array): number {
  return bytes.byteLength + RECORD_OVERHEAD_BYTES
}
