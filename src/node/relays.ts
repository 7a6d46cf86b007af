/**
 * A worker's relays: for each channel that it masters and that is in use, one to every other
 * region of the world (region/relay.ts). Where a channel's master is there, that region's view
 * says, which this worker is told like its own (`world`).
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { Begins } from '../channel/comeback.ts'
import type { AskedRegion, AskedRegions } from '../channel/moving.ts'
import type { OtherRegions } from '../channel/partition-ports.ts'
import type { Headcount } from '../peer/census-message.ts'
import type { PeerMessage, Standing } from '../peer/message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import type {
  RelayAsk, Relayed, RelayHold, RelayJoin, RelayTold, Stretch, ToRelay
} from '../peer/relay-message.ts'
import { Relay, type RelayStart } from '../region/relay.ts'
import { RelayGauge, type RelayStanding } from '../region/relay-gauge.ts'
import type { Foreign } from './ports.ts'
import { Mastership } from './mastership.ts'
import { RegionsHeard } from './regions-heard.ts'

/** The masters of this worker, as relays need them. */
export interface RelayedMasters {
  /** How far what was born in a region is written on a channel; undefined: nothing was. */
  standingOf(channel: string, region: string): Standing | undefined
  /** It had been let go, and the region is to tell what came since; else undefined. */
  begins(channel: string, region: string): Begins | undefined
  /** That is not waited for any more; false: it has told that, or is not to. */
  giveUp(channel: string, region: string): boolean
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
  /** When its clients may have begun to miss something; see `PartitionPorts`. */
  readonly sinceMs: number | undefined
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
  readonly #gauge = new RelayGauge()
  readonly #heard = new RegionsHeard()
  #absent: readonly string[] = []
  /** Regions that were not heard of, though they belong to the world. */
  readonly #lost = new Set<string>()
  /** Since when regions are asked about clients that moved, and have not said anything, in ms. */
  readonly #unheardSinceMs = new Map<string, number>()

  constructor(ports: RelaysPorts) {
    this.#ports = ports
  }

  /** True for a place of another region that its view lists. */
  isForeign(place: Place): boolean {
    return [...this.#regions.values()].some((region) => !region.isStranger(place))
  }

  /** False for a place that is known not to be of this region. */
  mayBeOf(region: string, place: Place): boolean {
    return region !== this.#ports.region && this.#regions.get(region)?.isStranger(place) !== true
  }

  /** The life `generation` of `place` has spoken to us. */
  hear(place: Place, generation: number): void {
    for (const [name, region] of this.#regions) {
      if (region.isStranger(place)) continue
      region.hear(place, generation)
      this.#unheardSinceMs.delete(name)
      this.#gauge.onHeard(name, this.#ports.now().monoMs)
    }
  }

  /** How the relays stand to each of the other regions. */
  standings(): RelayStanding[] {
    const { masters, now } = this.#ports
    const hasRoom = (channel: string): boolean => masters.hasRoom(channel)
    return this.#gauge.standings(this.names, this.#used.size, hasRoom, now().monoMs)
  }

  /** The names of the other regions. */
  get names(): string[] {
    return [...this.#regions.keys()]
  }

  /** The names of others that belong to the world, and of which nothing is heard. */
  get absent(): readonly string[] { return this.#absent }

  /** The names of both. */
  get worldNames(): string[] { return [...this.names, ...this.#absent] }

  /**
   * Whether there are other regions, and all of them, or the one that is named, have been heard and
   * have heard us for long enough to have asked what they missed.
   */
  others(region?: string): OtherRegions {
    const names = region === undefined ? this.worldNames : [region]
    if (names.length === 0) return 'none'
    return this.#heard.haveAsked(names, this.#ports.now().monoMs) ? 'heard' : 'silent'
  }

  /** Where the channel's master is in another region, if anybody is known to be it. */
  masterIn(region: string, channel: string): Place | undefined {
    return this.#regions.get(region)?.masterPlace(channel)
  }

  /** Every worker of another region. */
  placesIn(region: string): Place[] {
    return this.#regions.get(region)?.places() ?? []
  }

  /** True for one of them. */
  isListedIn(region: string, place: Place): boolean {
    return this.#regions.get(region)?.isListed(place) === true
  }

  /** The first worker of each other region, in the order of its view. */
  speakers(): Place[] {
    return [...this.#regions.values()].flatMap((region) => region.places().slice(0, 1))
  }

  /** What is known of the other regions has changed. */
  onWorld(foreign: readonly Foreign[], absent: readonly string[]): void {
    this.#absent = absent
    for (const name of absent) this.#lost.add(name)
    for (const [name, region] of this.#regions) {
      if (foreign.some((each) => each.region === name)) continue
      this.#lost.add(name)
      for (const place of region.places()) this.#ports.onPlaceEnded(place)
      this.#regions.delete(name)
      this.#heard.end(name)
      this.#unheardSinceMs.delete(name)
      this.#gauge.forget(name)
      for (const [channel, { relays }] of this.#used) {
        relays.get(name)?.close(absent.includes(name))
        if (relays.delete(name)) this.#ports.masters.onRelay(channel, name, false)
      }
    }
    for (const each of foreign) this.#onRegion(each)
    this.#ports.onWorld()
  }

  /** A channel that is mastered here is used from now on, or no more; see `PartitionPorts`. */
  onUsed(channel: string, isUsed: boolean, isNew: boolean, sinceMs: number | undefined): void {
    const former = this.#used.get(channel)?.relays ?? []
    this.#used.delete(channel)
    for (const [name, relay] of former) {
      relay.close()
      this.#ports.masters.onRelay(channel, name, false)
    }
    if (!isUsed) return
    const used = { sinceMs, isCounted: false, relays: NO_RELAYS }
    this.#used.set(channel, used)
    if (this.#regions.size === 0) return
    const awaited = new Set(this.names.filter((name) => !this.#heard.isSilent(name)))
    const letIn = isNew && awaited.size > 0 ? this.#ports.masters.wait(channel) : undefined
    for (const name of this.#regions.keys()) {
      if (!awaited.has(name)) this.#giveUp(channel, used, name)
      this.#begin(channel, used, name, () => {
        if (awaited.delete(name) && awaited.size === 0) letIn?.()
      })
    }
    const { deadlines, now } = this.#ports
    deadlines.at(now().monoMs + limits.relayWaitMs, () => {
      for (const name of awaited) {
        this.#heard.onSilent(name)
        this.#giveUp(channel, used, name)
      }
      letIn?.()
    })
  }

  /** A region has something to tell, or may have: its relay Joins, or it wants that held. */
  wake({ channel, region }: Pick<RelayJoin, 'channel' | 'region'>): void {
    this.#used.get(channel)?.relays.get(region)?.wake()
  }

  /** A master of another region says something. */
  onMessage(from: Place, message: ToRelay | RelayTold): void {
    const { channel, region } = message
    this.#heard.onHeard(region, this.#ports.now().monoMs)
    if (message.kind === 'relayTold') return this.#ports.masters.onTold(message)
    if (message.kind === 'relayAgain' && channel === '') {
      this.#relaysTo(from, (relay) => relay.onForgotten())
      return
    }
    const relay = this.#used.get(channel)?.relays.get(region)
    if (relay !== undefined) relay.onMessage(message)
    else if (message.kind === 'relayDeliver' || message.kind === 'relayAgain') {
      // It was told that the relay has ended, and that was lost.
      const { region: own } = this.#ports
      this.#ports.send(from, { kind: 'relayPart', channel, region: own, relayId: '' })
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

  /** What was said to or by `place` may be lost: that a channel is used there, too. */
  onLinkReset(place: Place): void {
    this.#relaysTo(place, (relay) => relay.onForgotten())
  }

  /** What is said to `place` is let go, as it confirms nothing; or no more. */
  onMute(place: Place, isMute: boolean): void {
    const key = placeKey(place)
    if (!isMute) {
      this.#heard.onUnmute(key, this.#ports.now().monoMs)
      return
    }
    for (const [region, mastership] of this.#regions) {
      if (!mastership.isStranger(place)) this.#heard.onMute(key, region)
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
    if (known === undefined) this.#heard.begin(name, this.#ports.now().monoMs)
    const before = new Map([...this.#used.keys()].map((channel) =>
      [channel, known?.masterLife(channel)]))
    const { ended, anew, heardAnew } = region.learn(view, generations, new Set())
    for (const place of ended) this.onMute(place, false)
    for (const place of ended) this.#ports.onPlaceEnded(place)
    for (const place of anew) this.#ports.onPeerRestarted(place)
    for (const place of heardAnew) this.#ports.onLinkReset(place)
    if (known === undefined && this.#lost.delete(name)) this.#sayAgain(region)
    for (const [channel, used] of this.#used) {
      const relay = used.relays.get(name)
      if (relay === undefined) this.#beginLate(channel, used, name)
      else if (before.get(channel) !== region.masterLife(channel)) relay.onForgotten()
    }
  }

  #relaysTo(place: Place, run: (relay: Relay) => void): void {
    for (const [name, region] of this.#regions) {
      for (const [channel, { relays }] of this.#used) {
        const master = region.masterPlace(channel)
        const relay = relays.get(name)
        if (master !== undefined && isSamePlace(master, place) && relay !== undefined) run(relay)
      }
    }
  }

  /** It may have heard us all the time, and taken what was said to nobody for all there was. */
  #sayAgain(region: Mastership): void {
    const again = { kind: 'relayAgain' as const, channel: '', region: this.#ports.region }
    for (const place of region.places()) this.#ports.send(place, again)
  }

  /** Its clients were let in without that region, so what came since then is for them, too. */
  #beginLate(channel: string, used: Used, name: string): void {
    this.#giveUp(channel, used, name)
    this.#begin(channel, used, name)
  }

  #begin(channel: string, used: Used, name: string, onAnswered = (): void => undefined): void {
    const { deadlines, random, masters, now, send } = this.#ports
    const region = this.#regions.get(name)!
    const gauge = this.#gauge
    const start = this.#startOf(channel, used, name)
    const relay: Relay = new Relay(channel, this.#ports.region, start, {
      deadlines,
      random,
      nowMs: () => now().monoMs,
      wallMs: () => now().wallMs,
      viewVersion: () => region.viewVersion,
      send: (message) => {
        const master = region.masterPlace(channel)
        if (master !== undefined) send(master, message)
      },
      hasRoom: () => masters.hasRoom(channel),
      onSilent: (isSilent) => masters.onRelay(channel, name, !isSilent),
      onBehind: (isBehind) => {
        if (isBehind) gauge.onBehind(relay, { region: name, channel, sinceMs: now().monoMs })
        else gauge.onAbreast(relay)
      },
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

  #startOf(channel: string, { sinceMs }: Used, name: string): RelayStart {
    const { masters, now } = this.#ports
    const standing = masters.standingOf(channel, name)
    const { sinceMs: backMs = 0, only } = masters.begins(channel, name) ?? {}
    if (standing !== undefined) return { kind: 'from', standing, only }
    const { monoMs, wallMs } = now()
    if (backMs === 0) return { kind: 'since', monoMs: sinceMs, only }
    // By a clock that was set back nobody knows how long ago that was.
    if (wallMs < backMs && masters.giveUp(channel, name)) return { kind: 'since', monoMs: sinceMs }
    return { kind: 'since', monoMs: monoMs - (wallMs - backMs) - limits.clockSkewMs, only }
  }

  /** A region is not heard: what came before its relay begins is not waited for. */
  #giveUp(channel: string, used: Used, name: string): void {
    if (this.#used.get(channel) !== used || !this.#ports.masters.giveUp(channel, name)) return
    used.relays.get(name)?.startSince(used.sinceMs ?? this.#ports.now().monoMs)
  }
}
