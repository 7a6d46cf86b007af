/** The last words of a node's workers: each writes what it has counted before it is ended. */

import { limits } from '../base/limits.ts'
import type { Supervisor } from './supervisor.ts'

export class Flushing {
  readonly #supervisor: Supervisor
  readonly #awaited = new Set<number>()
  #onDone: () => void = () => undefined

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor
  }

  /** Resolves once every worker that listens has written what it counted, or after a bound. */
  async flush(): Promise<void> {
    for (const worker of this.#supervisor.listening) {
      this.#awaited.add(worker)
      this.#supervisor.tell(worker, { kind: 'flush' })
    }
    if (this.#awaited.size === 0) return
    await new Promise<void>((resolve) => {
      const bound = setTimeout(resolve, limits.statsLastMs)
      this.#onDone = () => {
        clearTimeout(bound)
        resolve()
      }
    })
  }

  onFlushed(worker: number): void {
    this.#awaited.delete(worker)
    if (this.#awaited.size === 0) this.#onDone()
  }
}
