/**
 * Idle sockets are beaten in turns: they sit in as many rows as there are seconds in a beat
 * interval, and one deadline a second serves one row, so that neither a deadline per socket is
 * held nor everybody served at once.
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'

const BEAT_ROWS = 12
const BEAT_STEP_MS = 1_000

export interface BeatsPorts<T> {
  readonly deadlines: Deadlines
  now(): Now
  /** Shows one that we live, or drops it. */
  beat(each: T, nowMs: number): void
}

export class Beats<T extends { readonly row: Set<T> }> {
  readonly #ports: BeatsPorts<T>
  readonly #rows: Set<T>[] = []
  #nextRow = 0
  #isBeating = false

  constructor(ports: BeatsPorts<T>) {
    this.#ports = ports
    for (let row = 0; row < BEAT_ROWS; row++) this.#rows.push(new Set())
  }

  /** The row of the next one, which is to be added when it is made. */
  nextRow(): Set<T> {
    return this.#rows[this.#nextRow++ % BEAT_ROWS]!
  }

  /** Beats it from now on, until it is taken out of its row. */
  add(each: T): void {
    each.row.add(each)
    if (!this.#isBeating) this.#beatLater(0)
  }

  #beatLater(rowNo: number): void {
    this.#isBeating = true
    const { deadlines, now, beat } = this.#ports
    deadlines.at(now().monoMs + BEAT_STEP_MS, (nowMs) => {
      for (const each of this.#rows[rowNo]!) beat(each, nowMs)
      this.#isBeating = this.#rows.some((row) => row.size > 0)
      if (this.#isBeating) this.#beatLater((rowNo + 1) % BEAT_ROWS)
    })
  }
}
