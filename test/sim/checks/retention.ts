/**
 * How long the log and its masters have to keep what was published (rule 6): for a time, and up to
 * some bytes of the channel and of its partition's log. A master that takes over has what the log
 * still holds.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { limits } from '../../../src/base/limits.ts'
import type { Committed } from '../committed.ts'
import type { Region } from '../region.ts'

/** Clocks run a little wrong: what is this near to the retention may be gone or not. */
export const RETENTION_SLACK = 0.97
/** A record takes a little more than its bytes. */
const BYTES_SLACK = 0.8

/**
 * Why the first of these may be gone by now, or undefined; `rest` is everything of its channel from
 * it on.
 */
export function whyLetGo(
  { ledger, log, options, world }: Region, rest: readonly Committed[]
): string | undefined {
  const [oldest] = rest
  if (oldest === undefined) return undefined
  if (world.nowMs - oldest.atMs > limits.tailMs * RETENTION_SLACK) return 'too long ago'
  // The share of a partition in its stream is bounded, whichever of its channels fill it. What the
  // log still holds every master has.
  const share = log.streamBytesLeast * limits.partitionLogShare
  const partitionBytesMax = Math.min(limits.partitionLogBytesMax, share)
  const partitionBytes = ledger.bytesFrom(oldest.channel, oldest.entry)
  const records = log.recordsOf(partitionOf(oldest.channel, options.partitionCount))
  const isTrimmed = records.every(({ seq }) => seq !== oldest.logSeq)
  if (isTrimmed && partitionBytes > partitionBytesMax * BYTES_SLACK) {
    return 'too much for its stream'
  }
  const bytes = rest.reduce((sum, each) => sum + each.bytes + 200, 0)
  return bytes > limits.tailBytesMax ? 'too much' : undefined
}

/**
 * True for a channel that may have been let go after this place: it was born again above all that
 * its partition had let go, and nobody knows what of that was the channel's.
 */
export function wasLetGo(
  { ledger, world }: Region, lineage: string, key: string, seq: number
): boolean {
  const last = ledger.at(lineage, key, seq)
  const next = ledger.after(lineage, key, seq)
  const idleMs = (next?.atMs ?? world.nowMs) - (last?.atMs ?? Infinity)
  return idleMs > limits.idleChannelMs * RETENTION_SLACK
}
