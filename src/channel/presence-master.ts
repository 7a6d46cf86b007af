/**
 * Presence at a channel's master: what ops and declarations become, and who leaves because nobody
 * speaks for him any more (rule 21).
 *
 *   member:  present ──its owner's life ends──▶ orphan ──grace──▶ left
 *               ▲                                  │ a higher claim enters or declares it
 *               └──────────────────────────────────┘
 *
 * Every change is an entry of the log, and is shown when it stands there. Events have a place in
 * the channel's order; a change of owner alone is nobody's business, and has none.
 *
 * Graces are counted here, from when this master first saw the owner gone: after a takeover they
 * run in full again. What cannot be written because the log is full is tried again, never
 * forgotten: a leave that is lost is a ghost for ever.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { OwnershipEntry } from '../log/entry.ts'
import type {
  Declare,
  IdSpace,
  Join,
  Joined,
  ListedMember,
  PresenceMember,
  MemberOwner,
  PeerMessage,
  Publication,
  PublishOp
} from '../peer/message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import { regionOf } from '../peer/relay-message.ts'
import { PresenceAction } from '../wire/actions.ts'
import { Graces } from './graces.ts'
import {
  type Changes,
  decide,
  type Decision,
  decodeItems,
  encodeItems,
  isSameOwner,
  memberKey,
  MemberMap,
  type PresenceItem,
  type Word
} from './presence.ts'
import { itemBytes, memberParts, pagesOf } from './presence-pages.ts'

/** What presence needs from its channel's master. */
export interface PresencePorts {
  /** False while the log takes nothing. */
  hasRoom(): boolean
  /** True while nobody can say who is present: some node may have members to declare. */
  isRollOpen(): boolean
  /** True: what was said before this mastership nobody knows. */
  beganLineage(): boolean
  /** False for a life of a worker that has surely ended. */
  isAlive(owner: MemberOwner): boolean
  /** So long members of a region stay that nobody listens to any more. */
  regionGraceMs(): number
  /**
   * Gives the next place in the channel's order to a publication, which is said to have been no
   * earlier than that; returns it.
   */
  publish(op: PublishOp, earliestMs: number): Omit<Publication, 'entry'>
  /** Adds an entry without a place in the order. */
  own(entry: Omit<OwnershipEntry, 'kind' | 'channel'>): void
  /** No event of the channel is stamped earlier than this from now on. */
  followMs(ms: number): void
  /** Calls back at a time, unless the mastership is over by then. */
  later(afterMs: number, run: (nowMs: number) => void): void
  send(place: Place, message: PeerMessage): void
}

/** Where an op or another word comes from. */
interface Source extends Pick<PublishOp, 'said'> {
  readonly id: string
  readonly idSpace: IdSpace
}

const OF_MASTER: Source = { id: '', idSpace: 'master' }

export class MasterPresence {
  readonly #ports: PresencePorts
  /** What was decided, and of it what the log has. */
  readonly #decided = new MemberMap()
  readonly #shown = new MemberMap()
  readonly #graces: Graces
  /** By other region: when the last event of its members is said to have been. */
  readonly #saidMs = new Map<string, number>()
  /** Declarations that have not come to their end. */
  readonly #lists = new Map<string, { readonly place: Place; readonly members: ListedMember[] }>()
  /** The Joins that wait to be told who is present, by place. */
  readonly #held = new Map<string, { readonly place: Place; readonly joinNo: number }>()
  readonly #channel: string
  /** When the first grace that is watched is over; Infinity: none is. */
  #wakesAtMs = Infinity

  constructor(channel: string, ports: PresencePorts) {
    this.#channel = channel
    this.#ports = ports
    this.#graces = new Graces(() => ports.regionGraceMs())
  }

  /** Nobody is present, and nobody is about to be. */
  get isEmpty(): boolean {
    return this.#decided.size === 0 && this.#shown.size === 0
  }

  /** How many are present, as far as the log has it. */
  get memberCount(): number {
    return this.#shown.size
  }

  *sizes(): Generator<Size> {
    yield ['presenceMembersMax', this.#decided.size]
    yield ['presenceBytesMax', this.#decided.bytes]
  }

  /** How many of them are so in this region. */
  get bornCount(): number {
    return this.#shown.bornCount
  }

  /** Who is present, as far as the log has it. */
  shown(): PresenceMember[] {
    return [...this.#shown.values()]
  }

  /** True if somebody on this node speaks for a member. */
  hasMembersOf(incarnation: string): boolean {
    for (const { owner } of this.#decided.values()) {
      if (owner.incarnation === incarnation) return true
    }
    return false
  }

  /** Goes on from a snapshot. */
  restoreMembers(members: readonly PresenceMember[]): void {
    for (const member of members) {
      this.#decided.set(member)
      this.#shown.set(member)
    }
  }

  /** What an op is to become; `write` makes it so. */
  judge(op: PublishOp): Decision {
    const items = decodeItems(op.payload) as Word['items']
    const connectionId = op.connectionId!
    const owner = op.owner!
    if (op.idSpace === 'node') return this.#decideEach(connectionId, owner, items)
    const { membersMax = limits.presenceMembersMax } = op
    const bytesMax = limits.presenceBytesMax
    return decide({ connectionId, owner, items, membersMax, bytesMax }, this.#decided)
  }

  /** Writes what an op was judged to be. */
  write(op: PublishOp, changes: Changes, nowMs: number): void {
    const { connectionId, owner } = op
    this.#write(op, connectionId!, owner!, changes)
    if (!this.#ports.isAlive(owner!)) this.checkOwners(nowMs)
  }

  /** A publication of presence is in the log; `isRestored`: it was found there. */
  onCommitted(publication: Omit<Publication, 'entry'>, isRestored: boolean): void {
    const events = decodeItems(publication.payload)
    this.#shown.apply(publication, events)
    if (isRestored) this.#decide(publication, events)
  }

  /** A change of owner is in the log. */
  onOwned({ connectionId, clientIds, owner }: OwnershipEntry, isRestored: boolean): void {
    this.#shown.move(connectionId, clientIds, owner)
    if (isRestored) this.#decided.move(connectionId, clientIds, owner)
  }

  /**
   * A ChannelClient joins at `seq`; it is told who is present, in parts before its `joined`,
   * unless it knows, or nobody can say. What it was about to declare it says again.
   */
  onJoin(place: Place, join: Join, isContinuation: boolean, seq: number): Joined['members'] {
    const { joinNo, wantsDeliveries, hasMembers } = join
    this.onPlaceGone((other) => isSamePlace(other, place))
    if (!wantsDeliveries) return undefined
    if (hasMembers === true && isContinuation) return 'kept'
    if (this.#ports.isRollOpen()) {
      this.#held.set(placeKey(place), { place, joinNo })
      return 'held'
    }
    if (this.#shown.size > 0) this.#tell(place, joinNo, seq)
    return undefined
  }

  /** Everybody has declared: who waited to hear who is present is told. */
  onRollClosed(seq: number): void {
    for (const { place, joinNo } of this.#held.values()) this.#tell(place, joinNo, seq)
    this.#held.clear()
  }

  /** Nobody there waits any more, nor goes on with what he was saying. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    for (const [key, { place }] of this.#held) if (isGone(place)) this.#held.delete(key)
    for (const [key, { place }] of this.#lists) if (isGone(place)) this.#lists.delete(key)
  }

  /** A part of the complete list of a worker's members; the last one makes it count. */
  onDeclare(place: Place, declare: Declare, nowMs: number): void {
    const { worker, generation, isFirst, isLast } = declare
    const key = `${placeKey(place)} ${worker}`
    if (isFirst) this.#lists.set(key, { place, members: [] })
    const list = this.#lists.get(key)
    if (list === undefined) return
    list.members.push(...declare.members)
    if (!isLast) return
    this.#lists.delete(key)
    for (const { timestamp } of list.members) this.#ports.followMs(timestamp)
    this.#onList({ incarnation: place.incarnation, worker, generation, claim: 0 }, list.members)
    this.checkOwners(nowMs)
  }

  /**
   * What was born in another region is on its way to the log. Returns when it is said to have been:
   * not before what is known of its members, nor before what was said last of any of that region,
   * for that may have been a list which was written here since, by our clock; clients take a leave
   * that is older for nothing, and so what is older than a leave (protocol 8.1).
   */
  bring(publication: Omit<Publication, 'seq' | 'entry'>): number {
    const items = decodeItems(publication.payload)
    const timestamp = Math.max(publication.timestamp, this.#earliestMs(publication, items))
    this.#decide({ ...publication, timestamp }, items)
    return timestamp
  }

  /** All who are present in another region, for which `owner` speaks. */
  onRegion(owner: MemberOwner, members: readonly PresenceMember[]): void {
    this.#onList(owner, members)
  }

  /** Lives may have ended, or turned out to be: starts and ends graces. */
  checkOwners(nowMs: number): void {
    const owners = this.#decided.values().map(({ owner }) => owner)
    this.#graces.check(owners, (owner) => this.#ports.isAlive(owner), nowMs)
    this.#watch(nowMs)
  }

  #tell(place: Place, joinNo: number, seq: number): void {
    const parts = memberParts(this.#channel, joinNo, seq, this.shown())
    for (const part of parts) this.#ports.send(place, part)
  }

  #watch(nowMs: number): void {
    const { firstMs } = this.#graces
    if (firstMs >= this.#wakesAtMs) return
    this.#wakesAtMs = firstMs
    const pauseMs = this.#ports.hasRoom() ? 0 : limits.rollRetryMs
    this.#ports.later(Math.max(firstMs - nowMs, pauseMs), (thenMs) => {
      this.#wakesAtMs = Infinity
      this.#endGraces(thenMs)
      this.checkOwners(thenMs)
    })
  }

  #endGraces(nowMs: number): void {
    if (!this.#ports.hasRoom()) return
    const left: PresenceMember[] = []
    for (const member of this.#decided.values()) {
      if (this.#graces.isOver(member.owner, nowMs)) left.push(member)
    }
    this.#leave(left)
  }

  /**
   * What the worker lists is present, and what it does not list any more leaves. Of what is
   * undecided there we know more: its ops have been judged here. Of those who are overruled, too,
   * unless we began the lineage.
   */
  #onList(life: MemberOwner, list: readonly ListedMember[]): void {
    const listed = new Set<string>()
    for (const { connectionId, clientId } of list) listed.add(memberKey(connectionId, clientId))
    const certain = list.filter(({ isUndecided, isOverruled }) =>
      isUndecided !== true && (isOverruled !== true || this.#ports.beganLineage()))
    const words = Map.groupBy(certain, ({ connectionId, owner }) => {
      return memberKey(connectionId, String(owner.claim))
    })
    for (const members of words.values()) this.#onListed(life, members)
    const left: PresenceMember[] = []
    for (const member of this.#decided.values()) {
      const { connectionId, clientId, owner } = member
      const isTheirs = isSameOwner({ ...owner, claim: 0 }, life)
      if (isTheirs && !listed.has(memberKey(connectionId, clientId))) left.push(member)
    }
    this.#leave(left)
  }

  /** Members of one connection by one claim. */
  #onListed(life: MemberOwner, members: readonly PresenceMember[]): void {
    const { connectionId, owner: { claim } } = members[0]!
    const items = members.map(({ clientId, id, data, encoding, extras }) => {
      return { action: PresenceAction.ENTER, clientId, id, data, encoding, extras }
    })
    const owner = { ...life, claim }
    this.#write(OF_MASTER, connectionId, owner, this.#decideEach(connectionId, owner, items))
  }

  /** One by one: what a higher claim has is none of its business, the others are. */
  #decideEach(connectionId: string, owner: MemberOwner, items: Word['items']): Changes {
    const events: PresenceItem[] = []
    const moved: string[] = []
    for (const item of items) {
      const word = { connectionId, owner, items: [item], membersMax: undefined,
        bytesMax: undefined }
      const decision = decide(word, this.#decided)
      if (decision.kind === 'refused') continue
      events.push(...decision.events)
      moved.push(...decision.moved)
    }
    return { kind: 'taken', events, moved }
  }

  #leave(members: readonly PresenceMember[]): void {
    const events = Map.groupBy(members, ({ connectionId }) => connectionId)
    for (const [connectionId, left] of events) {
      const { owner } = left[0]!
      const leaves = left.map(({ clientId, data, encoding, extras }) => {
        return { action: PresenceAction.LEAVE, clientId, data, encoding, extras }
      })
      this.#write(OF_MASTER, connectionId, owner, { kind: 'taken', events: leaves, moved: [] })
    }
  }

  /**
   * Entries: first the change of owners, last what makes the op known. An op without any effect is
   * written too, since a repeat of it, later, could have one.
   */
  #write(
    { id, idSpace, said }: Source,
    connectionId: string,
    owner: MemberOwner,
    { events, moved }: Changes
  ): void {
    const isSilent = events.length === 0
    if (moved.length > 0 || (isSilent && idSpace !== 'master')) {
      const source = isSilent ? { id, idSpace } : OF_MASTER
      this.#ports.own({ ...source, connectionId, clientIds: moved, owner })
      this.#decided.move(connectionId, moved, owner)
    }
    if (isSilent) return
    const isOfClient = idSpace === 'connection'
    const shown = isOfClient ? events : events.map(decidedByServer)
    const pages = pagesOf(shown, itemBytes)
    for (const [no, page] of pages.entries()) {
      const source = no === pages.length - 1 ? { id, idSpace, said } : OF_MASTER
      const payload = encodeItems(page)
      const op = { ...source, connectionId, messageCount: 0, payload, owner }
      this.#decide(this.#ports.publish(op, this.#earliestMs(op, page)), page)
    }
  }

  /** What is said of these members of another region is not said to have been before that. */
  #earliestMs(
    { connectionId, owner }: Pick<PublishOp, 'connectionId' | 'owner'>,
    events: readonly PresenceItem[]
  ): number {
    const region = owner && regionOf(owner)
    if (region === undefined) return 0
    return events.reduce((latest, { clientId }) => {
      const known = this.#decided.get(memberKey(connectionId!, clientId))
      return Math.max(latest, known?.timestamp ?? 0)
    }, this.#saidMs.get(region) ?? 0)
  }

  #decide(publication: Omit<Publication, 'seq' | 'entry'>, events: readonly PresenceItem[]): void {
    const { owner, timestamp } = publication
    const region = owner && regionOf(owner)
    if (region !== undefined) {
      this.#saidMs.set(region, Math.max(this.#saidMs.get(region) ?? 0, timestamp))
    }
    this.#decided.apply(publication, events)
  }
}

/** A leave that servers decide is told by an id that is no connection's (scenario D6). */
function decidedByServer(event: PresenceItem): PresenceItem {
  if (event.action !== PresenceAction.LEAVE) return event
  return { ...event, id: undefined, endsUnheard: undefined }
}
