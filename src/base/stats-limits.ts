/** The named limits of statistics (protocol section 17), which are a part of all limits. */

import { assert } from './assert.ts'

export const statsLimits = {
  /** Apps that a worker counts apart; of more it counts nothing. */
  statsAppsMax: 10_000,
  /** How often what was counted is written; a node that dies loses what came since. */
  statsFlushMs: 4_000,
  /** Writings of one worker under way; the others wait for them. */
  statsPutsMax: 256,
  /** A minute is written this long after its end; what is left then counts in the running one. */
  statsLateMs: 60_000,
  /** Who has not heard for so long that it was written goes on under another key. */
  statsDoubtMs: 60_000,
  /** A writing whose outcome nobody knows for so long is taken for done. */
  statsUndecidedMs: 3_600_000,
  /** So long after its end a minute is folded into its sheets. */
  statsFoldMs: 120_000,
  /** So long after that what was folded is let go. */
  statsTallyKeptMs: 60_000,
  /** Tallies that are folded at a time; the others wait for the next minute. */
  statsFoldsMax: 2_000,
  /** What nobody has folded is kept this long. */
  statsTallyMs: 2 * 24 * 3_600_000,
  /** How long statistics are kept, by the unit of their intervals, since they last changed. */
  statsKeptMs: {
    minute: 7 * 24 * 3_600_000,
    hour: 60 * 24 * 3_600_000,
    day: 2 * 366 * 24 * 3_600_000,
    month: 10 * 366 * 24 * 3_600_000
  },
  /** A minute is told to who listens this long after its end, and at most as long again. */
  statsTellMs: 6_000,
  /** Questions of other regions that a worker reads for at a time; others are asked again. */
  statsReadingsMax: 64,
  /** How long a node that ends may take to write what was counted. */
  statsLastMs: 3_000
} as const

assert(statsLimits.statsFlushMs < statsLimits.statsTellMs, 'a minute that is told was written')
assert(statsLimits.statsLateMs < statsLimits.statsFoldMs, 'what is folded is written no more')
assert(statsLimits.statsDoubtMs < statsLimits.statsFoldMs, 'who goes on writes what is not folded')
assert(
  statsLimits.statsUndecidedMs < statsLimits.statsKeptMs.minute,
  'what is written again after it was let go is known as folded'
)
