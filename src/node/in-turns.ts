/**
 * Many things that one request asks for, a few at a time, so that one request cannot fill what all
 * of them share. Each has one result; they are handed on together, in order.
 */

import { limits } from '../base/limits.ts'

export class InTurns<Item, Result> {
  readonly #items: readonly Item[]
  readonly #run: (item: Item, onResult: (result: Result) => void) => void
  readonly #onAll: (results: readonly (Result | undefined)[]) => void
  readonly #results: (Result | undefined)[]
  #begunCount = 0
  #endedCount = 0
  #isBeginning = false
  #isOver = false

  /** `onAll` is called once; `run` calls back at most once for each item. */
  constructor(
    items: readonly Item[],
    run: (item: Item, onResult: (result: Result) => void) => void,
    onAll: (results: readonly (Result | undefined)[]) => void
  ) {
    this.#items = items
    this.#run = run
    this.#onAll = onAll
    this.#results = items.map(() => undefined)
  }

  begin(): void {
    this.#goOn()
  }

  /** Hands on what there is by now, with undefined for what has no result, and begins no more. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onAll(this.#results)
  }

  /** Hands on nothing, and begins no more; false if it was over before. */
  cancel(): boolean {
    const wasOver = this.#isOver
    this.#isOver = true
    return !wasOver
  }

  /** A result may come at once, so this is a loop and no recursion. */
  #goOn(): void {
    if (this.#isBeginning) return
    this.#isBeginning = true
    while (
      !this.#isOver && this.#begunCount < this.#items.length &&
      this.#begunCount - this.#endedCount < limits.questionsPerRequestMax
    ) {
      const at = this.#begunCount++
      this.#run(this.#items[at]!, (result) => this.#onResult(at, result))
    }
    this.#isBeginning = false
    if (this.#endedCount === this.#items.length) this.stop()
  }

  #onResult(at: number, result: Result): void {
    if (this.#isOver) return
    this.#endedCount++
    this.#results[at] = result
    this.#goOn()
  }
}
