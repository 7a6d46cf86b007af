/**
 * A MESSAGE or PRESENCE of a client on its way to its channel: judged by who says it, and where;
 * then as the channel takes it, with its id (rule 16).
 */

import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { ChannelName } from '../wire/params.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import { admitted, isForcedNack } from './admission.ts'
import type { Attachment } from './attachment.ts'
import { stamped } from './channel-claims.ts'
import type { Outcome } from './door.ts'
import type { Identity } from './identity.ts'
import { admittedItems, presenceRefusal } from './presence.ts'
import { publishRefusal } from './publishing.ts'
import type { SessionOptions, SessionPorts } from './session-ports.ts'

/** Who says it, and by which attachment, if there is one. */
export interface Speaker {
  readonly options: SessionOptions
  readonly identity: Identity
  readonly attachment: Attachment | undefined
}

/** A frame of the client with what it is about. */
export interface Said {
  readonly name: ChannelName
  readonly msgSerial: number
  readonly message: ProtocolMessage
}

/** Sends a publish on its way; or says why not, and `onOutcome` is not called. */
export function publish(
  { options: { connectionId, messageBytesMax, channelRateMax }, identity, attachment }: Speaker,
  { name, msgSerial, message: { messages = [], params } }: Said,
  { tally, channels }: SessionPorts,
  onOutcome: (outcome: Outcome) => void
): ErrorInfo | undefined {
  const refusal = publishRefusal(name, messages, attachment, identity, messageBytesMax) ??
    (isForcedNack(params) ? errors.forcedNack().info : undefined)
  if (refusal !== undefined) return refusal
  const { credentials } = identity
  tally.publishCount++
  tally.messageCount += messages.length
  const said = stamped(messages, credentials, name)
  const taken = admitted(connectionId, msgSerial, said, credentials.clientId)
  const op = channelRateMax === undefined ? taken : { ...taken, rateMax: channelRateMax }
  channels.submit(`${credentials.appId}/${name.base}`, op, onOutcome)
  return undefined
}

/** The same for what is said of members. */
export function present(
  { options, identity: { credentials }, attachment }: Speaker,
  { name, msgSerial, message: { presence = [] } }: Said,
  { channels }: SessionPorts,
  onOutcome: (outcome: Outcome) => void
): ErrorInfo | undefined {
  const { connectionId, claim, messageBytesMax, presenceMembersMax: membersMax } = options
  const refusal = presenceRefusal(name, presence, attachment, credentials, messageBytesMax)
  if (refusal !== undefined) return refusal
  const id = `${connectionId}:${msgSerial}`
  const items = admittedItems(id, presence, credentials.clientId)
  const op = { id, connectionId, claim, items, membersMax }
  channels.present(`${credentials.appId}/${name.base}`, op, onOutcome)
  return undefined
}
