/**
 * Links: numbered batches between two places, confirmed cumulatively (rule 13). The bus below
 * promises order per sender and nothing else; a link notices every loss, also of the last batch
 * before an idle hour, and is silent once everything is confirmed.
 *
 * Each direction is a *stream*, named by its sender's worker generation and a number that the
 * sender raises when it starts anew. A receiver takes batch 1 of a newer stream, then only the
 * next of it. What it cannot follow it says (`unknownStream`): it was restarted and remembers
 * nothing, so the sender raises its stream. What a raised stream leaves behind may be lost, so the
 * owners at both ends start over (`onLinkReset`): one for what it said, one for what it waits for.
 *
 *   sender    open ──batch──▶ unconfirmed ──ack──▶ open
 *                               │ silence: ask, with growing pauses
 *                               │ ack with a gap: send again from there, once per gap
 *                               │ asked for long, while no view lists the place: dropped
 *                               │ unknownStream: raise the stream, reset
 *                               │ too many bytes: raise the stream, rest, then reset
 *                               │ of another region, silent for long: raise the stream, be mute
 *             mute ──any answer: reset──▶ open
 *   receiver  unknown ──batch 1──▶ following ──repeat: confirm ──gap: confirm as gap──▶ …
 *
 * A way between regions may lead nowhere for as long as it likes, while the other way is good and
 * both stay in the world. What is said into a mute link is let go; it is only asked for an answer.
 *
 * It must never deliver twice, out of order or with a hole inside one stream; and it must never
 * re-send into a newer stream, since what was said to a dead worker is not meant for its heir.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import {
  type Confirmation, isOlder, isSame, Link, type Stream, type Unconfirmed
} from './link-state.ts'
import { MESH_FORMAT_VERSION, type PeerMessage } from './message.ts'
import { type Place, placeKey } from './place.ts'

interface LinkFrameHead {
  readonly formatVersion: number
  readonly from: Place
  readonly to: Place
  /** A hint to catch up (rule 9); never a reason to refuse. */
  readonly viewVersion: number
}

/** What travels on the bus between two places. */
export type LinkFrame = LinkFrameHead &
  (
    | {
        readonly kind: 'batch'
        readonly stream: Stream
        readonly batchNo: number
        readonly confirms: Confirmation | undefined
        readonly messages: readonly PeerMessage[]
      }
    | { readonly kind: 'confirm'; readonly confirms: Confirmation }
    | { readonly kind: 'ask'; readonly stream: Stream; readonly lastBatchNo: number }
    | { readonly kind: 'unknownStream'; readonly stream: Stream }
  )

/** What the owner of links provides. */
export interface LinkOwner {
  /** Hands a frame to the bus. */
  sendFrame(to: Place, frame: LinkFrame): void
  /** Something said to or by `place` may be lost for good: say and ask again what matters. */
  onLinkReset(place: Place, now: number): void
  /** What is said to `place` is let go from now on, or no more. */
  onMute(place: Place, isMute: boolean): void
  /** `place` is a new life: what it knew and what it was promised is gone. */
  onPeerRestarted(place: Place, now: number): void
  onPeerMessage(from: Place, message: PeerMessage): void
  isStranger(place: Place): boolean
  /** True for a place that the view of another region lists. */
  isForeign(place: Place): boolean
  /** No view has listed it, and it was silent, however often it was asked: `drop` it. */
  onStrangerSilent(place: Place): void
}

export interface LinksOptions {
  readonly self: Place
  readonly generation: number
  viewVersion(to: Place): number
}

/** All links of one worker. */
export class Links {
  readonly #options: LinksOptions
  readonly #owner: LinkOwner
  readonly #deadlines: Deadlines
  readonly #random: Random
  readonly #links = new Map<string, Link>()
  /** Counts over all links, so that one that was dropped and begins again is not mistaken. */
  #streamCount = 0
  #dirty: Link[] = []
  #nowMs = 0

  constructor(options: LinksOptions, owner: LinkOwner, deadlines: Deadlines, random: Random) {
    this.#options = options
    this.#owner = owner
    this.#deadlines = deadlines
    this.#random = random
  }

  /** Adds `message` (about `bytes` long) to the turn's batch for `place`. */
  send(place: Place, message: PeerMessage, bytes: number, nowMs: number): void {
    this.#nowMs = nowMs
    const link = this.#link(place)
    if (link.rest !== undefined || link.isMute) return
    if (link.pending.length === 0) this.#dirty.push(link)
    link.pending.push(message)
    link.pendingBytes += bytes
    if (link.pendingBytes >= limits.batchBytesMax) this.#sendBatch(link)
  }

  /** Sends what the turn has gathered: one batch per place. */
  flush(nowMs: number): void {
    this.#nowMs = nowMs
    while (this.#dirty.length > 0) {
      const dirty = this.#dirty
      this.#dirty = []
      for (const link of dirty) if (link.pending.length > 0) this.#sendBatch(link)
    }
  }

  /** Forgets the link to a place that is gone for good; nothing is told to anybody. */
  drop(place: Place): void {
    const link = this.#links.get(placeKey(place))
    if (link === undefined) return
    this.#deadlines.cancel(link.askDeadline)
    this.#deadlines.cancel(link.confirmDeadline)
    this.#deadlines.cancel(link.rest)
    link.pending = []
    this.#links.delete(placeKey(place))
  }

  /** Takes a frame from the bus. Frames that are not for this life of this place are ignored. */
  onFrame(frame: LinkFrame, nowMs: number): void {
    this.#nowMs = nowMs
    const link = this.#link(frame.from)
    link.strangerAsks = 0
    if (frame.kind === 'batch') {
      if (frame.confirms !== undefined) this.#onConfirmation(link, frame.confirms)
      this.#onBatch(link, frame.stream, frame.batchNo, frame.messages)
    } else if (frame.kind === 'confirm') {
      this.#onConfirmation(link, frame.confirms)
    } else if (frame.kind === 'ask') {
      this.#onAsk(link, frame.stream, frame.lastBatchNo)
    } else if (this.#isMine(link, frame.stream)) {
      this.#reset(link)
    }
  }

  /** Bytes that are sent and not confirmed, over all links. */
  unconfirmedBytes(): number {
    let sum = 0
    for (const link of this.#links.values()) sum += link.unconfirmedBytes
    return sum
  }

  *sizes(): Generator<Size> {
    for (const link of this.#links.values()) yield ['linkBytesMax', link.unconfirmedBytes]
  }

  #link(place: Place): Link {
    const key = placeKey(place)
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(place, ++this.#streamCount)
      this.#links.set(key, link)
    }
    return link
  }

  #head(link: Link): LinkFrameHead {
    return {
      formatVersion: MESH_FORMAT_VERSION,
      from: this.#options.self,
      to: link.place,
      viewVersion: this.#options.viewVersion(link.place)
    }
  }

  #sendBatch(link: Link): void {
    const { pending: messages, pendingBytes: bytes } = link
    const batch = { batchNo: link.nextBatchNo++, messages, bytes }
    link.pending = []
    link.pendingBytes = 0
    link.unconfirmed.push(batch)
    link.unconfirmedBytes += batch.bytes
    this.#transmit(link, batch)
    if (link.unconfirmedBytes > limits.linkBytesMax) this.#rest(link)
    else if (link.askDeadline === undefined) this.#askLater(link)
  }

  #transmit(link: Link, batch: Unconfirmed): void {
    const confirms = link.isConfirmDue ? this.#confirmation(link, false) : undefined
    this.#owner.sendFrame(link.place, {
      ...this.#head(link),
      kind: 'batch',
      stream: this.#stream(link),
      batchNo: batch.batchNo,
      confirms,
      messages: batch.messages
    })
  }

  #stream(link: Link): Stream {
    return { generation: this.#options.generation, number: link.streamNumber }
  }

  #isMine(link: Link, stream: Stream): boolean {
    return stream.generation === this.#options.generation && stream.number === link.streamNumber
  }

  #askLater(link: Link): void {
    link.askDeadline = this.#deadlines.at(
      this.#nowMs + this.#random.jitter(link.askMs, 0.2),
      (nowMs) => {
        this.#nowMs = nowMs
        link.askDeadline = undefined
        if (link.unconfirmed.length === 0 && !link.isMute) return
        if (!this.#owner.isStranger(link.place)) link.strangerAsks = 0
        else if (link.strangerAsks++ >= limits.linkStrangerAsks) {
          this.#owner.onStrangerSilent(link.place)
          return
        }
        link.askMs = Math.min(link.askMs * 2, limits.linkAskMaxMs)
        this.#askInVain(link)
        this.#owner.sendFrame(link.place, {
          ...this.#head(link),
          kind: 'ask',
          stream: this.#stream(link),
          lastBatchNo: link.nextBatchNo - 1
        })
        this.#askLater(link)
      }
    )
  }

  /** Of another region, and silent for long: until it answers, what is said to it is let go. */
  #askInVain(link: Link): void {
    link.vainSinceMs ??= this.#nowMs
    const isLong = this.#nowMs - link.vainSinceMs >= limits.relaySilentMs
    if (!link.isMute && !(isLong && this.#owner.isForeign(link.place))) return
    if (!link.isMute) {
      this.#raise(link)
      this.#owner.onMute(link.place, link.isMute = true)
    }
    link.askMs = limits.linkRestMs
  }

  #onConfirmation(link: Link, confirms: Confirmation): void {
    if (!this.#isMine(link, confirms.stream)) return
    link.vainSinceMs = undefined
    if (link.isMute) {
      this.#reset(link)
      return
    }
    let spent = 0
    while (spent < link.unconfirmed.length) {
      const batch = link.unconfirmed[spent]!
      if (batch.batchNo > confirms.batchNo) break
      link.unconfirmedBytes -= batch.bytes
      spent++
    }
    if (spent > 0) {
      link.unconfirmed.splice(0, spent)
      link.askMs = limits.linkAskMs
      this.#deadlines.cancel(link.askDeadline)
      link.askDeadline = undefined
      if (link.unconfirmed.length > 0) this.#askLater(link)
    }
    if (!confirms.isGap) return
    const isHeld = link.unconfirmed[0]?.batchNo === confirms.batchNo + 1
    if (isHeld) for (const batch of link.unconfirmed) this.#transmit(link, batch)
    // Confirmed by a former life, missed by its heir: nothing can fill this gap.
    else if (confirms.batchNo + 1 < link.nextBatchNo) this.#reset(link)
  }

  #onAsk(link: Link, stream: Stream, lastBatchNo: number): void {
    const known = link.following
    if (known === undefined || isOlder(known, stream)) {
      // Batch 1 of a stream that is new to us was lost, or we are a new life: for the sender the
      // first is cured by sending again, and so is the second if nothing was confirmed yet.
      if (lastBatchNo >= 1 && known === undefined) this.#sayUnknown(link, stream)
      else this.#sendConfirm(link, { stream, batchNo: 0, isGap: true })
    } else if (!isOlder(stream, known)) {
      this.#sendConfirm(link, this.#confirmation(link, link.followedThrough < lastBatchNo))
    }
  }

  #onBatch(link: Link, stream: Stream, batchNo: number, messages: readonly PeerMessage[]): void {
    const known = link.following
    if (known === undefined || isOlder(known, stream)) {
      if (batchNo !== 1) {
        if (known === undefined) this.#sayUnknown(link, stream)
        else this.#tellGap(link, stream, 0)
        return
      }
      this.#follow(link, stream)
    } else if (isOlder(stream, known)) {
      return
    }
    if (batchNo !== link.followedThrough + 1) {
      if (batchNo <= link.followedThrough) this.#confirmLater(link)
      else this.#tellGap(link, stream, link.followedThrough)
      return
    }
    link.followedThrough = batchNo
    link.gapTold = undefined
    this.#confirmLater(link)
    for (const message of messages) this.#owner.onPeerMessage(link.place, message)
  }

  /** Follows a stream from its first batch; the owner hears what the one before left behind. */
  #follow(link: Link, stream: Stream): void {
    const known = link.following
    const isNewLife = known !== undefined && known.generation !== stream.generation
    const isRaised = known !== undefined && !isNewLife
    const hasMissed = link.hasMissed
    link.following = stream
    link.followedThrough = 0
    link.hasMissed = false
    link.gapTold = undefined
    if (isNewLife) this.#owner.onPeerRestarted(link.place, this.#nowMs)
    else if (isRaised || hasMissed) this.#owner.onLinkReset(link.place, this.#nowMs)
  }

  #tellGap(link: Link, stream: Stream, batchNo: number): void {
    const told = link.gapTold
    if (told !== undefined && told.batchNo === batchNo && isSame(told.stream, stream)) return
    link.gapTold = { stream, batchNo }
    this.#sendConfirm(link, { stream, batchNo, isGap: true })
  }

  #sayUnknown(link: Link, stream: Stream): void {
    link.hasMissed = true
    this.#owner.sendFrame(link.place, { ...this.#head(link), kind: 'unknownStream', stream })
  }

  #confirmation(link: Link, isGap: boolean): Confirmation {
    link.isConfirmDue = false
    this.#deadlines.cancel(link.confirmDeadline)
    link.confirmDeadline = undefined
    const stream = link.following ?? { generation: 0, number: 0 }
    return { stream, batchNo: link.followedThrough, isGap }
  }

  #confirmLater(link: Link): void {
    if (link.isConfirmDue) return
    link.isConfirmDue = true
    link.confirmDeadline = this.#deadlines.at(this.#nowMs + limits.linkAckMs, (nowMs) => {
      this.#nowMs = nowMs
      link.confirmDeadline = undefined
      if (link.isConfirmDue) this.#sendConfirm(link, this.#confirmation(link, false))
    })
  }

  #sendConfirm(link: Link, confirms: Confirmation): void {
    this.#owner.sendFrame(link.place, { ...this.#head(link), kind: 'confirm', confirms })
  }

  #reset(link: Link): void {
    const hadSaid = link.isMute || link.nextBatchNo > 1 || link.pending.length > 0
    link.vainSinceMs = undefined
    if (link.isMute) this.#owner.onMute(link.place, false)
    this.#raise(link)
    if (hadSaid && link.rest === undefined) this.#beginAgain(link)
  }

  /**
   * More is unconfirmed than may be. Told at once, the owners would say it all again in the same
   * turn, and never come to an end.
   */
  #rest(link: Link): void {
    this.#raise(link)
    link.rest = this.#deadlines.at(this.#nowMs + limits.linkRestMs, (nowMs) => {
      this.#nowMs = nowMs
      link.rest = undefined
      this.#beginAgain(link)
    })
  }

  /** The other end may wait for what was lost: the new stream tells it, though it says nothing. */
  #beginAgain(link: Link): void {
    this.#sendBatch(link)
    this.#owner.onLinkReset(link.place, this.#nowMs)
  }

  #raise(link: Link): void {
    link.raise(++this.#streamCount)
    this.#deadlines.cancel(link.askDeadline)
    link.askDeadline = undefined
  }
}
