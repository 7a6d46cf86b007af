/**
 * What a client may publish: the judgements of its rights, its modes and its rates, and after them
 * those of what it says (session/admission.ts).
 */

import { Flag } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { ChannelName } from '../wire/params.ts'
import type { Message } from '../wire/protocol-message.ts'
import { contentRefusal, rightsRefusal } from './admission.ts'
import type { Attachment } from './attachment.ts'
import type { Identity } from './identity.ts'

/** Why these messages are refused, if they are; an attachment need not be there. */
export function publishRefusal(
  name: ChannelName,
  messages: readonly Message[],
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
  return identity.rateRefusalOn(name) ??
    contentRefusal(messages, clientId, name.wire, bytesMax)
}
