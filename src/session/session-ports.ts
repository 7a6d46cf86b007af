/** What a session is told of itself, and what it needs around it. */

import type { MeterSource } from '../base/meter.ts'
import type { Tally } from '../base/tally.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { Format } from '../wire/protocol-message.ts'
import type { ChannelDoor } from './door.ts'
import type { IdentityOptions, IdentityPorts } from './identity.ts'
import type { Past } from './past.ts'
import type { Session } from './session.ts'

/** What a session is, from its socket's opening on. */
export interface SessionOptions extends IdentityOptions {
  /** What the client said on former sockets. */
  readonly past: Past
  readonly format: Format
  /** False: the connection's own messages are not sent back to it. */
  readonly echoes: boolean
  /** True: the client wants HEARTBEAT frames; false: transport pings do. */
  readonly heartbeats: boolean
  readonly serverId: string
  readonly siteCode: string
  /** How long the connection's presence members outlive a lost socket (protocol 8.5). */
  readonly remainPresentForMs: number
  /** How many members the app's channels may have, where it says. */
  readonly presenceMembersMax: number | undefined
  /** How many channels it may attach to. */
  readonly channelCountMax: number
  /** How many messages a second the app's channels may take, where it says. */
  readonly channelRateMax: number | undefined
  /** The app's, or the node's. */
  readonly messagesPerSecondMax: number
  readonly messageBytesMax: number
}

/** What events tell of a session, in their words (protocol 7.9). */
export interface Account {
  readonly transport: string | undefined
  /** How long its socket was there, in milliseconds. */
  readonly duration: number
  /** How many channels it attached to, and messages it published. */
  readonly channels: number
  readonly messages: number
}

/** A session's own transport. */
export interface Transport {
  readonly name?: string
  /** False: much of what was written has not been taken. */
  readonly hasRoom: boolean
  write(frame: Frame): void
  /** Closes after what was written. */
  close(): void
}

/** How a session ends: without its socket; for good; or because another one carries it on. */
export type Ending = 'parked' | 'closed' | 'superseded'

/** What a session needs from its worker: one object for all of them. */
export interface SessionPorts extends IdentityPorts {
  readonly channels: ChannelDoor
  readonly tally: Tally
  readonly meters: MeterSource
  /** Answers have become ready: `flushAnswers` is to be called at the end of the turn. */
  answersReady(session: Session): void
  /** The first frame of the client: it has the key of this session's claim. */
  proven(session: Session): void
  /** Called once; `error`: why it failed. */
  ended(session: Session, ending: Ending, error?: ErrorInfo): void
  /** A channel cannot be attached to, or not any more. */
  channelFailed(session: Session, wireName: string, error: ErrorInfo): void
  note(text: string): void
}
