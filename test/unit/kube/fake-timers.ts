/*
Time for tests: it stands still until it is moved on, and then fires what is due, in order.
*/
import type { Timers } from '../../../src/kube/timers.ts'

interface Waiting {
  dueAtMs: number
  delayMs: number
  callback: () => void
}

export class FakeTimers implements Timers {
  #nowMs = 0
  readonly #waiting = new Set<Waiting>()

  monotonicMs (): number { return this.#nowMs }

  wallMs (): number { return 1_700_000_000_000 + this.#nowMs }

  after (delayMs: number, callback: () => void): () => void {
    const entry = { dueAtMs: this.#nowMs + delayMs, delayMs, callback }
    this.#waiting.add(entry)
    return () => { this.#waiting.delete(entry) }
  }

  /** The delays asked for and not yet over, ascending. */
  delays (): number[] {
    return [...this.#waiting].map(({ delayMs }) => delayMs).sort((a, b) => a - b)
  }

  /** Moves time, letting everything each timer sets off settle before the next. */
  async advance (ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const [next] = [...this.#waiting].sort((a, b) => a.dueAtMs - b.dueAtMs)
      if (next === undefined || next.dueAtMs > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next.dueAtMs)
      this.#waiting.delete(next)
      next.callback()
      await settle()
    }
    this.#nowMs = endMs
  }

  /** Time passes while nothing runs: a paused or stalled process. */
  stall (ms: number): void { this.#nowMs += ms }
}

/** Lets promises that wait for nothing outside run to their end. */
export async function settle (): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await new Promise<void>(resolve => setImmediate(resolve))
  }
}

/** Waits for a state that the outside brings about; the test's own time limit is the bound. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>(resolve => setImmediate(resolve))
}
