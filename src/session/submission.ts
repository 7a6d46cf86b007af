/**
 * A MESSAGE or PRESENCE of a client on its way to its channel: judged by who says it, and where;
 * then as the channel takes it, with its id (rule 16).
 */

import { type ErrorInfo, errors } from '../wire/errors.ts'
import { admitted, isForcedNack } from './admission.ts'
import type { Attachment } from './attachment.ts'
import { stamped } from './channel-claims.ts'
import type { Outcome } from './door.ts'
import type { Identity } from './identity.ts'
import { admittedItems, presenceRefusal } from './presence.ts'
import { publishRefusal, type Said } from './publishing.ts'
import type { SessionOptions, SessionPorts } from './session-ports.ts'

/** Who says it, and by which attachment, if there is one. */
export interface Speaker {
  readonly options: SessionOptions
  readonly identity: Identity
  readonly attachment: Attachment | undefined
}

/**
 * Sends a publish on its way; or says why not, and `onOutcome` is not called. What is said again
 * after a resume is refused only if it was not taken before (protocol 4.2).
 */
export function publish(
  { options: { connectionId, messageBytesMax, channelRateMax }, identity, attachment }: Speaker,
  said: Said,
  { tally, channels }: SessionPorts,
  onOutcome: (outcome: Outcome) => void
): ErrorInfo | undefined {
  const { name, msgSerial, message: { messages = [], params } } = said
  const { credentials } = identity
  const channel = `${credentials.appId}/${name.base}`
  const refusal = publishRefusal(said, attachment, identity, messageBytesMax) ??
    (isForcedNack(params) ? errors.forcedNack().info : undefined)
  if (refusal !== undefined) {
    if (!said.isAgain || messages.length === 0) return refusal
    // It may have been taken by the rights that its client had then.
    const again = admitted(connectionId, msgSerial, messages, credentials.clientId)
    channels.submit(channel, { ...again, ifNew: refusal }, onOutcome)
    return undefined
  }
  tally.publishCount++
  tally.messageCount += messages.length
  const signed = stamped(messages, credentials, name)
  const taken = admitted(connectionId, msgSerial, signed, credentials.clientId)
  const op = channelRateMax === undefined ? taken : { ...taken, rateMax: channelRateMax }
  channels.submit(channel, op, onOutcome)
  return undefined
}

/** The same for what is said of members. */
export function present(
  { options, identity: { credentials }, attachment }: Speaker,
  said: Said,
  { channels }: SessionPorts,
  onOutcome: (outcome: Outcome) => void
): ErrorInfo | undefined {
  const { connectionId, claim, messageBytesMax, presenceMembersMax: membersMax } = options
  const { name, msgSerial, message: { presence = [] } } = said
  const refusal = presenceRefusal(said, attachment, credentials, messageBytesMax)
  if (refusal !== undefined) return refusal
  const id = `${connectionId}:${msgSerial}`
  const items = admittedItems(id, presence, credentials.clientId)
  const op = { id, connectionId, claim, items, membersMax }
  channels.present(`${credentials.appId}/${name.base}`, op, onOutcome)
  return undefined
}
