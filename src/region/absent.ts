/**
 * The names of regions that belong to the world and are not heard, so that what is put together of
 * all regions can name them as missing (node/regions-missing.ts). Who belongs to it the roster
 * says, as long as it stands, and a node that began while a region was silent knows its name from
 * there; where there never was one, who has been silent for less than a day does, and who began
 * meanwhile is told the name by its own region's speaker.
 *
 *   heard ──silent for two minutes──▶ absent ──heard, or no part of the world──▶ not kept
 *   not heard yet ──on the roster, or told──▲
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { SilentRegion, WorldRoster } from './world-message.ts'

interface Absent {
  readonly name: string
  /** When it was heard last, or a roster has named it first. */
  readonly heardAtMs: number
}

export class AbsentRegions {
  /** By the uid of its ring; who was heard last comes last. */
  #absent: ReadonlyMap<string, Absent> = new Map()

  /** It is not heard. Of too many the one that is silent for longest is not kept. */
  add(uid: string, name: string, heardAtMs: number): void {
    const all = [...this.#absent, [uid, { name, heardAtMs }] as const]
    all.sort(([, one], [, other]) => one.heardAtMs - other.heardAtMs)
    this.#absent = new Map(all.slice(-limits.worldRegionsMax))
  }

  /** It is heard. */
  delete(uid: string): void {
    this.#keep((other) => other !== uid)
  }

  /** What is said of them to those who do not know them. */
  told(nowMs: number): SilentRegion[] {
    return [...this.#absent].map(([uid, { name, heardAtMs }]) =>
      [uid, name, Math.max(0, Math.round(nowMs - heardAtMs))])
  }

  /** Somebody who was there before us knows these. */
  onTold(
    told: readonly SilentRegion[], isUnheard: (uid: string) => boolean, nowMs: number
  ): void {
    for (const [uid, name, silentMs] of told) {
      if (!this.#absent.has(uid) && isUnheard(uid)) this.add(uid, name, nowMs - silentMs)
    }
  }

  /** These are the regions of the world: also such as we have never heard, if it names them. */
  onRoster(
    { uids, names = [] }: Pick<WorldRoster, 'uids' | 'names'>,
    isHeard: (uid: string) => boolean,
    nowMs: number
  ): void {
    this.#keep((uid) => uids.includes(uid))
    for (const [at, name] of names.entries()) {
      const uid = uids[at]!
      if (!this.#absent.has(uid) && !isHeard(uid)) this.add(uid, name, nowMs)
    }
  }

  /** Where no roster says who belongs to the world. */
  forgetSilent(nowMs: number): void {
    this.#keep((_, { heardAtMs }) => nowMs < heardAtMs + limits.regionForgottenMs)
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

  #keep(isKept: (uid: string, absent: Absent) => boolean): void {
    this.#absent = new Map([...this.#absent].filter(([uid, absent]) => isKept(uid, absent)))
  }
}
