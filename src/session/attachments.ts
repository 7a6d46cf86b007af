/**
 * A session's attachments, by the names that its client calls its channels by. The connection's
 * presence members on a channel leave with its last attachment to it (protocol 8.5): two names may
 * be one channel.
 */

import type { Credentials } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import { Flag } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { channelKey, type ChannelName, parseChannelName, type Rewind } from '../wire/params.ts'
import type { Format, ProtocolMessage } from '../wire/protocol-message.ts'
import { parseChannelSerial } from '../wire/serial.ts'
import { regranted } from './admission.ts'
import { Attachment, type AttachmentOwner, type Grant, wordsOf } from './attachment.ts'
import { Detaching } from './detaching.ts'
import type { ChannelDoor, Wish } from './door.ts'

/** Whose attachments they are. */
export interface AttachmentsOwner extends AttachmentOwner {
  readonly appId: string
  /** How many channels it may attach to. */
  readonly channelCountMax: number
  readonly format: Format
  /** True: members may be there still that the connection has left behind on other sockets. */
  readonly mayHaveLegacies: boolean
  /** Its client is told events, and goes on from any of them (protocol 18). */
  readonly isStream: boolean
}

/** How an attachment's members leave. */
interface Dropping {
  readonly afterMs: number
  /** Its channel, if those are to leave, too, whom former sockets have left there. */
  readonly legacy?: string | undefined
  /** Called once, if they leave at once: when that is known to all. */
  readonly onLeft?: () => void
}

export interface AttachmentsPorts {
  readonly channels: ChannelDoor
  readonly deadlines: Deadlines
  now(): Now
}

export class Attachments {
  readonly #owner: AttachmentsOwner
  readonly #ports: AttachmentsPorts
  #detaching: Detaching | undefined
  readonly #byName = new Map<string, Attachment>()
  /** How many were attached to, those that are not any more included. */
  attachedCount = 0
  /** True once the client has attached to anything, or detached. */
  hasBegun = false
  /**
   * The channels that did not answer, and those on which members were spoken of before they were
   * asked for, by the names that they were called by, the oldest first. With the attachments they
   * are no more than those may be; of one that is given up for others the members leave when their
   * time is over, whatever the client says.
   */
  #unanswered: Map<string, string> | undefined
  /** Channels whose members of former sockets were told to leave. */
  #settled: Set<string> | undefined

  constructor(owner: AttachmentsOwner, ports: AttachmentsPorts) {
    this.#owner = owner
    this.#ports = ports
  }

  get size(): number {
    return this.#byName.size
  }

  get(wireName: string): Attachment | undefined {
    return this.#byName.get(wireName)
  }

  /**
   * Seats an attachment, or says why not. One that is there is seated anew with what is granted
   * now. If its client asks for something else than before, known or not, it stays attached, as
   * SDKs see it, and takes what is on its way to it: so it goes on from where it was, whatever it
   * says. If it asks for the same, word for word, it has lost something, and goes on from where it
   * says. It is not rewound.
   */
  attach(
    name: ChannelName,
    grant: Grant,
    message: ProtocolMessage
  ): ErrorInfo | undefined {
    const { channelSerial, flags = 0 } = message
    // Some clients say an empty text where there is nothing.
    const serial = channelSerial === '' ? undefined : channelSerial
    this.hasBegun = true
    this.#detaching?.settle(name.wire)
    const former = this.#byName.get(name.wire)
    const { channelCountMax } = this.#owner
    if (former === undefined && this.#byName.size >= channelCountMax) {
      return errors.tooManyChannels(channelCountMax).info
    }
    const stood = former?.seat && this.#ports.channels.detach(former.channel, former.seat)
    const channel = channelKey(this.#owner.appId, name)
    const words = wordsOf(message)
    const isChange = former?.isAttached === true && !former.asksFor(words)
    const said = serial === undefined ? undefined : parseChannelSerial(serial)
    const from = isChange || serial === undefined ? stood ?? said : said
    const isForeign = serial !== undefined && from === undefined
    const isNew = former?.isAttached !== true && (flags & Flag.ATTACH_RESUME) === 0
    const how = { isForeign, isAttached: isChange, words }
    const attachment = new Attachment(name.wire, channel, this.#owner, grant, how)
    this.#byName.set(name.wire, attachment)
    if (former === undefined) this.attachedCount++
    this.#unanswered?.delete(name.wire)
    this.#boundUnanswered()
    const wish = wishOf(this.#owner.format, name.wire, grant)
    const rewind = isNew ? this.#rewindOf(grant) : undefined
    const start = { from, rewind, former: former?.seat }
    attachment.seat = this.#ports.channels.attach(channel, attachment, wish, start)
    return undefined
  }

  /**
   * The channel did not answer in time, and let it go. Its client shall ask again, or its socket
   * may be lost and nobody knows yet: members leave later, as after a lost socket, unless the
   * client detaches or closes meanwhile.
   */
  forget({ wireName, channel, grant, isDerived }: Attachment, leaveAfterMs: number): void {
    this.#byName.delete(wireName)
    if (!isDerived) this.#remember(wireName, channel)
    this.#leaveIfLast(channel, { afterMs: graceOf(grant, leaveAfterMs) })
  }

  /**
   * Members are spoken of on a channel that is not attached to yet: its client is about to ask for
   * it. They leave when their time is over, like those of one that did not answer.
   */
  expect(name: ChannelName, leaveAfterMs: number): void {
    const channel = channelKey(this.#owner.appId, name)
    this.#remember(name.wire, channel)
    this.#boundUnanswered()
    this.#leaveIfLast(channel, { afterMs: leaveAfterMs })
  }

  #rewindOf({ rewind }: Grant): Rewind | undefined {
    return this.#owner.isStream && rewind !== undefined ? { ...rewind, isPlaced: true } : rewind
  }

  #remember(wireName: string, channel: string): void {
    this.#unanswered ??= new Map()
    this.#unanswered.set(wireName, channel)
  }

  /**
   * Its client ends one; `answer` is called when all know that its members have left. `mayAsk`: the
   * channel may be asked whom former sockets have left there.
   */
  detach(wireName: string, mayAsk: boolean, answer: () => void): void {
    const { deadlines, now } = this.#ports
    this.#detaching ??= new Detaching(deadlines)
    if (this.#detaching.isWaiting(wireName)) return
    const onLeft = this.#detaching.begin(wireName, now().monoMs, answer)
    const legacy = mayAsk ? this.#legacyOf(wireName) : undefined
    this.#drop(wireName, { afterMs: 0, legacy, onLeft })
  }

  /** Its channel is nobody's to attach to any more; nobody stays who is present by it. */
  fail(wireName: string): void {
    this.#detaching?.settle(wireName)
    const isThere = this.#byName.has(wireName)
    this.#drop(wireName, { afterMs: 0, legacy: isThere ? this.#legacyOf(wireName) : undefined })
  }

  /** Its client is to ask again later: it is not attached until then. */
  refuse(wireName: string): void {
    this.#detaching?.settle(wireName)
    this.#drop(wireName, { afterMs: 0 })
  }

  /**
   * Ends one; the members on its channel leave, unless there is another one, or it is a derived
   * one, by which nobody lives.
   */
  #drop(wireName: string, { afterMs, legacy, onLeft }: Dropping): void {
    this.hasBegun = true
    const attachment = this.#byName.get(wireName)
    const channel = attachment?.channel ?? this.#unanswered?.get(wireName) ?? legacy
    if (channel === undefined) {
      onLeft?.()
      return
    }
    this.#byName.delete(wireName)
    this.#unanswered?.delete(wireName)
    if (attachment?.seat !== undefined) this.#ports.channels.detach(channel, attachment.seat)
    if (attachment?.isDerived === true) onLeft?.()
    else this.#leaveIfLast(channel, { afterMs, legacy, onLeft })
  }

  /**
   * The channel, if members may be there whom former sockets have left behind: they are to leave,
   * too, also where it was not attached to again. Once is enough: there will not be more of them.
   */
  #legacyOf(wireName: string): string | undefined {
    const { mayHaveLegacies, appId, channelCountMax } = this.#owner
    const parsed = parseChannelName(wireName)
    if (!mayHaveLegacies || !parsed.ok || parsed.name.qualifier?.filter !== undefined) {
      return undefined
    }
    const channel = channelKey(appId, parsed.name)
    this.#settled ??= new Set()
    if (this.#settled.has(channel) || this.#settled.size >= channelCountMax) return undefined
    this.#settled.add(channel)
    return channel
  }

  /** The connection ends. */
  closeAll(): void {
    this.#detaching?.stop()
    const { inheritsMembers } = this.#owner
    for (const wireName of this.#byName.keys()) {
      const legacy = inheritsMembers ? this.#legacyOf(wireName) : undefined
      this.#drop(wireName, { afterMs: 0, legacy })
    }
    for (const wireName of this.#unanswered?.keys() ?? []) this.#drop(wireName, { afterMs: 0 })
  }

  /** The socket is lost; members leave later, where their channel does not say when. */
  parkAll(leaveAfterMs: number): void {
    this.#detaching?.stop()
    for (const [wireName, { grant }] of this.#byName) {
      this.#drop(wireName, { afterMs: graceOf(grant, leaveAfterMs) })
    }
    this.#unanswered = undefined
  }

  #boundUnanswered(): void {
    for (const oldest of this.#unanswered?.keys() ?? []) {
      if (this.#byName.size + this.#unanswered!.size <= this.#owner.channelCountMax) return
      this.#unanswered!.delete(oldest)
    }
  }

  /**
   * The client's rights have changed: each attachment is granted what it asked for as far as that
   * is permitted now. Returns the names of those that are permitted nothing.
   */
  regrant(credentials: Credentials): string[] {
    const denied: string[] = []
    for (const attachment of this.#byName.values()) {
      const { wireName, grant: former } = attachment
      const parsed = parseChannelName(wireName)
      const grant = parsed.ok ? regranted(former, parsed.name, credentials) : undefined
      if (grant === undefined) {
        denied.push(wireName)
      } else if (grant !== former) {
        attachment.regrant(grant)
        this.#announce(attachment, (former.modeBits & ~grant.modeBits & Flag.PRESENCE) !== 0)
      }
    }
    return denied
  }

  /** Who may not be present any more is so no longer (protocol 8.5). */
  #announce({ wireName, channel, seat }: Attachment, hasLostPresence: boolean): void {
    if (seat !== undefined) this.#ports.channels.announce(channel, seat)
    if (!hasLostPresence) return
    for (const other of this.#byName.values()) {
      if (other.channel === channel && other.has(Flag.PRESENCE)) return
    }
    this.#leave(channel, { afterMs: 0, legacy: this.#legacyOf(wireName) })
  }

  /** Tells again who is present, where that is told at all. */
  sync(wireName: string): void {
    const { channel, seat } = this.#byName.get(wireName) ?? {}
    if (channel !== undefined && seat !== undefined) this.#ports.channels.sync(channel, seat)
  }

  #leaveIfLast(channel: string, dropping: Dropping): void {
    for (const other of this.#byName.values()) {
      if (other.channel !== channel || other.isDerived) continue
      dropping.onLeft?.()
      return
    }
    this.#leave(channel, dropping)
  }

  #leave(channel: string, { afterMs, legacy, onLeft }: Dropping): void {
    const { connectionId, claim } = this.#owner
    const endsLegacies = legacy !== undefined
    this.#ports.channels.leave(channel, { connectionId, claim, afterMs, endsLegacies, onLeft })
  }
}

/** How long its connection's members outlive it, where it was not detached. */
function graceOf({ remainPresentForMs: own }: Grant, elseMs: number): number {
  return Math.min(own ?? elseMs, limits.connectionStateTtlMs)
}

function wishOf(
  format: Format, wireName: string, { occupancy, filter, delta, hearsItself }: Grant
): Wish {
  const isWithoutEcho = hearsItself ? undefined : true as const
  return { format, wireName, occupancy, filter, delta, isWithoutEcho }
}
