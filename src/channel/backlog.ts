/** What waits for the archive: in a partition, and in all partitions of a worker. */

import { archiveLimits } from '../base/archive-limits.ts'

export class Backlog {
  readonly #worker: Backlog | undefined
  #bytes = 0

  /** `worker`: of which this one is a part. */
  constructor(worker?: Backlog) {
    this.#worker = worker
  }

  get bytes(): number {
    return this.#bytes
  }

  /** False: what comes is refused before it is committed. */
  get hasRoom(): boolean {
    const inAll = this.#worker?.bytes ?? 0
    return this.#bytes < archiveLimits.archiveWaitingBytesMax &&
      inAll < archiveLimits.archiveWaitingBytesPerWorkerMax
  }

  add(bytes: number): void {
    this.#bytes += bytes
    this.#worker?.add(bytes)
  }
}
