/**
 * Which nodes live, and for how long others have not (rules 7, 10 and 20): what a register must
 * know of the home that a connection key names.
 *
 * What was seen here is counted by our own monotonic clock; only of what ended before we began is
 * the tombstone's time taken, which is another node's wall clock.
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Fate } from '../channel/claims.ts'
import type { View } from '../ring/view.ts'

export class Lives {
  #listed: ReadonlySet<string> = new Set()
  /** By our clock; those that are known to be gone although the view cannot say so, too. */
  #goneAtMs = new Map<string, number>()
  #removedAtWallMs: ReadonlyMap<string, number> = new Map()

  learn(view: View, gone: ReadonlySet<string>, nowMs: number): void {
    const listed = new Set(view.members.map(({ incarnation }) => incarnation))
    const stones = view.tombstones.map((stone) => [stone.incarnation, stone.removedAtMs] as const)
    const removed = new Map(stones)
    const goneAtMs = new Map<string, number>()
    for (const incarnation of [...gone, ...removed.keys(), ...this.#listed]) {
      if (listed.has(incarnation) && !gone.has(incarnation)) continue
      const isSeen = this.#listed.has(incarnation) || gone.has(incarnation)
      const atMs = this.#goneAtMs.get(incarnation) ?? (isSeen ? nowMs : undefined)
      if (atMs !== undefined) goneAtMs.set(incarnation, atMs)
    }
    this.#listed = listed
    this.#goneAtMs = goneAtMs
    this.#removedAtWallMs = removed
  }

  /** True while the view lists it, whatever is thought of it. */
  isMember(incarnation: string): boolean {
    return this.#listed.has(incarnation)
  }

  fateOf(incarnation: string, now: Now): Fate {
    const goneAtMs = this.#goneAtMs.get(incarnation)
    if (goneAtMs !== undefined) return since(now.monoMs - goneAtMs)
    if (this.#listed.has(incarnation)) return 'listed'
    const removedAtMs = this.#removedAtWallMs.get(incarnation)
    return removedAtMs === undefined ? 'unheard' : since(now.wallMs - removedAtMs)
  }
}

function since(ms: number): Fate {
  return ms <= limits.connectionStateTtlMs ? 'gone' : 'longGone'
}
