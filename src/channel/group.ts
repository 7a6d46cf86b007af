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

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Tally } from '../base/tally.ts'
import type {
  Attached,
  BroadcastItem,
  ContinuityLost,
  PeerMessage,
  PublishOp,
  PublishOutcome,
  Standing,
  Sync,
  Synced,
  ToGroup,
  Variant
} from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import type { Rewind } from '../wire/params.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import { serialOf } from './encoding.ts'
import { GroupCensus } from './group-census.ts'
import { OwnMembers } from './own-members.ts'
import { enterRow, leaveRow, rowFor } from './rows.ts'
import type { GroupMember, Row, Seat } from './seat.ts'

export type { Attachedness, GroupMember, Seat } from './seat.ts'

/** What a group needs from its worker. */
export interface GroupPorts {
  readonly deadlines: Deadlines
  readonly tally: Tally
  /** The life of this worker. */
  readonly generation: number
  nowMs(): number
  /** A name for an op that this worker decides of itself; it never gives the same one again. */
  nameOp(): string
  /** Sends to the channel's client on this node. */
  toClient(channel: string, message: PeerMessage): void
}

type Submitter = (outcome: PublishOutcome) => void

export class LocalGroup {
  readonly channel: string
  /** The members of this worker's connections. */
  readonly own: OwnMembers
  readonly #ports: GroupPorts
  readonly #census: GroupCensus
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
    const { deadlines, generation, nowMs, nameOp } = ports
    this.#census = new GroupCensus(channel, this.#rows, ports)
    this.own = new OwnMembers(channel, generation, {
      deadlines,
      nowMs,
      nameOp,
      submit: (op, onOutcome) => this.submit(op, onOutcome),
      toClient: (message) => ports.toClient(channel, message)
    })
  }

  get liveCount(): number {
    return this.#liveCount
  }

  /** Seats a member, from where it stood or `rewind`; `onAttached` or `onAttachRefused` follows. */
  attach(
    member: GroupMember,
    variant: Variant,
    from: Standing | undefined,
    rewind?: Rewind
  ): Seat {
    const row = rowFor(this.#rows, variant)
    const attachId = this.#nextAttachId++
    const seat: Seat = {
      member,
      row,
      state: 'joining',
      attachId,
      from,
      rewind: from === undefined ? rewind : undefined,
      at: -1,
      deadline: undefined,
      awaitsSync: false
    }
    row.seatCount++
    this.#seats.set(attachId, seat)
    const atMs = this.#ports.nowMs() + limits.attachAnswerMs
    seat.deadline = this.#ports.deadlines.at(atMs, () => this.#onUnanswered(seat))
    this.#ask(seat)
    return seat
  }

  /** The member leaves; nothing more is called on it. Says where it stood. */
  detach(seat: Seat): Standing | undefined {
    const stood = seat.state === 'live' ? this.#standing : seat.from
    if (seat.state !== 'gone') this.#remove(seat)
    return stood
  }

  /** Sends a publish on its way; `submitter` hears the outcome, once, or never (see acks). */
  submit(op: PublishOp, submitter: Submitter): void {
    const submitId = this.#nextSubmitId++
    this.#submits.set(submitId, { op, submitter })
    if (op.owner !== undefined) this.own.onSubmit(op)
    this.#usedAtMs = this.#ports.nowMs()
    this.#sendSubmit(submitId, op)
  }

  #sendSubmit(submitId: number, op: PublishOp): void {
    const { channel } = this
    const [oldest = submitId] = this.#submits.keys()
    const answeredThrough = oldest - 1
    this.#ports.toClient(channel, { kind: 'submit', channel, submitId, answeredThrough, op })
  }

  /**
   * The seat's member hears more or less by now. One that is on its way in asks again, since it
   * may want to know of the present what it did not want before.
   */
  announce(seat: Seat): void {
    if (seat.state === 'live') {
      this.#census.onChanged()
      const hasPresence = seat.member.hearsPresence
      const channelSerial = serialOf(this.#standing!)
      const same = { isResumed: true, hasBacklog: false, error: undefined }
      seat.member.onAttached({ channelSerial, hasPresence, ...same })
      this.sync(seat)
    } else if (seat.state !== 'gone') {
      const { channel } = this
      this.#ports.toClient(channel, { kind: 'attachGone', channel, attachId: seat.attachId })
      this.#seats.delete(seat.attachId)
      seat.attachId = this.#nextAttachId++
      this.#seats.set(seat.attachId, seat)
      this.#ask(seat)
    }
  }

  /** The seat's member wants to be told again who is present. */
  sync(seat: Seat): void {
    if (seat.state === 'live' && seat.member.hearsPresence) this.#askSync(seat)
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
        const { submitId, outcome } = message
        const submit = this.#submits.get(submitId)
        if (submit === undefined) return
        this.#submits.delete(submitId)
        const { op, submitter } = submit
        if (op.owner !== undefined) this.own.onOutcome(op, outcome)
        submitter(outcome)
        return
      }
      case 'broadcast':
        this.#standing = message.standing
        for (const item of message.items) this.#fanOut(item)
        return
      case 'continuityLost':
        this.#onContinuityLost(message)
        return
      case 'synced':
        this.#onSynced(message)
        return
      case 'declareWanted':
        this.own.declare()
        return
      case 'countWanted':
      case 'occupied':
        this.#census.onMessage(message)
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
    this.#census.onHomeLost()
    for (const seat of this.#seats.values()) this.#ask(seat)
    for (const [submitId, { op }] of this.#submits) this.#sendSubmit(submitId, op)
    if (!this.own.isEmpty) this.own.declare()
  }

  /** True when nobody has used the group for its linger time; the owner lets it go then. */
  isSpent(nowMs: number): boolean {
    const isUsed = this.#liveCount > 0 || this.#seats.size > 0 || this.#submits.size > 0
    return !isUsed && this.own.isEmpty && nowMs - this.#usedAtMs > limits.lingerMs
  }

  describe(): string {
    return `group ${this.channel}: ${this.#liveCount} live, ${this.#seats.size} joining`
  }

  #fanOut(item: BroadcastItem): void {
    const { connectionId, frames, isPresence } = item
    if (isPresence === true) {
      for (const row of this.#rows) for (const seat of row.live) this.#give(seat, item)
      return
    }
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
    const { standing, isResumed, backlog, error, sync, occupancy } = attached
    this.#seats.delete(attached.attachId)
    this.#ports.deadlines.cancel(seat.deadline)
    seat.deadline = undefined
    this.#standing = standing
    const wasJoining = seat.state === 'joining'
    enterRow(seat)
    this.#liveCount++
    this.#census.onChanged()
    const { member } = seat
    if (wasJoining) {
      // A backlog's frames carry their own serials; ATTACHED says where the attachment starts.
      const start = backlog.length > 0 ? (seat.from ?? standing) : standing
      const hasBacklog = backlog.some((item) => hears(seat, item))
      const hasPresence = sync !== undefined
      const channelSerial = serialOf(start)
      member.onAttached({ channelSerial, isResumed, hasBacklog, hasPresence, error })
    } else if (!isResumed) {
      const lost = error ?? errors.continuityLost().info
      member.onContinuityLost(serialOf(standing), lost, sync !== undefined)
    } else if (seat.awaitsSync && sync === undefined) {
      this.#askSync(seat)
    }
    seat.from = undefined
    seat.rewind = undefined
    for (const item of backlog) this.#give(seat, item)
    this.#giveSync(seat, sync)
    if (occupancy !== undefined && member.subscribes) member.onFrame(occupancy)
  }

  /** After the events that were missed, for it says what they have led to. */
  #giveSync(seat: Seat, sync: Sync | undefined): void {
    if (sync === undefined) return
    seat.awaitsSync = sync === 'held'
    if (sync === 'held') return
    for (const frame of sync) seat.member.onFrame(frame)
  }

  #give(seat: Seat, item: BroadcastItem): void {
    const frame = item.frames[seat.row.variantId]
    if (frame !== undefined && hears(seat, item)) seat.member.onFrame(frame)
  }

  #onContinuityLost({ standing, error, sync }: ContinuityLost): void {
    this.#standing = standing
    const channelSerial = serialOf(standing)
    for (const { live, variantId } of this.#rows) {
      const frames = sync === 'held' ? sync : sync?.[variantId]
      for (const seat of live) {
        const own = seat.member.hearsPresence ? frames : undefined
        seat.member.onContinuityLost(channelSerial, error, own !== undefined)
        this.#giveSync(seat, own)
      }
    }
  }

  #onSynced({ frames }: Synced): void {
    for (const { live, variantId } of this.#rows) {
      for (const seat of live) if (seat.awaitsSync) this.#giveSync(seat, frames[variantId])
    }
  }

  #askSync(seat: Seat): void {
    seat.awaitsSync = true
    const { channel } = this
    const { variantId } = seat.row
    this.#ports.toClient(channel, { kind: 'syncWanted', channel, variantId })
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
      leaveRow(seat)
      this.#liveCount--
      this.#census.onChanged()
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
    const { attachId, row, from, rewind } = seat
    const { variantId, variant } = row
    const { hearsPresence } = seat.member
    const ask = { attachId, variantId, variant, from, rewind, hearsPresence }
    this.#ports.toClient(channel, { kind: 'attach', channel, ...ask })
  }
}

/** True if the item is for the seat's ears. */
function hears({ member }: Seat, { connectionId, isPresence }: BroadcastItem): boolean {
  const isOwn = member.connectionId === connectionId
  // What becomes of its own members a connection hears in any case (protocol 8.3).
  if (isPresence === true) return member.hearsPresence || isOwn
  return member.subscribes && (member.hearsItself || !isOwn)
}
