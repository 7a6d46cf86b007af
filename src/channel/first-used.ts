/** When each channel of a mastership was used first since it was born. */

import type { Now } from '../base/clock.ts'

export class FirstUsed {
  /** In monotonic ms; undefined: before the mastership began. */
  readonly #atMs = new Map<string, number | undefined>()

  /** It is used now, for the first time or once more. */
  onUsed(channel: string, monoMs: number): void {
    if (!this.#atMs.has(channel)) this.#atMs.set(channel, monoMs)
  }

  /** It was used before. */
  onFound(channel: string): void {
    this.#atMs.set(channel, undefined)
  }

  /** In monotonic ms; undefined where nobody knows. */
  monoMs(channel: string): number | undefined {
    return this.#atMs.get(channel)
  }

  /** In ms since the Unix epoch; 0 where nobody knows. */
  wallMs(channel: string, { monoMs, wallMs }: Now): number {
    const atMs = this.#atMs.get(channel)
    return atMs === undefined ? 0 : Math.floor(wallMs - (monoMs - atMs))
  }

  forget(channel: string): void {
    this.#atMs.delete(channel)
  }

  clear(): void {
    this.#atMs.clear()
  }
}
