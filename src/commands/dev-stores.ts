/**
 * What a region of dev mode keeps, in the memory of the process; apps, persisted messages and
 * statistics in a file where one is named, so that they outlive it. Its log never does: what is
 * not persisted is gone with the process, and whoever comes back is told so.
 */

import { chmodSync } from 'node:fs'
import { totalmem } from 'node:os'
import { AppsFile } from './apps-file.ts'
import { EmbeddedArchive } from '../store/embedded-archive.ts'
import { EmbeddedStats } from '../store/embedded-stats.ts'
import { EmbeddedLog } from '../store/embedded.ts'
import { StatsFile } from '../store/stats-file.ts'

/** Of the machine's memory, for the log of the whole region; above, publishes are refused. */
const LOG_MEMORY_SHARE = 0.25
/** The statistics of all apps; above, nothing more is kept of them. */
const STATS_BYTES_MAX = 256 * 1024 * 1024
/** The file has the secrets of keys. */
const OWNER_ONLY = 0o600

export interface DevStoreOptions {
  /** The file of apps, persisted messages and statistics; absent: they are kept in memory. */
  readonly dataFile?: string
  /** What may be kept of messages; absent: much in a file, less in memory. */
  readonly historyBytesMax?: number
}

export interface DevStores {
  readonly log: EmbeddedLog
  readonly archive: EmbeddedArchive
  readonly stats: EmbeddedStats
  /** The apps of former times, where there is a file. */
  readonly appsFile?: AppsFile
  close(): void
}

/** Opens everything; throws an Error that names the file if that is none of ours. */
export function openDevStores({ dataFile, historyBytesMax }: DevStoreOptions): DevStores {
  const log = new EmbeddedLog(Math.floor(totalmem() * LOG_MEMORY_SHARE))
  try {
    const archive = new EmbeddedArchive(dataFile, Date.now, historyBytesMax)
    const filed = dataFile === undefined ? undefined : filedIn(dataFile)
    const stats = new EmbeddedStats(STATS_BYTES_MAX, Date.now, filed?.stats)
    const close = (): void => {
      archive.close()
      stats.close()
      filed?.apps.close()
    }
    return { log, archive, stats, ...filed && { appsFile: filed.apps }, close }
  } catch (error) {
    throw new Error(`--data-file ${dataFile}: ${(error as Error).message}`, { cause: error })
  }
}

function filedIn(path: string): { readonly stats: StatsFile, readonly apps: AppsFile } {
  chmodSync(path, OWNER_ONLY)
  return { stats: new StatsFile(path), apps: new AppsFile(path) }
}
