/**
 * The seats of a group: what an attachment is to its channel, and what a channel calls on it.
 */

import type { Deadline } from '../base/deadlines.ts'
import type { Attached, BroadcastItem, Standing, Variant } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import { serialOf } from './encoding.ts'
import type { Told } from './quiet.ts'

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
  /** By which claim its session has the connection. */
  readonly claim: number
  /** True: its client does not know whom it had entered, and does not enter them again. */
  readonly inheritsMembers: boolean
  /** False: the connection's own publishes are not delivered to it. */
  readonly hearsItself: boolean
  /** The modes that it has, as flags. */
  readonly modeBits: number
  /** False: attached without the SUBSCRIBE mode; it is given no messages. */
  readonly subscribes: boolean
  /** False: attached without the PRESENCE_SUBSCRIBE mode; it hears of its own members only. */
  readonly hearsPresence: boolean
  /** True: nothing on the channel is for its ears, so that it can miss nothing. */
  readonly hearsNothing: boolean
  /** False: its socket has much to take before it is given what can wait. */
  readonly hasRoom: boolean
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
  /** What it is to be told before it is live, where it begins anew; until it was told how. */
  rewind: Rewind | undefined
  /** Its index in the row while live. */
  at: number
  deadline: Deadline | undefined
  /** When it is looked whether its socket has room. */
  look: Deadline | undefined
  /** The publication that it was given last, whole or as a delta; only kept for deltas. */
  heardSeq: number | undefined
  /** True: it was told that SYNC comes, and has not been given it. */
  awaitsSync: boolean
  /** True: it hears more or less by now, and its client does not know that yet. */
  hasChanged: boolean
}

/** Seats of one variant. An empty row is used again for another one. */
export interface Row {
  readonly variantId: number
  variant: Variant
  readonly live: Seat[]
  seatCount: number
  /** What it was given since it was looked who is told nothing (channel/quiet.ts). */
  messagesTold: Told
  isPresenceTold: boolean
}

/**
 * A seat on its way in: from where it stood, and with a rewind where it cannot go on from there.
 * SYNC that its former seat was owed it is owed, for its client waits on.
 */
export function newSeat(
  member: GroupMember,
  row: Row,
  attachId: number,
  from: Standing | undefined,
  rewind: Rewind | undefined,
  former: Seat | undefined
): Seat {
  return {
    member,
    row,
    state: 'joining',
    attachId,
    from,
    rewind,
    at: -1,
    deadline: undefined,
    look: undefined,
    heardSeq: undefined,
    awaitsSync: former?.awaitsSync === true,
    hasChanged: false
  }
}

/**
 * Gives it a publication, if it is for its ears: as a delta where it has what that builds on.
 * Returns what it was given.
 */
export function giveItem(seat: Seat, item: BroadcastItem): Frame | undefined {
  const { variantId, variant } = seat.row
  const whole = item.frames[variantId]
  if (whole === undefined || !hears(seat, item)) return undefined
  let frame = whole
  if (variant.delta === true && item.isPresence !== true) {
    const delta = item.deltas?.[variantId]
    const hasBase = delta !== undefined && delta.buildsOn === seat.heardSeq
    seat.heardSeq = item.isCut === true ? undefined : item.seq
    if (hasBase) frame = delta.frame
  }
  seat.member.onFrame(frame)
  return frame
}

/** A message that is none of the channel's; SDKs take it for what the next delta builds on. */
export function giveOccupancy(seat: Seat, frame: Frame): void {
  if (!seat.member.subscribes) return
  seat.heardSeq = undefined
  seat.member.onFrame(frame)
}

/** True if the item is for the seat's ears. */
export function hears({ member }: Seat, { connectionId, isPresence }: BroadcastItem): boolean {
  const isOwn = member.connectionId === connectionId
  // What becomes of its own members a connection hears in any case (protocol 8.3).
  if (isPresence === true) return member.hearsPresence || isOwn
  return member.subscribes && (member.hearsItself || !isOwn)
}

/** Says that it hears more or less from here on, has missed nothing, and who is present later. */
export function tellChange(seat: Seat, standing: Standing): void {
  const { member } = seat
  seat.hasChanged = false
  seat.awaitsSync = member.hearsPresence
  const hasPresence = member.hearsPresence
  const channelSerial = serialOf(standing)
  const same = { isResumed: true, hasBacklog: false, error: undefined }
  member.onAttached({ channelSerial, hasPresence, ...same })
}

/** Says where it stands by now; what it was told of the present, or waits for, stays as it is. */
export function tellStanding({ member }: Seat, standing: Standing): void {
  const channelSerial = serialOf(standing)
  const same = { isResumed: true, hasBacklog: false, hasPresence: false, error: undefined }
  member.onAttached({ channelSerial, ...same })
}

/** Says how the attachment begins, or that it has lost something; else it goes on, unseen. */
export function tellBeginning(seat: Seat, attached: Attached): void {
  const { standing, isResumed, backlog, error, sync, hasMore } = attached
  const { member } = seat
  // Who loses nothing may still wait for what it was told before.
  const isOwed = isResumed && seat.awaitsSync && member.hearsPresence
  const hasPresence = sync !== undefined || isOwed
  if (seat.state === 'joining') {
    // A backlog's frames carry their own serials; ATTACHED says where the attachment starts.
    const start = isResumed && backlog.length > 0 ? (seat.from ?? standing) : standing
    // What comes after the start of one that begins anew is none.
    const hasPages = hasMore === true && isResumed
    const hasBacklog = hasPages || backlog.some((item) => hears(seat, item))
    const channelSerial = serialOf(start)
    member.onAttached({ channelSerial, isResumed, hasBacklog, hasPresence, error })
  } else if (!isResumed) {
    const lost = error ?? errors.continuityLost().info
    member.onContinuityLost(serialOf(standing), lost, hasPresence)
    seat.heardSeq = undefined
  }
  // What there is no room for is let go with its SYNC; by then nobody may be present any more.
  seat.awaitsSync = hasPresence
  seat.state = 'rejoining'
}

/** True if one was told that it is attached, and is on its way back. */
export function someRejoins(seats: Iterable<Seat>): boolean {
  for (const { state } of seats) if (state === 'rejoining') return true
  return false
}
