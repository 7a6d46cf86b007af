/**
 * How many connections each app has on a worker, which statistics want to know, too. An app's bound
 * is one of its node, of which each worker has an even share: the kernel spreads sockets over them.
 */

import type { Now } from '../base/clock.ts'
import type { MeterSource } from '../base/meter.ts'

export interface AppConnectionsPorts {
  readonly meters: MeterSource
  now(): Now
}

export class AppConnections {
  readonly #workers: number
  readonly #ports: AppConnectionsPorts
  readonly #counts = new Map<string, number>()

  /** `workers`: how many the node has. */
  constructor(workers: number, ports: AppConnectionsPorts) {
    this.#workers = workers
    this.#ports = ports
  }

  /** True if an app with this bound for its node has no room for another connection here. */
  isFull(appId: string, countMax: number | undefined): boolean {
    if (countMax === undefined) return false
    return (this.#counts.get(appId) ?? 0) >= Math.ceil(countMax / this.#workers)
  }

  /** `isNew`: the connection has just begun, here. */
  add(appId: string, isNew: boolean): void {
    const { meters, now } = this.#ports
    meters.of(appId).connections.enter(now().monoMs, isNew)
    this.#counts.set(appId, (this.#counts.get(appId) ?? 0) + 1)
  }

  remove(appId: string): void {
    const { meters, now } = this.#ports
    meters.of(appId).connections.leave(now().monoMs)
    const count = this.#counts.get(appId)!
    if (count === 1) this.#counts.delete(appId)
    else this.#counts.set(appId, count - 1)
  }
}
