/**
 * A worker's relays: for each channel that it masters and that is in use, one to every other
 * region of the world (region/relay.ts). Where a channel's master is there, that region's view
 * says, which this worker is told like its own (`world`).
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { AskedRegion, AskedRegions } from '../channel/moving.ts'
import type { Headcount } from '../peer/census-message.ts'
import type { PeerMessage, Standing } from '../peer/message.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import type {
  RelayAsk, Relayed, RelayHold, RelayJoin, RelayTold, Stretch, ToRelay
} from '../peer/relay-message.ts'
import { Relay, type RelayStart } from '../region/relay.ts'
import type { Foreign } from './ports.ts'
import { Mastership } from './mastership.ts'

/** The masters of this worker, as relays need them. */
export interface RelayedMasters {
  /** How far what was born in a region is written on a channel; undefined: nothing was. */
  standingOf(channel: string, region: string): Standing | undefined
  /** False while the log takes nothing of a channel. */
  hasRoom(channel: string): boolean
  /** Gives on what was born there; false: there is no room, or no such channel. */
  take(channel: string, region: string, relayed: Relayed): boolean
  /** Nobody uses the channel there; false: no room to say so. */
  takeNobody(channel: string, region: string): boolean
  /** How much of what was born there is written here, without a gap. */
  writtenOf(channel: string, region: string): Stretch | undefined
  /** So many are attached there. */
  onCount(channel: string, region: string, count: Headcount): void
  /** A question about a client that has moved is answered. */
  onTold(told: RelayTold): void
  /** A relay to a region begins, or ends; or it is not answered for long, or is so again. */
  onRelay(channel: string, region: string, isThere: boolean): void
  /** Lets clients of the channel wait to be let in; returns what lets them in. */
  wait(channel: string): () => void
}

export interface RelaysPorts {
  readonly self: Place
  /** The name of the own region. */
  readonly region: string
  readonly deadlines: Deadlines
  readonly random: Random
  readonly masters: RelayedMasters
  now(): Now
  send(to: Place, message: PeerMessage): void
  /** There are other regions now than before, or others speak for them. */
  onWorld(): void
  /** A place of another region is gone, or is a new life, or may have lost what we said. */
  onPlaceEnded(place: Place): void
  onPeerRestarted(place: Place): void
  onLinkReset(place: Place): void
}

/** The relays of one channel. */
interface Used {
  readonly isNew: boolean
  /** When it began to be used. */
  readonly sinceMs: number
  /** True: somebody wants to know how many are attached in other regions. */
  isCounted: boolean
  /** By region; all channels without any share one. */
  relays: Map<string, Relay>
}

const NO_RELAYS = new Map<string, Relay>()

export class Relays {
  readonly #ports: RelaysPorts
  /** By region: who masters what there. */
  readonly #regions = new Map<string, Mastership>()
  readonly #used = new Map<string, Used>()
  /** Regions that left a question unanswered, and have not been heard since. */
  readonly #silent = new Set<string>()
  #absent: readonly string[] = []
  /** Since when regions are asked about clients that moved, and have not said anything, in ms. */
  readonly #unheardSinceMs = new Map<string, number>()

  constructor(ports: RelaysPorts) {
    this.#ports = ports
  }

  /** True for a place of another region that its view lists. */
  isForeign(place: Place): boolean {
    return [...this.#regions.values()].some((region) => !region.isStranger(place))
  }

  /** The life `generation` of `place` has spoken to us. */
  hear(place: Place, generation: number): void {
    for (const [name, region] of this.#regions) {
      if (region.isStranger(place)) continue
      region.hear(place, generation)
      this.#unheardSinceMs.delete(name)
    }
  }

  /** The names of the other regions. */
  get names(): string[] {
    return [...this.#regions.keys()]
  }

  /** The names of others that belong to the world, and of which nothing is heard. */
  get absent(): readonly string[] {
    return this.#absent
  }

  /** Where the channel's master is in another region, if anybody is known to be it. */
  masterIn(region: string, channel: string): Place | undefined {
    return this.#regions.get(region)?.masterPlace(channel)
  }

  /** The first worker of each other region, in the order of its view. */
  speakers(): Place[] {
    return [...this.#regions.values()].flatMap((region) => region.places().slice(0, 1))
  }

  /** What is known of the other regions has changed. */
  onWorld(foreign: readonly Foreign[], absent: readonly string[]): void {
    this.#absent = absent
    for (const [name, region] of this.#regions) {
      if (foreign.some((each) => each.region === name)) continue
      for (const place of region.places()) this.#ports.onPlaceEnded(place)
      this.#regions.delete(name)
      this.#silent.delete(name)
      this.#unheardSinceMs.delete(name)
      for (const [channel, { relays }] of this.#used) {
        relays.get(name)?.close()
        if (relays.delete(name)) this.#ports.masters.onRelay(channel, name, false)
      }
    }
    for (const each of foreign) this.#onRegion(each)
    this.#ports.onWorld()
  }

  /** A channel that is mastered here is used from now on, or no more. */
  onUsed(channel: string, isUsed: boolean, isNew: boolean): void {
    if (!isUsed) {
      const relays = this.#used.get(channel)?.relays ?? []
      this.#used.delete(channel)
      for (const [name, relay] of relays) {
        relay.close()
        this.#ports.masters.onRelay(channel, name, false)
      }
      return
    }
    const sinceMs = this.#ports.now().wallMs
    const used: Used = { isNew, sinceMs, isCounted: false, relays: NO_RELAYS }
    this.#used.set(channel, used)
    if (this.#regions.size === 0) return
    const awaited = new Set([...this.#regions.keys()].filter((name) => !this.#silent.has(name)))
    const letIn = isNew && awaited.size > 0 ? this.#ports.masters.wait(channel) : undefined
    for (const name of this.#regions.keys()) {
      this.#begin(channel, used, name, () => {
        if (awaited.delete(name) && awaited.size === 0) letIn?.()
      })
    }
    const { deadlines, now } = this.#ports
    deadlines.at(now().monoMs + limits.relayWaitMs, () => {
      for (const name of awaited) this.#silent.add(name)
      letIn?.()
    })
  }

  /** A relay of another region Joins: the channel is used there. */
  wake({ channel, region }: RelayJoin): void {
    this.#used.get(channel)?.relays.get(region)?.wake()
  }

  /** A master of another region says something. */
  onMessage(from: Place, message: ToRelay | RelayTold): void {
    const { channel, region } = message
    this.#silent.delete(region)
    if (message.kind === 'relayTold') {
      this.#ports.masters.onTold(message)
      return
    }
    const relay = this.#used.get(channel)?.relays.get(region)
    if (relay !== undefined) relay.onMessage(message)
    else if (message.kind === 'relayDeliver' || message.kind === 'relayAgain') {
      // It was told that the relay has ended, and that was lost.
      const part = { kind: 'relayPart' as const, channel, region: this.#ports.region, relayId: '' }
      this.#ports.send(from, part)
    }
  }

  /** Somebody wants to know how many are attached elsewhere, or nobody does any more. */
  count(channel: string, isWanted: boolean): void {
    const used = this.#used.get(channel)
    if (used === undefined) return
    used.isCounted = isWanted
    for (const relay of used.relays.values()) relay.wantCount(isWanted)
  }

  /**
   * Asks the channel's master in every other region, if it is another one than was asked before;
   * returns which these are. Where nobody is it somebody will be.
   */
  askAll(ask: RelayAsk, former: AskedRegions): AskedRegions {
    const nowMs = this.#ports.now().monoMs
    const asked = new Map<string, AskedRegion>()
    for (const [name, region] of this.#regions) {
      const place = region.masterPlace(ask.channel)
      const master = region.masterLife(ask.channel)
      if (place !== undefined && former.get(name)?.master !== master) this.#ports.send(place, ask)
      const sinceMs = this.#unheardSinceMs.get(name) ?? nowMs
      this.#unheardSinceMs.set(name, sinceMs)
      asked.set(name, { master, isAway: nowMs - sinceMs >= limits.movingMs })
    }
    return asked
  }

  /** Asks the channel's master in one of them, another with every `turn`; false: there is none. */
  askOne(hold: RelayHold, turn: number): boolean {
    const masters = [...this.#regions].toSorted(([a], [b]) => a < b ? -1 : 1)
      .flatMap(([, region]) => region.masterPlace(hold.channel) ?? [])
    const master = masters[turn % masters.length]
    if (master !== undefined) this.#ports.send(master, hold)
    return master !== undefined
  }

  /** Says to a region how much of what was born there is written here, if it wants to know. */
  sayWritten(channel: string, region: string, stretch: Stretch): void {
    this.#used.get(channel)?.relays.get(region)?.sayWritten(stretch)
  }

  /** The relay to a region is to begin after this, if it has not begun yet. */
  start(channel: string, region: string, from: Standing): void {
    this.#used.get(channel)?.relays.get(region)?.startFrom(from)
  }

  /** What was said to `place` may be lost. */
  onLinkReset(place: Place): void {
    for (const [name, region] of this.#regions) {
      for (const [channel, { relays }] of this.#used) {
        const master = region.masterPlace(channel)
        if (master !== undefined && isSamePlace(master, place)) {
          relays.get(name)?.onMasterUncertain()
        }
      }
    }
  }

  describe(): string[] {
    return [...this.#used.values()].flatMap(({ relays }) =>
      [...relays].map(([region, relay]) => `${relay.describe()} from ${region}`))
  }

  #onRegion({ region: name, view, generations }: Foreign): void {
    const known = this.#regions.get(name)
    const region = known ?? new Mastership(this.#ports.self, 1)
    this.#regions.set(name, region)
    const before = new Map([...this.#used.keys()].map((channel) =>
      [channel, known?.masterLife(channel)]))
    const { ended, anew, heardAnew } = region.learn(view, generations, new Set())
    for (const place of ended) this.#ports.onPlaceEnded(place)
    for (const place of anew) this.#ports.onPeerRestarted(place)
    for (const place of heardAnew) this.#ports.onLinkReset(place)
    for (const [channel, used] of this.#used) {
      const relay = used.relays.get(name)
      if (relay === undefined) this.#begin(channel, used, name, () => undefined)
      else if (before.get(channel) !== region.masterLife(channel)) relay.onMasterUncertain()
    }
  }

  #begin(channel: string, used: Used, name: string, onAnswered: () => void): void {
    const { deadlines, random, masters, now, send } = this.#ports
    const region = this.#regions.get(name)!
    const relay = new Relay(channel, this.#ports.region, this.#startOf(channel, used, name), {
      deadlines,
      random,
      nowMs: () => now().monoMs,
      viewVersion: () => region.viewVersion,
      send: (message) => {
        const master = region.masterPlace(channel)
        if (master !== undefined) send(master, message)
      },
      hasRoom: () => masters.hasRoom(channel),
      onSilent: (isSilent) => masters.onRelay(channel, name, !isSilent),
      take: (relayed) => masters.take(channel, name, relayed),
      takeNobody: () => masters.takeNobody(channel, name),
      onCount: (count) => masters.onCount(channel, name, count),
      written: () => masters.writtenOf(channel, name),
      onAnswered
    })
    if (used.relays === NO_RELAYS) used.relays = new Map()
    used.relays.set(name, relay)
    masters.onRelay(channel, name, true)
    relay.wantCount(used.isCounted)
    relay.begin()
  }

  #startOf(channel: string, { isNew, sinceMs }: Used, name: string): RelayStart {
    const standing = this.#ports.masters.standingOf(channel, name)
    if (standing !== undefined) return { kind: 'from', standing }
    if (isNew) return { kind: 'since', ms: sinceMs }
    return { kind: 'unknown', ms: sinceMs - limits.tailMs }
  }
}
