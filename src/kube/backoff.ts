/*
How long to wait before trying again: doubling, capped, and jittered downwards by up to half, so
that those who failed together do not come back together.
*/

export interface BackoffOptions {
  baseMs: number
  maxMs: number
}

/** The wait after the given number of failures (1 or more). `random` is 0 ≤ x < 1. */
export function backoffMs (
  options: BackoffOptions, failureCount: number, random: number
): number {
  // Beyond 2^30 the doubling has long met any cap; the bound keeps it from overflowing.
  const doublings = Math.min(failureCount - 1, 30)
  const wholeMs = Math.min(options.maxMs, options.baseMs * 2 ** doublings)
  return wholeMs * (1 - random / 2)
}
