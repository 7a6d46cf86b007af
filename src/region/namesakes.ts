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
    if (other !== undefined && !isLater(ring, other)) continue
    if (isOurs) return []
    latest.set(region, ring)
  }
  return [...latest.values()].sort((a, b) => a.region.region < b.region.region ? -1 : 1)
}

/** Rings that were made in the same second are told apart all the same. */
function isLater(one: NamedRing, other: NamedRing): boolean {
  if (one.madeAtMs !== other.madeAtMs) return one.madeAtMs > other.madeAtMs
  return one.region.uid > other.region.uid
}
