/**
 * The data of an item (message, presence member, annotation) has one canonical form inside the
 * cluster: text, or bytes, or nothing. Base64 is how JSON carries bytes and nothing else, so that
 * last step of `encoding` is taken off on the way in and put on again on the way out to JSON; a
 * MessagePack client gets the bytes themselves (ably-protocol 3.4).
 *
 * Every other step of `encoding` belongs to the clients (a cipher, their own words). It is never
 * decoded, never checked and never dropped, or end-to-end encryption would end here.
 */

import type { Format, ProtocolMessage } from './protocol-message.ts'
import { isJson } from './fields.ts'

/** What an item carries, in canonical form. */
export interface Payload {
  data?: string | Uint8Array
  encoding?: string
}

/** What becomes of an item's data; `problem` says why it cannot be carried. */
export type CanonicalPayload =
  | { readonly ok: true; readonly data?: string | Uint8Array; readonly encoding?: string }
  | { readonly ok: false; readonly problem: string }

const BASE64 = 'base64'

/**
 * The canonical form of `data` with its `encoding` as a client sent them. Text whose last step is
 * base64 becomes bytes; text that says so but is not base64 stays as it came, for it is somebody
 * else's to judge. An object or array without encoding becomes JSON text. Null is no data, an
 * empty string is data. Bytes may share memory with the frame they came in.
 */
export function canonicalPayload(data: unknown, encoding: string | undefined): CanonicalPayload {
  const steps = encoding === '' ? undefined : encoding
  if (data === undefined || data === null) return { ok: true, encoding: steps }
  if (typeof data === 'string') return canonicalText(data, steps)
  if (data instanceof Uint8Array) return { ok: true, data, encoding: steps }
  if (typeof data !== 'object') {
    return { ok: false, problem: `Data must be a string, binary or JSON, not a ${typeof data}` }
  }
  if (steps !== undefined) {
    return { ok: false, problem: 'Data that has an encoding must be a string or binary' }
  }
  if (!isJson(data)) return { ok: false, problem: 'Data is not JSON, or nested too deeply' }
  return { ok: true, data: JSON.stringify(data).toWellFormed(), encoding: 'json' }
}

function canonicalText(text: string, steps: string | undefined): CanonicalPayload {
  const data = text.toWellFormed()
  if (steps === undefined || !steps.endsWith(BASE64)) return { ok: true, data, encoding: steps }
  const rest = steps.slice(0, -BASE64.length)
  if (rest !== '' && !rest.endsWith('/')) return { ok: true, data, encoding: steps }
  const bytes = bytesOfBase64(data)
  if (bytes === undefined) return { ok: true, data, encoding: steps }
  return { ok: true, data: bytes, encoding: rest === '' ? undefined : rest.slice(0, -1) }
}

/** The bytes of standard base64, padded or not; undefined when it is anything else. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** An item as it goes out in `format`: itself, unless JSON has to carry bytes. */
export function wireItem<T extends Payload>(item: T, format: Format): T {
  if (format === 'msgpack' || !(item.data instanceof Uint8Array)) return item
  const { encoding } = item
  return {
    ...item,
    data: base64Of(item.data),
    encoding: encoding === undefined ? BASE64 : `${encoding}/${BASE64}`
  }
}

/** A protocol message as it goes out in `format`: itself, unless JSON has to carry bytes. */
export function wireForm(message: ProtocolMessage, format: Format): ProtocolMessage {
  if (format === 'msgpack') return message
  const { messages, presence, annotations } = message
  if (!hasBytes(messages) && !hasBytes(presence) && !hasBytes(annotations)) return message
  return {
    ...message,
    messages: messages?.map((item) => wireItem(item, format)),
    presence: presence?.map((item) => wireItem(item, format)),
    annotations: annotations?.map((item) => wireItem(item, format))
  }
}

function hasBytes(items: readonly Payload[] | undefined): boolean {
  if (items === undefined) return false
  for (const item of items) if (item.data instanceof Uint8Array) return true
  return false
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(BASE64)
}
