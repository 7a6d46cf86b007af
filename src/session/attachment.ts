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

import { Action, Flag } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import type { Beginning, Ears } from './door.ts'

/** Who is present hears of itself at least (protocol 8.3). */
const HEARING_MODES = Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE | Flag.PRESENCE

/** What an attachment calls on its session. */
export interface AttachmentOwner {
  readonly connectionId: string
  readonly claim: number
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

export class Attachment implements Ears {
  readonly wireName: string
  /** `appId/name`. */
  readonly channel: string
  readonly #owner: AttachmentOwner
  #grant: Grant
  readonly #isForeign: boolean
  #isAttached: boolean
  seat: object | undefined

  /**
   * `isForeign`: the client stood at a channelSerial that nobody here wrote. `isAttached`: it has
   * asked for something else under this name, and is attached meanwhile.
   */
  constructor(
    wireName: string,
    channel: string,
    owner: AttachmentOwner,
    grant: Grant,
    { isForeign, isAttached }: { readonly isForeign: boolean; readonly isAttached: boolean }
  ) {
    this.#isForeign = isForeign
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

  /** True if the client has asked for the same. */
  asksFor({ askedBits, params, isTransient }: Grant): boolean {
    const own = this.#grant
    const names = Object.keys(params)
    return own.askedBits === askedBits && own.isTransient === isTransient &&
      names.length === Object.keys(own.params).length &&
      names.every((name) => own.params[name] === params[name])
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
