/**
 * Who claims a partition again after the log has deposed it (rule 2). Two workers of one view that
 * each take the other for dead would depose each other at every Join, for as long as no newer view
 * says who is right. So the view decides by the order in which it names the partition's owners:
 *
 * - who is named before the one that deposed it goes first: after a short pause, and after longer
 *   ones when it is deposed again;
 * - the other waits for a newer view. It waits for no longer than a named time, for whoever deposed
 *   it may have died of it, and with the API away (rule 10) no view would ever say so.
 *
 * It keeps a few numbers per partition, and those until the next view.
 */

import type { Random } from '../base/random.ts'
import type { EpochEntry } from '../log/entry.ts'
import type { Mastership } from './mastership.ts'

/** Who goes first pauses so long, and twice as long each time. */
const AGAIN_FIRST_MS = 50
const AGAIN_MAX_MS = 2_000
/** Who waits for a newer view does so for this long, and twice as long each time: at first for
 * less than an attach waits for its answer. */
const REST_FIRST_MS = 2_000
const REST_MAX_MS = 8_000
/** A mastership that lasted so long was no duel. */
const FORGET_MS = 60_000

interface Duel {
  readonly lostCount: number
  readonly lostAtMs: number
  readonly restsUntilMs: number
}

export class Duels {
  readonly #mastership: Mastership
  readonly #generation: number
  readonly #random: Random
  readonly #byPartition = new Map<number, Duel>()
  #viewVersion = 0

  /** `generation`: that of this worker. */
  constructor(mastership: Mastership, generation: number, random: Random) {
    this.#mastership = mastership
    this.#generation = generation
    this.#random = random
  }

  /** When the partition may be claimed here; 0: at once. */
  restsUntilMs(partition: number): number {
    return this.#byPartition.get(partition)?.restsUntilMs ?? 0
  }

  /** A mastership of ours has ended by the Epoch `by`; undefined: by one that cannot be read. */
  onDeposed(partition: number, by: EpochEntry | undefined, nowMs: number): void {
    const former = this.#byPartition.get(partition)
    const isNew = former === undefined || nowMs - former.lostAtMs > FORGET_MS
    const lostCount = isNew ? 0 : former.lostCount + 1
    const [firstMs, maxMs] = this.#goesFirst(partition, by)
      ? [AGAIN_FIRST_MS, AGAIN_MAX_MS]
      : [REST_FIRST_MS, REST_MAX_MS]
    const pauseMs = this.#random.jitter(Math.min(firstMs * 2 ** lostCount, maxMs))
    this.#byPartition.set(partition, { lostCount, lostAtMs: nowMs, restsUntilMs: nowMs + pauseMs })
  }

  /** True if there is a newer view, which decides anew. */
  onView(): boolean {
    const { viewVersion } = this.#mastership
    if (viewVersion === this.#viewVersion) return false
    this.#viewVersion = viewVersion
    this.#byPartition.clear()
    return true
  }

  #goesFirst(partition: number, by: EpochEntry | undefined): boolean {
    if (by === undefined || by.viewVersion > this.#mastership.viewVersion) return false
    const { incarnation, workerGeneration } = by
    // A worker and its heir, which is the later one.
    if (this.#mastership.isSelf(incarnation)) return workerGeneration < this.#generation
    return this.#mastership.isNamedBefore(partition, incarnation)
  }
}
