/**
 * What one frame says. These are the shapes that the whole core speaks of; the bytes around them
 * are the codec's business. `checkProtocolMessage` is the only door by which something from a
 * socket becomes one of them: it reads every field that anybody behind it reads, once, so that no
 * one there ever has to ask what type a field is.
 *
 * It judges form alone. Who may do what, what a name or a param means, and which sizes are allowed
 * is not decided here. Fields that only a server may set (`connectionId`, `timestamp` and such)
 * are read too, since clients use this door as well; `asPublished` in message.ts takes off what a
 * client has no say in. Unknown fields and unknown actions pass unread (ably-protocol 3).
 */

import { limits } from '../base/limits.ts'
import { Action } from './actions.ts'
import type { ErrorInfo, ErrorScope, ProtocolError } from './errors.ts'
import { errors, inScope } from './errors.ts'
import type { Fields } from './fields.ts'
import { Reader, isJson, isJsonOrBytes, isMap } from './fields.ts'
import type { Payload } from './payload.ts'
import { canonicalPayload } from './payload.ts'

export type { ErrorInfo } from './errors.ts'

/** The two encodings of the wire: text frames and binary frames. */
export type Format = 'json' | 'msgpack'

/** The JSON map that a client hangs on an item (headers, ref, ephemeral …). */
export type Extras = Record<string, unknown>

/** Which version of a message an item shows, and who made it (ably-protocol 6.1). */
export interface MessageVersion {
  serial?: string
  timestamp?: number
  clientId?: string
  description?: string
  metadata?: Record<string, unknown>
}

/** One message; data and encoding in canonical form (payload.ts), times in ms. */
export interface Message extends Payload {
  id?: string
  name?: string
  clientId?: string
  connectionId?: string
  connectionKey?: string
  timestamp?: number
  extras?: Extras
  action?: number
  serial?: string
  version?: MessageVersion
  annotations?: Record<string, unknown>
}

/** One presence event or member (ably-protocol 8.1). */
export interface PresenceMessage extends Payload {
  id?: string
  action?: number
  clientId?: string
  connectionId?: string
  timestamp?: number
  extras?: Extras
}

/** One annotation (ably-protocol 9); fields beyond these are not read. */
export interface Annotation extends Payload {
  id?: string
  action?: number
  clientId?: string
  connectionId?: string
  timestamp?: number
  serial?: string
  messageSerial?: string
  type?: string
  name?: string
  count?: number
  extras?: Extras
}

/** What CONNECTED tells about the connection (ably-protocol 4.1); durations in ms. */
export interface ConnectionDetails {
  clientId?: string
  connectionKey?: string
  connectionStateTtl?: number
  maxIdleInterval?: number
  maxMessageSize?: number
  maxFrameSize?: number
  maxInboundRate?: number
  serverId?: string
  objectsGCGracePeriod?: number
  siteCode?: string
}

/** The serials that one acknowledged frame's items got; null where there is none. */
export interface AckResult {
  serials: (string | null)[]
}

/** One frame (ably-protocol 3.1). */
export interface ProtocolMessage {
  action: number
  flags?: number
  id?: string
  timestamp?: number
  connectionId?: string
  connectionKey?: string
  connectionDetails?: ConnectionDetails
  /** Always there on the channel-scoped actions of a client; `''` when it sent none. */
  channel?: string
  channelSerial?: string
  msgSerial?: number
  count?: number
  error?: ErrorInfo
  auth?: { accessToken?: string }
  messages?: Message[]
  presence?: PresenceMessage[]
  annotations?: Annotation[]
  /** LiveObjects items, whose form nobody has looked at. */
  state?: Fields[]
  params?: Record<string, string>
  res?: AckResult[]
}

/** What can be told of a frame that was refused: enough to answer it. */
export interface Envelope {
  readonly action: number
  readonly channel?: string
  readonly msgSerial?: number
}

/**
 * A frame that was read, or why not. An error of scope `message` always comes with the envelope
 * and its msgSerial, so that it can be NACKed; all other errors end the connection.
 */
export type CheckedProtocolMessage =
  | { readonly ok: true; readonly message: ProtocolMessage }
  | { readonly ok: false; readonly error: ProtocolError; readonly envelope?: Envelope }

const CHANNEL_ACTIONS: ReadonlySet<number> = new Set([
  Action.ATTACH, Action.DETACH, Action.PRESENCE, Action.MESSAGE, Action.SYNC, Action.OBJECT,
  Action.OBJECT_SYNC, Action.ANNOTATION
])

/** Each of these has a number on its connection; some clients leave out what is zero. */
const NUMBERED_ACTIONS: ReadonlySet<number> = new Set([
  Action.MESSAGE, Action.PRESENCE, Action.OBJECT, Action.ANNOTATION
])
/** What is said of a channel itself, and not acknowledged. */
const ATTACHING_ACTIONS: ReadonlySet<number> = new Set([Action.ATTACH, Action.DETACH, Action.SYNC])

/**
 * Reads a decoded value as a protocol message; never throws. What only servers say is absent where
 * it has a wrong form, for what is ignored is not judged (6.1); `error`, `connectionDetails` and
 * `res` are seen to be plain maps, not further.
 */
export function checkProtocolMessage(value: unknown): CheckedProtocolMessage {
  if (!isMap(value)) {
    return { ok: false, error: errors.protocolError('A protocol message must be a map') }
  }
  const outer = new Reader()
  // Some clients leave out what is zero.
  const action = outer.count(value, 'action') ?? Action.HEARTBEAT
  if (outer.problem !== undefined) {
    return { ok: false, error: errors.protocolError('The action must be a number') }
  }
  const channel = readChannel(value, action, outer)
  const zero = NUMBERED_ACTIONS.has(action) ? 0 : undefined
  const msgSerial = outer.count(value, 'msgSerial') ?? zero
  const envelope: Envelope = { action, channel, msgSerial }
  if (outer.problem !== undefined) {
    return { ok: false, error: inScope(outer.problem, 'connection'), envelope }
  }
  const reader = new Reader()
  const message = readBody(value, action, envelope, reader)
  if (reader.problem === undefined) return { ok: true, message }
  return { ok: false, error: inScope(reader.problem, scopeOf(envelope)), envelope }
}

/** What a wrong field ends: nobody loses a connection for the params of one channel (7.2). */
function scopeOf({ action, channel = '', msgSerial }: Envelope): ErrorScope {
  if (ATTACHING_ACTIONS.has(action)) return channel === '' ? 'connection' : 'channel'
  return msgSerial === undefined ? 'connection' : 'message'
}

/** The name exactly as it came: a client knows its channel by no other, however odd (7.1). */
function readChannel(value: Fields, action: number, reader: Reader): string | undefined {
  const channel = value['channel']
  if (typeof channel === 'string') return channel
  return reader.text(value, 'channel') ?? (CHANNEL_ACTIONS.has(action) ? '' : undefined)
}

function readBody(
  value: Fields, action: number, { channel, msgSerial }: Envelope, reader: Reader
): ProtocolMessage {
  return {
    action,
    flags: reader.count(value, 'flags'),
    id: textIf(value['id']),
    timestamp: countIf(value['timestamp']),
    connectionId: textIf(value['connectionId']),
    connectionKey: textIf(value['connectionKey']),
    connectionDetails: mapIf(value['connectionDetails']) as ConnectionDetails | undefined,
    channel,
    channelSerial: textIf(value['channelSerial']),
    msgSerial,
    count: countIf(value['count']),
    error: mapIf(value['error']) as unknown as ErrorInfo | undefined,
    auth: readAuth(value, reader),
    messages: reader.list(value, 'messages', readMessage),
    presence: reader.list(value, 'presence', readPresence),
    annotations: reader.list(value, 'annotations', readAnnotation),
    state: reader.list(value, 'state', readState),
    params: reader.texts(value, 'params'),
    res: listIf(value['res']) as unknown as AckResult[] | undefined
  }
}

/**
 * Reads the messages of a publish over HTTP: one map or a list of them. A wrong form is refused
 * with the error that names the field.
 */
export function checkMessages(
  value: unknown
): { readonly ok: true; readonly messages: Message[] } | {
  readonly ok: false; readonly error: ProtocolError
} {
  const reader = new Reader()
  const messages = reader.list(
    { messages: isMap(value) ? [value] : value }, 'messages', readMessage)
  if (reader.problem !== undefined) return { ok: false, error: inScope(reader.problem, 'request') }
  return { ok: true, messages: messages ?? [] }
}

/** A channelSerial of a wrong type is like a foreign one: not resumable, never fatal (7.4). */
function textIf(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toWellFormed() : undefined
}

function countIf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined
}

function mapIf(value: unknown): Fields | undefined {
  return isMap(value) && isJson(value) ? value : undefined
}

function listIf(value: unknown): Fields[] | undefined {
  return Array.isArray(value) && value.every(isMap) ? value : undefined
}

function readAuth(value: Fields, reader: Reader): { accessToken?: string } | undefined {
  const auth = reader.map(value, 'auth')
  return auth === undefined ? undefined : { accessToken: reader.text(auth, 'accessToken') }
}

/** Kept as it is, so long as it can be encoded again. */
function readState(fields: Fields, reader: Reader): Fields {
  if (!isJsonOrBytes(fields)) reader.refuse(errors.invalidBody('state is nested too deeply'))
  return fields
}

const wrongId = () => errors.invalidMessageId(
  `The id of a message must be a string of at most ${limits.messageIdLengthMax} characters`)
const wrongClientId = () => errors.clientIdMismatch('The clientId must be a string')
const wrongEncoding = () => errors.invalidData(
  `The encoding must be a string of at most ${limits.encodingLengthMax} characters`)

/** What the sizes of messages leave out is short. */
function readShort(
  fields: Fields, key: string, lengthMax: number, wrong: () => ProtocolError, reader: Reader
): string | undefined {
  const text = reader.text(fields, key, wrong)
  return text === undefined || text.length <= lengthMax ? text : reader.refuse(wrong())
}

function readId(fields: Fields, reader: Reader): string | undefined {
  return readShort(fields, 'id', limits.messageIdLengthMax, wrongId, reader)
}

function readExtras(fields: Fields, reader: Reader): Extras | undefined {
  return reader.map(fields, 'extras', errors.invalidExtras)
}

/** Reads data and encoding into `item`, in canonical form. */
function readPayload<T extends Payload>(fields: Fields, item: T, reader: Reader): T {
  const encoding = readShort(fields, 'encoding', limits.encodingLengthMax, wrongEncoding, reader)
  const payload = canonicalPayload(fields['data'], encoding)
  if (!payload.ok) {
    reader.refuse(errors.invalidData(payload.problem))
    return item
  }
  item.data = payload.data
  item.encoding = payload.encoding
  return item
}

function readMessage(fields: Fields, reader: Reader): Message {
  return readPayload(fields, {
    id: readId(fields, reader),
    name: reader.text(fields, 'name', errors.invalidMessageName),
    data: undefined,
    encoding: undefined,
    clientId: reader.text(fields, 'clientId', wrongClientId) || undefined,
    connectionId: textIf(fields['connectionId']),
    connectionKey: reader.text(fields, 'connectionKey'),
    timestamp: countIf(fields['timestamp']),
    extras: readExtras(fields, reader),
    action: reader.count(fields, 'action'),
    serial: reader.text(fields, 'serial'),
    version: readVersion(fields, reader),
    annotations: reader.map(fields, 'annotations')
  }, reader)
}

/** Clients of protocol versions up to 3 know the version as a text, which nobody reads. */
function readVersion(fields: Fields, reader: Reader): MessageVersion | undefined {
  if (typeof fields['version'] === 'string') return undefined
  const version = reader.map(fields, 'version')
  if (version === undefined) return undefined
  return {
    serial: reader.text(version, 'serial'),
    timestamp: reader.count(version, 'timestamp'),
    clientId: reader.text(version, 'clientId', wrongClientId),
    description: reader.text(version, 'description'),
    metadata: reader.map(version, 'metadata')
  }
}

function readPresence(fields: Fields, reader: Reader): PresenceMessage {
  return readPayload(fields, {
    id: readId(fields, reader),
    action: reader.count(fields, 'action'),
    data: undefined,
    encoding: undefined,
    clientId: reader.text(fields, 'clientId', wrongClientId) || undefined,
    connectionId: textIf(fields['connectionId']),
    timestamp: countIf(fields['timestamp']),
    extras: readExtras(fields, reader)
  }, reader)
}

function readAnnotation(fields: Fields, reader: Reader): Annotation {
  return readPayload(fields, {
    id: readId(fields, reader),
    action: reader.count(fields, 'action'),
    data: undefined,
    encoding: undefined,
    clientId: reader.text(fields, 'clientId', wrongClientId) || undefined,
    connectionId: textIf(fields['connectionId']),
    timestamp: countIf(fields['timestamp']),
    serial: reader.text(fields, 'serial'),
    messageSerial: reader.text(fields, 'messageSerial'),
    type: reader.text(fields, 'type'),
    name: reader.text(fields, 'name'),
    count: reader.count(fields, 'count'),
    extras: readExtras(fields, reader)
  }, reader)
}
