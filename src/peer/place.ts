/**
 * Where a message between parts is addressed. A node is named by its incarnation, so that a
 * restarted node is a different peer and never a confused one; a worker thread by its index on
 * that node. The worker's generation is not part of the address: links find out (peer/link.ts).
 */

/** A worker thread of one incarnation of a node; `worker` −1 is the node's main thread. */
export interface Place {
  readonly incarnation: string
  readonly worker: number
}

/** The worker index under which a node's main thread is addressed. */
export const MAIN_THREAD = -1

/** A place as one string, for maps and subjects. */
export function placeKey(place: Place): string {
  return `${place.incarnation}/${place.worker}`
}

/** Do both name the same worker of the same incarnation? */
export function isSamePlace(a: Place, b: Place): boolean {
  return a.worker === b.worker && a.incarnation === b.incarnation
}

const NUMBERS_PER_LIFE = 2 ** 32

/**
 * Where the life of a worker begins to number what it asks others: above all that its forerunners
 * did, since a late answer to one of those finds the heir at the same place.
 */
export function firstNumberOf(generation: number): number {
  return generation * NUMBERS_PER_LIFE
}
