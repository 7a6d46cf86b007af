/**
 * A name stands for one region: whom everybody takes for it where several rings have it, whatever
 * they heard first (region/world.ts).
 */

/** A ring that was heard. */
export interface NamedRing {
  readonly region: { readonly region: string; readonly uid: string }
  readonly madeAtMs: number
}

/** Of each name the ring that was made last; none where one has ours that was made later. */
export function latestOfNames<R extends NamedRing>(rings: Iterable<R>, own: NamedRing): R[] {
  const latest = new Map<string, R>()
  for (const ring of rings) {
    const { region } = ring.region
    const isOurs = region === own.region.region
    const other = isOurs ? own : latest.get(region)
    if (other !== undefined && !isMadeLater(madeOf(ring), madeOf(other))) continue
    if (isOurs) return []
    latest.set(region, ring)
  }
  return [...latest.values()].sort((a, b) => a.region.region < b.region.region ? -1 : 1)
}

interface Made {
  readonly uid: string
  readonly madeAtMs: number
}

function madeOf({ region: { uid }, madeAtMs }: NamedRing): Made {
  return { uid, madeAtMs }
}

/** Rings that were made in the same second are told apart all the same. */
export function isMadeLater(one: Made, other: Made): boolean {
  return one.madeAtMs === other.madeAtMs ? one.uid > other.uid : one.madeAtMs > other.madeAtMs
}
