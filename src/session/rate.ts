/**
 * A token bucket: so many frames in a second, the unused part of one second saved for bursts.
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

  /** Takes one token; false when there is none. */
  take(nowMs: number): boolean {
    const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + gained)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
