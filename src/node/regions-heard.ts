/**
 * Which other regions are heard by a worker's relays, and hear it: one may leave a question
 * unanswered, and a way may lead nowhere while the other is good.
 */

import { limits } from '../base/limits.ts'

export class RegionsHeard {
  /** Those that left a question unanswered, and have not been heard since. */
  readonly #silent = new Set<string>()
  /** Places that do not hear us, by key, with their regions. */
  readonly #mute = new Map<string, string>()
  /** Since when each region is heard, and hears us. */
  readonly #sinceMs = new Map<string, number>()

  /** A region is there from now on. */
  begin(region: string, nowMs: number): void {
    this.#sinceMs.set(region, nowMs)
  }

  /** It is there no more. */
  end(region: string): void {
    for (const [key, other] of this.#mute) if (other === region) this.#mute.delete(key)
    this.#silent.delete(region)
    this.#sinceMs.delete(region)
  }

  isSilent(region: string): boolean {
    return this.#silent.has(region)
  }

  /** It has left a question unanswered. */
  onSilent(region: string): void {
    this.#silent.add(region)
  }

  /** It has said something. */
  onHeard(region: string, nowMs: number): void {
    if (this.#silent.delete(region)) this.#sinceMs.set(region, nowMs)
  }

  /** What is said to a place of a region, by its key, is let go, as it confirms nothing. */
  onMute(key: string, region: string): void {
    this.#mute.set(key, region)
  }

  /** It hears us, again or as ever. */
  onUnmute(key: string, nowMs: number): void {
    const region = this.#mute.get(key)
    if (this.#mute.delete(key)) this.#sinceMs.set(region!, nowMs)
  }

  /** True if all of these have been heard, and have heard us, for long enough to have asked. */
  haveAsked(regions: readonly string[], nowMs: number): boolean {
    const backMs = nowMs - limits.regionSilenceMs
    const deaf = new Set(this.#mute.values())
    return regions.every((region) => !this.#silent.has(region) && !deaf.has(region) &&
      (this.#sinceMs.get(region) ?? Infinity) <= backMs)
  }
}
