/**
 * The ring object of dev mode, in memory, with the same compare-and-swap as the Kubernetes API's.
 */

import type { RingReading, RingWriting } from '../node/member-ports.ts'
import type { RingStore } from '../ops/member-pump.ts'
import type { View } from '../ring/view.ts'

/** One ring that several nodes of one process share. */
export class LocalRing implements RingStore {
  readonly #partitionCount: number
  #resourceVersion = 1
  #view: View | undefined

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount
  }

  async read(): Promise<RingReading> {
    const resourceVersion = String(this.#resourceVersion)
    const stored = { resourceVersion, partitionCount: this.#partitionCount, view: this.#view }
    return { outcome: 'found', stored }
  }

  async write(expected: string | undefined, view: View): Promise<RingWriting> {
    if (expected !== String(this.#resourceVersion)) return { outcome: 'conflict' }
    this.#view = view
    this.#resourceVersion++
    return { outcome: 'written', resourceVersion: String(this.#resourceVersion) }
  }
}
