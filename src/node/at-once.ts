/**
 * How many of something are under way at once, for each who may have only so many: who begins is
 * counted until it ends.
 */

export class AtOnce {
  readonly #countMax: number
  readonly #counts = new Map<string, number>()

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** Counts one more of `owner`, unless there are as many as may be; true if it did. */
  begin(owner: string): boolean {
    const count = this.#counts.get(owner) ?? 0
    if (count >= this.#countMax) return false
    this.#counts.set(owner, count + 1)
    return true
  }

  /** One that was counted has ended. */
  end(owner: string): void {
    const count = this.#counts.get(owner)!
    if (count > 1) this.#counts.set(owner, count - 1)
    else this.#counts.delete(owner)
  }
}
