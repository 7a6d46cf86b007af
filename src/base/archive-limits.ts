/** The bounds of history and its archive, as limits.ts has those of all else. */

import { assert } from './assert.ts'
import { limits } from './limits.ts'

export const archiveLimits = {
  /** Bytes of one page of history, by the sizes of its items; what is behind is on the next. */
  historyPageBytesMax: 4 * 1024 * 1024,
  /** Persisted channels take no publishes (50005) from this share of the archive's bytes on, or
   * of the account's, until it has fallen below the second: the rest is for the log. */
  archiveAdmissionShare: 0.7,
  archiveResumeShare: 0.65,
  /** What waits for the archive, per partition and per worker; above: publishes to persisted
   * channels are refused with 50005. */
  archiveWaitingBytesMax: 8 * 1024 * 1024,
  archiveWaitingBytesPerWorkerMax: 128 * 1024 * 1024,
  /** An archive that owes an answer for so long: the same. */
  archiveSilentMs: 2_000,
  /** Messages to a channel whose past the archive has not told yet; above: the same. */
  archiveEarlyMax: 1_000,
  /** Publications of one record of the archive, and their bytes; more wait for the next. */
  archiveRecordCountMax: 100,
  archiveRecordBytesMax: 128 * 1024,
  /** A record points back about a page: so many publications, or bytes, whichever is less. */
  archiveBackCount: 100,
  archiveBackBytes: 256 * 1024,
  /** Readings of the archive that one partition has under way; above: asked again, in turn. */
  archiveReadingsMax: 64,
  /** Another region that has missed something waits so long for a page of it from the archive;
   * then it is told that it is missing. */
  archiveHoleMs: 20_000
} as const

assert(archiveLimits.archiveResumeShare < archiveLimits.archiveAdmissionShare &&
  archiveLimits.archiveAdmissionShare < limits.logResumeShare, 'history stops nothing else')
assert(archiveLimits.archiveBackCount <= 256, 'a page holds what a record points back over')
