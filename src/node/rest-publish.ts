/**
 * Publishing by request (protocol 14.2). What is published gets its id here, before its first hop,
 * unless its client gave one (rule 16): a request that is sent again under the same ids is
 * answered with the serials of the first. The outcome of one that has none in time is unknown:
 * 50003, upon which an SDK sends it again. What is published on behalf of a connection is so only
 * while its home says that the connection is there.
 */

import type { ConnectionFacts } from '../auth/connection-key.ts'
import { limits } from '../base/limits.ts'
import { admittedAs, contentRefusal, isForcedNack, rightsRefusal } from '../session/admission.ts'
import { stamped } from '../session/channel-claims.ts'
import type { AdmittedPublish } from '../session/door.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import { checkPublishIds } from '../wire/message.ts'
import { checkMessages, type Message } from '../wire/protocol-message.ts'
import type { Call, Caller } from './call.ts'
import type { RequestPorts } from './request-ports.ts'
import { rawMessageOf } from './raw-message.ts'
import { type AskedChannel, askedChannel } from './rest-channel.ts'

const BASE_ID_LENGTH = 14
const OVER = 'its connection is over, or has a newer key'

/** What became of a publish on one channel. */
export type Published =
  | { readonly channel: string; readonly messageId: string; readonly serials: readonly string[] }
  | { readonly channel: string; readonly error: ErrorInfo }

/** `POST /channels/{c}/messages`. */
export function publish(call: Call, ports: RequestPorts): void {
  const channel = askedChannel(call.params[0]!, ['publish'], call.caller)
  const { query } = call.request
  const isRaw = query.get('enveloped') === 'false'
  const body = isRaw ? { ok: true as const, value: rawMessageOf(call.request) } : call.body()
  const read = body.ok ? checkMessages(body.value) : body
  const refuse = ({ info }: ProtocolError): void => {
    countRefused(read.ok ? read.messages.length : 1, info, call.caller, ports)
    call.refuse(info)
  }
  if (!channel.ok) {
    refuse(channel.error)
    return
  }
  if (isForcedNack(Object.fromEntries(query))) {
    refuse(errors.forcedNack())
    return
  }
  if (!read.ok) {
    refuse(read.error)
    return
  }
  publishOn(channel, read.messages, call.caller, ports, (published) => {
    if ('error' in published) call.refuse(published.error)
    else call.answer(201, published)
  })
}

/** Publishes the messages; `onPublished` is called once, or never if no outcome comes. */
export function publishOn(
  { name, key }: AskedChannel,
  messages: readonly Message[],
  caller: Caller,
  ports: RequestPorts,
  onPublished: (published: Published) => void
): void {
  const { channels, connectionKeys, holders, random, tally } = ports
  const channel = name.wire
  const refuse = (error: ErrorInfo): void => {
    countRefused(messages.length, error, caller, ports)
    onPublished({ channel, error })
  }
  const publisher = publisherOf(messages, caller, connectionKeys)
  if ('code' in publisher) {
    refuse(publisher)
    return
  }
  const { behalfOf, identity } = publisher
  const bytesMax = caller.app.limits.messageBytesMax ?? limits.messageBytesMax
  const refusal = rightsRefusal(name, messages, caller.credentials.capability) ??
    contentRefusal(messages, identity, channel, bytesMax)
  if (refusal !== undefined) {
    refuse(refusal)
    return
  }
  const claimed = stamped(messages, caller.credentials, name)
  const named = withIds(claimed, () => random.id(BASE_ID_LENGTH))
  const said: AdmittedPublish = admittedAs(behalfOf?.connectionId, named, identity)
  const { channelPublishRateMax: rateMax } = caller.app.limits
  const submit = (): void => {
    const messageId = baseOf(said.id)
    tally.publishCount++
    tally.messageCount += messages.length
    channels.submit(key, { ...said, rateMax, isRest: true }, (outcome) => {
      if (outcome.kind === 'refused') refuse(outcome.error)
      else onPublished({ channel, messageId, serials: outcome.serials })
    })
  }
  if (behalfOf === undefined) {
    submit()
    return
  }
  holders.ask(behalfOf, (held) => {
    if (held === 'held') submit()
    else if (held === 'over') refuse(errors.unknownConnectionKey(OVER).info)
    else refuse(errors.unavailable().info)
  })
}

/** Messages that were not taken, for statistics. */
export function countRefused(
  count: number, { statusCode }: ErrorInfo, { credentials }: Caller, { tally, meters }: RequestPorts
): void {
  tally.refusedCount++
  meters.of(credentials.appId).inboundRest.messages.turnAway(count, statusCode)
}

/** As whom the messages are published. */
interface Publisher {
  readonly behalfOf: ConnectionFacts | undefined
  /** One clientId; `'*'` for any; undefined for none. */
  readonly identity: string | undefined
}

/**
 * The caller itself; or, by a connectionKey in the messages, the connection that it is of
 * (protocol 6.1). That key must be one of ours, and of the same app; its home says whether it is
 * good still.
 */
function publisherOf(
  messages: readonly Message[],
  { credentials: { appId, clientId } }: Caller,
  connectionKeys: RequestPorts['connectionKeys']
): Publisher | ErrorInfo {
  const key = messages[0]?.connectionKey
  if (messages.some(({ connectionKey }) => connectionKey !== key)) {
    return errors.unknownConnectionKey('all messages of a publish must have the same').info
  }
  if (key === undefined) return { behalfOf: undefined, identity: clientId }
  const facts = connectionKeys.open(key)
  if (facts === undefined || facts.appId !== appId) return errors.unknownConnectionKey().info
  const isOther = clientId !== '*' && facts.clientId !== '*' && facts.clientId !== clientId
  if (isOther) return errors.clientIdMismatch().info
  const identity = facts.clientId === '*' ? clientId : facts.clientId
  return { behalfOf: facts, identity }
}

/** The messages with the ids that their client gave, or with new ones. */
function withIds(messages: readonly Message[], newBase: () => string): readonly Message[] {
  const ids = checkPublishIds(messages)
  if (ids.ok && ids.first !== undefined) return messages
  const base = newBase()
  return messages.map((message, index) => ({ ...message, id: `${base}:${index}` }))
}

/** What the ids of a publish have in common, told from the first of them. */
function baseOf(first: string): string {
  return first.endsWith(':0') && first.length > 2 ? first.slice(0, -2) : first
}
