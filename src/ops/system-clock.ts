/**
 * The real clocks.
 */

import type { Clock, Now } from '../base/clock.ts'

/** Monotonic time from the process's start, wall time in whole milliseconds. */
export const systemClock: Clock = {
  now(): Now {
    return { monoMs: performance.now(), wallMs: Date.now() }
  }
}
