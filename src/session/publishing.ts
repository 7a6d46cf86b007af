/**
 * What a client may publish: the judgements of its rights, its modes and its rates, and after them
 * those of what it says (session/admission.ts).
 */

import { Flag } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { ChannelName } from '../wire/params.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import { contentRefusal, rightsRefusal } from './admission.ts'
import type { Attachment } from './attachment.ts'
import type { Identity } from './identity.ts'

/** A frame of the client with what it is about. */
export interface Said {
  readonly name: ChannelName
  readonly msgSerial: number
  readonly message: ProtocolMessage
  /** It was said before the connection was resumed, and judged by the rates then. */
  readonly isAgain: boolean
  /** It came before the client attached to anything on this socket, or detached. */
  readonly isEarly: boolean
}

/** Why its messages are refused, if they are; an attachment need not be there. */
export function publishRefusal(
  { name, message: { messages = [] }, isAgain }: Said,
  attachment: Attachment | undefined,
  identity: Identity,
  bytesMax: number
): ErrorInfo | undefined {
  const { capability, clientId } = identity.credentials
  const denied = rightsRefusal(name, messages, capability)
  if (denied !== undefined) return denied
  if (attachment !== undefined && !attachment.has(Flag.PUBLISH)) {
    return errors.modeDenied('publish', name.wire).info
  }
  return (isAgain ? undefined : identity.rateRefusalOn(name)) ??
    contentRefusal(messages, clientId, name.wire, bytesMax)
}
