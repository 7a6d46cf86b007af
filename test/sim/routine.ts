/** What somebody does again and again, at intervals that are drawn, from a start to a stop. */

import type { Random } from '../../src/base/random.ts'
import type { World } from './world.ts'

export class Routine {
  readonly #world: World
  readonly #random: Random
  readonly #pauseMs: number
  readonly #act: () => void
  #isOn = false

  /** `act` is done about every `pauseMs` of virtual time. */
  constructor(world: World, random: Random, pauseMs: number, act: () => void) {
    this.#world = world
    this.#random = random
    this.#pauseMs = pauseMs
    this.#act = act
  }

  start(): void {
    this.#isOn = true
    this.#goOn()
  }

  /** Nothing more is begun. */
  stop(): void {
    this.#isOn = false
  }

  #goOn(): void {
    this.#world.after(this.#random.jitter(this.#pauseMs, 0.9), () => {
      if (!this.#isOn) return
      this.#act()
      this.#goOn()
    })
  }
}
