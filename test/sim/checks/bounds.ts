/**
 * Everything that grows is bounded (rule 25), and nothing leaks: what workers hold follows from
 * who is there, at every moment, and is nothing when everybody has left.
 */

import { limits } from '../../../src/base/limits.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { WorkerThread } from '../worker.ts'
import type { Check } from './check.ts'

/** Deadlines of a part, at most; what a worker has besides. */
const DEADLINES_PER_PART = 4
const DEADLINES_BESIDES = 16

export class Bounds implements Check {
  readonly #region: Region

  constructor(region: Region) {
    this.#region = region
  }

  onTick(): void {
    for (const thread of this.#threads()) this.#checkThread(thread)
  }

  onEmpty(): void {
    const [first] = this.leftovers()
    if (first !== undefined) throw new Violation('leak', first)
  }

  /** What workers hold, in words, that nobody should who has nobody to serve. */
  leftovers(): string[] {
    return this.#threads().flatMap(({ life, worker, outbox }) => {
      const { partitions: _, deadlines: __, ...counts } = worker.counts()
      const left = { ...counts, tickets: outbox.openTicketCount }
      return Object.entries(left).filter(([, count]) => count > 0)
        .map(([what, count]) => `${life} still has ${count} ${what}`)
    })
  }

  #threads(): WorkerThread[] {
    return this.#region.running.flatMap(({ life }) =>
      (life?.threads ?? []).flatMap((thread) => thread ?? []))
  }

  #checkThread({ life, worker, outbox }: WorkerThread): void {
    const { nodeCount, workers, partitionCount } = this.#region.options
    const counts = worker.counts()
    const places = this.#placesEver(nodeCount * workers)
    const parts = counts.connections + counts.attachments + counts.groups + counts.clients +
      counts.partitions + counts.requests + counts.comet + 2 * places
    const bounds = {
      deadlines: [counts.deadlines, DEADLINES_BESIDES + DEADLINES_PER_PART * parts],
      unconfirmedBytes: [counts.unconfirmedBytes, places * (limits.linkBytesMax + 4_096)],
      partitions: [counts.partitions, partitionCount],
      tickets: [outbox.openTicketCount, 3 * partitionCount]
    } as const
    for (const [what, [count, max]] of Object.entries(bounds)) {
      if (count > max) throw new Violation('bounds', `${life} has ${count} ${what}, at most ${max}`)
    }
  }

  /** Places that are, and some that were a moment ago. */
  #placesEver(count: number): number {
    return 3 * count
  }
}
