/**
 * A token bucket: so many of something in a second, the unused part of one second saved for bursts.
 */

export class TokenBucket {
  readonly #perSecond: number
  readonly #tokensMax: number
  #tokens: number
  #filledAtMs: number

  /** Starts full. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#tokensMax = Math.max(1, perSecond)
    this.#tokens = this.#tokensMax
    this.#filledAtMs = nowMs
  }

  /** Takes tokens; false when there are not so many, or, of more than it ever has, not all. */
  take(nowMs: number, count = 1): boolean {
    const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + gained)
    this.#filledAtMs = nowMs
    if (this.#tokens < Math.min(count, this.#tokensMax)) return false
    this.#tokens -= count
    return true
  }
}
