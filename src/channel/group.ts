/**
 * A worker's attachments to one channel: the last fan-out. Attachments that want the same bytes
 * (format and wire name) sit in one row; a broadcast walks the row and leaves the same frame with
 * every socket (channel/fan-out.ts). It also carries the worker's publishes to the node's
 * ChannelClient.
 *
 *   seat:  joining ──attached──▶ live ──home lost──▶ rejoining ──attached──▶ live
 *             │ no answer in time: refused             │ not resumed: continuity lost, then live
 *             └──attached, with more to come, or without room for it──▶ rejoining
 *
 * It must never pass a frame to a seat that is not live: what a joining seat missed comes with
 * its `attached`, on the same ordered link, in pages, each when the seat's socket has room for it:
 * an attachment that missed much, or a set of many members, waits for its reader.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Meter } from '../base/meter.ts'
import type { Tally } from '../base/tally.ts'
import type {
  Attached,
  ContinuityLost,
  MemberOwner,
  PeerMessage,
  PublishOp,
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
import { fanOut, give } from './fan-out.ts'
import { GroupCensus } from './group-census.ts'
import type { AskMembers } from './legacies.ts'
import { Lookout } from './lookout.ts'
import { OwnMembers } from './own-members.ts'
import { Quiet } from './quiet.ts'
import { enterRow, leaveRow, rowFor } from './rows.ts'
import {
  giveOccupancy, type GroupMember, newSeat, type Row, type Seat, someRejoins, tellBeginning,
  tellChange, tellStanding
} from './seat.ts'
import { Submissions, type Submitter } from './submissions.ts'

export type { Attachedness, GroupMember, Seat } from './seat.ts'

/** What a group needs from its worker. */
export interface GroupPorts {
  readonly deadlines: Deadlines
  readonly tally: Tally
  /** That of the channel's app. */
  readonly meter: Meter
  /** The life of this worker. */
  readonly generation: number
  nowMs(): number
  /** The connection's members here are about to leave, or are not any more. */
  onGrace(channel: string, connectionId: string, isBegun: boolean): void
  /** This worker, as the owner of members by a claim. */
  ownerBy(claim: number): MemberOwner
  readonly askMembers: AskMembers
  /** A name for an op that this worker decides of itself; it never gives the same one again. */
  nameOp(): string
  /** Sends to the channel's client on this node. */
  toClient(channel: string, message: PeerMessage): void
}

export class LocalGroup {
  readonly channel: string
  /** The members of this worker's connections. */
  readonly own: OwnMembers
  readonly #ports: GroupPorts
  readonly #census: GroupCensus
  readonly #lookout: Lookout
  readonly #quiet: Quiet
  readonly #rows: Row[] = []
  readonly #seats = new Map<number, Seat>()
  readonly #submissions: Submissions
  #standing: Standing | undefined
  #nextAttachId = 1
  #liveCount = 0
  #usedAtMs: number

  constructor(channel: string, ports: GroupPorts) {
    this.channel = channel
    this.#ports = ports
    this.#usedAtMs = ports.nowMs()
    const { deadlines, nowMs } = ports
    this.#census = new GroupCensus(channel, this.#rows, ports)
    this.#submissions = new Submissions(channel, (submit) => ports.toClient(channel, submit))
    this.#lookout = new Lookout({ deadlines, nowMs }, (seat) => this.#onRoom(seat))
    const tell = (seat: Seat): void => tellStanding(seat, this.#standing!)
    this.#quiet = new Quiet(this.#rows, { deadlines, nowMs, tell })
    this.own = new OwnMembers(channel, {
      ...ports,
      onGrace: (connectionId, isBegun) => ports.onGrace(channel, connectionId, isBegun),
      submit: (op, onOutcome) => this.submit(op, onOutcome),
      toClient: (message) => ports.toClient(channel, message)
    })
  }

  get liveCount(): number {
    return this.#liveCount
  }

  /** True if a member was told that it is attached; it may be on its way back. */
  get isAttached(): boolean {
    return this.#liveCount > 0 || someRejoins(this.#seats.values())
  }

  /** Seats a member, in place of `former`; `onAttached` or `onAttachRefused` follows. */
  attach(
    member: GroupMember,
    variant: Variant,
    from: Standing | undefined,
    rewind?: Rewind,
    former?: Seat
  ): Seat {
    // By a derived channel no members live.
    if (variant.filter === undefined) this.own.onAttaching(member)
    const row = rowFor(this.#rows, variant)
    const attachId = this.#nextAttachId++
    const seat = newSeat(member, row, attachId, from, rewind, former)
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
    if (op.owner !== undefined) this.own.onSubmit(op)
    this.#usedAtMs = this.#ports.nowMs()
    this.#submissions.submit(op, submitter)
  }

  /**
   * The seat's member hears more or less by now. One that is on its way in asks again, since it
   * may want to know of the present what it did not want before.
   */
  announce(seat: Seat): void {
    if (seat.state === 'live') {
      this.#census.onChanged()
      const { awaitsSync } = seat
      tellChange(seat, this.#standing!)
      if (seat.awaitsSync && !awaitsSync) this.#askSync(seat)
    } else if (seat.state !== 'gone') {
      seat.hasChanged = seat.state === 'rejoining'
      const { channel } = this
      this.#ports.toClient(channel, { kind: 'attachGone', channel, attachId: seat.attachId })
      this.#lookout.forget(seat)
      this.#renumber(seat)
      this.#ask(seat)
    }
  }

  /** The seat's member wants to be told again who is present; once at a time. */
  sync(seat: Seat): void {
    const { state, member, awaitsSync } = seat
    if (state === 'live' && member.hearsPresence && !awaitsSync) this.#askSync(seat)
  }

  onClientMessage(message: ToGroup): void {
    const { tally, meter: { outboundRealtime } } = this.#ports
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
        const answered = this.#submissions.answered(message)
        if (answered === undefined) return
        const { op, submitter } = answered
        if (op.owner !== undefined) this.own.onOutcome(op, message.outcome)
        submitter(message.outcome)
        return
      }
      case 'broadcast':
        this.#standing = message.standing
        this.#quiet.onMoved()
        for (const item of message.items) fanOut(this.#rows, item, tally, outboundRealtime)
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
        this.#renumber(seat)
      }
    }
    this.#census.onHomeLost()
    for (const seat of this.#seats.values()) {
      this.#lookout.forget(seat)
      this.#ask(seat)
    }
    this.#submissions.submitAgain()
    if (!this.own.isEmpty) this.own.declare()
  }

  /** True when nobody has used the group for its linger time; the owner lets it go then. */
  isSpent(nowMs: number): boolean {
    const isUsed = this.#liveCount > 0 || this.#seats.size > 0 || this.#submissions.size > 0
    return !isUsed && this.own.isEmpty && nowMs - this.#usedAtMs > limits.lingerMs
  }

  describe(): string {
    return `group ${this.channel}: ${this.#liveCount} live, ${this.#seats.size} joining`
  }

  #onAttached(attached: Attached): void {
    const seat = this.#seats.get(attached.attachId)
    if (seat === undefined) return
    const { standing, backlog, sync, hasMore, occupancy } = attached
    this.#lookout.forget(seat)
    if (backlog.length > 0 && !seat.member.hasRoom) {
      this.#holdBack(seat, attached)
      return
    }
    this.#seats.delete(attached.attachId)
    const isPlaced = seat.rewind?.isPlaced === true && !attached.isResumed
    const isFromElsewhere = attached.isResumed && seat.from !== undefined &&
      seat.from.lineage !== standing.lineage
    this.#begin(seat, attached)
    for (const item of backlog) give(seat, item, this.#ports.meter.outboundRealtime)
    // What it was told last may stand before things that it was told in another region's order.
    if ((isPlaced || isFromElsewhere) && backlog.length > 0) tellStanding(seat, standing)
    if (hasMore === true) {
      this.#goOn(seat, standing)
      return
    }
    this.#standing = standing
    enterRow(seat)
    this.#liveCount++
    this.#census.onChanged()
    seat.from = undefined
    if (seat.hasChanged) tellChange(seat, standing)
    if (sync !== undefined) this.#giveSync(seat, sync)
    else if (seat.awaitsSync) this.#askSync(seat)
    if (occupancy !== undefined) giveOccupancy(seat, occupancy)
  }

  /**
   * Its socket has not taken yet what it was given before. What it missed is let go, and asked for
   * again when there is room: one that rewinds is not attached before that.
   */
  #holdBack(seat: Seat, attached: Attached): void {
    if (attached.isResumed) this.#begin(seat, attached)
    this.#lookout.wait(seat)
  }

  #begin(seat: Seat, attached: Attached): void {
    this.#ports.deadlines.cancel(seat.deadline)
    seat.deadline = undefined
    tellBeginning(seat, attached)
    seat.rewind = undefined
  }

  /** It was given a page, up to `standing`. */
  #goOn(seat: Seat, standing: Standing): void {
    seat.from = standing
    this.#renumber(seat)
    if (seat.member.hasRoom) this.#ask(seat)
    else this.#lookout.wait(seat)
  }

  /** Its socket has room for what comes next. */
  #onRoom(seat: Seat): void {
    if (seat.state !== 'live') this.#ask(seat)
    else if (seat.awaitsSync) this.#askSync(seat)
  }

  /** After the events that were missed, for it says what they have led to. */
  #giveSync(seat: Seat, sync: Sync | undefined): void {
    if (sync === undefined) return
    this.#lookout.forget(seat)
    seat.awaitsSync = sync === 'held' || !seat.member.hasRoom
    if (sync === 'held') return
    if (seat.awaitsSync) this.#lookout.wait(seat)
    else for (const frame of sync) seat.member.onFrame(frame)
  }

  #onContinuityLost({ standing, error, sync }: ContinuityLost): void {
    this.#standing = standing
    const channelSerial = serialOf(standing)
    for (const { live, variantId } of this.#rows) {
      const frames = sync === 'held' ? sync : sync?.[variantId]
      for (const seat of live) {
        seat.heardSeq = undefined
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
    this.#ports.toClient(channel, { kind: 'syncWanted', channel, variantId: seat.row.variantId })
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
    this.#lookout.forget(seat)
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
    this.#ports.toClient(channel, { kind: 'variantUnused', channel, variantId: seat.row.variantId })
    this.#sayIfEmpty()
  }

  /** The ChannelClient is told when nobody is left here, whichever way the last one went. */
  #sayIfEmpty(): void {
    if (this.#seats.size > 0 || this.#liveCount > 0) return
    this.#ports.toClient(this.channel, { kind: 'groupEmpty', channel: this.channel })
  }

  /** It is asked for anew: what is answered to its former number is not for it. */
  #renumber(seat: Seat): void {
    this.#seats.delete(seat.attachId)
    seat.attachId = this.#nextAttachId++
    this.#seats.set(seat.attachId, seat)
  }

  #ask({ attachId, row, from, rewind, member: { hearsPresence, hearsNothing } }: Seat): void {
    const { channel } = this
    const { variantId, variant } = row
    const ask = { attachId, variantId, variant, from, rewind, hearsPresence, hearsNothing }
    this.#ports.toClient(channel, { kind: 'attach', channel, ...ask })
  }
}
