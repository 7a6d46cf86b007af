/**
 * Other regions in a channel's mastership (docs/decisions/0024-regions.md): the relays that are
 * told what is born here, and how far what was born elsewhere is written here.
 *
 * What is born elsewhere is taken once: whatever stands at or below what was taken of its origin is
 * a repeat. It is taken in the order in which it comes, which is that of its origin.
 */

import type { RelayEntry } from '../log/entry.ts'
import type {
  Join, MemberOwner, Origin, PeerMessage, PresenceMember, Publication, PublishOp, Standing
} from '../peer/message.ts'
import type { Headcount } from '../peer/census-message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import {
  type RelayCountWanted, type Relayed, type RelayJoin, type RelayJoined, type RelayPart, regionOf,
  regionOwner
} from '../peer/relay-message.ts'
import { type Here, type Page, pageBornAfter, pageBornSince } from './page.ts'
import { itemBytes, pagesOf } from './presence-pages.ts'

/** A relay as the master knows it. */
interface Listener {
  readonly place: Place
  readonly relayId: string
  /** True: it has been told everything up to here. */
  readonly isLive: boolean
  /** It is to ask again once it is known who is present. */
  readonly wantsMembers: boolean
}

/** Clients that wait to be let in, until the log has come so far. */
interface Early {
  readonly clients: Map<string, { readonly place: Place; readonly join: Join }>
  letIn(place: Place, join: Join): void
  untilSeq: number
}

export interface RelayingPorts {
  readonly epoch: number
  /** The name of the own region. */
  readonly region: string
  /** False while the log takes nothing. */
  readonly hasRoom: boolean
  /** True while nobody can say who is present. */
  readonly isRollOpen: boolean
  own(entry: RelayEntry): void
  send(place: Place, message: PeerMessage): void
}

/** Something that was born elsewhere, on its way into our log. */
export type Transplant = Omit<Publication, 'seq' | 'entry'> & { readonly origin: Origin }

/** The channel's master. */
export interface RelayingOwner {
  /** It follows on what is there. */
  bring(transplant: Transplant): void
  /** Something that was born elsewhere before that may be missing. */
  breakOff(origin: Origin): void
  /** These and nobody else are present in a region. */
  list(region: string, members: readonly PresenceMember[]): void
  /** Who is present, as far as the log has it. */
  shown(): readonly PresenceMember[]
  /** The last seq that was given out; what came before it may still wait for the log. */
  readonly lastSeq: number
  /** A relay has begun, or ended: so has the life that speaks for that region's members. */
  onRelay(region: string, isThere: boolean): void
  /** A region wants to be told how many are attached here; without `tell` not any more. */
  listen(region: string, tell?: (count: Headcount) => void): void
}

export class Relaying {
  readonly #channel: string
  readonly #ports: RelayingPorts
  readonly #owner: RelayingOwner
  /** By region. */
  readonly #listeners = new Map<string, Listener>()
  /** By region: the last of its publications that is written here, or is about to be. */
  readonly #taken = new Map<string, Standing>()
  /** By region, of those that were new to this mastership: what came after this was taken. */
  readonly #begun = new Map<string, Pick<Standing, 'lineage' | 'seq'>>()
  /** Where nobody uses the channel. */
  readonly #dormant = new Set<string>()
  /** By region: the last one that is written. */
  readonly #written = new Map<string, Origin>()
  /** The last seq that was born here; where that is not known, one before it. */
  #bornSeq: number
  #standingSeq: number
  /** The regions to which there are relays. */
  readonly #regions = new Set<string>()
  /** Clients who wait to be let in, while those of other regions have not answered. */
  #early: Early | undefined

  constructor(
    channel: string, startSeq: number, ports: RelayingPorts, owner: RelayingOwner
  ) {
    this.#channel = channel
    this.#bornSeq = this.#standingSeq = startSeq
    this.#ports = ports
    this.#owner = owner
  }

  /**
   * The first clients of a channel are let in once relays have been, and what these brought stands
   * in the log: what is published elsewhere from then on they are told. `letIn` takes those that
   * waited; what is returned ends the wait. Where the mastership ends before, they Join again.
   */
  wait(letIn: Early['letIn']): () => void {
    this.#early = { clients: new Map(), letIn, untilSeq: Infinity }
    return () => {
      if (this.#early === undefined) return
      this.#early.untilSeq = this.#owner.lastSeq
      this.onSeq(this.#standingSeq)
    }
  }

  /** Nobody is let in here any more. */
  forgetEarly(): void { this.#early = undefined }

  /** True if a client has to wait to be let in. */
  holds(place: Place, join: Join): boolean {
    this.#early?.clients.set(placeKey(place), { place, join })
    return this.#early !== undefined
  }

  /** A client that waited has left. */
  onClientGone(place: Place): void {
    this.#early?.clients.delete(placeKey(place))
  }

  /** The log has come so far. */
  onSeq(seq: number): void {
    this.#standingSeq = seq
    const early = this.#early
    if (early === undefined || seq < early.untilSeq) return
    this.#early = undefined
    for (const { place, join } of early.clients.values()) early.letIn(place, join)
  }

  /** A relay to a region begins; or ends, and nobody speaks for that region's members any more. */
  onRelay(region: string, isThere: boolean): void {
    if (isThere) this.#regions.add(region)
    else this.#regions.delete(region)
    this.#owner.onRelay(region, isThere)
  }

  /** False for a region that is not listened to. */
  speaksFor(region: string): boolean {
    return this.#regions.has(region)
  }

  /** Where what is decided of another region's members is said to be born; undefined: here. */
  originOf(owner: MemberOwner | undefined): Origin | undefined {
    const region = owner && regionOf(owner)
    const taken = region === undefined ? undefined : this.#taken.get(region)
    return taken && { region: region!, ...taken }
  }

  /** False while nothing could be written here. */
  get hasRoom(): boolean { return this.#ports.hasRoom }

  /** How far what was born in other regions is written here. */
  get origins(): readonly Origin[] {
    return [...this.#written.values()]
  }

  /** Where we stand with what is born in a region; undefined if nothing of it was ever taken. */
  standingOf(region: string): Standing | undefined {
    return this.#taken.get(region)
  }

  /**
   * Whether somebody can go on here who was told elsewhere what was born in another region: from
   * `first` on here, or not yet; all before that, and up to `last`, elsewhere.
   */
  follows(first: Origin, last: Origin): 'now' | 'later' | 'never' {
    const { region, lineage, seq } = first
    const taken = this.#taken.get(region)
    if (taken === undefined) return this.#dormant.has(region) ? 'now' : 'later'
    const begun = this.#begun.get(region)
    if (begun !== undefined && (begun.lineage !== last.lineage || begun.seq > last.seq)) {
      return 'never'
    }
    return taken.lineage === lineage && taken.seq >= seq ? 'now' : 'later'
  }

  /** Answers a relay of another region, which is told from then on. */
  onJoin(place: Place, join: RelayJoin, here: Here, lastMs: number): void {
    const { channel, region, relayId, joinNo, from, sinceMs } = join
    const page = from === undefined ? pageBornSince(here, sinceMs, lastMs)
      : pageBornAfter(here, from)
    const members = this.#membersFor(join, page)
    const [isLive, wantsMembers] = [page.isWhole, members === 'later']
    this.onCountWanted({ ...join, kind: 'relayCountWanted', isWanted: join.wantsCount }, place)
    const former = this.#listeners.get(region)
    this.#listeners.set(region, { place, relayId, isLive, wantsMembers })
    // Two may Join for one region: a former master of it may not know that it is none any more.
    if (former !== undefined && former.relayId !== relayId) this.#sayAgain(former.place)
    if (members === 'told') this.#tellMembers(place, join)
    const { isContinuation, isWhole, standing, publications } = page
    this.#ports.send(place, {
      kind: 'relayJoined', channel, region: this.#ports.region, relayId, joinNo,
      epoch: this.#ports.epoch, standing, isContinuation, isWhole, publications, members
    })
  }

  /** Everybody has declared: relays that wait to hear who is present are to ask again. */
  onRollClosed(): void {
    for (const { place, wantsMembers } of this.#listeners.values()) {
      if (wantsMembers) this.#sayAgain(place)
    }
  }

  #membersFor({ wantsMembers }: RelayJoin, { isContinuation, isWhole }: Page):
  RelayJoined['members'] {
    if (!wantsMembers && isContinuation) return 'kept'
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
    this.#owner.listen(region)
  }

  /** Places are gone: so are their relays. */
  forget(isGone: (place: Place) => boolean): void {
    for (const [region, { place }] of this.#listeners) {
      if (isGone(place)) this.#drop(region)
    }
    const waiting = this.#early?.clients
    for (const [key, { place }] of waiting ?? []) if (isGone(place)) waiting!.delete(key)
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
    this.forgetEarly()
    for (const [region, { place }] of this.#listeners) {
      this.#sayAgain(place)
      this.#drop(region)
    }
  }

  /** Takes what was born in a region. False: there is no room, and it is not taken. */
  take(region: string, { isBroken, publications, standing, members }: Relayed): boolean {
    if (!this.#ports.hasRoom) return false
    this.#dormant.delete(region)
    const isFirst = !this.#taken.has(region)
    if (isFirst || isBroken) {
      const seq = (publications[0]?.seq ?? standing.seq + 1) - 1
      this.#begun.set(region, { lineage: standing.lineage, seq })
    }
    const next = this.#newOf(region, publications, standing)
    if (isBroken) this.#owner.breakOff({ region, ...standing })
    for (const publication of next) {
      const { seq, entry, owner } = publication
      const origin = { region, ...standing, seq, entry }
      const theirs = owner && { owner: regionOwner(region, owner.claim) }
      this.#owner.bring({ ...transplantOf(publication), ...theirs, origin })
    }
    if (members !== undefined) this.#owner.list(region, members)
    if (isFirst && !isBroken && next.length === 0) this.#begin({ region, ...standing })
    return true
  }

  /** Nobody uses the channel in a region. False: there is no room to say so. */
  takeNobody(region: string): boolean {
    const isAny = this.#owner.shown().some(({ owner }) => regionOf(owner) === region)
    if (isAny && !this.#ports.hasRoom) return false
    this.#dormant.add(region)
    this.#owner.list(region, [])
    return true
  }

  /** From here on what is born there counts. */
  #begin(origin: Origin): void {
    this.#ports.own({ kind: 'relay', channel: this.#channel, origin })
  }

  /** Which of these are new; from now on they are taken. */
  #newOf(
    region: string, publications: readonly Publication[], { lineage, seq, epoch, entry }: Standing
  ): readonly Publication[] {
    const standing = { lineage, seq, epoch, entry }
    const taken = this.#taken.get(region)
    const isSame = taken?.lineage === standing.lineage
    this.#taken.set(region, isSame && taken.seq > standing.seq ? taken : standing)
    return isSame ? publications.filter((each) => each.seq > taken.seq) : publications
  }

  /** It is written, or was found in the log. */
  onWritten(origin: Origin): void {
    const { region } = origin
    this.#written.set(region, origin)
    const taken = this.#taken.get(region)
    const isBehind = taken?.lineage !== origin.lineage || taken.seq < origin.seq
    if (isBehind) this.#taken.set(region, origin)
  }

  #sayAgain(place: Place): void {
    const { region } = this.#ports
    this.#ports.send(place, { kind: 'relayAgain', channel: this.#channel, region })
  }
}

/** An empty list of messages. */
const NOTHING = new Uint8Array([0x90])

/** What a break is published as. */
export const BREAK: PublishOp = {
  id: '', idSpace: 'master', connectionId: undefined, messageCount: 0, payload: NOTHING
}

/**
 * What of a publication is the same in every region. Where its connection stands with its frames
 * only the region knows that has it; and each region keeps what was born in it.
 */
export function transplantOf(publication: Publication): Omit<Publication, 'seq' | 'entry'> {
  const { id, idSpace, connectionId, timestamp, counter, messageCount, payload } = publication
  const { ephemeralCount } = publication
  const same = { id, idSpace, connectionId, timestamp, counter, messageCount, payload }
  return ephemeralCount === undefined ? same : { ...same, ephemeralCount }
}

/** False for what a relay has brought. */
export function isBornHere({ origin }: Publication): boolean {
  return origin === undefined
}
