/**
 * An epoch numbers the masterships of one partition: (view version, attempt), each above any that
 * is in the partition's log (rules 2 and 9). Below both stands a salt that its claimant draws: a
 * log that was rolled back has forgotten which attempts were made, and who stands in one of those
 * must not be taken for standing in another one of the same number. It is one safe integer, so
 * that it compares as a number: 2^27 views of 65,536 attempts each.
 */

/** Salts are drawn below this. */
export const SALT_COUNT = 1_024
const ATTEMPT_COUNT = 65_536
const PER_VIEW = ATTEMPT_COUNT * SALT_COUNT

/** The epoch of the given view's `attempt`-th mastership. */
export function epochOf(viewVersion: number, attempt: number, salt = 0): number {
  return viewVersion * PER_VIEW + attempt * SALT_COUNT + salt
}

/** The view version inside an epoch. */
export function viewVersionOf(epoch: number): number {
  return Math.floor(epoch / PER_VIEW)
}

/** The epoch without its salt. */
export function unsalted(epoch: number): number {
  return epoch - (epoch % SALT_COUNT)
}

/** The lowest attempt of `viewVersion` that is above `last`, salted; attempts start at 1. */
export function nextEpoch(viewVersion: number, last: number, salt: number): number {
  return Math.max(epochOf(viewVersion, 1), unsalted(last) + SALT_COUNT) + salt
}
