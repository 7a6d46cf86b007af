/**
 * Session × channel. It is the ears that a channel speaks to, and it turns what it hears into
 * frames of its session's socket.
 *
 *   attaching ──onAttached──▶ attached ──DETACH, or the session ends──▶ gone
 *       │ onAttachRefused: DETACHED with the cause, retriable, gone
 *
 * MESSAGE and PRESENCE frames are dropped by SDKs unless the channel is attached, so nothing is
 * sent before ATTACHED or after DETACHED (protocol 7.2).
 */

import { digestOf } from '../auth/proof.ts'
import { Action, Flag, MODE_BITS } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import type { Beginning, Ears } from './door.ts'

/** Who is present hears of itself at least (protocol 8.3). */
const HEARING_MODES = Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE | Flag.PRESENCE

/** The flags of an ATTACH by which it asks for something. */
const ASKED_BITS = MODE_BITS | Flag.TRANSIENT
/** Longer words are kept as their digest: any client may write as many as a frame holds. */
const WORDS_LENGTH_MAX = 128

/** What an attachment calls on its session. */
export interface AttachmentOwner {
  readonly connectionId: string
  readonly claim: number
  /** True: its client has recovered the connection from another process, lately. */
  readonly inheritsMembers: boolean
  readonly echoes: boolean
  /** False: the socket has much to take before it is given what can wait. */
  readonly hasRoom: boolean
  sendFrame(frame: Frame): void
  send(message: ProtocolMessage): void
  onAttachmentRefused(attachment: Attachment): void
}

/** What was granted. */
export interface Grant {
  readonly modeBits: number
  /** What was asked for: more of it may be granted later. */
  readonly askedBits: number
  /** Echoed in ATTACHED. */
  readonly params: Readonly<Record<string, string>>
  readonly hearsItself: boolean
  /** What is to be told first to an attachment that begins anew. */
  readonly rewind?: Rewind
  /** It is told the occupancy: of these categories, with commas between; empty: of all. */
  readonly occupancy?: string
  /** Only what this expression is true of is told (protocol 7.8). */
  readonly filter?: string
  /** Messages are told as deltas. */
  readonly delta?: true
  /** How long its connection's members outlive a lost socket, if not as long as elsewhere. */
  readonly remainPresentForMs?: number
  /** It is there to publish, and is told nothing (protocol 3.3). */
  readonly isTransient?: true
}

/** An attachment as its client asks for it, and how it does. */
export interface AttachmentStart {
  /** The client stood at a channelSerial that nobody here wrote. */
  readonly isForeign: boolean
  /** It has asked for something else under this name, and is attached meanwhile. */
  readonly isAttached: boolean
  /** All that it asks for (`wordsOf`). */
  readonly words: string
}

export class Attachment implements Ears {
  readonly wireName: string
  /** `appId/name`. */
  readonly channel: string
  readonly #owner: AttachmentOwner
  #grant: Grant
  readonly #isForeign: boolean
  readonly #words: string
  #isAttached: boolean
  seat: object | undefined

  constructor(
    wireName: string,
    channel: string,
    owner: AttachmentOwner,
    grant: Grant,
    { isForeign, isAttached, words }: AttachmentStart
  ) {
    this.#isForeign = isForeign
    this.#words = words
    this.#isAttached = isAttached
    this.wireName = wireName
    this.channel = channel
    this.#owner = owner
    this.#grant = grant
  }

  get grant(): Grant {
    return this.#grant
  }

  /** The client's rights have changed; it is told when its channel announces it again. */
  regrant(grant: Grant): void {
    this.#grant = grant
  }

  get connectionId(): string {
    return this.#owner.connectionId
  }

  get claim(): number {
    return this.#owner.claim
  }

  get inheritsMembers(): boolean {
    return this.#owner.inheritsMembers && this.has(Flag.PRESENCE)
  }

  get hearsItself(): boolean {
    return this.#grant.hearsItself
  }

  get modeBits(): number {
    return this.#grant.modeBits
  }

  get subscribes(): boolean {
    return (this.#grant.modeBits & Flag.SUBSCRIBE) !== 0
  }

  get hearsPresence(): boolean {
    return (this.#grant.modeBits & Flag.PRESENCE_SUBSCRIBE) !== 0
  }

  /** True: it is told no messages, of nobody's presence, and has no members to be told of. */
  get hearsNothing(): boolean {
    return (this.#grant.modeBits & HEARING_MODES) === 0
  }

  /** True once the client was told so. */
  get isAttached(): boolean {
    return this.#isAttached
  }

  get hasRoom(): boolean {
    return this.#owner.hasRoom
  }

  /** True: it shows what a filter lets through, and no member of its connection lives by it. */
  get isDerived(): boolean {
    return this.#grant.filter !== undefined
  }

  /** True if the client has asked for the same, word for word. */
  asksFor(words: string): boolean {
    return this.#words === words
  }

  /** True if the mode was granted. */
  has(modeBit: number): boolean {
    return (this.#grant.modeBits & modeBit) !== 0
  }

  onFrame(frame: Frame): void {
    this.#owner.sendFrame(frame)
  }

  onAttached(how: Beginning): void {
    this.#isAttached = true
    let flags = this.#grant.modeBits
    if (how.isResumed) flags |= Flag.RESUMED
    if (how.hasBacklog) flags |= Flag.HAS_BACKLOG
    if (how.hasPresence) flags |= Flag.HAS_PRESENCE
    const isLost = this.#isForeign && !how.isResumed && how.error === undefined
    this.#say(how.channelSerial, flags, isLost ? errors.continuityLost().info : how.error)
  }

  onAttachRefused(error: ErrorInfo): void {
    this.#owner.onAttachmentRefused(this)
    this.#owner.send({ action: Action.DETACHED, channel: this.wireName, error })
  }

  onContinuityLost(channelSerial: string, error: ErrorInfo, hasPresence: boolean): void {
    if (!this.#isAttached) return
    const { modeBits } = this.#grant
    this.#say(channelSerial, hasPresence ? modeBits | Flag.HAS_PRESENCE : modeBits, error)
  }

  #say(channelSerial: string, flags: number, error: ErrorInfo | undefined): void {
    const { params, isTransient } = this.#grant
    const hasParams = Object.keys(params).length > 0
    this.#owner.send({
      action: Action.ATTACHED,
      channel: this.wireName,
      channelSerial,
      flags: isTransient === true ? flags | Flag.TRANSIENT : flags,
      params: hasParams ? { ...params } : undefined,
      error
    })
  }
}

/**
 * All that an ATTACH asks for, whether it is known and granted or not: an SDK asks again when its
 * user changes a word of it, and modes that are spelled out are another wish than none. It does
 * not for `agent` alone, which is who asks.
 */
export function wordsOf({ flags = 0, params = {} }: ProtocolMessage): string {
  const bits = flags & ASKED_BITS
  const asked = Object.entries(params).filter(([name]) => name !== 'agent')
  if (asked.length === 0) return bits === 0 ? '' : String(bits)
  const words = JSON.stringify([bits, ...asked.sort(([one], [other]) => (one < other ? -1 : 1))])
  if (words.length <= WORDS_LENGTH_MAX) return words
  return Buffer.from(digestOf(words)).toString('base64')
}
