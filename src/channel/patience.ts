/**
 * How long publishers wait for the outcome of what another region has to have: not so long that
 * they would be given up by their own connection. One deadline for all of them, in order.
 */

import { limits } from '../base/limits.ts'
import { Queue } from '../base/queue.ts'
import type { Taken, Waiter } from './dedupe.ts'

interface Waiting {
  readonly untilMs: number
  /** Undefined: it is answered. */
  waiter: Waiter | undefined
}

export interface PatiencePorts {
  later(afterMs: number, run: (nowMs: number) => void): void
}

export class Patience {
  readonly #ports: PatiencePorts
  readonly #waiting = new Queue<Waiting>()
  #isLooking = false

  constructor(ports: PatiencePorts) {
    this.#ports = ports
  }

  /** The waiter, which is told once, and in time: of nothing, where nothing is known by then. */
  bounded(waiter: Waiter, nowMs: number): Waiter {
    this.#forgetAnswered()
    const waiting: Waiting = { untilMs: nowMs + limits.uncopiedAnswerMs, waiter }
    this.#waiting.push(waiting)
    this.#look(nowMs)
    return (taken) => answer(waiting, taken)
  }

  #look(nowMs: number): void {
    const first = this.#waiting.peek()
    if (first === undefined || this.#isLooking) return
    this.#isLooking = true
    this.#ports.later(Math.max(0, first.untilMs - nowMs), (atMs) => {
      this.#isLooking = false
      this.#giveUp(atMs)
    })
  }

  #giveUp(nowMs: number): void {
    for (;;) {
      this.#forgetAnswered()
      const first = this.#waiting.peek()
      if (first === undefined || first.untilMs > nowMs) break
      answer(first, undefined)
    }
    this.#look(nowMs)
  }

  #forgetAnswered(): void {
    for (;;) {
      const first = this.#waiting.peek()
      if (first === undefined || first.waiter !== undefined) return
      this.#waiting.shift()
    }
  }
}

/** Lets go of the waiter, which knows all that its publish says. */
function answer(waiting: Waiting, taken: Taken | undefined): void {
  const { waiter } = waiting
  waiting.waiter = undefined
  waiter?.(taken)
}
