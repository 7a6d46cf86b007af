/**
 * Requests of comet connections as the core sees them (protocol 16), and what it needs to answer
 * them. A connection's transport is a row of HTTP requests; to its session it is a Socket like any.
 */

import type { ConnectionFacts } from '../auth/connection-key.ts'
import type { Shown } from '../auth/connect.ts'
import type { Authenticated } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { CometMessage, CometWish } from '../peer/comet-message.ts'
import type { Holding, Life } from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'
import type { Outbox, Socket } from './outbox.ts'
import type { SocketOpening } from './ports.ts'

/** One request of a client. */
export interface CometRequest {
  readonly wish: 'connect' | CometWish
  /** Out of the path; empty for a connect. */
  readonly connectionKey: string
  readonly query: ReadonlyMap<string, string>
  readonly body: Uint8Array | undefined
  readonly isTls: boolean
}

/** Whoever waits for the answer to one request. Called by the outbox alone. */
export interface CometResponder {
  /** Bytes of what was written that still wait in it: how slow the client is. */
  readonly queuedBytes: number
  /** Begins a response that goes on, or goes on with it. */
  write(bytes: Uint8Array): void
  /** The whole response, or the end of one that was begun, whose status was 200. */
  end(statusCode: number, body: Uint8Array | undefined): void
}

/** What comet needs of this worker's sessions. */
export interface CometSessions {
  onOpened(opening: SocketOpening): void
  onFrame(socket: Socket, data: string, isBinary: boolean): void
  onHeard(socket: Socket): void
  onClosed(socket: Socket): void
  /** The client reads too slowly. */
  onSlow(socket: Socket): void
  holdingOf(connectionId: string): Holding
}

export interface CometPorts {
  readonly self: Life
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly sessions: CometSessions
  now(): Now
  /** Proves the credentials of a request that opens nothing. */
  prove(shown: Shown): Authenticated
  /** What a connection key says, if it is one of the region. */
  factsOf(connectionKey: string): ConnectionFacts | undefined
  /** True for a place of a node that is listed, and not known to be gone. */
  isListed(place: Place): boolean
  send(to: Place, message: CometMessage): void
}
