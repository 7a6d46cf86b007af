/**
 * A ChannelClient's part in the census: it knows whether the attachments of its node want to be
 * told the occupancy, and how many each of its groups has, while the master wants to know.
 *
 * What the master wants holds for one mastership, and is forgotten with each Join: whoever wants a
 * census asks for it then. What a group was asked for may be lost: with each number it says whether
 * it goes on counting, and is asked again where that is not as it should be.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { CensusToClient, Counted, Headcount } from '../peer/census-message.ts'
import type { PeerMessage } from '../peer/message.ts'
import { sumOf } from './occupancy.ts'

/** What it needs from its client. */
export interface ClientCensusPorts {
  readonly deadlines: Deadlines
  readonly clientId: string
  nowMs(): number
  /** True if some attachment of the node wants to be told. */
  wantsOccupancy(): boolean
  /** The workers of this node whose groups have attachments. */
  workers(): Iterable<number>
  toMaster(message: PeerMessage): void
  toGroup(worker: number, message: PeerMessage): void
}

export class ClientCensus {
  readonly #channel: string
  readonly #ports: ClientCensusPorts
  /** The mastership that was joined; undefined while there is none. */
  #epoch: number | undefined
  /** What that master was told, and wants. */
  #isWatching = false
  #isWanted = false
  /** What each group was asked for has counted; undefined: not yet. */
  readonly #counts = new Map<number, Headcount | undefined>()
  #hasReported = false
  #report: Deadline | undefined

  constructor(channel: string, ports: ClientCensusPorts) {
    this.#channel = channel
    this.#ports = ports
  }

  /** The client is live. */
  onJoined(epoch: number): void {
    this.end()
    this.#counts.clear()
    this.#epoch = epoch
    this.onDoors()
  }

  /** No master is known for now. */
  end(): void {
    this.#epoch = undefined
    this.#isWatching = false
    this.#isWanted = false
    this.#cancelReport()
  }

  /** Somebody has come, or gone: other groups have attachments, or other variants. */
  onDoors(): void {
    if (this.#epoch === undefined) return
    const isWatching = this.#ports.wantsOccupancy()
    if (isWatching !== this.#isWatching) {
      this.#isWatching = isWatching
      const { clientId } = this.#ports
      this.#say({ kind: 'occupancyWanted', clientId, isWanted: isWatching })
    }
    if (!this.#isWanted) return
    const workers = new Set(this.#ports.workers())
    for (const worker of this.#counts.keys()) {
      if (workers.has(worker)) continue
      this.#counts.delete(worker)
      this.#reportLater()
    }
    for (const worker of workers) {
      if (this.#counts.has(worker)) continue
      this.#counts.set(worker, undefined)
      this.#ask(worker)
    }
  }

  /** The group of `worker` has counted. */
  onCounted(worker: number, { count, goesOn }: Counted): void {
    if (goesOn !== this.#isWanted) this.#ask(worker)
    // A group that nobody is attached to any more may be let go: its heir would never be asked.
    if (!this.#isWanted || !this.#counts.has(worker)) return
    this.#counts.set(worker, count)
    this.#reportLater()
  }

  /** The master wants a census, or none any more. */
  onWanted({ isWanted }: Extract<CensusToClient, { kind: 'censusWanted' }>): void {
    if (!isWanted) {
      this.#stop()
      return
    }
    this.#isWanted = true
    this.#cancelReport()
    this.onDoors()
    this.#reportLater()
  }

  #stop(): void {
    this.#isWanted = false
    this.#cancelReport()
    for (const worker of this.#counts.keys()) this.#ask(worker)
    this.#counts.clear()
  }

  #cancelReport(): void {
    this.#hasReported = false
    this.#ports.deadlines.cancel(this.#report)
    this.#report = undefined
  }

  #ask(worker: number): void {
    const channel = this.#channel
    const isWanted = this.#isWanted
    this.#ports.toGroup(worker, { kind: 'countWanted', channel, isWanted })
  }

  /** Says what nobody has heard yet as soon as all groups have counted; else in a while. */
  #reportLater(): void {
    if (!this.#isWanted || this.#epoch === undefined || this.#report !== undefined) return
    if (!this.#hasReported) {
      for (const count of this.#counts.values()) if (count === undefined) return
      this.#hasReported = true
      this.#sayCensus()
      return
    }
    const atMs = this.#ports.nowMs() + limits.headcountMs
    this.#report = this.#ports.deadlines.at(atMs, () => {
      this.#report = undefined
      this.#sayCensus()
    })
  }

  #sayCensus(): void {
    const { clientId } = this.#ports
    const known = [...this.#counts.values()].filter((count) => count !== undefined)
    this.#say({ kind: 'census', clientId, count: sumOf(known) })
  }

  #say(message:
    | { kind: 'occupancyWanted'; clientId: string; isWanted: boolean }
    | { kind: 'census'; clientId: string; count: Headcount }): void {
    const channel = this.#channel
    const epoch = this.#epoch!
    this.#ports.toMaster({ channel, epoch, ...message })
  }
}
