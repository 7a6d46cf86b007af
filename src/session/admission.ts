/**
 * What is let in: the pure judgements of a session on what its client asks. Each returns a value
 * or the error to answer with.
 */

import { allows, type Capability } from '../auth/capability.ts'
import type { Credentials } from '../auth/key.ts'
import { limits } from '../base/limits.ts'
import { Action, Flag, MessageAction, MODE_BITS } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { parseFilter } from '../wire/filter.ts'
import {
  asPublished,
  checkClientIds,
  checkPublishIds,
  effectiveClientId,
  publishSize
} from '../wire/message.ts'
import { type ChannelName, parseChannelParams } from '../wire/params.ts'
import type { Message, ProtocolMessage } from '../wire/protocol-message.ts'
import type { Grant } from './attachment.ts'
import type { AdmittedPublish } from './door.ts'

/** Which operation each mode needs (protocol 7.2). */
const MODE_OPERATIONS = [
  [Flag.SUBSCRIBE, 'subscribe'],
  [Flag.PUBLISH, 'publish'],
  [Flag.PRESENCE, 'presence'],
  [Flag.PRESENCE_SUBSCRIBE, 'subscribe'],
  [Flag.ANNOTATION_PUBLISH, 'annotation-publish'],
  [Flag.ANNOTATION_SUBSCRIBE, 'annotation-subscribe'],
  [Flag.OBJECT_SUBSCRIBE, 'object-subscribe'],
  [Flag.OBJECT_PUBLISH, 'object-publish']
] as const

/** A derived channel is there to be listened to (protocol 7.8). */
const DERIVED_MODE_BITS = Flag.SUBSCRIBE | Flag.ANNOTATION_SUBSCRIBE
/** A metachannel is there to be listened to (protocol 7.9). */
const META_MODE_BITS = Flag.SUBSCRIBE

/** What of the modes and params that an ATTACH asks for is granted, or why nothing is. */
export function grantOf(
  name: ChannelName,
  message: ProtocolMessage,
  credentials: Credentials,
  echoes: boolean
): Grant | ErrorInfo {
  const asked = parseChannelParams(message.params, name.qualifier?.params, message.flags ?? 0)
  if (!asked.ok) return asked.error.info
  const filter = filterIn(name)
  if (typeof filter === 'object') return filter
  const isTransient = ((message.flags ?? 0) & Flag.TRANSIENT) !== 0
  const askedBits = asked.modeBits & possibleBits(name, isTransient)
  const modeBits = permitted(askedBits, name, credentials)
  if (modeBits === 0) return errors.capabilityDenied('attach', name.wire).info
  const occupancy = asked.occupancy?.join(',')
  if (occupancy !== undefined && !maySeeMetadata(name, credentials)) {
    return errors.capabilityDenied('channel-metadata', name.wire).info
  }
  const hearsItself = echoes && asked.params.echo !== 'false'
  const { params, rewind } = asked
  const delta = asked.delta === undefined ? undefined : true
  const grant: Grant =
    { modeBits, askedBits, params, hearsItself, rewind, occupancy, filter, delta }
  const { remainPresentForMs } = asked
  if (remainPresentForMs !== undefined) {
    return { ...grant, remainPresentForMs, ...(isTransient ? { isTransient } : {}) }
  }
  return isTransient ? { ...grant, isTransient } : shared(grant)
}

/** The modes that an attachment of this kind can have. */
function possibleBits({ qualifier }: ChannelName, isTransient: boolean): number {
  const transientBits = isTransient ? Flag.PUBLISH : MODE_BITS
  if (qualifier?.meta === true) return META_MODE_BITS & transientBits
  return (qualifier?.filter === undefined ? MODE_BITS : DERIVED_MODE_BITS) & transientBits
}

/** The expression of a derived channel, or why it is none (protocol 7.8). */
function filterIn({ wire, qualifier }: ChannelName): string | undefined | ErrorInfo {
  if (qualifier?.filter === undefined) return undefined
  const parsed = parseFilter(qualifier.filter)
  return parsed.ok ? parsed.text : errors.invalidChannelName(wire, parsed.problem).info
}

/** Those of the modes that these credentials permit. */
function permitted(askedBits: number, name: ChannelName, { capability }: Credentials): number {
  let modeBits = 0
  for (const [bit, operation] of MODE_OPERATIONS) {
    if ((askedBits & bit) !== 0 && allows(capability, operation, name)) modeBits |= bit
  }
  return modeBits
}

/** Whether these credentials permit to be told the occupancy (protocol 7.10). */
function maySeeMetadata(name: ChannelName, { capability }: Credentials): boolean {
  return allows(capability, 'channel-metadata', name)
}

/** What a grant has become under other credentials: itself, more, less, or nothing. */
export function regranted(
  grant: Grant, name: ChannelName, credentials: Credentials
): Grant | undefined {
  const modeBits = permitted(grant.askedBits, name, credentials)
  if (grant.occupancy !== undefined && !maySeeMetadata(name, credentials)) return undefined
  if (modeBits === grant.modeBits) return grant
  return modeBits === 0 ? undefined : shared({ ...grant, modeBits })
}

/** Grants without params, of which there are few: attachments share them. */
const plainGrants = new Map<number, Grant>()

function shared(grant: Grant): Grant {
  const { filter, params, remainPresentForMs } = grant
  const isPlain = filter === undefined && remainPresentForMs === undefined
  if (!isPlain || Object.keys(params).length > 0) return grant
  const modes = (grant.modeBits >>> 16) * 1024 + (grant.askedBits >>> 16)
  const key = modes * 2 + (grant.hearsItself ? 1 : 0)
  const known = plainGrants.get(key)
  if (known === undefined) plainGrants.set(key, grant)
  return known ?? grant
}

/** Why nothing can be said on a channel of this kind, if it cannot. */
export function kindRefusal({ wire, qualifier }: ChannelName): ErrorInfo | undefined {
  if (qualifier?.meta === true) return errors.metaReadOnly(wire).info
  return qualifier?.filter === undefined ? undefined : errors.derivedReadOnly(wire).info
}

/** Why a frame of this action is refused. */
export function unsupported(action: number): ErrorInfo {
  if (action === Action.ANNOTATION) return errors.notSupported('annotations').info
  if (action === Action.OBJECT) return errors.notSupported('objects').info
  return errors.badRequest(`Unknown action ${action}`).info
}

/** Why its rights keep a client from publishing these messages, if they do (protocol 6.1, 11.4). */
export function rightsRefusal(
  name: ChannelName, messages: readonly Message[], capability: Capability
): ErrorInfo | undefined {
  if (!allows(capability, 'publish', name)) {
    return errors.capabilityDenied('publish', name.wire).info
  }
  const isPrivileged = messages.some(({ extras }) => extras?.['privileged'] !== undefined)
  if (!isPrivileged || allows(capability, 'privileged-headers', name)) return undefined
  return errors.capabilityDenied('privileged-headers', name.wire).info
}

/** Why these messages cannot be published by this identity, if they cannot (protocol 6). */
export function contentRefusal(
  messages: readonly Message[],
  identity: string | undefined,
  channel: string,
  bytesMax: number = limits.messageBytesMax
): ErrorInfo | undefined {
  if (messages.length === 0) return errors.invalidBody('The publish has no messages').info
  if (messages.length > limits.messagesPerPublishMax) {
    return errors.tooManyMessages(messages.length, limits.messagesPerPublishMax).info
  }
  const size = publishSize(messages)
  if (size > bytesMax) return errors.messageTooLarge(size, bytesMax).info
  for (const { action } of messages) {
    if (action !== undefined && action !== MessageAction.CREATE) {
      return errors.messagesImmutable(channel).info
    }
  }
  const clientIds = checkClientIds(messages, identity)
  if (!clientIds.ok) return clientIds.error.info
  const ids = checkPublishIds(messages)
  return ids.ok ? undefined : ids.error.info
}

/** The publish as channels take it: with its id, and the clientIds that are implied. */
export function admitted(
  connectionId: string,
  msgSerial: number,
  messages: readonly Message[],
  identity: string | undefined
): AdmittedPublish {
  const ids = checkPublishIds(messages)
  if (ids.ok && ids.first !== undefined) {
    return { ...admittedAs(connectionId, messages, identity), msgSerial }
  }
  const id = `${connectionId}:${msgSerial}`
  return { id, idSpace: 'connection', connectionId, ...implied(messages, identity) }
}

/** The same, of messages that have ids of their own, whether they came on a connection or not. */
export function admittedAs(
  connectionId: string | undefined,
  messages: readonly Message[],
  identity: string | undefined
): AdmittedPublish {
  const id = messages[0]?.id ?? ''
  return { id, idSpace: 'client', connectionId, ...implied(messages, identity) }
}

/** The messages under whose names they are, and how many of them are not to be kept. */
function implied(
  said: readonly Message[], identity: string | undefined
): Pick<AdmittedPublish, 'messages' | 'ephemeralCount'> {
  const messages = said.map((message) => ({
    ...asPublished(message),
    clientId: effectiveClientId(message.clientId, identity)
  }))
  const isEphemeral = ({ extras }: Message): boolean => extras?.['ephemeral'] === true
  return { messages, ephemeralCount: messages.filter(isEphemeral).length }
}

/** True if the params of a publish ask for it to be refused, as a test of who publishes (5). */
export function isForcedNack(params: Readonly<Record<string, string>> | undefined): boolean {
  return params?.['_forceNack'] === 'true'
}
