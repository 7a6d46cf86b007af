/**
 * How a channel goes on that was let go and is born again, in a world of regions: who stood at its
 * end then has missed what was said elsewhere meanwhile, or nothing. So it is remembered how far
 * the log had come with each region, and relays go on from there. Once each has told what came
 * since, whoever was at the end goes on.
 *
 * Where a region is not heard in time, or what it has is not held any more, those who come back are
 * told that something may be missing, and the relay begins with whoever is there now.
 */

import type { Origin, Standing } from '../peer/message.ts'
import type { RelayOnly } from '../peer/relay-message.ts'
import type { Here } from './page.ts'

/** Where a channel stood when it was let go. */
export interface Parting {
  /** Who stands here, or later, had been told all of it. */
  readonly endSeq: number
  /**
   * Of a region that is not among the origins nothing is told that was said since then, in ms since
   * the Unix epoch; 0: nobody knows since when.
   */
  readonly sinceMs: number
  /** How far what was born in other regions was written. */
  readonly origins: readonly Origin[]
}

/** Nothing that was ever said elsewhere is told; what there was nobody needs to be told now. */
export const EVER_MS = 1

export interface Begins {
  /** With what was said since then, in ms since the Unix epoch; 0: since it is used. */
  readonly sinceMs: number
  readonly only: RelayOnly
}

export class Comeback {
  readonly endSeq: number
  readonly #sinceMs: number
  /** By region: what is to be written of it before anything else. */
  readonly #owed: Map<string, Origin>
  /** Regions that have told what came since, or that nothing did; or are given up. */
  readonly #done = new Set<string>()
  #isLost = false

  constructor({ endSeq, sinceMs, origins }: Parting) {
    this.endSeq = endSeq
    this.#sinceMs = sinceMs
    this.#owed = new Map(origins.map((origin) => [origin.region, origin]))
  }

  /** Where the relay to a region goes on, as long as that has not told anything. */
  owed(region: string): Origin | undefined {
    return this.#owed.get(region)
  }

  /** How a relay begins to a region that is still to tell what came since, and is not owed. */
  begins(region: string): Begins | undefined {
    if (!this.awaits(region)) return undefined
    const isOfEver = this.#sinceMs === EVER_MS
    return { sinceMs: isOfEver ? 0 : this.#sinceMs, only: isOfEver ? 'nothing' : 'held' }
  }

  /** True if a region is still to tell what came since. */
  awaits(region: string): boolean {
    return !this.#done.has(region)
  }

  /** A region tells what came since; what is returned is to be written before. */
  onTold(region: string): Origin | undefined {
    const origin = this.#owed.get(region)
    this.#owed.delete(region)
    if (origin === undefined && this.#sinceMs === 0 && this.awaits(region)) this.#isLost = true
    this.#done.add(region)
    return origin
  }

  /** A region is not waited for any more: those who come back may miss something. */
  giveUp(region: string): void {
    this.#owed.delete(region)
    this.#done.add(region)
    this.#isLost = true
  }

  /** True if all of these have told what came since. */
  isWhole(regions: readonly string[]): boolean {
    return !this.#isLost && regions.every((region) => this.#done.has(region))
  }

  /** Whether somebody goes on from a place before the channel was born again. */
  admits({ seq }: Pick<Standing, 'seq'>, regions: readonly string[]): boolean {
    return seq >= this.endSeq && this.isWhole(regions)
  }
}

/**
 * What is to be remembered of a channel that is let go. `usedSinceMs`: when it was used first, in
 * ms since the Unix epoch, 0 where nobody knows; `regions`: all others of the world.
 */
export function partingOf(
  { standing, birth, origins = [] }: Pick<Here, 'standing' | 'birth' | 'origins'>,
  comeback: Comeback | undefined, regions: readonly string[], usedSinceMs: number
): Parting {
  const isSaid = standing.seq > birth.seq
  const silentSeq = comeback?.isWhole(regions) === true ? comeback.endSeq : birth.seq
  return { endSeq: isSaid ? standing.seq : silentSeq, sinceMs: usedSinceMs, origins }
}
