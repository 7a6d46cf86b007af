/*
Time, as an argument. Everything in this room that waits or measures takes these, so that tests
turn hours into microseconds and never sleep.
*/

export interface Timers {
  /** Milliseconds that never jump: the only clock durations are measured with. */
  monotonicMs (): number
  /** Milliseconds since 1970: only ever a value written into an object or a metric. */
  wallMs (): number
  /** Calls back once, after the delay. Returns the cancellation, harmless when called late. */
  after (delayMs: number, callback: () => void): () => void
}

export const systemTimers: Timers = Object.freeze({
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  }
})
