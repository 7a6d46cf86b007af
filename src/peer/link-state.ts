/**
 * What one worker keeps of the link to one place: what it said there and is not confirmed, and how
 * far it follows what is said from there. Rules and transitions are those of link.ts.
 */

import type { Deadline } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Stream } from './link.ts'
import type { PeerMessage } from './message.ts'
import type { Place } from './place.ts'

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
}
