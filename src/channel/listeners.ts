/**
 * The relays of other regions that are told what is born here on a channel
 * (docs/decisions/0024-regions.md): one of each region, from where it stands.
 */

import type { Headcount } from '../peer/census-message.ts'
import type { PeerMessage, PresenceMember, Publication } from '../peer/message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import {
  type RelayCountWanted, type RelayJoin, type RelayJoined, type RelayPart, regionOf, sinceOf
} from '../peer/relay-message.ts'
import type { Holes } from './holes.ts'
import {
  brokenPage, type Here, type Page, pageBornAfter, pageBornSince, withUncopied
} from './page.ts'
import { itemBytes, pagesOf } from './presence-pages.ts'
import { isBornHere } from './transplant.ts'

export interface ListenersPorts {
  readonly epoch: number
  /** The name of the own region. */
  readonly region: string
  /** True while nobody can say who is present. */
  readonly isRollOpen: boolean
  send(place: Place, message: PeerMessage): void
}

/** The channel's master. */
export interface ListenersOwner {
  /** Who is present, as far as the log has it. */
  shown(): readonly PresenceMember[]
  /** A region wants to be told how many are attached here; without `tell` not any more. */
  listen(region: string, tell?: (count: Headcount) => void): void
  /** What is born here is acknowledged once another region has it. */
  readonly wantsWritten: boolean
  /** What the archive has of what is not held any more. */
  readonly holes: Pick<Holes, 'fill' | 'forget'>
}

/** A relay as the master knows it. */
interface Listener {
  readonly place: Place
  readonly relayId: string
  /** True: it has been told everything up to here. */
  readonly isLive: boolean
  /** It is to ask again once it is known who is present. */
  readonly wantsMembers: boolean
  /** It says what of this is written there. */
  readonly saysWritten: boolean
}

export class Listeners {
  readonly #channel: string
  readonly #ports: ListenersPorts
  readonly #owner: ListenersOwner
  /** By region. */
  readonly #listeners = new Map<string, Listener>()
  /** The last seq that was born here; where that is not known, one before it. */
  #bornSeq: number
  /** Another region has listened, maybe before the channel was let go. */
  isSought = false

  constructor(
    channel: string, startSeq: number, ports: ListenersPorts, owner: ListenersOwner
  ) {
    this.#channel = channel
    this.#bornSeq = startSeq
    this.#ports = ports
    this.#owner = owner
  }

  /**
   * Answers a relay of another region, now or later; it is told from then on. `lastMs` is when the
   * newest publication was, by our clock, undefined where some may be forgotten; `wallMs` is now.
   */
  onJoin(
    place: Place, join: RelayJoin, here: Here, lastMs: number | undefined, wallMs: number
  ): void {
    const { region, relayId, from } = join
    const sinceMs = sinceOf(join, wallMs)
    const page = pageFor(join, here, sinceMs, lastMs)
    this.onCountWanted({ ...join, kind: 'relayCountWanted', isWanted: join.wantsCount }, place)
    const former = this.#listeners.get(region)
    const silent = { isLive: false, wantsMembers: false, saysWritten: true }
    this.isSought = true
    this.#listeners.set(region, { place, relayId, ...silent })
    // Two may Join for one region: a former master of it may not know that it is none any more.
    if (former !== undefined && former.relayId !== relayId) this.#sayAgain(former.place)
    const { holes } = this.#owner
    const isLater = !page.isContinuation && join.only === undefined &&
      holes.fill(region, from, sinceMs, (filled) => this.#answer(place, join, filled))
    if (isLater) return
    holes.forget(region)
    this.#answer(place, join, page)
  }

  #answer(place: Place, join: RelayJoin, page: Page): void {
    const { channel, region, relayId, joinNo } = join
    const { wantsWritten } = this.#owner
    const members = this.#membersFor(join, page)
    const [isLive, wantsMembers] = [page.isWhole, members === 'later']
    this.#listeners.set(region, { place, relayId, isLive, wantsMembers, saysWritten: wantsWritten })
    if (members === 'told') this.#tellMembers(place, join)
    const { isContinuation, isWhole, standing, publications } = page
    this.#ports.send(place, {
      kind: 'relayJoined', channel, region: this.#ports.region, relayId, joinNo,
      epoch: this.#ports.epoch, standing, isContinuation, isWhole, publications, members,
      wantsWritten
    })
  }

  /** What is born here waits to be written elsewhere: who was not told so yet asks again. */
  wantWritten(): void {
    for (const [region, listener] of this.#listeners) {
      if (listener.saysWritten) continue
      this.#listeners.set(region, { ...listener, saysWritten: true })
      this.#sayAgain(listener.place)
    }
  }

  /** Everybody has declared: relays that wait to hear who is present are to ask again. */
  onRollClosed(): void {
    for (const { place, wantsMembers } of this.#listeners.values()) {
      if (wantsMembers) this.#sayAgain(place)
    }
  }

  #membersFor({ wantsMembers }: RelayJoin, { isContinuation, isWhole, isFilled }: Page):
  RelayJoined['members'] {
    if (!wantsMembers && isContinuation && isFilled !== true) return 'kept'
    return isWhole && !this.#ports.isRollOpen ? 'told' : 'later'
  }

  #tellMembers(place: Place, { relayId, joinNo }: RelayJoin): void {
    const born = this.#owner.shown().filter(({ owner }) => regionOf(owner) === undefined)
    const [channel, { region }] = [this.#channel, this.#ports]
    for (const members of pagesOf(born, itemBytes)) {
      this.#ports.send(place, { kind: 'relayMembers', channel, region, relayId, joinNo, members })
    }
  }

  /** A relay has ended; one that it does not name is whichever we have there. */
  onPart(place: Place, { region, relayId }: RelayPart): void {
    const listener = this.#listeners.get(region)
    const isIt = listener !== undefined && (listener.relayId === relayId ||
      (relayId === '' && isSamePlace(listener.place, place)))
    if (isIt) this.#drop(region)
  }

  /** A relay's region wants to know how many are attached here, or not any more. */
  onCountWanted({ region, isWanted }: RelayCountWanted, place: Place): void {
    const [channel, { region: here }] = [this.#channel, this.#ports]
    this.#owner.listen(region, isWanted ? (count) => {
      this.#ports.send(place, { kind: 'relayCount', channel, region: here, count })
    } : undefined)
  }

  #drop(region: string): void {
    this.#listeners.delete(region)
    this.#owner.holes.forget(region)
    this.#owner.listen(region)
  }

  /** Places are gone: so are their relays. */
  forget(isGone: (place: Place) => boolean): void {
    for (const [region, { place }] of this.#listeners) {
      if (isGone(place)) this.#drop(region)
    }
  }

  /** What was said to this place may be lost. */
  onLinkReset(place: Place): void {
    const key = placeKey(place)
    for (const { place: other } of this.#listeners.values()) {
      if (placeKey(other) === key) this.#sayAgain(other)
    }
  }

  /** Tells the relays what is committed and was born here; the same object to all. */
  deliver(publications: readonly Publication[]): void {
    const born = publications.filter(isBornHere)
    const last = born.at(-1)
    if (last === undefined) return
    const after = this.#bornSeq
    this.#bornSeq = last.seq
    if (this.#listeners.size === 0) return
    const channel = this.#channel
    const { epoch, region } = this.#ports
    const message = {
      kind: 'relayDeliver' as const, channel, region, epoch, after, publications: born
    }
    for (const { place, isLive } of this.#listeners.values()) {
      if (isLive) this.#ports.send(place, message)
    }
  }

  /** True if other regions are told what is born here. */
  get isHeard(): boolean { return this.#listeners.size > 0 }

  /** The mastership is over, or the channel is let go. */
  end(): void {
    for (const [region, { place }] of this.#listeners) {
      this.#sayAgain(place)
      this.#drop(region)
    }
  }

  #sayAgain(place: Place): void {
    const { region } = this.#ports
    this.#ports.send(place, { kind: 'relayAgain', channel: this.#channel, region })
  }
}

/** What it is told; `lastMs` undefined: what it missed may be forgotten. */
function pageFor(
  { from, only }: RelayJoin, here: Here, sinceMs: number, lastMs: number | undefined
): Page {
  if (from !== undefined) return pageBornAfter(here, from)
  if (lastMs === undefined) return brokenPage(here)
  const page = pageBornSince(here, sinceMs, lastMs)
  if (only === 'nothing' && page.publications.length > 0) return brokenPage(here)
  return withUncopied(here, page)
}
