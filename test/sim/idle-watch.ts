/** A client's patience: a server that says nothing for too long is taken for gone. */

import type { Scheduled, World } from './world.ts'

const IDLE_EXTRA_MS = 10_000

export class IdleWatch {
  readonly #world: World
  #heardAtMs = 0
  #timer: Scheduled | undefined

  constructor(world: World) {
    this.#world = world
  }

  heard(): void {
    this.#heardAtMs = this.#world.nowMs
  }

  /** Calls back once after `idleMs`, and some more, without a word. */
  watch(idleMs: number, onSilence: () => void): void {
    this.stop()
    const dueMs = this.#heardAtMs + idleMs + IDLE_EXTRA_MS
    this.#timer = this.#world.at(dueMs, () => {
      if (this.#heardAtMs + idleMs + IDLE_EXTRA_MS > this.#world.nowMs) {
        this.watch(idleMs, onSilence)
      } else {
        onSilence()
      }
    })
  }

  stop(): void {
    this.#world.cancel(this.#timer)
  }
}
