/**
 * How long members stay whose owner is gone: a life of a worker that has ended, or a region that
 * nobody listens to any more. Each owner's grace begins when it is first seen gone, and is over for
 * nothing when it turns out to be there.
 */

import { limits } from '../base/limits.ts'
import type { MemberOwner } from '../peer/message.ts'
import { regionOf } from '../peer/relay-message.ts'

export class Graces {
  /** By owner, when its grace is over: monotonic, in ms. */
  readonly #endsMs = new Map<string, number>()
  readonly #regionGraceMs: () => number

  /** `regionGraceMs` is the grace of a region, as it is now. */
  constructor(regionGraceMs: () => number) {
    this.#regionGraceMs = regionGraceMs
  }

  /** When the first of them is over; Infinity: there is none. */
  get firstMs(): number {
    return Math.min(...this.#endsMs.values())
  }

  /** These are the owners that there are, of whom some are gone. */
  check(
    owners: Iterable<MemberOwner>, isAlive: (owner: MemberOwner) => boolean, nowMs: number
  ): void {
    const graces = new Map<string, number | undefined>()
    for (const owner of owners) {
      const key = ownerKey(owner)
      if (!graces.has(key)) graces.set(key, isAlive(owner) ? undefined : this.#graceOf(owner))
    }
    for (const key of this.#endsMs.keys()) {
      if (graces.get(key) === undefined) this.#endsMs.delete(key)
    }
    for (const [key, graceMs] of graces) {
      if (graceMs === undefined || this.#endsMs.has(key)) continue
      this.#endsMs.set(key, nowMs + graceMs)
    }
  }

  isOver(owner: MemberOwner, nowMs: number): boolean {
    return (this.#endsMs.get(ownerKey(owner)) ?? Infinity) <= nowMs
  }

  #graceOf(owner: MemberOwner): number {
    return regionOf(owner) === undefined ? limits.presenceGraceMs : this.#regionGraceMs()
  }
}

function ownerKey({ incarnation, worker, generation }: MemberOwner): string {
  return `${incarnation}/${worker}/${generation}`
}
