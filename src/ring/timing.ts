/**
 * The durations and bounds of membership in one place, checked against each other, since they
 * only make sense together: a node that dies silently is out of the view about three seconds
 * later (silence, a failed probe, a moment to see whether others fell silent too).
 */

import { assert } from '../base/assert.ts'
import { limits } from '../base/limits.ts'

/** Steps in which one of two nodes hands over its share of 4,096 partitions. */
const HALF_A_RING = 2_048 / limits.handoversPerView

export interface Timing {
  /** How often a member tells its watchers that it lives. */
  readonly beatMs: number
  /** Beats missed this long are silence: the watcher probes. */
  readonly silenceMs: number
  /** From a silence's first report to a removal: it shows how many others are silent. */
  readonly suspectSettleMs: number
  /** A watcher says its suspicions again this often, and probes again. */
  readonly suspicionRepeatMs: number
  /** Suspicions not said again for this long are void. */
  readonly suspicionKeptMs: number
  /** Silences that begin within this long of each other are silences at once (rule 8). */
  readonly atOnceMs: number
  /** How often candidates, joining and leaving nodes speak up. */
  readonly helloMs: number
  /** A candidate not heard for this long is none. */
  readonly helloKeptMs: number
  /** A member whose pod was never in the API's list, for this long: the pods are listed anew. */
  readonly podUnseenMs: number
  /** The proposer of rank r waits r times this long. */
  readonly proposeDelayMs: number
  /**
   * Who is listed still, this long after there was evidence against it, is believed gone all the
   * same: the view cannot be written (rule 10).
   */
  readonly unwrittenMs: number
  /** Joins wait this long, so that nodes that start together are taken in together. */
  readonly joinSettleMs: number
  /** A view asked for and not got is asked for again, of the next who has it. */
  readonly pullRetryMs: number
  /** A failed read or write of the ring is tried again, at first after this long. */
  readonly ringRetryMs: number
  readonly ringRetryMaxMs: number
  /** A write without an answer has happened this much later, or never does. */
  readonly ringDoubtMs: number
  /** The ring is read this often even if nothing seems wrong. */
  readonly ringRefreshMs: number
  /** Beats unacknowledged, or listed members unheard, this long: ask peers' private ports. */
  readonly cutOffMs: number
  /** A deadline met later than this: the process stood still, and what it believes is old. */
  readonly lateMs: number
  /** A step of planned moves waits for its receivers at most this long. */
  readonly handoverMs: number
  /** Leaving takes at most this long. */
  readonly drainMs: number
  /** Tombstones outlive what any session can still ask about a dead home (scenario D3). */
  readonly tombstoneKeptMs: number
}

export const defaultTiming: Timing = Object.freeze({
  beatMs: 500,
  silenceMs: 2_000,
  suspectSettleMs: 500,
  suspicionRepeatMs: 1_000,
  suspicionKeptMs: 3_000,
  atOnceMs: 10_000,
  helloMs: 500,
  helloKeptMs: 2_500,
  podUnseenMs: 3_000,
  proposeDelayMs: 1_000,
  unwrittenMs: 3_000,
  joinSettleMs: 150,
  pullRetryMs: 500,
  ringRetryMs: 500,
  ringRetryMaxMs: 10_000,
  ringDoubtMs: 60_000,
  ringRefreshMs: 60_000,
  cutOffMs: 5_000,
  lateMs: 2_000,
  handoverMs: 500,
  drainMs: 20_000,
  tombstoneKeptMs: 600_000
})

export const ringLimits = Object.freeze({
  /** How many watch each member; fewer where there are fewer. */
  watchersPerMember: 3,
  /** Members of one view; more candidates wait. */
  membersMax: 1_000,
  /** Tombstones of one view; above, the oldest are let go early: the logs fence anyway. */
  tombstonesMax: 1_000,
  /** Candidates remembered; above, further ones are not heard until some are forgotten. */
  candidatesMax: 2_000,
  /** Former views kept to answer pulls with deltas. */
  formerViewsMax: 8,
  /** Private ports asked at once when a node wonders whether it is cut off. */
  askedPeersMax: 3
})

export type RingLimitName = keyof typeof ringLimits

/** Asserts that the durations agree with each other. */
export function checkTiming(timing: Timing): void {
  assert(timing.silenceMs >= 3 * timing.beatMs, 'two lost beats are no silence')
  assert(timing.suspicionKeptMs > 2 * timing.suspicionRepeatMs, 'a lost suspicion voids nothing')
  assert(
    timing.atOnceMs >= 2 * (timing.silenceMs + timing.suspicionKeptMs),
    'an outage is seen whole before any of it is long ago'
  )
  assert(timing.helloKeptMs > 3 * timing.helloMs, 'two lost hellos lose no candidate')
  assert(timing.unwrittenMs > 2 * timing.proposeDelayMs, 'three proposers have their turn first')
  assert(timing.cutOffMs > timing.silenceMs, 'others notice a cut-off node before it gives up')
  assert(
    timing.drainMs >= HALF_A_RING * timing.handoverMs,
    'half of a ring leaves within the drain, though each step takes as long as it may'
  )
  assert(timing.tombstoneKeptMs >= 600_000, 'tombstones are kept ten minutes (rule 7)')
}
