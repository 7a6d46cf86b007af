/**
 * Bytes to protocol messages and back, in either format. This is where everything from a socket
 * passes first, so nothing here ever throws for what it was given: malformed, truncated, nested
 * without end or simply something else, it is an error of the catalogue. How large a frame may be
 * is for the socket to bound before the bytes get here.
 */

import type { ProtocolError } from './errors.ts'
import { errors } from './errors.ts'
import { jsonText, readJson } from './json.ts'
import { pack, readMsgpack } from './msgpack.ts'
import { wireForm } from './payload.ts'
import type { CheckedProtocolMessage, Format, ProtocolMessage } from './protocol-message.ts'
import { checkProtocolMessage } from './protocol-message.ts'

/**
 * Reads the payload of one frame. Binary data may share memory with `source`, which must not be
 * written to afterwards (ably-protocol 3).
 */
export function decodeProtocolMessage(
  source: Uint8Array | string, format: Format
): CheckedProtocolMessage {
  const decoded = read(source, format)
  if (!decoded.ok) {
    return { ok: false, error: errors.protocolError(`Malformed frame: ${decoded.problem}`) }
  }
  return checkProtocolMessage(decoded.value)
}

/**
 * Reads a frame as it came. Some clients send JSON in binary frames: what begins with a byte below
 * 0x80 is no map in MessagePack, so that nothing is taken for what it is not.
 */
export function decodeFrame(data: Uint8Array | string, isBinary: boolean): CheckedProtocolMessage {
  const isJson = !isBinary || typeof data === 'string' || (data.length > 0 && data[0]! < 0x80)
  return decodeProtocolMessage(data, isJson ? 'json' : 'msgpack')
}

/** The payload of the frame that carries `message`; undefined fields are left out. */
export function encodeProtocolMessage(message: ProtocolMessage, format: Format): Uint8Array {
  return encodeBody(wireForm(message, format), format)
}

/**
 * The body of an HTTP answer. Items that may carry binary data go through `wireItem` (payload.ts)
 * first, since which fields those are is not to be seen here.
 */
export function encodeBody(value: unknown, format: Format): Uint8Array {
  return format === 'msgpack' ? pack(value) : Buffer.from(jsonText(value), 'utf8')
}

/** The value in the body of an HTTP request, of no particular form; malformed → 40001. */
export function decodeBody(
  source: Uint8Array | string, format: Format
): { readonly ok: true; readonly value: unknown } | {
  readonly ok: false; readonly error: ProtocolError
} {
  const decoded = read(source, format)
  if (decoded.ok) return decoded
  return { ok: false, error: errors.malformedBody(decoded.problem) }
}

function read(source: Uint8Array | string, format: Format) {
  if (format === 'json') return readJson(source)
  if (typeof source !== 'string') return readMsgpack(source)
  return { ok: false, problem: 'text where MessagePack was expected' } as const
}
