/**
 * The names of regions that belong to the world and are not heard, so that what is put together of
 * all regions can name them as missing (node/regions-missing.ts). Who belongs to it the roster
 * says, as long as it stands, and a node that began while a region was silent knows its name from
 * there; where there never was one, who has been silent for less than a day does.
 *
 *   heard ──silent for two minutes──▶ absent ──heard, or no part of the world──▶ not kept
 *   not heard yet ──on the roster───────▲
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { WorldRoster } from './world-message.ts'

interface Absent {
  readonly name: string
  /** When it was heard last, or a roster has named it first. */
  readonly heardAtMs: number
}

export class AbsentRegions {
  /** By the uid of its ring; who was heard last comes last. */
  readonly #absent = new Map<string, Absent>()

  /** It is not heard. Of too many the one that is silent for longest is not kept. */
  add(uid: string, name: string, heardAtMs: number): void {
    this.#absent.set(uid, { name, heardAtMs })
    const [longest] = this.#absent.keys()
    if (this.#absent.size > limits.worldRegionsMax) this.#absent.delete(longest!)
  }

  /** It is heard. */
  delete(uid: string): void {
    this.#absent.delete(uid)
  }

  /** These are the regions of the world: also such as we have never heard, if it names them. */
  onRoster(
    { uids, names = [] }: Pick<WorldRoster, 'uids' | 'names'>,
    isHeard: (uid: string) => boolean,
    nowMs: number
  ): void {
    for (const uid of [...this.#absent.keys()]) if (!uids.includes(uid)) this.#absent.delete(uid)
    for (const [at, name] of names.entries()) {
      const uid = uids[at]!
      if (!this.#absent.has(uid) && !isHeard(uid)) this.add(uid, name, nowMs)
    }
  }

  /** Where no roster says who belongs to the world. */
  forgetSilent(nowMs: number): void {
    for (const [uid, { heardAtMs }] of [...this.#absent]) {
      if (nowMs >= heardAtMs + limits.regionForgottenMs) this.#absent.delete(uid)
    }
  }

  /** When `forgetSilent` forgets somebody; Infinity: never. */
  nextMs(): number {
    const [first] = this.#absent.values()
    return first === undefined ? Infinity : first.heardAtMs + limits.regionForgottenMs
  }

  /** In their order, each once, without those of regions that are there. */
  namesBut(there: readonly string[]): string[] {
    const names = new Set([...this.#absent.values()].map(({ name }) => name))
    for (const name of there) names.delete(name)
    return [...names].sort()
  }

  *sizes(): Generator<Size> {
    yield ['worldRegionsMax', this.#absent.size]
  }

  describe(): string[] {
    return [...this.#absent].map(([uid, { name }]) => `nothing is heard of region ${name} ${uid}`)
  }
}
