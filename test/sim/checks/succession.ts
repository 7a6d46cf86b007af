/**
 * Where somebody is attached, a partition has a master who lives, or soon another one, whether the
 * view can be written or not (rules 8 and 10): while it cannot a successor acts, whether watches
 * tell that the API is away or writes alone fail. Judged while mesh and log are well, and some
 * owner of the partition lives.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { ownersOf } from '../../../src/ring/view.ts'
import { channelKey } from '../clients.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Silence, probes, a look around, waiting for a view, a takeover; and an attempt in vain. */
const HEIR_MS = 12_000

export class Succession implements Check {
  readonly #region: Region
  /** By partition, the life that began its last epoch. */
  readonly #masters = new Map<number, string>()
  /** By partition, since when it has been in use without a master who lives. */
  readonly #wantingSinceMs = new Map<number, number>()

  constructor(region: Region) {
    this.#region = region
  }

  onAppended({ epoch }: Taken, { partition, writer }: Accepted): void {
    if (epoch !== undefined) this.#masters.set(partition, writer)
  }

  onTick(): void {
    const { nowMs } = this.#region.world
    const lives = this.#lives()
    const wanting = this.#isFair() ? [...this.#used()].filter((partition) =>
      !lives.has(this.#masters.get(partition) ?? '') && this.#hasOwner(partition)) : []
    for (const partition of this.#wantingSinceMs.keys()) {
      if (!wanting.includes(partition)) this.#wantingSinceMs.delete(partition)
    }
    for (const partition of wanting) {
      const sinceMs = this.#wantingSinceMs.get(partition) ?? nowMs
      this.#wantingSinceMs.set(partition, sinceMs)
      if (nowMs - sinceMs <= HEIR_MS) continue
      throw new Violation('succession', `partition ${partition} is in use, and since ` +
        `${this.#masters.get(partition)} is no more nobody masters it`)
    }
  }

  /** The workers that live. */
  #lives(): Set<string> {
    const lives = new Set<string>()
    for (const { life } of this.#region.running) {
      for (const thread of life?.threads ?? []) if (thread?.isAlive === true) lives.add(thread.life)
    }
    return lives
  }

  /** The weather lets everybody who lives speak, and write. */
  #isFair(): boolean {
    const { mesh, log, running } = this.#region
    const { lossChance, spikeChance } = mesh.faults
    const { lostChance, lagChance } = log.faults
    const chances = lossChance + spikeChance + lostChance + lagChance
    if (log.isTroubled || chances + mesh.cuts.size > 0) return false
    return log.streamBytesMax === Infinity && running.every(({ isImpaired }) => !isImpaired)
  }

  /** The partitions of channels that somebody is attached to. */
  #used(): Set<number> {
    const { clients, options } = this.#region
    const used = new Set<number>()
    for (const { state, socket, channels } of clients) {
      const isHeard = state === 'connected' && socket?.isOpen === true && !socket.isCut &&
        !socket.isStalled && socket.isComet !== true && socket.server.isAlive
      if (!isHeard) continue
      for (const { name, state: held } of channels.values()) {
        // Metachannels are told by the nodes themselves, and have no log.
        if (held !== 'attached' || name.startsWith('[meta]')) continue
        used.add(partitionOf(channelKey(name), options.partitionCount))
      }
    }
    return used
  }

  /** The last view names somebody who can take it over, and has not lost so many that it waits. */
  #hasOwner(partition: number): boolean {
    const { kube, running } = this.#region
    const { view } = kube
    if (view === undefined) return false
    const alive = new Set(running.map(({ life }) => life?.incarnation))
    const goneCount = view.members.filter(({ incarnation }) => !alive.has(incarnation)).length
    return goneCount <= Math.max(1, Math.floor(view.members.length / 3)) &&
      ownersOf(partition, view).some(({ incarnation }) => alive.has(incarnation))
  }
}
