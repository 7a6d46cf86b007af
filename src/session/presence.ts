/**
 * What a client may say of presence: pure judgements on one PRESENCE frame, and the frame as
 * channels take it (protocol 8.2).
 */

import { allows } from '../auth/capability.ts'
import type { Credentials } from '../auth/key.ts'
import { limits } from '../base/limits.ts'
import { Flag, PresenceAction } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { checkClientIds, effectiveClientId, publishSize } from '../wire/message.ts'
import type { PresenceMessage } from '../wire/protocol-message.ts'
import type { Attachment } from './attachment.ts'
import type { AdmittedItem } from './door.ts'
import type { Said } from './publishing.ts'

const SAID_BY_CLIENTS: ReadonlySet<number | undefined> = new Set([
  PresenceAction.ENTER, PresenceAction.LEAVE, PresenceAction.UPDATE
])

/**
 * Why its items are refused, if they are. What is said again after a resume comes before the client
 * attaches again (protocol 4.2): its channel need not be attached to yet. Of who attaches first it
 * is known which channels it will have: one that it detaches from is none of them.
 */
export function presenceRefusal(
  { name, message: { presence: items = [] }, isAgain, isEarly }: Said,
  attachment: Attachment | undefined,
  { capability, clientId: identity }: Credentials,
  bytesMax: number
): ErrorInfo | undefined {
  if (!allows(capability, 'presence', name)) {
    return errors.capabilityDenied('presence', name.wire).info
  }
  // While it is being attached it is let in: a frame that is sent again may come before ATTACHED.
  const isExpected = isAgain && isEarly
  if (attachment === undefined && !isExpected) return errors.notAttached(name.wire).info
  if (attachment?.has(Flag.PRESENCE) === false) {
    return errors.capabilityDenied('presence', name.wire).info
  }
  if (items.length === 0) return errors.invalidBody('The frame has no presence items').info
  if (items.length > limits.presenceItemsMax) {
    return errors.tooManyMessages(items.length, limits.presenceItemsMax).info
  }
  const size = publishSize(items)
  if (size > bytesMax) return errors.messageTooLarge(size, bytesMax).info
  const clientIds = checkClientIds(items, identity)
  if (!clientIds.ok) return clientIds.error.info
  for (const { action, clientId } of items) {
    if (!SAID_BY_CLIENTS.has(action)) {
      return errors.invalidBody(`A client cannot say presence action ${action}`).info
    }
    if (effectiveClientId(clientId, identity) === undefined) {
      return errors.presenceWithoutClientId().info
    }
  }
  return undefined
}

/** The items with their clientIds and ids; one that its client chose is kept as it is. */
export function admittedItems(
  frameId: string,
  items: readonly PresenceMessage[],
  identity: string | undefined
): AdmittedItem[] {
  return items.map(({ action, clientId, id, data, encoding, extras }, index) => ({
    action: action!,
    clientId: effectiveClientId(clientId, identity)!,
    id: id ?? `${frameId}:${index}`,
    data,
    encoding,
    extras
  }))
}
