/**
 * What parts of one worker say to each other: handled in the same turn, in the order in which it
 * was said, until nobody says anything.
 */

import { assert } from '../base/assert.ts'

/** Answers to answers; whoever goes on for longer never ends, and would take all memory. */
const ROUNDS_MAX = 1_000

export class Loop<T> {
  readonly #handle: (said: T) => void
  #said: T[] = []

  constructor(handle: (said: T) => void) {
    this.#handle = handle
  }

  push(said: T): void {
    this.#said.push(said)
  }

  run(): void {
    for (let round = 0; this.#said.length > 0; round++) {
      assert(round < ROUNDS_MAX, 'parts of a worker come to an end with each other')
      const said = this.#said
      this.#said = []
      for (const each of said) this.#handle(each)
    }
  }
}
