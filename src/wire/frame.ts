/**
 * A Frame is one whole WebSocket frame as a server sends it: final, unmasked, never fragmented
 * (RFC 6455, 5.2), header and payload in one run of bytes. It is built once per distinct encoding
 * and handed to every subscriber, on every worker, without being copied: hence it must never be
 * changed once made, and hence `allocate`, with which the caller decides where the bytes live (a
 * SharedArrayBuffer, when threads share them). WebSocket extensions would make the bytes differ
 * per socket, so none is ever negotiated.
 *
 * Cost of one message: the header is written before the payload into the final buffer, JSON text
 * straight from the string, MessagePack by one copy out of the encoder's own buffer.
 */

import type { Format, ProtocolMessage } from './protocol-message.ts'
import { jsonText } from './json.ts'
import { packShared } from './msgpack.ts'
import { wireForm } from './payload.ts'

/** One frame, ready to be written to any socket that asked for its format. */
export interface Frame {
  /** Header and payload. */
  readonly bytes: Uint8Array
  /** Where the payload starts in `bytes`: 2, 4 or 10. */
  readonly payloadStart: number
  /** Binary frames hold MessagePack, text frames JSON. */
  readonly isBinary: boolean
  /** The messages or presence events that it tells of, and the bytes that they count as. */
  readonly itemCount: number
  readonly itemBytes: number
}

/** What a frame tells of. */
export type Items = Pick<Frame, 'itemCount' | 'itemBytes'>

const NO_ITEMS: Items = { itemCount: 0, itemBytes: 0 }

/** Gives a fresh run of `size` bytes. */
export type Allocate = (size: number) => Uint8Array

const OPCODE_TEXT = 0x81
const OPCODE_BINARY = 0x82

function allocateHere(size: number): Uint8Array {
  return new Uint8Array(size)
}

/** The frame around `payload`, which is copied; text payloads must be UTF-8. */
export function frameOf(
  payload: Uint8Array,
  isBinary: boolean,
  allocate: Allocate = allocateHere,
  items: Items = NO_ITEMS
): Frame {
  const frame = emptyFrame(payload.length, isBinary, allocate, items)
  frame.bytes.set(payload, frame.payloadStart)
  return frame
}

/**
 * The frame that carries `message`, encoded in `format` (ably-protocol 2, 3.4). It counts as
 * `items`, or as nothing.
 */
export function encodeFrame(
  message: ProtocolMessage,
  format: Format,
  allocate: Allocate = allocateHere,
  items: Items = NO_ITEMS
): Frame {
  if (format === 'msgpack') return frameOf(packShared(message), true, allocate, items)
  const text = jsonText(wireForm(message, format))
  const size = Buffer.byteLength(text, 'utf8')
  const frame = emptyFrame(size, false, allocate, items)
  const { bytes, payloadStart } = frame
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).write(text, payloadStart, size, 'utf8')
  return frame
}

/** The payload of a frame, sharing its bytes. */
export function payloadOf(frame: Frame): Uint8Array {
  return frame.bytes.subarray(frame.payloadStart)
}

function emptyFrame(
  size: number, isBinary: boolean, allocate: Allocate, { itemCount, itemBytes }: Items
): Frame {
  const payloadStart = size < 126 ? 2 : size < 65536 ? 4 : 10
  const bytes = allocate(payloadStart + size)
  bytes[0] = isBinary ? OPCODE_BINARY : OPCODE_TEXT
  if (payloadStart === 2) {
    bytes[1] = size
  } else if (payloadStart === 4) {
    bytes[1] = 126
    bytes[2] = size >>> 8
    bytes[3] = size & 0xff
  } else {
    bytes[1] = 127
    writeUint64(bytes, 2, size)
  }
  return { bytes, payloadStart, isBinary, itemCount, itemBytes }
}

function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8)
  view.setUint32(0, Math.floor(value / 4294967296))
  view.setUint32(4, value % 4294967296)
}
