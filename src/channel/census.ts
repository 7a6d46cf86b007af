/**
 * The census of a channel at its master: how many are attached, by the word of every node's
 * ChannelClient (protocol 7.10).
 *
 *   idle ──a client wants occupancy, or a status is asked for──▶ counting ──nobody does──▶ idle
 *
 * While it is idle it costs nothing: nobody counts. It holds what clients said to this very
 * mastership (rule 12), and all of that is a level: who Joins again is asked again, and says again
 * what it wants; who is gone counts for nothing.
 *
 * Those who want the occupancy are told once all have reported; after that, and where clients are
 * only coming back, at most once in `occupancyMs`, whatever changes how often. Other regions count
 * for themselves: each is asked while somebody here wants to know, and its number is added.
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { CensusToMaster, Headcount, Occupancy } from '../peer/census-message.ts'
import type { PeerMessage } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import type { Interests } from './interests.ts'
import { isSameCount, sumOf } from './occupancy.ts'

/** What a census needs from its channel's master. */
export interface CensusPorts {
  readonly epoch: number
  now(): Now
  /** Calls back, unless the mastership is over by then. */
  later(channel: string, afterMs: number, run: () => void): void
  send(place: Place, message: PeerMessage): void
  /** Asks the other regions to count, too, or not any more. */
  countAbroad(channel: string, isWanted: boolean): void
}

/** Who asks once; `isOfWorld`: for those of this region alone. */
interface Asker {
  readonly isOfWorld: boolean
  readonly tell: (occupancy: Occupancy) => void
}

/** What all channels share with which no other region has to do. */
const NO_REGIONS = new Map<string, Headcount | undefined>()
const NO_LISTENERS = new Map<string, (count: Headcount) => void>()

export class Census {
  readonly #channel: string
  readonly #ports: CensusPorts
  readonly #clients: Interests
  readonly #presence: { readonly memberCount: number; readonly bornCount: number }
  /** Who wants to be told, by place. */
  readonly #watchers = new Map<string, Place>()
  readonly #counts = new Map<string, Headcount>()
  /** By region: how many are attached there; undefined as long as it has not said so. */
  #abroad: Map<string, Headcount | undefined> = NO_REGIONS
  /** By region: how it is told how many are attached here. */
  #listeners: Map<string, (count: Headcount) => void> = NO_LISTENERS
  #isAskingAbroad = false
  #askers: Asker[] = []
  #isCounting = false
  /** Some client was there before this mastership, so others may come back, too. */
  #mayReturn = false
  #told: Occupancy | undefined
  #toldAbroad: Headcount | undefined
  #isTelling = false

  constructor(
    channel: string,
    ports: CensusPorts,
    clients: Interests,
    presence: { readonly memberCount: number; readonly bornCount: number }
  ) {
    this.#channel = channel
    this.#ports = ports
    this.#clients = clients
    this.#presence = presence
  }

  /**
   * A client has joined: what it wants and counts it says now. `isReturning`: it was there before,
   * with a former master or a link that was lost.
   */
  onJoin(place: Place, isReturning: boolean): void {
    this.#mayReturn ||= isReturning
    this.#watchers.delete(placeKey(place))
    if (this.#isCounting) this.#ask(place)
    this.#endIfUnwanted()
  }

  /** A client that has joined says something. */
  onMessage(place: Place, message: CensusToMaster): void {
    if (this.#clients.get(placeKey(place))?.clientId !== message.clientId) return
    if (message.kind === 'occupancyWanted') this.#onWanted(place, message.isWanted)
    else this.#onCensus(place, message.count)
  }

  /** True if some node has clients of the channel, or somebody of this region is present. */
  get isUsed(): boolean {
    return this.#clients.size > 0 || this.#presence.bornCount > 0
  }

  /** True if some node has, or lately had, attachments. */
  get isWatched(): boolean {
    return this.#clients.isWatched
  }

  /** A relay to a region begins, or ends. */
  onRegion(region: string, isThere: boolean): void {
    if (isThere) {
      if (this.#abroad === NO_REGIONS) this.#abroad = new Map()
      this.#abroad.set(region, undefined)
    } else this.#abroad.delete(region)
    this.onChanged()
  }

  /** So many are attached in a region. */
  onAbroad(region: string, count: Headcount): void {
    if (!this.#abroad.has(region)) return
    this.#abroad.set(region, count)
    this.onChanged()
  }

  /** Another region wants to be told how many are attached here; without `tell` not any more. */
  listen(region: string, tell?: (count: Headcount) => void): void {
    if (tell === undefined) {
      if (this.#listeners.delete(region)) this.#endIfUnwanted()
      return
    }
    if (this.#listeners === NO_LISTENERS) this.#listeners = new Map()
    this.#listeners.set(region, tell)
    this.#begin()
    this.#toldAbroad = undefined
    this.onChanged()
  }

  /** Clients have gone. */
  onGone(): void {
    if (!this.#isCounting) return
    const left = new Set<string>()
    for (const place of this.#clients.places()) left.add(placeKey(place))
    for (const key of this.#watchers.keys()) if (!left.has(key)) this.#watchers.delete(key)
    for (const key of this.#counts.keys()) if (!left.has(key)) this.#counts.delete(key)
    this.onChanged()
    this.#endIfUnwanted()
  }

  /** The occupancy may be another one: of the presence set this is said from outside. */
  onChanged(): void {
    if (!this.#isCounting) return
    if (this.#isWholeHere) this.#answer(({ isOfWorld }) => isOfWorld)
    if (this.#isWhole) {
      this.#answer()
      if (this.#told === undefined && !this.#mayReturn) this.#tell()
    }
    if (this.#listeners.size > 0 && this.#toldAbroad === undefined) this.#tellAbroad()
    if ((this.#watchers.size === 0 && this.#listeners.size === 0) || this.#isTelling) return
    this.#isTelling = true
    this.#ports.later(this.#channel, limits.occupancyMs, () => {
      this.#isTelling = false
      this.#mayReturn = false
      this.#tell()
      this.#tellAbroad()
    })
  }

  /**
   * Asks for the occupancy: answered when all have reported, or after a while with what is known.
   * `isOfWorld`: whoever asks asks the other regions, too, so that it is that of ours alone.
   */
  ask(tell: (occupancy: Occupancy) => void, isOfWorld = false): void {
    const asker = { isOfWorld, tell }
    this.#askers.push(asker)
    this.#begin()
    this.#askAbroad()
    this.onChanged()
    if (!this.#askers.includes(asker)) return
    const isIt = (other: Asker): boolean => other === asker
    this.#ports.later(this.#channel, limits.censusMs, () => this.#answer(isIt))
  }

  #onWanted(place: Place, isWanted: boolean): void {
    const key = placeKey(place)
    if (!isWanted) {
      this.#watchers.delete(key)
      this.#endIfUnwanted()
      return
    }
    this.#watchers.set(key, place)
    this.#begin()
    this.#askAbroad()
    if (this.#told !== undefined) this.#say(place, this.#told)
    this.onChanged()
  }

  #onCensus(place: Place, count: Headcount): void {
    if (!this.#isCounting) {
      // It was not heard that nobody wants to know any more.
      this.#ask(place)
      return
    }
    this.#counts.set(placeKey(place), count)
    this.onChanged()
  }

  /** True once every client and region has said how many it has. */
  get #isWhole(): boolean {
    return this.#isWholeHere && !this.#abroad.values().some((count) => count === undefined)
  }

  get #isWholeHere(): boolean {
    for (const place of this.#clients.places()) {
      if (!this.#counts.has(placeKey(place))) return false
    }
    return true
  }

  #begin(): void {
    if (this.#isCounting) return
    this.#isCounting = true
    for (const place of this.#clients.places()) this.#ask(place)
  }

  #endIfUnwanted(): void {
    this.#askAbroad()
    const isWanted = this.#watchers.size + this.#askers.length + this.#listeners.size > 0
    if (!this.#isCounting || isWanted) return
    this.#isCounting = false
    this.#told = this.#toldAbroad = undefined
    this.#counts.clear()
    for (const place of this.#clients.places()) this.#ask(place)
  }

  /** Regions are asked for those who want to know here, and not for each other. */
  #askAbroad(): void {
    const isWanted = this.#watchers.size > 0 || this.#askers.some(({ isOfWorld }) => !isOfWorld)
    if (isWanted === this.#isAskingAbroad) return
    this.#isAskingAbroad = isWanted
    for (const region of this.#abroad.keys()) this.#abroad.set(region, undefined)
    this.#ports.countAbroad(this.#channel, isWanted)
  }

  #tellAbroad(): void {
    if (this.#listeners.size === 0 || !this.#isWholeHere) return
    const count = sumOf(this.#counts.values())
    if (this.#toldAbroad !== undefined && isSameCount(this.#toldAbroad, count)) return
    this.#toldAbroad = count
    for (const tell of this.#listeners.values()) tell(count)
  }

  /** Asks a client to count, or not to. */
  #ask(place: Place): void {
    const channel = this.#channel
    const { epoch } = this.#ports
    const isWanted = this.#isCounting
    this.#ports.send(place, { kind: 'censusWanted', channel, epoch, isWanted })
  }

  #answer(isIt: (asker: Asker) => boolean = () => true): void {
    const askers = this.#askers.filter(isIt)
    if (askers.length === 0) return
    this.#askers = this.#askers.filter((asker) => !isIt(asker))
    const all = this.#occupancy()
    const born = { ...sumOf(this.#counts.values()), presenceMembers: this.#presence.bornCount }
    for (const { isOfWorld, tell } of askers) tell(isOfWorld ? born : all)
    this.#endIfUnwanted()
  }

  #tell(): void {
    if (!this.#isCounting || this.#watchers.size === 0) return
    const occupancy = this.#occupancy()
    if (this.#told !== undefined && isSameCount(this.#told, occupancy)) return
    this.#told = occupancy
    for (const place of this.#watchers.values()) this.#say(place, occupancy)
  }

  #occupancy(): Occupancy {
    const abroad = this.#abroad.values().filter((count) => count !== undefined)
    const counts = [...this.#counts.values(), ...abroad]
    return { ...sumOf(counts), presenceMembers: this.#presence.memberCount }
  }

  #say(place: Place, occupancy: Occupancy): void {
    const channel = this.#channel
    const { epoch } = this.#ports
    const timestamp = this.#ports.now().wallMs
    this.#ports.send(place, { kind: 'occupancy', channel, epoch, occupancy, timestamp })
  }
}
