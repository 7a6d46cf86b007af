/**
 * A channel's presence set: who is present, and who speaks for each member (rule 21). What is
 * said of members is judged against what was decided before, written or not; what is shown to
 * anybody is what the log has. Both are kept here, sharing their members.
 *
 * A member is a connection with a clientId. Its id names the event that made it what it is:
 * `connectionId:msgSerial:index`, by which two events of one connection are told apart in age.
 * Nobody but its owner, or a higher claim on its connection, changes it.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import type { PresenceMember, MemberOwner, Publication, PublishOp } from '../peer/message.ts'
import { regionOf } from '../peer/relay-message.ts'
import { PresenceAction } from '../wire/actions.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo, Extras } from '../wire/protocol-message.ts'

const encoder = new Encoder({ ignoreUndefined: true })
const decoder = new Decoder()

/** What an op asks, or an event tells, of one client of its connection. */
export interface PresenceItem {
  readonly action: number
  readonly clientId: string
  /** Absent in events that the server decided of itself: see `eventId`. */
  readonly id?: string
  readonly data?: string | Uint8Array
  readonly encoding?: string
  readonly extras?: Extras
  /** In a leave that a node decides: it ends, too, what its connection said elsewhere later on. */
  readonly endsUnheard?: boolean
}

/** What somebody says of members of one connection. */
export interface Word {
  readonly connectionId: string
  readonly owner: MemberOwner
  readonly items: readonly (PresenceItem & { readonly id: string })[]
  /** At most so many members may the set have; undefined for what was decided elsewhere. */
  readonly membersMax: number | undefined
  readonly bytesMax: number | undefined
}

/** What is to become of a word: events that all see, and members that only change owners. */
export type Decision = { readonly kind: 'refused'; readonly error: ErrorInfo } | Changes

export interface Changes {
  readonly kind: 'taken'
  readonly events: readonly PresenceItem[]
  /** The clientIds of members that stay as they are under another owner. */
  readonly moved: readonly string[]
}

/** The canonical bytes of presence items, as they stand in ops and publications. */
export function encodeItems(items: readonly PresenceItem[]): Uint8Array {
  return encoder.encode(items)
}

/** What a node says of members by itself, under a name that it never gives again. */
export function opOfNode(
  id: string, connectionId: string, owner: MemberOwner, items: readonly PresenceItem[]
): PublishOp {
  return { id, idSpace: 'node', messageCount: 0, connectionId, payload: encodeItems(items), owner }
}

/** The inverse of `encodeItems`. */
export function decodeItems(payload: Uint8Array): PresenceItem[] {
  return decoder.decode(payload) as PresenceItem[]
}

/**
 * The id of an event: its own, or one that begins with no connection's id, by which SDKs know
 * that the server decided it and compare it by its timestamp.
 */
export function eventId(publication: Pick<Publication, 'id'>, item: PresenceItem, index: number) {
  return item.id ?? `${publication.id}:${index}`
}

/** What a member is known by. */
export function memberKey(connectionId: string, clientId: string): string {
  return `${connectionId}:${clientId}`
}

/** True if `id` names an event of the member's connection that came before the member's. */
export function isOlder(id: string, member: Pick<PresenceMember, 'id' | 'connectionId'>): boolean {
  const here = orderOf(id, member.connectionId)
  const there = orderOf(member.id, member.connectionId)
  if (here === undefined || there === undefined) return false
  return here.serial === there.serial ? here.index < there.index : here.serial < there.serial
}

function orderOf(id: string, connectionId: string): { serial: number; index: number } | undefined {
  if (!id.startsWith(`${connectionId}:`)) return undefined
  const match = /^(\d{1,15}):(\d{1,6})$/.exec(id.slice(connectionId.length + 1))
  return match === null ? undefined : { serial: Number(match[1]), index: Number(match[2]) }
}

/** True if both are the same life of a worker, by the same claim. */
export function isSameOwner(a: MemberOwner, b: MemberOwner): boolean {
  return (
    a.claim === b.claim &&
    a.worker === b.worker &&
    a.generation === b.generation &&
    a.incarnation === b.incarnation
  )
}

/** True if `owner` may change the member. */
export function speaksFor(owner: MemberOwner, member: PresenceMember): boolean {
  return owner.claim > member.owner.claim || isSameOwner(owner, member.owner)
}

/** Members by key, changed by the events of publications. */
export class MemberMap {
  readonly #members = new Map<string, PresenceMember>()
  #bytes = 0
  #bornCount = 0
  /** Is told of every change; undefined: the member is gone. */
  onChange: ((key: string, member: PresenceMember | undefined) => void) | undefined

  get size(): number {
    return this.#members.size
  }

  /** How many of them are of this region. */
  get bornCount(): number {
    return this.#bornCount
  }

  /** About what the members take. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): PresenceMember | undefined {
    return this.#members.get(key)
  }

  values(): MapIterator<PresenceMember> {
    return this.#members.values()
  }

  entries(): MapIterator<[string, PresenceMember]> {
    return this.#members.entries()
  }

  set(member: PresenceMember): void {
    const key = memberKey(member.connectionId, member.clientId)
    this.#remove(key)
    this.#members.set(key, member)
    this.#bytes += bytesOf(member)
    if (regionOf(member.owner) === undefined) this.#bornCount++
    this.onChange?.(key, member)
  }

  delete(key: string): void {
    if (this.#remove(key)) this.onChange?.(key, undefined)
  }

  #remove(key: string): boolean {
    const member = this.#members.get(key)
    if (member === undefined) return false
    this.#members.delete(key)
    this.#bytes -= bytesOf(member)
    if (regionOf(member.owner) === undefined) this.#bornCount--
    return true
  }

  /** Takes events of a publication. */
  apply(
    publication: Pick<Publication, 'id' | 'connectionId' | 'owner' | 'timestamp'>,
    events: readonly PresenceItem[]
  ): void {
    const { timestamp } = publication
    const connectionId = publication.connectionId!
    const owner = publication.owner!
    for (const [index, event] of events.entries()) {
      const { action, clientId, data, encoding, extras } = event
      if (action === PresenceAction.LEAVE) {
        this.delete(memberKey(connectionId, clientId))
        continue
      }
      const id = eventId(publication, event, index)
      this.set({ connectionId, clientId, id, timestamp, data, encoding, extras, owner })
    }
  }

  /** Gives members another owner. */
  move(connectionId: string, clientIds: readonly string[], owner: MemberOwner): void {
    for (const clientId of clientIds) {
      const member = this.#members.get(memberKey(connectionId, clientId))
      if (member !== undefined) this.set({ ...member, owner })
    }
  }
}

function bytesOf({ clientId, data, extras }: PresenceMember): number {
  const size = 200 + clientId.length + (data?.length ?? 0)
  return extras === undefined ? size : size + JSON.stringify(extras).length
}

/** A member as an op that is being judged has made it. */
type Drafted = Pick<PresenceMember, 'id' | 'data' | 'encoding' | 'extras'>

/** What becomes of the members that `word` is about, held against those in `members`. */
export function decide(word: Word, members: MemberMap): Decision {
  const { connectionId, owner } = word
  const events: PresenceItem[] = []
  const moved: string[] = []
  /** The members as the items before have left them. */
  const draft = new Map<string, Drafted | undefined>()
  let count = members.size
  let { bytes } = members
  for (const item of word.items) {
    const { clientId, id } = item
    const key = memberKey(connectionId, clientId)
    const stored = members.get(key)
    if (stored !== undefined && !speaksFor(owner, stored)) {
      return { kind: 'refused', error: errors.connectionReplaced().info }
    }
    const known = draft.has(key) ? draft.get(key) : stored
    const isKnown = known !== undefined
    const isPast = isKnown && isOlder(id, { id: known.id, connectionId })
    if (item.action === PresenceAction.LEAVE) {
      if (!isKnown || (isPast && item.endsUnheard !== true)) continue
      draft.set(key, undefined)
      count--
      events.push(leaveOf(item, known))
    } else if (isKnown && (isPast || known.id === id)) {
      if (known === stored && !isSameOwner(owner, stored.owner)) moved.push(clientId)
    } else {
      if (!isKnown) count++
      bytes += 200 + (item.data?.length ?? 0) - (known?.data?.length ?? 0)
      draft.set(key, { id, data: item.data, encoding: item.encoding, extras: item.extras })
      events.push(item)
    }
  }
  const { membersMax = Infinity, bytesMax = Infinity } = word
  if (count > membersMax && count > members.size) {
    return { kind: 'refused', error: errors.tooManyMembers(membersMax).info }
  }
  if (bytes > bytesMax && bytes > members.bytes) {
    return { kind: 'refused', error: errors.presenceTooLarge(bytesMax).info }
  }
  return { kind: 'taken', events, moved }
}

/** A leave without data tells what the member said last, but for extras that it has (8.2). */
function leaveOf(item: PresenceItem, { data, encoding, extras }: Drafted): PresenceItem {
  if (item.data !== undefined) return item
  return { ...item, data, encoding, extras: item.extras ?? extras }
}
