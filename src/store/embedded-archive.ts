/**
 * The archive of dev mode: a file of SQLite, or the memory of the process where none is named, in
 * the main thread, shared by all nodes and workers. Workers reach it over a MessagePort.
 *
 * An append is one transaction of the file's write-ahead log. At its bound it refuses; records go
 * when their time is over, and are not shown from then on.
 */

import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { MessagePort } from 'node:worker_threads'
import type { RecordOutcome, Shelf } from '../log/archive.ts'
import type { AppendOutcome, LogRecord, ReadOutcome } from '../log/port.ts'
import type { Archive } from '../node/ports.ts'
import { ownBytes, serveStore, StorePort } from './store-port.ts'

const PAGE_BYTES = 1024 * 1024
const FILE_BYTES_MAX = 8 * 1024 * 1024 * 1024
const MEMORY_BYTES_MAX = 512 * 1024 * 1024
const IN_MEMORY = ':memory:'
const PAGE_SIZE = 4_096
/** How often records whose time is over are let go. */
const SWEEP_MS = 60_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    shelf TEXT NOT NULL, seq INTEGER NOT NULL, endsAtMs INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (shelf, seq)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lasts (shelf TEXT PRIMARY KEY, seq INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS ends ON records (endsAtMs);`

type Statements = Readonly<
  Record<'highest' | 'last' | 'page' | 'add' | 'mark' | 'sweep' | 'trim', StatementSync>>

interface Row {
  readonly seq: number
  readonly bytes: Uint8Array
}

export class EmbeddedArchive implements Archive {
  readonly #file: DatabaseSync
  readonly #statements: Statements
  readonly #now: () => number
  #sweepAtMs = 0

  /** `path` names its file; `now` tells the time since the epoch. */
  constructor(
    path = IN_MEMORY, now: () => number = Date.now,
    bytesMax = path === IN_MEMORY ? MEMORY_BYTES_MAX : FILE_BYTES_MAX
  ) {
    this.#file = new DatabaseSync(path)
    this.#file.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA page_size = ${PAGE_SIZE}; PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_SIZE)};
      ${SCHEMA}`)
    this.#now = now
    this.#statements = {
      highest: this.#file.prepare('SELECT seq FROM lasts WHERE shelf = ?'),
      last: this.#file.prepare(
        'SELECT seq, bytes FROM records WHERE shelf = ? AND endsAtMs > ? ' +
          'ORDER BY seq DESC LIMIT 1'),
      page: this.#file.prepare(
        'SELECT seq, bytes FROM records WHERE shelf = ? AND seq >= ? AND endsAtMs > ? ' +
          'ORDER BY seq LIMIT ?'),
      add: this.#file.prepare(
        'INSERT INTO records (shelf, seq, endsAtMs, bytes) VALUES (?, ?, ?, ?)'),
      mark: this.#file.prepare('INSERT INTO lasts (shelf, seq) VALUES (?, ?) ' +
        'ON CONFLICT (shelf) DO UPDATE SET seq = excluded.seq'),
      sweep: this.#file.prepare('DELETE FROM records WHERE endsAtMs <= ?'),
      trim: this.#file.prepare('DELETE FROM records WHERE shelf = ? AND seq < ?')
    }
  }

  async last(shelf: Shelf): Promise<RecordOutcome> {
    return { kind: 'record', record: this.#last(shelf) }
  }

  async next(shelf: Shelf, from: number): Promise<RecordOutcome> {
    return { kind: 'record', record: this.#rows(shelf, from, 1)[0] }
  }

  async page(shelf: Shelf, from: number, countMax: number): Promise<ReadOutcome> {
    const rows = this.#rows(shelf, from, countMax + 1)
    const records: LogRecord[] = []
    for (let bytes = 0; records.length < rows.length && bytes < PAGE_BYTES;) {
      if (records.length === countMax) break
      const row = rows[records.length]!
      records.push(row)
      bytes += row.bytes.byteLength
    }
    return { kind: 'page', records, isEnd: records.length === rows.length }
  }

  async append(
    shelf: Shelf, expectedSeq: number, bytes: Uint8Array, keptMs: number
  ): Promise<AppendOutcome> {
    const key = keyOf(shelf)
    // As elsewhere: a shelf of which nothing is left expects 0 again.
    const lastSeq = this.#last(shelf)?.seq ?? 0
    if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
    const nowMs = this.#now()
    const seq = this.#highest(key) + 1
    try {
      this.#sweep(nowMs)
      this.#file.exec('BEGIN IMMEDIATE')
      this.#statements.add.run(key, seq, nowMs + keptMs, bytes)
      this.#statements.mark.run(key, seq)
      this.#file.exec('COMMIT')
      return { kind: 'appended', seq }
    } catch (error) {
      // SQLite undoes what was begun: nothing is stored.
      if (this.#file.isTransaction) this.#file.exec('ROLLBACK')
      return { kind: 'refused', reason: (error as Error).message }
    }
  }

  async trim(shelf: Shelf, below: number): Promise<void> {
    try {
      this.#statements.trim.run(keyOf(shelf), below)
    } catch {
      // It is let go with the next ones.
    }
  }

  close(): void {
    this.#file.close()
  }

  /** Answers the `PortArchive` behind `port` until the port closes. */
  serve(port: MessagePort): void {
    serveStore(this, port)
  }

  /** The highest sequence that was ever given out. */
  #highest(key: string): number {
    return (this.#statements.highest.get(key) as { seq: number } | undefined)?.seq ?? 0
  }

  #last(shelf: Shelf): Row | undefined {
    return this.#statements.last.get(keyOf(shelf), this.#now()) as Row | undefined
  }

  #rows(shelf: Shelf, from: number, countMax: number): Row[] {
    const rows = this.#statements.page.all(keyOf(shelf), from, this.#now(), countMax)
    return rows.map(({ seq, bytes }) => ({ seq: seq as number, bytes: bytes as Uint8Array }))
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepAtMs) return
    this.#sweepAtMs = nowMs + SWEEP_MS
    this.#statements.sweep.run(nowMs)
  }
}

/** The embedded archive as a worker thread sees it. */
export class PortArchive implements Archive {
  readonly #store: StorePort<Archive>

  constructor(port: MessagePort) {
    this.#store = new StorePort(port)
  }

  last(shelf: Shelf): Promise<RecordOutcome> {
    return this.#store.call('last', shelf)
  }

  next(shelf: Shelf, from: number): Promise<RecordOutcome> {
    return this.#store.call('next', shelf, from)
  }

  page(shelf: Shelf, from: number, countMax: number): Promise<ReadOutcome> {
    return this.#store.call('page', shelf, from, countMax)
  }

  append(
    shelf: Shelf, expectedSeq: number, bytes: Uint8Array, keptMs: number
  ): Promise<AppendOutcome> {
    return this.#store.call('append', shelf, expectedSeq, ownBytes(bytes), keptMs)
  }

  trim(shelf: Shelf, below: number): Promise<void> {
    return this.#store.call('trim', shelf, below)
  }
}

function keyOf({ channel, of }: Shelf): string {
  return `${of} ${channel}`
}
