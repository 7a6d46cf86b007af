/**
 * The seats of a group: what an attachment is to its channel, and what a channel calls on it.
 */

import type { Deadline } from '../base/deadlines.ts'
import type { Standing, Variant } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'

/** How an attachment begins, or begins anew. */
export interface Attachedness {
  readonly channelSerial: string
  readonly isResumed: boolean
  readonly hasBacklog: boolean
  /** True: SYNC follows, at once or when it is known who is present. */
  readonly hasPresence: boolean
  readonly error: ErrorInfo | undefined
}

/** What a group calls on a session's attachment. */
export interface GroupMember {
  readonly connectionId: string
  /** False: the connection's own publishes are not delivered to it. */
  readonly hearsItself: boolean
  /** The modes that it has, as flags. */
  readonly modeBits: number
  /** False: attached without the SUBSCRIBE mode; it is given no messages. */
  readonly subscribes: boolean
  /** False: attached without the PRESENCE_SUBSCRIBE mode; it hears of its own members only. */
  readonly hearsPresence: boolean
  onFrame(frame: Frame): void
  /** Precedes every frame. */
  onAttached(how: Attachedness): void
  onAttachRefused(error: ErrorInfo): void
  onContinuityLost(channelSerial: string, error: ErrorInfo, hasPresence: boolean): void
}

/** One attachment's place in its group. */
export interface Seat {
  readonly member: GroupMember
  readonly row: Row
  state: 'joining' | 'live' | 'rejoining' | 'gone'
  attachId: number
  from: Standing | undefined
  /** What it is to be told before it is live, where it begins anew. */
  rewind: Rewind | undefined
  /** Its index in the row while live. */
  at: number
  deadline: Deadline | undefined
  /** True: it was told that SYNC comes later. */
  awaitsSync: boolean
}

/** Seats of one variant. An empty row is used again for another one. */
export interface Row {
  readonly variantId: number
  variant: Variant
  readonly live: Seat[]
  seatCount: number
}
