/**
 * Who is present on a channel, as a node knows it: the set that the master told, and every event
 * since, in the channel's order. Attachments of the node are shown it without asking anybody.
 *
 *   unknown ──the whole set, at a position──▶ whole ──events in order──▶ whole
 *      ▲                                        │ continuity lost, and the set is not known again
 *      └────────────────────────────────────────┘
 *
 * Cost: one encoding of the set per variant and change of the set, however many attach.
 */

import type { Joined, Members, PresenceMember, Publication, Sync, Variant }
  from '../peer/message.ts'
import { Action, PresenceAction } from '../wire/actions.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import type { PresenceMessage } from '../wire/protocol-message.ts'
import type { Allocate } from './encoding.ts'
import { decodeItems, MemberMap } from './presence.ts'
import { itemBytes, pagesOf } from './presence-pages.ts'

export class Replica {
  readonly #allocate: Allocate
  #members: MemberMap | undefined
  /** Parts of a set, for the Join of this number. */
  #incoming = { joinNo: 0, members: new MemberMap() }
  #pages: PresenceMessage[][] | undefined
  readonly #frames = new Map<string, readonly Frame[]>()
  #syncCount = 0

  constructor(allocate: Allocate) {
    this.#allocate = allocate
  }

  /** False while nobody here knows who is present. */
  get isWhole(): boolean {
    return this.#members !== undefined
  }

  /** A part of the set came; what it makes counts when `become` says so. */
  onMembers({ joinNo, members, isFirst }: Members): void {
    if (isFirst) this.#incoming = { joinNo, members: new MemberMap() }
    for (const member of members) this.#incoming.members.set(member)
  }

  /** The parts that came for this Join are the whole set. */
  become(joinNo: number): void {
    const incoming = this.#incoming
    this.#members = incoming.joinNo === joinNo ? incoming.members : new MemberMap()
    this.#incoming = { joinNo: 0, members: new MemberMap() }
    this.#changed()
  }

  /** A Join was answered. */
  onJoined({ joinNo, members }: Joined): void {
    if (members === undefined) this.become(joinNo)
    else if (members === 'held') this.forget()
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#members = undefined
    this.#changed()
  }

  /** Takes what was committed, in order. */
  apply(publications: readonly Publication[]): void {
    if (this.#members === undefined) return
    for (const publication of publications) {
      if (publication.owner === undefined) continue
      this.#members.apply(publication, decodeItems(publication.payload))
      this.#changed()
    }
  }

  /** What an attachment is told at its beginning; undefined where there is nothing to tell. */
  sync(variant: Variant): Sync | undefined {
    if (this.#members === undefined) return 'held'
    return this.#members.size === 0 ? undefined : this.frames(variant)
  }

  /** The whole set as SYNC frames, at least one. */
  frames(variant: Variant): readonly Frame[] {
    const key = `${variant.format}|${variant.wireName}`
    let frames = this.#frames.get(key)
    if (frames === undefined) {
      frames = this.#encoded(variant)
      this.#frames.set(key, frames)
    }
    return frames
  }

  #changed(): void {
    this.#pages = undefined
    this.#frames.clear()
  }

  #encoded({ wireName, format }: Variant): Frame[] {
    this.#pages ??= pagesOf([...(this.#members?.values() ?? [])].map(shownMember), itemBytes)
    const pages = this.#pages
    const syncId = `s${++this.#syncCount}`
    return pages.map((presence, no) => {
      const isLast = no === pages.length - 1
      // One page needs no cursor; the last one of several has an empty one (protocol 8.4).
      const channelSerial = pages.length === 1 ? undefined : `${syncId}:${isLast ? '' : no + 1}`
      const message = { action: Action.SYNC, channel: wireName, channelSerial, presence }
      return encodeFrame(message, format, this.#allocate)
    })
  }
}

/** A member as it is told who asks who is present: alike by SYNC and by request. */
export function shownMember(member: PresenceMember): PresenceMessage {
  const { connectionId, clientId, id, timestamp, data, encoding, extras } = member
  const action = PresenceAction.PRESENT
  return { id, action, clientId, connectionId, timestamp, data, encoding, extras }
}
