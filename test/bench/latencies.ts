/**
 * Latencies by the million in bounded memory: a histogram whose buckets grow by 2%, which is then
 * also the error of what is read from it.
 */

const GROWTH = Math.log(1.02)
const BUCKET_COUNT = 1_000

export class Latencies {
  readonly #counts: number[]

  /** `counts`: what another histogram's `counts` were. */
  constructor(counts: readonly number[] = new Array<number>(BUCKET_COUNT).fill(0)) {
    this.#counts = [...counts]
  }

  get counts(): readonly number[] {
    return this.#counts
  }

  /** Takes in one latency; below a microsecond counts as one. */
  add(micros: number): void {
    const bucket = Math.floor(Math.log(Math.max(1, micros)) / GROWTH)
    this.#counts[Math.min(bucket, BUCKET_COUNT - 1)]!++
  }

  /** The latency, in ms, below which this share (0 to 1) of all lies; NaN without any. */
  quantileMs(share: number): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0)
    let left = total * share
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count
      if (count > 0 && left <= 0) return Math.exp((bucket + 0.5) * GROWTH) / 1000
    }
    return NaN
  }
}
