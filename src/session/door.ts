/**
 * The two interfaces through which sessions and channels meet; `node/channels.ts` joins them.
 * Neither room imports the other, so each can be tested alone.
 */

import type { Payload } from '../wire/payload.ts'
import type { Extras, Format, Message } from '../wire/protocol-message.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import type { ChannelSerial } from '../wire/serial.ts'

/** How an attachment begins, or begins anew. */
export interface Beginning {
  readonly channelSerial: string
  readonly isResumed: boolean
  readonly hasBacklog: boolean
  /** True: SYNC follows (protocol 8.4). */
  readonly hasPresence: boolean
  readonly error: ErrorInfo | undefined
}

/** What a channel calls on an attachment. Frames come after `onAttached`, in channel order. */
export interface Ears {
  readonly connectionId: string
  /** By which claim the session has its connection. */
  readonly claim: number
  /** True: its client does not know whom it had entered, and does not enter them again. */
  readonly inheritsMembers: boolean
  readonly hearsItself: boolean
  /** The modes that were granted, as flags. */
  readonly modeBits: number
  readonly subscribes: boolean
  /** False: of presence it hears what becomes of its own members, and nothing else. */
  readonly hearsPresence: boolean
  /** True: nothing on the channel is for it. */
  readonly hearsNothing: boolean
  /** False: the socket has much to take before it is given what can wait. */
  readonly hasRoom: boolean
  onFrame(frame: Frame): void
  onAttached(how: Beginning): void
  onAttachRefused(error: ErrorInfo): void
  onContinuityLost(channelSerial: string, error: ErrorInfo, hasPresence: boolean): void
}

/** One publish as a session admitted it. */
export interface AdmittedPublish {
  /** `connectionId:msgSerial`, or the base of the ids that the client chose. */
  readonly id: string
  readonly idSpace: 'connection' | 'client'
  readonly connectionId: string | undefined
  /** Of the frame on the connection, where the id does not tell it. */
  readonly msgSerial?: number
  readonly messages: readonly Message[]
  /** So many of them are for those who are there, and not to be kept (protocol 6.1). */
  readonly ephemeralCount?: number
  /** How many messages a second the app's channels may take, where it says. */
  readonly rateMax?: number
  /** True: it came by request. */
  readonly isRest?: true
  /** Why it is refused, unless it was taken before. */
  readonly ifNew?: ErrorInfo
}

/** What a session admitted its client to say of members. */
export interface AdmittedPresence {
  /** `connectionId:msgSerial`. */
  readonly id: string
  readonly connectionId: string
  /** By which claim the session has its connection: who has a higher one speaks instead. */
  readonly claim: number
  readonly items: readonly AdmittedItem[]
  /** At most so many members may the channel have; undefined: the node's bound holds. */
  readonly membersMax: number | undefined
}

/** One client that enters, updates or leaves. */
export interface AdmittedItem extends Payload {
  readonly action: number
  readonly clientId: string
  readonly id: string
  readonly extras?: Extras
}

/** How an attachment wants its frames. */
export interface Wish {
  readonly format: Format
  /** The name that its client calls the channel by. */
  readonly wireName: string
  /** It is told the occupancy: of these categories, with commas between; empty: of all. */
  readonly occupancy?: string
  /** Only what this expression is true of is told (protocol 7.8). */
  readonly filter?: string
  /** Messages are told as deltas (protocol 7.6). */
  readonly delta?: true
  /** The connection does not hear itself. */
  readonly isWithoutEcho?: true
}

/** Where an attachment is to begin; without `from` it begins anew, where the channel is. */
export interface Start {
  readonly from?: ChannelSerial
  /** What one that begins anew is told first. */
  readonly rewind?: Rewind
  /** The seat that it takes the place of: what that was told of, and not given, it is given. */
  readonly former?: object
}

/** A connection's members on a channel are to leave. */
export interface Departure {
  readonly connectionId: string
  /** Those that live here by this claim or a lower one. */
  readonly claim: number
  /** After this time, unless a higher claim speaks for them by then. */
  readonly afterMs: number
  /** True: at once, and those too that lower claims have left elsewhere. */
  readonly endsLegacies?: boolean
  /** Where they leave at once it is called once: when that is in the log. */
  readonly onLeft?: (() => void) | undefined
}

export type Outcome =
  | { readonly kind: 'committed'; readonly serials: readonly string[] }
  | { readonly kind: 'refused'; readonly error: ErrorInfo }

/** What a session asks of channels; `channel` is the key `appId/name`. */
export interface ChannelDoor {
  /** Seats the ears; returns what `detach` wants. */
  attach(channel: string, ears: Ears, wish: Wish, start: Start): object
  /** Returns where the ears stood, if they stood anywhere. */
  detach(channel: string, seat: object): ChannelSerial | undefined
  /** `onOutcome` is called once, or never if the worker ends first. */
  submit(channel: string, publish: AdmittedPublish, onOutcome: (outcome: Outcome) => void): void
  /** The same for presence. */
  present(channel: string, op: AdmittedPresence, onOutcome: (outcome: Outcome) => void): void
  leave(channel: string, departure: Departure): void
  /** Somebody else has the connection by this claim: of its members that one knows more. */
  overrule(connectionId: string, claim: number): void
  /** The seat's ears hear more or less by now: they are told so (`onAttached`, resumed). */
  announce(channel: string, seat: object): void
  /** The seat's ears are to be told again who is present, as SYNC frames. */
  sync(channel: string, seat: object): void
}
