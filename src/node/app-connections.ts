/**
 * How many connections each app has on a worker. An app's bound is one of its node, of which each
 * worker has an even share: the kernel spreads sockets over them.
 */

export class AppConnections {
  readonly #workers: number
  readonly #counts = new Map<string, number>()

  /** `workers`: how many the node has. */
  constructor(workers: number) {
    this.#workers = workers
  }

  /** True if an app with this bound for its node has no room for another connection here. */
  isFull(appId: string, countMax: number | undefined): boolean {
    if (countMax === undefined) return false
    return (this.#counts.get(appId) ?? 0) >= Math.ceil(countMax / this.#workers)
  }

  add(appId: string): void {
    this.#counts.set(appId, (this.#counts.get(appId) ?? 0) + 1)
  }

  remove(appId: string): void {
    const count = this.#counts.get(appId)!
    if (count === 1) this.#counts.delete(appId)
    else this.#counts.set(appId, count - 1)
  }
}
