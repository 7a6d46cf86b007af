/**
 * Connections that this worker has claimed without ever hearing the outcome. The claim may be in
 * the log all the same, now or later, and then the register takes us for the holder. Whoever came
 * for the connection has no newer key and tries again elsewhere: we hold it for them, as a parked
 * session, as long as one (rule 20).
 *
 * Nothing is told when the time is up, so no deadline is kept: the old go when new ones come.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'

export class UnheardClaims {
  /** Until when, by connectionId; the oldest first. */
  readonly #untilMs = new Map<string, number>()
  readonly #countMax: number

  constructor(countMax: number = limits.unheardClaimsMax) {
    this.#countMax = countMax
  }

  get size(): number {
    return this.#untilMs.size
  }

  *sizes(): Generator<Size> {
    yield ['unheardClaimsMax', this.size]
  }

  /** A claim of this connection was given up at `nowMs`. */
  add(connectionId: string, nowMs: number): void {
    this.#untilMs.delete(connectionId)
    this.#untilMs.set(connectionId, nowMs + limits.connectionStateTtlMs)
    for (const [oldest, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size <= this.#countMax) return
      this.#untilMs.delete(oldest)
    }
  }

  /** The connection came to us after all. */
  delete(connectionId: string): void {
    this.#untilMs.delete(connectionId)
  }

  has(connectionId: string, nowMs: number): boolean {
    return (this.#untilMs.get(connectionId) ?? 0) > nowMs
  }
}
