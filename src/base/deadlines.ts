/**
 * All waiting of one machine, in one heap, so that the shell keeps exactly one real timer. A
 * deadline is cancelled by forgetting it: cancelled entries stay in the heap until they surface,
 * and the heap is rebuilt when they outnumber the living, so its size is bounded by twice those.
 */

/** A wait that was registered; give it to `cancel`. */
export interface Deadline {
  readonly atMs: number
  readonly order: number
  run: ((nowMs: number) => void) | undefined
}

/** Registered waits, earliest first, ties in order of registration (so runs are repeatable). */
export class Deadlines {
  #heap: Deadline[] = []
  #order = 0
  #cancelledCount = 0

  /** Calls `run` in the first `fire` whose time has reached `atMs` (monotonic). */
  at(atMs: number, run: (nowMs: number) => void): Deadline {
    const deadline: Deadline = { atMs, order: this.#order++, run }
    this.#heap.push(deadline)
    this.#up(this.#heap.length - 1)
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
    return this.#heap[0]?.atMs ?? Infinity
  }

  /** Runs everything due at `nowMs`; what these register for the past runs in the next call. */
  fire(nowMs: number): void {
    const fence = this.#order
    const later: Deadline[] = []
    for (;;) {
      this.#dropCancelled()
      const first = this.#heap[0]
      if (first === undefined || first.atMs > nowMs) break
      this.#pop()
      if (first.order >= fence) {
        later.push(first)
        continue
      }
      const run = first.run
      first.run = undefined
      run?.(nowMs)
    }
    for (const deadline of later) {
      this.#heap.push(deadline)
      this.#up(this.#heap.length - 1)
    }
  }

  /** How many waits are registered. */
  get size(): number {
    return this.#heap.length - this.#cancelledCount
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) {
      this.#pop()
      this.#cancelledCount--
    }
  }

  #rebuild(): void {
    this.#heap = this.#heap.filter((deadline) => deadline.run !== undefined)
    this.#cancelledCount = 0
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#down(at)
  }

  #pop(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#down(0)
  }

  #up(at: number): void {
    const heap = this.#heap
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent]!, heap[at]!)) return
      ;[heap[parent], heap[at]] = [heap[at]!, heap[parent]!]
      at = parent
    }
  }

  #down(at: number): void {
    const heap = this.#heap
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      }
      if (least === at) return
      ;[heap[least], heap[at]] = [heap[at]!, heap[least]!]
      at = least
    }
  }
}

function before(a: Deadline, b: Deadline): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
