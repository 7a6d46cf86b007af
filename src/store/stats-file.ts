/**
 * A file of SQLite in which the statistics of dev mode (embedded-stats.ts) outlive the process.
 * They are read once, at the start; from then on every change is written as it is made.
 */

import { DatabaseSync, type StatementSync } from 'node:sqlite'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stats (
    key TEXT PRIMARY KEY, seq INTEGER NOT NULL, expiresAtMs INTEGER NOT NULL, bytes BLOB NOT NULL
  ) WITHOUT ROWID;`

export interface FiledStats {
  readonly key: string
  readonly seq: number
  readonly bytes: Uint8Array
  readonly expiresAtMs: number
}

export class StatsFile {
  readonly #file: DatabaseSync
  readonly #put: StatementSync
  readonly #drop: StatementSync

  /** Throws an Error where `path` is no file of ours, or cannot be written. */
  constructor(path: string) {
    this.#file = new DatabaseSync(path)
    this.#file.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${SCHEMA}`)
    this.#put = this.#file.prepare(
      'INSERT OR REPLACE INTO stats (key, seq, expiresAtMs, bytes) VALUES (?, ?, ?, ?)')
    this.#drop = this.#file.prepare('DELETE FROM stats WHERE key = ?')
  }

  /** All that is there, in the order of its writing. */
  records(): readonly FiledStats[] {
    const rows = this.#file.prepare('SELECT * FROM stats ORDER BY seq').all()
    return rows.map(({ key, seq, bytes, expiresAtMs }) => ({
      key: key as string, seq: seq as number, bytes: bytes as Uint8Array,
      expiresAtMs: expiresAtMs as number
    }))
  }

  /** Writes a record over what has its key; false where that failed, as on a full disk. */
  put({ key, seq, bytes, expiresAtMs }: FiledStats): boolean {
    try {
      this.#put.run(key, seq, expiresAtMs, bytes)
      return true
    } catch {
      return false
    }
  }

  /** What cannot be taken out now is let go when its time is over, at a later start. */
  drop(keys: Iterable<string>): void {
    try {
      for (const key of keys) this.#drop.run(key)
    } catch {
      // As said.
    }
  }

  close(): void {
    this.#file.close()
  }
}
