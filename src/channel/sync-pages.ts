/**
 * The SYNC frames of a set, page by page (protocol 8.4). A member stays on the page that it came
 * to, and a page is encoded when it is wanted and has changed, so that an event of one member
 * costs one page per variant for those who attach after it, and not the set.
 *
 * A page holds at most what one frame may. Pages that have emptied are dropped; a set whose pages
 * have become sparse is to be made anew (`isSparse`). All frames of one set say the same syncId:
 * a client that is told them again takes them for the same members, which they are.
 */

import { limits } from '../base/limits.ts'
import type { PresenceMember, Variant } from '../peer/message.ts'
import { Action, PresenceAction } from '../wire/actions.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import type { PresenceMessage } from '../wire/protocol-message.ts'
import type { Allocate } from './encoding.ts'
import { itemBytes } from './presence-pages.ts'

class Page {
  /** What its frame is told by, unless it is the last one. */
  readonly cursor: string
  readonly members = new Map<string, PresenceMember>()
  bytes = 0
  /** By variant and cursor. */
  readonly frames = new Map<string, Frame>()

  constructor(no: number) {
    this.cursor = String(no)
  }

  /** True if there is room for a member of this size, or for what it becomes. */
  canTake(size: number, former?: PresenceMember): boolean {
    const count = this.members.size + (former === undefined ? 1 : 0)
    const bytes = this.bytes + size - (former === undefined ? 0 : itemBytes(former))
    // One that is too large for any page has one of its own.
    return count === 1 ||
      (count <= limits.presencePageMax && bytes <= limits.presencePageBytesMax)
  }

  set(key: string, member: PresenceMember): void {
    this.delete(key)
    this.members.set(key, member)
    this.bytes += itemBytes(member)
    this.frames.clear()
  }

  delete(key: string): void {
    const former = this.members.get(key)
    if (former === undefined) return
    this.members.delete(key)
    this.bytes -= itemBytes(former)
    this.frames.clear()
  }
}

export class SyncPages {
  readonly #syncId: string
  readonly #allocate: Allocate
  readonly #byKey = new Map<string, Page>()
  readonly #pages: Page[] = []
  #pageCount = 0

  constructor(
    syncId: string, members: Iterable<readonly [string, PresenceMember]>, allocate: Allocate
  ) {
    this.#syncId = syncId
    this.#allocate = (bytes) => allocate(bytes, true)
    for (const [key, member] of members) this.set(key, member)
  }

  /** True: the same members would stand on less than half of the pages. */
  get isSparse(): boolean {
    const bytes = this.#pages.reduce((sum, page) => sum + page.bytes, 0)
    const least = Math.max(
      this.#byKey.size / limits.presencePageMax, bytes / limits.presencePageBytesMax)
    return this.#pages.length > 2 * Math.ceil(least) + 1
  }

  set(key: string, member: PresenceMember): void {
    const size = itemBytes(member)
    const former = this.#byKey.get(key)
    const stays = former?.canTake(size, former.members.get(key)) === true
    if (!stays) this.delete(key)
    const page = stays ? former : this.#pageFor(size)
    page.set(key, member)
    this.#byKey.set(key, page)
  }

  delete(key: string): void {
    const page = this.#byKey.get(key)
    if (page === undefined) return
    this.#byKey.delete(key)
    page.delete(key)
    if (page.members.size === 0) this.#pages.splice(this.#pages.indexOf(page), 1)
  }

  /** All of them, at least one. */
  frames(variant: Variant): Frame[] {
    const pages = this.#pages.length === 0 ? [new Page(0)] : this.#pages
    return pages.map((page, no) => {
      const isLast = no === pages.length - 1
      // One page needs no cursor; the last one of several has an empty one.
      const channelSerial = pages.length === 1 ? undefined
        : `${this.#syncId}:${isLast ? '' : page.cursor}`
      return this.#frame(page, variant, channelSerial)
    })
  }

  #frame(page: Page, { wireName, format }: Variant, channelSerial: string | undefined): Frame {
    const key = `${format}|${channelSerial ?? ''}|${wireName}`
    const known = page.frames.get(key)
    if (known !== undefined) return known
    const presence = [...page.members.values()].map(shownMember)
    const message = { action: Action.SYNC, channel: wireName, channelSerial, presence }
    const frame = encodeFrame(message, format, this.#allocate)
    if (page.frames.size >= limits.syncVariantsMax) page.frames.clear()
    page.frames.set(key, frame)
    return frame
  }

  /** The last page, if there is room, or one that is less than half full, or a new one. */
  #pageFor(size: number): Page {
    const last = this.#pages.at(-1)
    if (last?.canTake(size) === true) return last
    const half = limits.presencePageMax / 2
    const loose = this.#pages.find((page) => page.members.size < half && page.canTake(size))
    if (loose !== undefined) return loose
    const page = new Page(++this.#pageCount)
    this.#pages.push(page)
    return page
  }
}

/** A member as it is told who asks who is present: alike by SYNC and by request. */
export function shownMember(member: PresenceMember): PresenceMessage {
  const { connectionId, clientId, id, timestamp, data, encoding, extras } = member
  const action = PresenceAction.PRESENT
  return { id, action, clientId, connectionId, timestamp, data, encoding, extras }
}
