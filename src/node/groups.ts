/**
 * A worker's LocalGroups: where its sessions meet its channels (session/door.ts). Each is made for
 * the first who wants something of its channel, and let go when nobody has for a while.
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Tally } from '../base/tally.ts'
import { encodeMessages, standingOf } from '../channel/encoding.ts'
import { LocalGroup, type Seat } from '../channel/group.ts'
import type { AskMembers } from '../channel/legacies.ts'
import type { UsedChannels } from '../channel/used-channels.ts'
import type { ToClientFromGroup, ToGroup, Variant } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type {
  AdmittedPresence, AdmittedPublish, ChannelDoor, Departure, Ears, Outcome, Start
} from '../session/door.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { publishSize } from '../wire/message.ts'
import type { ChannelSerial } from '../wire/serial.ts'
import type { MetaEvent } from './meta-events.ts'
import { PresenceOps } from './presence-ops.ts'

const SWEEP_MS = 5_000

/** Whose groups they are. */
export interface GroupsOptions {
  readonly self: Place
  readonly generation: number
}

export interface GroupsPorts {
  readonly deadlines: Deadlines
  readonly tally: Tally
  readonly meters: MeterSource
  readonly askMembers: AskMembers
  now(): Now
  /** Sends to the channel's client on this node. */
  toClient(message: ToClientFromGroup): void
}

const NOTHING = new Uint8Array()

/** Why it is too much to be said at once, if it is, whatever its client said of that (6.5). */
function excessOf({ byteLength }: Uint8Array): ErrorInfo | undefined {
  const { submissionBytesMax: bytesMax } = limits
  return byteLength > bytesMax ? errors.messageTooLarge(byteLength, bytesMax).info : undefined
}

export class Groups implements ChannelDoor {
  readonly #options: GroupsOptions
  readonly #ports: GroupsPorts
  readonly #groups = new Map<string, LocalGroup>()
  readonly #presenceOps: PresenceOps
  /** By connection: the channels on which its members are about to leave. */
  readonly #leaving = new Map<string, Set<string>>()
  #isSweeping = false

  constructor(options: GroupsOptions, ports: GroupsPorts) {
    this.#options = options
    this.#ports = ports
    this.#presenceOps = new PresenceOps(options)
  }

  get size(): number {
    return this.#groups.size
  }

  /** Live attachments of all groups. */
  get liveCount(): number {
    let count = 0
    for (const group of this.#groups.values()) count += group.liveCount
    return count
  }

  /** Shows the channels that somebody here is attached to. */
  list(used: UsedChannels): void {
    for (const [channel, group] of this.#groups) if (group.isAttached) used.add(channel)
  }

  attach(channel: string, ears: Ears, variant: Variant, start: Start): Seat {
    const { from, rewind, former } = start
    const group = this.#group(channel)
    return group.attach(ears, variant, standingOf(from), rewind, former as Seat | undefined)
  }

  detach(channel: string, seat: object): ChannelSerial | undefined {
    const stood = this.#groups.get(channel)?.detach(seat as Seat)
    return stood && { ...stood, epoch: String(stood.epoch) }
  }

  submit(channel: string, publish: AdmittedPublish, onOutcome: (outcome: Outcome) => void): void {
    const { id, idSpace, connectionId, msgSerial, messages, ephemeralCount, rateMax } = publish
    const messageCount = messages.length
    const { isRest = false } = publish
    const payload = publish.ifNew === undefined ? encodeMessages(messages) : NOTHING
    const ifNew = publish.ifNew ?? excessOf(payload)
    if (ifNew !== undefined) {
      const op = { id, idSpace, connectionId, msgSerial, messageCount, payload: NOTHING, ifNew }
      this.#group(channel).submit(op, onOutcome)
      return
    }
    const said = { count: messageCount, bytes: publishSize(messages), isRest }
    const op = { id, idSpace, connectionId, msgSerial, messageCount, payload, said }
    const isPlain = (ephemeralCount ?? 0) === 0 && rateMax === undefined
    this.#group(channel).submit(isPlain ? op : { ...op, ephemeralCount, rateMax }, onOutcome)
  }

  present(channel: string, said: AdmittedPresence, onOutcome: (outcome: Outcome) => void): void {
    const op = this.#presenceOps.opOf(said)
    const error = excessOf(op.payload)
    if (error === undefined) this.#group(channel).submit(op, onOutcome)
    else onOutcome({ kind: 'refused', error })
  }

  /** Publishes what this node says of itself, on a metachannel. */
  tell(channel: string, { name, data }: MetaEvent): void {
    const payload = encodeMessages([{ name, data: JSON.stringify(data), encoding: 'json' }])
    const id = this.#presenceOps.name()
    const op = { id, idSpace: 'node' as const, connectionId: undefined, messageCount: 1, payload }
    this.#group(channel).submit(op, () => undefined)
  }

  leave(channel: string, departure: Departure): void {
    const { endsLegacies } = departure
    const group = endsLegacies === true ? this.#group(channel) : this.#groups.get(channel)
    if (group === undefined) departure.onLeft?.()
    else group.own.leave(departure)
  }

  overrule(connectionId: string, claim: number): void {
    for (const channel of this.#leaving.get(connectionId) ?? []) {
      this.#groups.get(channel)?.own.overrule(connectionId, claim)
    }
  }

  announce(channel: string, seat: object): void {
    this.#groups.get(channel)?.announce(seat as Seat)
  }

  sync(channel: string, seat: object): void {
    this.#groups.get(channel)?.sync(seat as Seat)
  }

  /** The channel's client on this node says something. */
  onClientMessage(message: ToGroup): void {
    this.#groups.get(message.channel)?.onClientMessage(message)
  }

  /** The worker that the clients of these channels are on has forgotten us. */
  onHomeLost(isLost: (channel: string) => boolean): void {
    for (const group of this.#groups.values()) if (isLost(group.channel)) group.onHomeLost()
  }

  describe(): string[] {
    return [...this.#groups.values()].map((group) => group.describe())
  }

  #group(channel: string): LocalGroup {
    let group = this.#groups.get(channel)
    if (group === undefined) {
      const { deadlines, tally, meters, now, toClient, askMembers } = this.#ports
      group = new LocalGroup(channel, {
        deadlines,
        tally,
        meter: meters.ofChannel(channel),
        generation: this.#options.generation,
        nameOp: () => this.#presenceOps.name(),
        onGrace: (_, connectionId, isBegun) => this.#onGrace(channel, connectionId, isBegun),
        ownerBy: (claim) => this.#presenceOps.ownerBy(claim),
        askMembers,
        nowMs: () => now().monoMs,
        toClient: (_, message) => toClient(message as ToClientFromGroup)
      })
      this.#groups.set(channel, group)
      this.#sweepLater()
    }
    return group
  }

  #onGrace(channel: string, connectionId: string, isBegun: boolean): void {
    const channels = this.#leaving.get(connectionId) ?? new Set()
    if (isBegun) channels.add(channel)
    else channels.delete(channel)
    if (channels.size > 0) this.#leaving.set(connectionId, channels)
    else this.#leaving.delete(connectionId)
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    this.#ports.deadlines.at(this.#ports.now().monoMs + SWEEP_MS, (nowMs) => {
      this.#isSweeping = false
      for (const [name, group] of this.#groups) if (group.isSpent(nowMs)) this.#groups.delete(name)
      if (this.#groups.size > 0) this.#sweepLater()
    })
  }
}
