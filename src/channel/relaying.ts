/**
 * Other regions in a channel's mastership (docs/decisions/0024-regions.md): the relays that are
 * told what is born here, and how far what was born elsewhere is written here.
 *
 * What is born elsewhere is taken once: whatever stands at or below what was taken of its origin is
 * a repeat. It is taken in the order in which it comes, which is that of its origin.
 */

import type { RelayEntry } from '../log/entry.ts'
import type {
  Join, MemberOwner, Origin, PeerMessage, PresenceMember, Publication, Standing
} from '../peer/message.ts'
import type { Headcount } from '../peer/census-message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import {
  type RelayCountWanted, type Relayed, type RelayHold, type RelayJoin, type RelayJoined,
  type RelayPart, regionOf, regionOwner, type Stretch
} from '../peer/relay-message.ts'
import { type Here, type Page, pageBornAfter, pageBornSince } from './page.ts'
import { FirstClients } from './first-clients.ts'
import type { Holes } from './holes.ts'
import { placeBefore, Written } from './written.ts'
import { itemBytes, pagesOf } from './presence-pages.ts'
import { isBornHere, type Transplant, transplantOf } from './transplant.ts'

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

/** The channel's master. */
export interface RelayingOwner {
  /** It follows on what is there; false: that was known already. */
  bring(transplant: Transplant): boolean
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
  /** What is born here is acknowledged once another region has it. */
  readonly wantsWritten: boolean
  /** What came after this in a region is to be told. */
  onBegun(region: string, since: Standing): void
  /** So much of what was born in a region is written here now. */
  onNews(region: string, stretch: Stretch): void
  /** What the archive has of what is not held any more. */
  readonly holes: Pick<Holes, 'fill' | 'forget'>
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
  /** How far what is born elsewhere is written here. */
  readonly written = new Written()
  /** By region: until when it wants us to hold what is born there. */
  readonly #heldUntilMs = new Map<string, number>()
  /** The last seq that was born here; where that is not known, one before it. */
  #bornSeq: number
  /** The regions to which there are relays. */
  readonly #regions = new Set<string>()
  readonly firstClients: FirstClients

  constructor(
    channel: string, startSeq: number, ports: RelayingPorts, owner: RelayingOwner
  ) {
    this.#channel = channel
    this.#bornSeq = startSeq
    this.firstClients = new FirstClients(startSeq)
    this.#ports = ports
    this.#owner = owner
  }

  /** Clients wait to be let in; what is returned lets them in once the log has what was brought. */
  wait(letIn: (place: Place, join: Join) => void): () => void {
    const end = this.firstClients.wait(letIn)
    return () => end(this.#owner.lastSeq)
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
    return this.written.origins
  }

  /**
   * A region wants what is born there to be held here, though nobody may use the channel. What came
   * after `since` is to be told, if nothing of it ever was.
   */
  hold({ region, since }: RelayHold, untilMs: number): void {
    this.#heldUntilMs.set(region, untilMs)
    if (this.#taken.has(region)) return
    this.#taken.set(region, since)
    this.#begin({ region, ...since })
    this.#owner.onBegun(region, since)
  }

  isHeld(nowMs: number): boolean {
    for (const [region, untilMs] of this.#heldUntilMs) {
      if (untilMs <= nowMs) this.#heldUntilMs.delete(region)
    }
    return this.#heldUntilMs.size > 0
  }

  /** The log has come further: regions that want to know are told what is written of theirs. */
  sayWritten(): void {
    for (const region of this.#regions) {
      const news = this.written.newsOf(region)
      if (news !== undefined) this.#owner.onNews(region, news)
    }
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

  /** Answers a relay of another region, now or later; it is told from then on. */
  onJoin(place: Place, join: RelayJoin, here: Here, lastMs: number): void {
    const { region, relayId, from, sinceMs } = join
    const page = from === undefined ? pageBornSince(here, sinceMs, lastMs)
      : pageBornAfter(here, from)
    this.onCountWanted({ ...join, kind: 'relayCountWanted', isWanted: join.wantsCount }, place)
    const former = this.#listeners.get(region)
    const silent = { isLive: false, wantsMembers: false, saysWritten: true }
    this.#listeners.set(region, { place, relayId, ...silent })
    // Two may Join for one region: a former master of it may not know that it is none any more.
    if (former !== undefined && former.relayId !== relayId) this.#sayAgain(former.place)
    const { holes } = this.#owner
    const isLater = from !== undefined && !page.isContinuation &&
      holes.fill(region, from, (filled) => this.#answer(place, join, filled))
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
    this.firstClients.forgetAll(isGone)
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
    this.firstClients.clear()
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
      const { seq, entry } = placeBefore(publications) ?? standing
      this.#begun.set(region, { lineage: standing.lineage, seq })
      if (!isBroken) this.#begin({ region, ...standing, seq, entry })
    }
    const next = this.#newOf(region, publications, standing)
    if (isBroken) this.#owner.breakOff({ region, ...standing })
    let isBrought = true
    for (const publication of next) {
      const { seq, entry, owner } = publication
      const origin = { region, ...standing, seq, entry }
      const theirs = owner && { owner: regionOwner(region, owner.claim) }
      isBrought = this.#owner.bring({ ...transplantOf(publication), ...theirs, origin })
    }
    // What was passed over stands here as well, and nothing else says so.
    if (!isBrought) this.#begin({ region, ...standing })
    if (members !== undefined) this.#owner.list(region, members)
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

  /** That it has come so far stands in the log by itself. */
  onBegun(origin: Origin): void {
    this.written.begin(origin)
    this.onWritten(origin)
  }

  /** It is written, or was found in the log; as this, or by itself. */
  onWritten(origin: Origin, publication?: Publication): void {
    const { region } = origin
    this.written.onWritten(origin)
    if (publication !== undefined) this.written.note(publication)
    const taken = this.#taken.get(region)
    const isBehind = taken?.lineage !== origin.lineage || taken.seq < origin.seq
    if (isBehind) this.#taken.set(region, origin)
  }

  #sayAgain(place: Place): void {
    const { region } = this.#ports
    this.#ports.send(place, { kind: 'relayAgain', channel: this.#channel, region })
  }
}
