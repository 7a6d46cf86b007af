/**
 * The bounds that hold in a run: many of the core's are never reached by so few clients in so short
 * a time, so seeds draw smaller ones.
 */

import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import type { Mix } from './mix.ts'

/** A run lasts some minutes: what becomes of each is to be seen in it. */
const STATS_LIMITS = {
  statsFlushMs: 2_000, statsTellMs: 3_000, statsLateMs: 8_000, statsDoubtMs: 6_000,
  statsFoldMs: 10_000, statsTallyKeptMs: 10_000
}

/** Bounds that few clients never come near to; in a tight run at most so much. */
const RARE_TIGHT = {
  backfillsPerClientMax: 2, earlyJoinsMax: 3, confirmingMax: 6, claimsWaitingMax: 2,
  metaEventsHeldMax: 4, togetherBytesMax: 500
}

/**
 * Regions here have few partitions, so planned moves take smaller steps. In a tight run some other
 * bounds of the core are so small that they are reached; in a short one logs are, so that
 * snapshots are written and tails trimmed all the time.
 */
export function drawLimits(seed: string, mix: Mix): void {
  const { isTight, isShort, isBrief, logRoomBytes, logRollbacks } = mix
  // A few channels can fill a stream then; else it is their own share that they meet.
  if (logRoomBytes % 2 === 0) Object.assign(limits, { partitionLogShare: 1 })
  const random = new Random(`${seed}/limits`)
  Object.assign(limits, { handoversPerView: 1 + random.below(3), ...STATS_LIMITS })
  if (isShort) {
    Object.assign(limits, {
      snapshotEveryBytes: 500 + random.below(4_000),
      snapshotChunkBytesMax: 150 + random.below(800),
      backlogPageBytesMax: 300 + random.below(2_000),
      tailMs: 6_000 + random.below(20_000)
    })
    Object.assign(limits, { quietMs: Math.floor(limits.tailMs / 4), quietToldAtOnce: 1 })
  }
  // Where nothing is rolled back, nobody may be refused because an epoch is forgotten.
  const ends = new Random(`${seed}/ends`)
  if (logRollbacks === 0) Object.assign(limits, { epochEndsMax: 1 + ends.below(4) })
  if (isBrief) Object.assign(limits, briefLimits(new Random(`${seed}/times`)))
  if (!isTight) return
  const comet = new Random(`${seed}/comet`)
  if (comet.below(2) === 0) {
    Object.assign(limits, {
      cometQueueBytesMax: 3_000 + comet.below(8_000),
      cometResponseBytesMax: 200 + comet.below(2_000),
      cometStreamBytesMax: 500 + comet.below(8_000)
    })
  }
  const crowd = new Random(`${seed}/crowd`)
  if (crowd.below(2) === 0) {
    Object.assign(limits, {
      admissionsPerStep: 1, admissionStepMs: 50 + crowd.below(2_000),
      admissionsWaitingMax: 1 + crowd.below(3)
    })
  }
  const tight = {
    unansweredPerClientMax: 3 + random.below(10),
    unansweredPerSessionMax: 2 + random.below(10),
    waitingEntriesBytesMax: 600 + random.below(2_000),
    appendBytesMax: 300 + random.below(2_000),
    linkBytesMax: 25_000 + random.below(30_000),
    batchBytesMax: 500 + random.below(2_000),
    socketQueueBytesMax: 2_000 + random.below(10_000),
    messagesPerSecondMax: 10 + random.below(40),
    presencePageMax: 1 + random.below(3),
    presencePageBytesMax: 250 + random.below(1_000),
    presenceMembersMax: 3 + random.below(5)
  }
  const rare = new Random(`${seed}/rare`)
  for (const [name, most] of Object.entries(RARE_TIGHT)) {
    if (rare.below(2) === 0) Object.assign(limits, { [name]: 1 + rare.below(most) })
  }
  // A socket that has room takes a page of what was missed on each channel.
  Object.assign(limits, { socketRoomBytes: 200 + random.fork('room').below(1_000) })
  for (const name of Object.keys(tight) as (keyof typeof tight)[]) {
    if (random.below(2) === 0) Object.assign(limits, { [name]: tight[name] })
  }
}

/**
 * Connections, ids and channels are kept so shortly that all end in a run. What must outlive what
 * does so by less than in production, for nothing here takes a minute; a connection lives no
 * shorter than the grace of its members, nor than its client takes to see that its socket is dead.
 */
function briefLimits(random: Random): Partial<Record<keyof typeof limits, number>> {
  const connectionStateTtlMs = 16_000 + random.below(8_000)
  const idKeptMs = connectionStateTtlMs + 30_000
  return { connectionStateTtlMs, idKeptMs, idleChannelMs: idKeptMs, tailMs: connectionStateTtlMs }
}
