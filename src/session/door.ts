/**
 * The two interfaces through which sessions and channels meet; `node/channels.ts` joins them.
 * Neither room imports the other, so each can be tested alone.
 */

import type { Message } from '../wire/protocol-message.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { Format } from '../wire/protocol-message.ts'
import type { Frame } from '../wire/frame.ts'
import type { ChannelSerial } from '../wire/serial.ts'

/** How an attachment begins, or begins anew. */
export interface Beginning {
  readonly channelSerial: string
  readonly isResumed: boolean
  readonly hasBacklog: boolean
  readonly error: ErrorInfo | undefined
}

/** What a channel calls on an attachment. Frames come after `onAttached`, in channel order. */
export interface Ears {
  readonly connectionId: string
  readonly hearsItself: boolean
  readonly subscribes: boolean
  onFrame(frame: Frame): void
  onAttached(how: Beginning): void
  onAttachRefused(error: ErrorInfo): void
  onContinuityLost(channelSerial: string, error: ErrorInfo): void
}

/** One publish as a session admitted it. */
export interface AdmittedPublish {
  /** `connectionId:msgSerial`, or the base of the ids that the client chose. */
  readonly id: string
  readonly idSpace: 'connection' | 'client'
  readonly connectionId: string | undefined
  readonly messages: readonly Message[]
}

export type Outcome =
  | { readonly kind: 'committed'; readonly serials: readonly string[] }
  | { readonly kind: 'refused'; readonly error: ErrorInfo }

/** What a session asks of channels; `channel` is the key `appId/name`. */
export interface ChannelDoor {
  /** Seats the ears; returns what `detach` wants. */
  attach(
    channel: string,
    ears: Ears,
    variant: { format: Format; wireName: string },
    from: ChannelSerial | undefined
  ): object
  detach(channel: string, seat: object): void
  /** `onOutcome` is called once, or never if the worker ends first. */
  submit(channel: string, publish: AdmittedPublish, onOutcome: (outcome: Outcome) => void): void
}
