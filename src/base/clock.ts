/**
 * Time is a value handed in. Elapsed time is measured on the monotonic clock only; wall time is
 * only ever written into messages (timestamps, serials), so that a clock that is set back can
 * neither fire nor delay a deadline.
 */

/** One reading of both clocks, taken by the shell once per turn. */
export interface Now {
  /** Milliseconds on a clock that never goes back; its zero means nothing. */
  readonly monoMs: number
  /** Milliseconds since the Unix epoch, an integer. */
  readonly wallMs: number
}

/** Where the shell reads time. The core never holds one; it is handed a Now. */
export interface Clock {
  now(): Now
}
