/**
 * Where somebody is attached, a partition has a master who lives, or soon another one, whether the
 * view can be written or not (rules 8 and 10): while it cannot a successor acts, whether watches
 * tell that the API is away or writes alone fail. Judged while mesh and log are well, and some
 * owner of the partition lives.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { defaultTiming } from '../../../src/ring/timing.ts'
import { ownersOf, type View } from '../../../src/ring/view.ts'
import { channelKey } from '../app.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Silence, probes, a look around, waiting for a view, a takeover; and an attempt in vain. */
const HEIR_MS = 12_000
const { silenceMs, atOnceMs } = defaultTiming
/** Who had trouble, and lost sight of the dead, has found again that they are. */
const CALM_MS = 2 * silenceMs
/** Who has been dead for this long, in fair weather, was lost before those who die then. */
const LONG_MS = 2 * silenceMs + atOnceMs + 3_000

/** An epoch that stood in the log. */
interface Begun {
  readonly seq: number
  readonly life: string
  /** The log has lost it: neither its beginner nor who went before may know that it was there. */
  readonly isLost: boolean
}

export class Succession implements Check {
  readonly #region: Region
  /** By partition, its epochs, the last of which is its master's. */
  readonly #begun = new Map<number, Begun[]>()
  /** By partition, since when it has been in use without a master who lives. */
  readonly #wantingSinceMs = new Map<number, number>()

  /** By listed incarnation, since when it has been dead and fair weather lets all see it. */
  readonly #deadSinceMs = new Map<string, number>()
  /** Who was lost before those that die now. */
  readonly #longDead = new Set<string>()

  constructor(region: Region) {
    this.#region = region
  }

  onAppended({ epoch, isStray }: Taken, { partition, seq, writer }: Accepted): void {
    if (isStray) return
    // Whose append is taken is the master, and nobody whose epoch is lost.
    const begun = this.#begun.get(partition)?.filter(({ isLost }) => !isLost) ?? []
    if (epoch !== undefined) begun.push({ seq, life: writer, isLost: false })
    this.#begun.set(partition, begun)
  }

  onRolledBack(partition: number, keptSeq: number): void {
    const begun = this.#begun.get(partition) ?? []
    this.#begun.set(partition, begun.map((each) =>
      each.seq > keptSeq ? { ...each, isLost: true } : each))
  }

  onTick(): void {
    const { nowMs } = this.#region.world
    const lives = this.#lives()
    const isFair = this.#isFair()
    this.#countDead(isFair)
    const wanting = isFair ? [...this.#used()].filter((partition) =>
      lives.isDisjointFrom(this.#mastersOf(partition)) && this.#hasOwner(partition)) : []
    for (const partition of this.#wantingSinceMs.keys()) {
      if (!wanting.includes(partition)) this.#wantingSinceMs.delete(partition)
    }
    for (const partition of wanting) {
      const sinceMs = this.#wantingSinceMs.get(partition) ?? nowMs
      this.#wantingSinceMs.set(partition, sinceMs)
      if (nowMs - sinceMs <= HEIR_MS) continue
      throw new Violation('succession', `partition ${partition} is in use, and since ` +
        `${[...this.#mastersOf(partition)].join(' and ')} is no more nobody masters it`)
    }
  }

  /** Who began the last epoch that the log has, and whoever began one that it has lost since. */
  #mastersOf(partition: number): Set<string> {
    const begun = this.#begun.get(partition) ?? []
    const last = begun.findLast(({ isLost }) => !isLost)
    const masters = begun.filter((each) => each === last || each.isLost)
    return new Set(masters.map(({ life }) => life))
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

  #countDead(isFair: boolean): void {
    const { nowMs } = this.#region.world
    const dead = this.#deadIn(this.#region.kube.view)
    const isCalm = this.#region.running.every(({ troubledAtMs }) => nowMs - troubledAtMs > CALM_MS)
    const isSeen = isFair && isCalm && !this.#areTooMany(dead)
    for (const known of [this.#deadSinceMs, this.#longDead]) {
      for (const each of known.keys()) if (!dead.has(each)) known.delete(each)
    }
    if (!isSeen) this.#deadSinceMs.clear()
    for (const each of isSeen ? dead : []) {
      const sinceMs = this.#deadSinceMs.get(each) ?? nowMs
      this.#deadSinceMs.set(each, sinceMs)
      if (nowMs - sinceMs >= LONG_MS) this.#longDead.add(each)
    }
  }

  #deadIn(view: View | undefined): Set<string> {
    const alive = new Set(this.#region.running.map(({ life }) => life?.incarnation))
    const listed = view?.members.map(({ incarnation }) => incarnation) ?? []
    return new Set(listed.filter((incarnation) => !alive.has(incarnation)))
  }

  /** So many were lost, or at once, that the others wait. */
  #areTooMany(dead: ReadonlySet<string>): boolean {
    const memberCount = this.#region.kube.view?.members.length ?? 0
    const atOnceCount = dead.difference(this.#longDead).size
    const third = Math.floor((memberCount - dead.size + atOnceCount) / 3)
    return atOnceCount > Math.max(1, third) || (dead.size > 1 && 2 * dead.size >= memberCount)
  }

  /** The last view names somebody who can take it over, and has not lost so many that it waits. */
  #hasOwner(partition: number): boolean {
    const { view } = this.#region.kube
    if (view === undefined) return false
    const dead = this.#deadIn(view)
    return !this.#areTooMany(dead) &&
      ownersOf(partition, view).some(({ incarnation }) => !dead.has(incarnation))
  }
}
