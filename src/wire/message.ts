/**
 * What can be said of the messages of one publish before anybody looks at a channel: how large
 * they are, whether their ids make sense, and whether they may bear the clientIds they bear. The
 * sizes are counted as the SDKs count them, so that what a client lets through is let through here
 * (ably-protocol 6.2, 6.3, 6.5).
 */

import { MessageAction } from './actions.ts'
import type { ProtocolError } from './errors.ts'
import { errors } from './errors.ts'
import type { Extras, Message, MessageVersion, PresenceMessage } from './protocol-message.ts'

/** What the size of a publish is made of. */
type Sized = Pick<Message, 'name' | 'clientId' | 'data' | 'extras'>

/** The size in bytes: name, clientId, data, and extras as JSON. Encoding and id are free. */
export function messageSize({ name, clientId, data, extras }: Sized): number {
  let bytes = textBytes(name) + textBytes(clientId)
  bytes += data instanceof Uint8Array ? data.length : textBytes(data)
  if (extras !== undefined) bytes += textBytes(JSON.stringify(extras))
  return bytes
}

/** The size of a publish: the sum of its items'. */
export function publishSize(items: readonly (Sized | PresenceMessage)[]): number {
  let bytes = 0
  for (const item of items) bytes += messageSize(item)
  return bytes
}

function textBytes(text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text, 'utf8')
}

/**
 * The ids that a client gave the messages of a publish, both undefined if it gave none. `base` is
 * what they have in common; of a single message, its whole id. `first` is the id of the first
 * message: the name under which a repeat is known again, because `x`, `x:0` and a publish whose
 * base is `x` are not all one.
 */
export type PublishIds =
  | { readonly ok: true; readonly base: string | undefined; readonly first: string | undefined }
  | { readonly ok: false; readonly error: ProtocolError }

/**
 * Judges the ids that a client gave its messages. None at all is fine, the server derives them.
 * One message may have any id. Several must be `<base>:<index>` in order, else 40031, for they
 * would not be known again as one (6.2).
 */
export function checkPublishIds(messages: readonly Pick<Message, 'id'>[]): PublishIds {
  const first = messages[0]?.id
  if (messages.every(({ id }) => id === undefined)) return { ok: true, base: undefined, first }
  if (first === undefined) return refusedId('Either all messages of a publish have an id, or none')
  if (first === '') return refusedId('The id of a message must not be empty')
  if (messages.length === 1) return { ok: true, base: first, first }
  const base = first.slice(0, -2)
  for (const [index, { id }] of messages.entries()) {
    if (base === '' || id !== `${base}:${index}`) {
      return refusedId('The ids of several messages must be <base>:0, <base>:1 and so on')
    }
  }
  return { ok: true, base, first }
}

function refusedId(detail: string): PublishIds {
  return { ok: false, error: errors.invalidMessageId(detail) }
}

/**
 * Whether every item may bear the clientId that it states. `identity` is the publisher's: a
 * clientId, `'*'` for one that may assume any, undefined for one that may assume none. An item
 * without clientId is fine; `effectiveClientId` says whose it is.
 */
export function checkClientIds(
  items: readonly Pick<Message, 'clientId'>[], identity: string | undefined
): { readonly ok: true } | { readonly ok: false; readonly error: ProtocolError } {
  for (const { clientId } of items) {
    if (clientId === undefined) continue
    if (clientId === '*' || clientId === '') {
      return { ok: false, error: errors.clientIdMismatch('The clientId must name one client') }
    }
    if (identity === '*' || clientId === identity) continue
    const detail = identity === undefined
      ? 'An anonymous client cannot state a clientId' : undefined
    return { ok: false, error: errors.clientIdMismatch(detail) }
  }
  return { ok: true }
}

/** Whose an item is: what it states, else the publisher's identity if that is one client. */
export function effectiveClientId(
  stated: string | undefined, identity: string | undefined
): string | undefined {
  return stated ?? (identity === '*' ? undefined : identity)
}

/** A published message with only those fields in which its client has a say (6.1). */
export function asPublished(message: Message): Message {
  const { id, name, data, encoding, clientId, extras, action } = message
  const published = {
    id, name, data, encoding, clientId, action,
    extras: extras !== undefined && 'delta' in extras ? withoutDelta(extras) : extras
  }
  // Who changed a message, and why, is said of changes alone.
  if (action === undefined || action === MessageAction.CREATE) return published
  const { serial, version } = message
  return { ...published, serial, version: asStated(version) }
}

/** How a message is told is not its publisher's to say. */
function withoutDelta({ delta: _, ...extras }: Extras): Extras {
  return extras
}

function asStated(version: MessageVersion | undefined): MessageVersion | undefined {
  if (version === undefined) return undefined
  const { clientId, description, metadata } = version
  return { clientId, description, metadata }
}
