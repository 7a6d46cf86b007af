/**
 * What was born where: every message that a region's log took from its own clients, by channel and
 * by the lineage that it was born in. What other regions write and show of it is compared with it.
 */

import type { Committed } from './committed.ts'
import type { Region } from './region.ts'

export interface Birth {
  readonly region: Region
  readonly committed: Committed
}

export class Births {
  /** By channel and lineage, in order of seq. */
  readonly #births = new Map<string, Birth[]>()
  /** By channel and id: more than one where a client said it in two regions. */
  readonly #byId = new Map<string, Birth[]>()

  /** What another region's log has, or had, by channel, lineage of birth and seq. */
  readonly #copies = new Set<string>()

  /** It stands in another region's log. */
  copy(channel: string, lineage: string, seq: number): void {
    this.#copies.add(`${channel} ${lineage} ${seq}`)
  }

  /** True if two regions had it at some time. */
  isCopied({ channel, lineage, seq, id, idSpace, origin }: Committed): boolean {
    // What a client said in two regions was born in both.
    return origin !== undefined || this.#copies.has(`${channel} ${lineage} ${seq}`) ||
      (idSpace === 'client' && this.withId(channel, id).length > 1)
  }

  take(region: Region, committed: readonly Committed[]): void {
    for (const each of committed) {
      if (each.origin !== undefined || each.events !== undefined) continue
      const birth = { region, committed: each }
      add(this.#births, `${each.channel} ${each.lineage}`, birth)
      add(this.#byId, `${each.channel} ${each.id}`, birth)
    }
  }

  at(channel: string, lineage: string, seq: number): Birth | undefined {
    return this.of(channel, lineage).findLast(({ committed }) => committed.seq === seq)
  }

  /** All that were born in a lineage, in order; those that its log has lost, too. */
  of(channel: string, lineage: string): readonly Birth[] {
    return this.#births.get(`${channel} ${lineage}`) ?? []
  }

  /** Those between two, or after one, which its log still has. */
  between(channel: string, lineage: string, afterSeq: number, belowSeq = Infinity): Birth[] {
    return this.of(channel, lineage).filter(({ committed: { seq, isLost } }) =>
      seq > afterSeq && seq < belowSeq && !isLost)
  }

  withId(channel: string, id: string): readonly Birth[] {
    return this.#byId.get(`${channel} ${id}`) ?? []
  }
}

function add(births: Map<string, Birth[]>, key: string, birth: Birth): void {
  const known = births.get(key)
  if (known === undefined) births.set(key, [birth])
  else known.push(birth)
}
