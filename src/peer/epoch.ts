/**
 * An epoch numbers the masterships of one partition: (view version, attempt), each above any that
 * is in the partition's log (rules 2 and 9). It is one safe integer, so that it compares as a
 * number: 2^37 views of 65,536 attempts each.
 */

const ATTEMPT_COUNT = 65536

/** The epoch of the given view's `attempt`-th mastership. */
export function epochOf(viewVersion: number, attempt: number): number {
  return viewVersion * ATTEMPT_COUNT + attempt
}

/** The view version inside an epoch. */
export function viewVersionOf(epoch: number): number {
  return Math.floor(epoch / ATTEMPT_COUNT)
}

/** The lowest epoch of `viewVersion` that is above `last`; attempts start at 1. */
export function nextEpoch(viewVersion: number, last: number): number {
  return Math.max(epochOf(viewVersion, 1), last + 1)
}
