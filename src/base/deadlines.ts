/**
 * All waiting of one machine, in one heap, so that the shell keeps exactly one real timer. A
 * deadline is cancelled by forgetting it: cancelled entries stay in the heap until they surface,
 * and the heap is rebuilt when they outnumber the living, so its size is bounded by twice those.
 */

import TinyQueue from 'tinyqueue'

/** A wait that was registered; give it to `cancel`. */
export interface Deadline {
  readonly atMs: number
  readonly order: number
  run: ((nowMs: number) => void) | undefined
}

/** Registered waits, earliest first, ties in order of registration (so runs are repeatable). */
export class Deadlines {
  #heap = new TinyQueue<Deadline>([], byTime)
  #order = 0
  #cancelledCount = 0

  /** Calls `run` in the first `fire` whose time has reached `atMs` (monotonic). */
  at(atMs: number, run: (nowMs: number) => void): Deadline {
    const deadline: Deadline = { atMs, order: this.#order++, run }
    this.#heap.push(deadline)
    return deadline
  }

  /** Forgets a deadline; one that ran or was cancelled already is ignored. */
  cancel(deadline: Deadline | undefined): void {
    if (deadline?.run === undefined) return
    deadline.run = undefined
    this.#cancelledCount++
    if (this.#cancelledCount > 64 && this.#cancelledCount * 2 > this.#heap.length) this.#rebuild()
  }

  /** The earliest living deadline's time, or Infinity. */
  nextMs(): number {
    this.#dropCancelled()
    return this.#heap.peek()?.atMs ?? Infinity
  }

  /** Runs everything due at `nowMs`; what these register for the past runs in the next call. */
  fire(nowMs: number): void {
    const fence = this.#order
    const later: Deadline[] = []
    for (;;) {
      this.#dropCancelled()
      const first = this.#heap.peek()
      if (first === undefined || first.atMs > nowMs) break
      this.#heap.pop()
      if (first.order >= fence) {
        later.push(first)
        continue
      }
      const run = first.run
      first.run = undefined
      run?.(nowMs)
    }
    for (const deadline of later) this.#heap.push(deadline)
  }

  /** How many waits are registered. */
  get size(): number {
    return this.#heap.length - this.#cancelledCount
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap.peek()!.run === undefined) {
      this.#heap.pop()
      this.#cancelledCount--
    }
  }

  #rebuild(): void {
    const living = this.#heap.data.filter((deadline) => deadline.run !== undefined)
    this.#heap = new TinyQueue(living, byTime)
    this.#cancelledCount = 0
  }
}

function byTime(a: Deadline, b: Deadline): number {
  return a.atMs - b.atMs || a.order - b.order
}
