/**
 * Joins of clients that know a newer view, in which this node may be the master: they are
 * answered when that view is here. Above the bound clients ask again of themselves.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Join } from '../peer/message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'

interface EarlyJoin {
  readonly from: Place
  readonly join: Join
}

export class EarlyJoins {
  readonly #joins = new Map<string, EarlyJoin>()

  /** A Join again takes the place of the former one. */
  keep(from: Place, join: Join): void {
    const key = `${placeKey(from)} ${join.channel}`
    if (this.#joins.size < limits.earlyJoinsMax) this.#joins.set(key, { from, join })
  }

  /** Its client has left; or, of all channels, its link was reset, and who lives Joins again. */
  forget(from: Place, channel?: string): void {
    for (const [key, early] of this.#joins) {
      if (!isSamePlace(early.from, from)) continue
      if (channel === undefined || early.join.channel === channel) this.#joins.delete(key)
    }
  }

  *sizes(): Generator<Size> {
    yield ['earlyJoinsMax', this.#joins.size]
  }

  takeAll(): EarlyJoin[] {
    const all = [...this.#joins.values()]
    this.#joins.clear()
    return all
  }
}
