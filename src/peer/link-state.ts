/**
 * What one worker keeps of the link to one place: what it said there and is not confirmed, and how
 * far it follows what is said from there. Rules and transitions are those of link.ts.
 */

import type { Deadline } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { PeerMessage } from './message.ts'
import type { Place } from './place.ts'

/** One direction of a link, for one life of its sender. */
export interface Stream {
  readonly generation: number
  readonly number: number
}

/** What has arrived of a stream; `isGap`: something after it came, so send again. */
export interface Confirmation {
  readonly stream: Stream
  readonly batchNo: number
  readonly isGap: boolean
}

/** A batch that the other end has not confirmed. */
export interface Unconfirmed {
  readonly batchNo: number
  readonly messages: readonly PeerMessage[]
  readonly bytes: number
}

export class Link {
  readonly place: Place
  streamNumber: number
  nextBatchNo = 1
  pending: PeerMessage[] = []
  pendingBytes = 0
  unconfirmed: Unconfirmed[] = []
  unconfirmedBytes = 0
  askMs: number = limits.linkAskMs
  askDeadline: Deadline | undefined
  /** How often it was asked in vain, and nobody listed its place. */
  strangerAsks = 0
  /** Since when it has been asked, and has not answered, in ms. */
  vainSinceMs: number | undefined
  /** It did not answer for long: until it does nothing is said to it. */
  isMute = false
  /** Until then what is said is let go: there is too much of it, and it will be said again. */
  rest: Deadline | undefined
  following: Stream | undefined
  followedThrough = 0
  /** The gap that was told last: it is told once, and then only when asked about. */
  gapTold: { readonly stream: Stream; readonly batchNo: number } | undefined
  /** A stream could not be followed: what it carried is lost, and the next one says so. */
  hasMissed = false
  confirmDeadline: Deadline | undefined
  isConfirmDue = false

  constructor(place: Place, streamNumber: number) {
    this.place = place
    this.streamNumber = streamNumber
  }

  /** Begins a new stream; what was said on the one before is given up. */
  raise(streamNumber: number): void {
    this.streamNumber = streamNumber
    this.nextBatchNo = 1
    this.pending = []
    this.pendingBytes = 0
    this.unconfirmed = []
    this.unconfirmedBytes = 0
    this.askMs = limits.linkAskMs
    this.isMute = false
  }
}

export function isSame(a: Stream, b: Stream): boolean {
  return a.generation === b.generation && a.number === b.number
}

export function isOlder(a: Stream, b: Stream): boolean {
  return a.generation < b.generation || (a.generation === b.generation && a.number < b.number)
}
