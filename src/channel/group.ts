/**
 * A worker's attachments to one channel: the last fan-out. Attachments that want the same bytes
 * (format and wire name) sit in one row; a broadcast walks the row and leaves the same frame with
 * every socket. It also carries the worker's publishes to the node's ChannelClient.
 *
 *   seat:  joining ──attached──▶ live ──home lost──▶ rejoining ──attached──▶ live
 *             │ no answer in time: refused             │ not resumed: continuity lost, then live
 *
 * Cost of one publication for n live seats in a row: n calls that compare two fields and append
 * one pointer; no allocation, no encoding, no closure.
 *
 * It must never pass a frame to a seat that is not live: what a joining seat missed comes with
 * its `attached`, on the same ordered link.
 */

import { assert } from '../base/assert.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Tally } from '../base/tally.ts'
import type {
  Attached,
  BroadcastItem,
  PeerMessage,
  PublishOp,
  PublishOutcome,
  Standing,
  ToGroup,
  Variant
} from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import { serialOf } from './encoding.ts'

/** How an attachment begins, or begins anew. */
export interface Attachedness {
  readonly channelSerial: string
  readonly isResumed: boolean
  readonly hasBacklog: boolean
  readonly error: ErrorInfo | undefined
}

/** What a group calls on a session's attachment. */
export interface GroupMember {
  readonly connectionId: string
  /** False: the connection's own publishes are not delivered to it. */
  readonly hearsItself: boolean
  /** False: attached without the SUBSCRIBE mode; it is given no messages. */
  readonly subscribes: boolean
  onFrame(frame: Frame): void
  /** Precedes every frame. */
  onAttached(how: Attachedness): void
  onAttachRefused(error: ErrorInfo): void
  onContinuityLost(channelSerial: string, error: ErrorInfo): void
}

/** One attachment's place in its group. */
export interface Seat {
  readonly member: GroupMember
  readonly row: Row
  state: 'joining' | 'live' | 'rejoining' | 'gone'
  attachId: number
  from: Standing | undefined
  /** Its index in the row while live. */
  at: number
  deadline: Deadline | undefined
}

/** Seats of one variant. An empty row is used again for another one. */
interface Row {
  readonly variantId: number
  variant: Variant
  readonly live: Seat[]
  seatCount: number
}

/** What a group needs from its worker. */
export interface GroupPorts {
  readonly deadlines: Deadlines
  readonly tally: Tally
  nowMs(): number
  /** Sends to the channel's client on this node. */
  toClient(channel: string, message: PeerMessage): void
}

type Submitter = (outcome: PublishOutcome) => void

export class LocalGroup {
  readonly channel: string
  readonly #ports: GroupPorts
  readonly #rows: Row[] = []
  readonly #seats = new Map<number, Seat>()
  readonly #submits = new Map<number, { op: PublishOp; submitter: Submitter }>()
  #standing: Standing | undefined
  #nextAttachId = 1
  #nextSubmitId = 1
  #liveCount = 0
  #usedAtMs: number

  constructor(channel: string, ports: GroupPorts) {
    this.channel = channel
    this.#ports = ports
    this.#usedAtMs = ports.nowMs()
  }

  get liveCount(): number {
    return this.#liveCount
  }

  /** Seats a member; its `onAttached` or `onAttachRefused` follows. */
  attach(member: GroupMember, variant: Variant, from: Standing | undefined): Seat {
    const row = this.#row(variant)
    const attachId = this.#nextAttachId++
    const seat: Seat = {
      member,
      row,
      state: 'joining',
      attachId,
      from,
      at: -1,
      deadline: undefined
    }
    row.seatCount++
    this.#seats.set(attachId, seat)
    const atMs = this.#ports.nowMs() + limits.attachAnswerMs
    seat.deadline = this.#ports.deadlines.at(atMs, () => this.#onUnanswered(seat))
    this.#ask(seat)
    return seat
  }

  /** The member leaves; nothing more is called on it. */
  detach(seat: Seat): void {
    if (seat.state !== 'gone') this.#remove(seat)
  }

  /** Sends a publish on its way; `submitter` hears the outcome, once, or never (see acks). */
  submit(op: PublishOp, submitter: Submitter): void {
    const submitId = this.#nextSubmitId++
    this.#submits.set(submitId, { op, submitter })
    this.#usedAtMs = this.#ports.nowMs()
    const { channel } = this
    this.#ports.toClient(channel, { kind: 'submit', channel, submitId, op })
  }

  onClientMessage(message: ToGroup): void {
    switch (message.kind) {
      case 'attached':
        this.#onAttached(message)
        return
      case 'attachRefused': {
        const seat = this.#seats.get(message.attachId)
        if (seat !== undefined) this.#refuse(seat, message.error)
        return
      }
      case 'submitted': {
        const submit = this.#submits.get(message.submitId)
        this.#submits.delete(message.submitId)
        submit?.submitter(message.outcome)
        return
      }
      case 'broadcast':
        this.#standing = message.standing
        for (const item of message.items) this.#fanOut(item)
        return
      case 'continuityLost':
        this.#onContinuityLost(message.standing, message.error)
        return
    }
  }

  /** The home worker forgot us: seat everybody again where they stand, submit again. */
  onHomeLost(): void {
    this.#sayIfEmpty()
    for (const row of this.#rows) {
      const live = row.live.splice(0)
      this.#liveCount -= live.length
      for (const seat of live) {
        seat.state = 'rejoining'
        seat.at = -1
        seat.from = this.#standing
        seat.attachId = this.#nextAttachId++
        this.#seats.set(seat.attachId, seat)
      }
    }
    for (const seat of this.#seats.values()) this.#ask(seat)
    const { channel } = this
    for (const [submitId, { op }] of this.#submits) {
      this.#ports.toClient(channel, { kind: 'submit', channel, submitId, op })
    }
  }

  /** True when nobody has used the group for its linger time; the owner lets it go then. */
  isSpent(nowMs: number): boolean {
    const isUsed = this.#liveCount > 0 || this.#seats.size > 0 || this.#submits.size > 0
    return !isUsed && nowMs - this.#usedAtMs > limits.lingerMs
  }

  describe(): string {
    return `group ${this.channel}: ${this.#liveCount} live, ${this.#seats.size} joining`
  }

  #fanOut(item: BroadcastItem): void {
    const { connectionId, frames } = item
    for (const row of this.#rows) {
      const frame = frames[row.variantId]
      if (frame === undefined) continue
      const { live } = row
      this.#ports.tally.deliveryCount += live.length
      for (let at = 0; at < live.length; at++) {
        const { member } = live[at]!
        if (!member.subscribes) continue
        if (!member.hearsItself && member.connectionId === connectionId) continue
        member.onFrame(frame)
      }
    }
  }

  #onAttached(attached: Attached): void {
    const seat = this.#seats.get(attached.attachId)
    if (seat === undefined) return
    const { standing, isResumed, backlog, error } = attached
    this.#seats.delete(attached.attachId)
    this.#ports.deadlines.cancel(seat.deadline)
    seat.deadline = undefined
    this.#standing = standing
    const wasJoining = seat.state === 'joining'
    seat.state = 'live'
    seat.at = seat.row.live.push(seat) - 1
    this.#liveCount++
    const { member } = seat
    if (wasJoining) {
      // A backlog's frames carry their own serials; ATTACHED says where the attachment starts.
      const start = backlog.length > 0 ? (seat.from ?? standing) : standing
      const hasBacklog = backlog.length > 0
      member.onAttached({ channelSerial: serialOf(start), isResumed, hasBacklog, error })
    } else if (!isResumed) {
      const lost = error ?? errors.continuityLost().info
      member.onContinuityLost(serialOf(standing), lost)
    }
    seat.from = undefined
    for (const item of backlog) this.#give(seat, item)
  }

  #give(seat: Seat, item: BroadcastItem): void {
    const { member } = seat
    const frame = item.frames[seat.row.variantId]
    if (frame === undefined || !member.subscribes) return
    if (!member.hearsItself && member.connectionId === item.connectionId) return
    member.onFrame(frame)
  }

  #onContinuityLost(standing: Standing, error: ErrorInfo): void {
    this.#standing = standing
    const channelSerial = serialOf(standing)
    for (const row of this.#rows) {
      for (const seat of row.live) seat.member.onContinuityLost(channelSerial, error)
    }
  }

  #onUnanswered(seat: Seat): void {
    if (seat.state !== 'joining') return
    this.#refuse(seat, errors.channelOpTimeout('attach').info)
  }

  #refuse(seat: Seat, error: ErrorInfo): void {
    this.#remove(seat)
    seat.member.onAttachRefused(error)
  }

  #remove(seat: Seat): void {
    const isUnanswered = this.#seats.has(seat.attachId) && seat.state !== 'live'
    if (isUnanswered) {
      const { channel } = this
      this.#ports.toClient(channel, { kind: 'attachGone', channel, attachId: seat.attachId })
    }
    this.#ports.deadlines.cancel(seat.deadline)
    this.#seats.delete(seat.attachId)
    if (seat.state === 'live') {
      const { live } = seat.row
      const last = live.pop()!
      if (last !== seat) {
        assert(live[seat.at] === seat, 'a live seat stands where it says')
        live[seat.at] = last
        last.at = seat.at
      }
      this.#liveCount--
    }
    seat.state = 'gone'
    this.#usedAtMs = this.#ports.nowMs()
    if (--seat.row.seatCount > 0) return
    const { channel } = this
    const { variantId } = seat.row
    this.#ports.toClient(channel, { kind: 'variantUnused', channel, variantId })
    this.#sayIfEmpty()
  }

  /** The ChannelClient is told when nobody is left here, whichever way the last one went. */
  #sayIfEmpty(): void {
    if (this.#seats.size > 0 || this.#liveCount > 0) return
    this.#ports.toClient(this.channel, { kind: 'groupEmpty', channel: this.channel })
  }

  #ask(seat: Seat): void {
    const { channel } = this
    const { attachId, row, from } = seat
    const { variantId, variant } = row
    this.#ports.toClient(channel, { kind: 'attach', channel, attachId, variantId, variant, from })
  }

  #row(variant: Variant): Row {
    for (const row of this.#rows) {
      const { format, wireName } = row.variant
      if (format === variant.format && wireName === variant.wireName) return row
    }
    const unused = this.#rows.find((row) => row.seatCount === 0)
    if (unused !== undefined) {
      unused.variant = variant
      return unused
    }
    const row: Row = { variantId: this.#rows.length, variant, live: [], seatCount: 0 }
    this.#rows.push(row)
    return row
  }
}
