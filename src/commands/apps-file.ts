/**
 * A file of SQLite in which the apps of dev mode outlive the process, with their keys: without
 * these nobody could read what was kept of them.
 */

import { DatabaseSync } from 'node:sqlite'
import { deserialize, serialize } from 'node:v8'
import type { AppConfig } from '../auth/app.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS apps (
    no INTEGER PRIMARY KEY AUTOINCREMENT, appId TEXT NOT NULL UNIQUE, app BLOB NOT NULL
  );`

export class AppsFile {
  readonly #file: DatabaseSync

  /** Throws an Error where `path` is no file of ours, or cannot be written. */
  constructor(path: string) {
    this.#file = new DatabaseSync(path)
    this.#file.exec(`PRAGMA journal_mode = WAL; ${SCHEMA}`)
  }

  /** The apps that are there, the first one first. */
  apps(): readonly AppConfig[] {
    const rows = this.#file.prepare('SELECT app FROM apps ORDER BY no').all()
    return rows.map(({ app }) => deserialize(app as Uint8Array) as AppConfig)
  }

  /** Keeps an app, in the place of the one that has its id. */
  put(app: AppConfig): void {
    this.#file.prepare('INSERT INTO apps (appId, app) VALUES (?, ?) ' +
      'ON CONFLICT (appId) DO UPDATE SET app = excluded.app').run(app.appId, serialize(app))
  }

  drop(appId: string): void {
    this.#file.prepare('DELETE FROM apps WHERE appId = ?').run(appId)
  }

  close(): void {
    this.#file.close()
  }
}
