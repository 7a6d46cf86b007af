/** At most so many tasks under way; the others wait in order, and above a bound are turned away. */

import { Queue } from '../base/queue.ts'

export class Gate {
  readonly #underWayMax: number
  readonly #waitingMax: number
  readonly #waiting = new Queue<() => void>()
  #underWay = 0

  constructor(underWayMax: number, waitingMax: number) {
    this.#underWayMax = underWayMax
    this.#waitingMax = waitingMax
  }

  /** Runs `task` when it is its turn; undefined if too many wait. */
  async run<T>(task: () => Promise<T>): Promise<T | undefined> {
    if (this.#underWay >= this.#underWayMax) {
      if (this.#waiting.length >= this.#waitingMax) return undefined
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#underWay++
    }
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }
}
