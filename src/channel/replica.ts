/**
 * Who is present on a channel, as a node knows it: the set that the master told, and every event
 * since, in the channel's order. Attachments of the node are shown it without asking anybody.
 *
 *   unknown ──the whole set, at a position──▶ whole ──events in order──▶ whole
 *      ▲                                        │ continuity lost, and the set is not known again
 *      └────────────────────────────────────────┘
 *
 * Cost: a change of a member costs one page of the set per variant for those who attach after it,
 * however many attach (sync-pages.ts).
 */

import type { Joined, Members, Publication, Sync, Variant } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import type { Allocate } from './encoding.ts'
import { decodeItems, MemberMap } from './presence.ts'
import { SyncPages } from './sync-pages.ts'

export class Replica {
  readonly #allocate: Allocate
  #members: MemberMap | undefined
  /** Parts of a set, for the Join of this number. */
  #incoming = { joinNo: 0, members: new MemberMap() }
  /** Undefined until somebody is told the set. */
  #pages: SyncPages | undefined
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
    this.#pages = undefined
    this.#members.onChange = (key, member) => {
      if (member === undefined) this.#pages?.delete(key)
      else this.#pages?.set(key, member)
    }
  }

  /** A Join was answered. */
  onJoined({ joinNo, members }: Joined): void {
    if (members === undefined) this.become(joinNo)
    else if (members === 'held') this.forget()
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#members = undefined
    this.#pages = undefined
  }

  /** Takes what was committed, in order. */
  apply(publications: readonly Publication[]): void {
    if (this.#members === undefined) return
    for (const publication of publications) {
      if (publication.owner === undefined) continue
      this.#members.apply(publication, decodeItems(publication.payload))
    }
  }

  /** What an attachment is told at its beginning; undefined where there is nothing to tell. */
  sync(variant: Variant): Sync | undefined {
    if (this.#members === undefined) return 'held'
    return this.#members.size === 0 ? undefined : this.frames(variant)
  }

  /** The whole set as SYNC frames, at least one. */
  frames(variant: Variant): readonly Frame[] {
    if (this.#pages === undefined || this.#pages.isSparse) {
      const entries = this.#members?.entries() ?? []
      this.#pages = new SyncPages(`s${++this.#syncCount}`, entries, this.#allocate)
    }
    return this.#pages.frames(variant)
  }
}
