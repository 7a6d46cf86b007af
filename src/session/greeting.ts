/**
 * What a client is told when it is connected (ably-protocol 4.1).
 */

import type { Credentials } from '../auth/key.ts'
import { limits } from '../base/limits.ts'
import { Action } from '../wire/actions.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'

/** Who is greeted, and by whom. */
export interface Greeted {
  readonly connectionId: string
  readonly connectionKey: string
  readonly credentials: Credentials
  readonly serverId: string
  readonly siteCode: string
  readonly messagesPerSecondMax: number
  readonly messageBytesMax: number
}

/** CONNECTED; `error` says why a wanted resume was not one. */
export function greeting(greeted: Greeted, error?: ErrorInfo): ProtocolMessage {
  const { connectionId, connectionKey, credentials, serverId, siteCode } = greeted
  const { messagesPerSecondMax, messageBytesMax } = greeted
  return {
    action: Action.CONNECTED,
    connectionId,
    connectionKey,
    connectionDetails: {
      clientId: credentials.clientId,
      connectionKey,
      connectionStateTtl: limits.connectionStateTtlMs,
      maxIdleInterval: limits.maxIdleIntervalMs,
      maxMessageSize: messageBytesMax,
      maxFrameSize: limits.frameBytesMax,
      maxInboundRate: messagesPerSecondMax,
      serverId,
      objectsGCGracePeriod: 86_400_000,
      siteCode
    },
    error
  }
}
