/**
 * A machine's clocks: a monotonic one that began at an arbitrary number and runs a little wrong,
 * and a wall clock that is off.
 */

import type { Now } from '../../src/base/clock.ts'
import type { World } from './world.ts'

/** Some day in 2026: the wall clock of the world's beginning. */
export const EPOCH_MS = 1_780_000_000_000

export interface ClockFault {
  /** How far the wall clock is off. */
  readonly skewMs: number
  /** How much faster the clocks run, as a share. */
  readonly drift: number
}

export class MachineClock {
  readonly #world: World
  readonly #rate: number
  readonly #monoZeroMs: number
  #skewMs: number

  constructor(world: World, fault: ClockFault, monoZeroMs: number) {
    this.#world = world
    this.#rate = 1 + fault.drift
    this.#skewMs = fault.skewMs
    this.#monoZeroMs = monoZeroMs
  }

  now(): Now {
    return { monoMs: this.#monoMs(), wallMs: this.wallMs() }
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#world.nowMs * this.#rate + this.#skewMs)
  }

  /** Sets the wall clock forward or back. */
  set(byMs: number): void {
    this.#skewMs += byMs
  }

  /** When, in the world's time, the monotonic clock will show `monoMs`. */
  worldAt(monoMs: number): number {
    const atMs = (monoMs - this.#monoZeroMs) / this.#rate
    // Rounding must not wake anybody before its time.
    return Math.max(this.#world.nowMs, atMs) + 1e-6
  }

  #monoMs(): number {
    return this.#monoZeroMs + this.#world.nowMs * this.#rate
  }
}
