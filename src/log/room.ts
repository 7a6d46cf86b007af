/**
 * What room there is behind the partitions' logs (rule 6). A log that is full to the last byte
 * could never be trimmed, since a trim needs a snapshot first; so publishes are admitted up to a
 * share of the bytes only, and the rest is for Epochs, claims and snapshots. And since partitions
 * share streams, none may take more than its share of one.
 */

import { archiveLimits } from '../base/archive-limits.ts'
import { limits } from '../base/limits.ts'

/** Bytes that are taken, and how many there may be; Infinity: nobody has said. */
export interface Filled {
  readonly bytes: number
  readonly bytesMax: number
}

/** What a region's log takes, one copy of it counted. */
export interface LogFill {
  /** Partition p is in stream p modulo their number. */
  readonly streams: readonly Filled[]
  /**
   * All that the account of the log stores, other things of it too; or the log and the archive of
   * what is configured for them, if that is fuller.
   */
  readonly account: Filled
  /** What is kept of persisted channels, all of it. */
  readonly archive?: Filled
}

/** What masters have to know of it. */
export interface LogRoom {
  /** By stream: admission has stopped. */
  readonly isFull: readonly boolean[]
  /** What the log of one partition may hold besides its last snapshot. */
  readonly partitionBytesMax: number
  /** The archive takes nothing more: what is left is for the log. */
  readonly isArchiveFull?: boolean
}

/** As long as nobody has looked. */
export const ampleRoom: LogRoom = {
  isFull: [], partitionBytesMax: limits.partitionLogBytesMax
}

/**
 * The room that `fill` leaves. A stream that was full in `former` is full until it has fallen
 * below a lower mark, so that admission does not stop and start with every trim.
 */
export function roomOf({ streams, account, archive }: LogFill, former: LogRoom): LogRoom {
  const isFull = streams.map((stream, index) => {
    const wasFull = former.isFull.length === streams.length && former.isFull[index]!
    const mark = wasFull ? limits.logResumeShare : limits.logAdmissionShare
    return shareOf(stream) >= mark || shareOf(account) >= mark
  })
  const streamBytesMax = streams.map(({ bytesMax }) => bytesMax)
  const smallest = Math.min(...streamBytesMax, account.bytesMax / Math.max(1, streams.length))
  const share = Math.floor(smallest * limits.partitionLogShare)
  const partitionBytesMax = Math.min(limits.partitionLogBytesMax, share)
  const mark = former.isArchiveFull === true ? archiveLimits.archiveResumeShare
    : archiveLimits.archiveAdmissionShare
  const isArchiveFull = archive !== undefined &&
    (shareOf(archive) >= mark || (archive.bytes > 0 && shareOf(account) >= mark))
  return { isFull, partitionBytesMax, ...(isArchiveFull ? { isArchiveFull } : {}) }
}

/** How full the fullest part of the log is: 1 is to the last byte, 0 where there is no bound. */
export function fullestShare({ streams, account }: LogFill): number {
  return Math.max(shareOf(account), ...streams.map(shareOf))
}

/** The one of which the greater share is taken; `first` if neither is fuller. */
export function fullerOf(first: Filled, second: Filled): Filled {
  return shareOf(second) > shareOf(first) ? second : first
}

/** True if the stream of the partition takes no publishes at present. */
export function isFullFor(partition: number, { isFull }: LogRoom): boolean {
  return isFull.length > 0 && isFull[partition % isFull.length]!
}

function shareOf({ bytes, bytesMax }: Filled): number {
  return bytesMax === Infinity ? 0 : bytes / Math.max(1, bytesMax)
}
