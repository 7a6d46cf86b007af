/**
 * When a client asks its master to be let in. It asks again where it is not answered, each time
 * after twice as long; and where it is told to although it was let in, but then no sooner than
 * after the first of these pauses: a master that has no room for what it was asked would be asked
 * without end, least of all by a client of its own worker, whose answers come within the turn.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'

const JITTER = 0.3

/** The longest that one waits for an answer before it asks again, in ms. */
export function joinWaitMaxMs(): number {
  return limits.joinRetryMaxMs * (1 + JITTER)
}

export interface JoiningPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  nowMs(): number
  /** Asks, having called `begin`. */
  join(): void
}

export class Joining {
  readonly #ports: JoiningPorts
  #no = 0
  #pauseMs: number = limits.joinRetryMs
  #waitMs = 0
  #letInAtMs = -Infinity
  #wait: Deadline | undefined

  constructor(ports: JoiningPorts) {
    this.#ports = ports
  }

  /** The number of the last Join. */
  get no(): number {
    return this.#no
  }

  /** So long an answer to it may take; then another one is said. */
  get waitMs(): number {
    return this.#waitMs
  }

  /** One is said, of the number that is returned. */
  begin(): number {
    const { deadlines, random, nowMs } = this.#ports
    this.stop()
    this.#waitMs = random.jitter(this.#pauseMs, JITTER)
    this.#wait = deadlines.at(nowMs() + this.#waitMs, () => this.#ports.join())
    this.#pauseMs = Math.min(this.#pauseMs * 2, limits.joinRetryMaxMs)
    return ++this.#no
  }

  /** It was answered. */
  letIn(): void {
    this.stop()
    this.#pauseMs = limits.joinRetryMs
    this.#letInAtMs = this.#ports.nowMs()
  }

  /** Somebody else may be there to answer: asks now. */
  anew(): void {
    this.#pauseMs = limits.joinRetryMs
    this.#ports.join()
  }

  /** It was let in, and is told to ask again: now, or soon. */
  again(): void {
    if (this.#wait !== undefined) return
    const fromMs = this.#letInAtMs + limits.joinRetryMs
    if (this.#ports.nowMs() >= fromMs) this.anew()
    else this.#wait = this.#ports.deadlines.at(fromMs, () => this.anew())
  }

  stop(): void {
    this.#ports.deadlines.cancel(this.#wait)
    this.#wait = undefined
  }
}
