/** The named limits of what regions know of each other, which are a part of all limits. */

import { assert } from './assert.ts'

export const worldLimits = {
  /** A region says this often that it is there. */
  announceMs: 10_000,
  /** At most this often it says who is, however much changes, and whoever asks. */
  announceChangeMs: 1_000,
  /** Nodes that missed that ask within this; most of them are spared it by the first answer. */
  announceAskMs: 3_000,
  /** One that was not heard of for so long is out of the world, until it is heard again. */
  regionSilenceMs: 120_000,
  /** Without a roster its name is kept until it was silent for so long. */
  regionForgottenMs: 86_400_000,
  /** No clients are sent to one that was not heard of for so long. */
  regionAwayMs: 30_000,
  /** Regions that are heard at once, those of the same name too; of more nothing is kept. */
  worldRegionsMax: 32,
  /** What a region says of itself at once; more is not sent, and not listened to. */
  announcementBytesMax: 1_000_000,
  /** A name, a uid, a prefix or an address in it, in characters. */
  announcementTextMax: 512,
  /** Worker threads of one node; a view that names more is not believed. */
  workersPerNodeMax: 256
} as const

assert(
  worldLimits.regionSilenceMs > 3 * (worldLimits.announceMs + worldLimits.announceAskMs),
  'a lost word is no silence'
)
assert(
  worldLimits.regionAwayMs > 2 * (worldLimits.announceMs + worldLimits.announceAskMs) &&
    worldLimits.regionAwayMs < worldLimits.regionSilenceMs,
  'nor is it away because of one'
)
assert(worldLimits.regionForgottenMs > worldLimits.regionSilenceMs, 'who is silent is named')
assert(worldLimits.announceAskMs < worldLimits.announceMs, 'who missed something asks in time')
assert(worldLimits.announcementBytesMax < 1024 * 1024, 'it stays below NATS max_payload')
