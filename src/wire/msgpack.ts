/**
 * MessagePack, to and from values. The package that decodes trusts the counts it reads: a header
 * of five bytes can make it set aside memory for millions of items, and headers can be nested. So
 * the bytes are walked once before anything is built: every length must lie within what is
 * there, and nesting has a bound. After that walk, memory is in proportion to the bytes.
 *
 * Integers of 64 bits are read and written as numbers, never as bigint (ably-protocol 3.4); those
 * beyond 2^53 are refused by whoever reads the field.
 */

import type { ExtensionCodecType } from '@msgpack/msgpack'
import { DecodeError, Decoder, Encoder } from '@msgpack/msgpack'
import { DEPTH_MAX } from './fields.ts'
import type { Decoded } from './json.ts'

/** The only extension on this wire: SDKs write an undefined inside a list as fixext1 type 0. */
const EXTENSIONS: ExtensionCodecType<undefined> = {
  tryToEncode: () => null,
  decode(_data, type) {
    if (type === 0) return undefined
    throw new DecodeError(`Unknown extension type ${type}`)
  }
}

/** Holds the scratch buffer into which everything is encoded first; it carries nothing over. */
const encoder = new Encoder({ extensionCodec: EXTENSIONS, ignoreUndefined: true })
const decoder = new Decoder({ extensionCodec: EXTENSIONS })

/**
 * The MessagePack of a value, in a buffer that the next call overwrites: copy it before anything
 * else is encoded. Fields that are undefined are left out.
 */
export function packShared(value: unknown): Uint8Array {
  return encoder.encodeSharedRef(value)
}

/** The MessagePack of a value, in memory of its own. */
export function pack(value: unknown): Uint8Array {
  return encoder.encode(value)
}

/** Reads one MessagePack value, which must fill `bytes`; binaries share their memory. */
export function readMsgpack(bytes: Uint8Array): Decoded {
  const problem = structureProblem(bytes)
  if (problem !== undefined) return { ok: false, problem }
  try {
    return { ok: true, value: decoder.decode(bytes) }
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) {
      return { ok: false, problem: 'not valid MessagePack' }
    }
    throw error
  }
}

/** Payload bytes of the heads 0xc4…0xdb that are no containers: fixed, or read as a length. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc0, 0], [0xc2, 0], [0xc3, 0], [0xca, 4], [0xcb, 8], [0xcc, 1], [0xcd, 2], [0xce, 4],
  [0xcf, 8], [0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8], [0xd4, 2], [0xd5, 3], [0xd6, 5],
  [0xd7, 9], [0xd8, 17]
])

/** Why the bytes are not one well-formed value, or undefined when they are. */
function structureProblem(bytes: Uint8Array): string | undefined {
  const left = [1]
  let at = 0
  while (left.length > 0) {
    const top = left.length - 1
    if (left[top] === 0) {
      left.pop()
      continue
    }
    left[top]!--
    if (at >= bytes.length) return 'truncated MessagePack'
    const head = headAt(bytes, at)
    if (head === undefined) return 'not valid MessagePack'
    at += head.bytes
    if (at > bytes.length || head.children > bytes.length - at) return 'truncated MessagePack'
    if (head.children === 0) continue
    if (left.length > DEPTH_MAX) return 'MessagePack nested too deeply'
    left.push(head.children)
  }
  return at === bytes.length ? undefined : 'bytes after the MessagePack value'
}

interface Head {
  /** Head, length and content; for containers without their children. */
  readonly bytes: number
  /** Values that follow and belong to this one. */
  readonly children: number
}

const ONE_BYTE: Head = { bytes: 1, children: 0 }

/** What starts at `at`; a length that is cut off reads as too long, which is refused as well. */
function headAt(bytes: Uint8Array, at: number): Head | undefined {
  const head = bytes[at]!
  if (head < 0x80 || head >= 0xe0) return ONE_BYTE
  if (head < 0x90) return { bytes: 1, children: 2 * (head - 0x80) }
  if (head < 0xa0) return { bytes: 1, children: head - 0x90 }
  if (head < 0xc0) return { bytes: 1 + head - 0xa0, children: 0 }
  const fixed = FIXED_BYTES.get(head)
  if (fixed !== undefined) return { bytes: 1 + fixed, children: 0 }
  switch (head) {
    case 0xc4: case 0xd9: return sized(bytes, at, 1, 0)
    case 0xc5: case 0xda: return sized(bytes, at, 2, 0)
    case 0xc6: case 0xdb: return sized(bytes, at, 4, 0)
    case 0xc7: return sized(bytes, at, 1, 1)
    case 0xc8: return sized(bytes, at, 2, 1)
    case 0xc9: return sized(bytes, at, 4, 1)
    case 0xdc: return { bytes: 3, children: uintAt(bytes, at + 1, 2) }
    case 0xdd: return { bytes: 5, children: uintAt(bytes, at + 1, 4) }
    case 0xde: return { bytes: 3, children: 2 * uintAt(bytes, at + 1, 2) }
    case 0xdf: return { bytes: 5, children: 2 * uintAt(bytes, at + 1, 4) }
    default: return undefined
  }
}

function sized(bytes: Uint8Array, at: number, width: number, extra: number): Head {
  return { bytes: 1 + width + extra + uintAt(bytes, at + 1, width), children: 0 }
}

function uintAt(bytes: Uint8Array, at: number, width: number): number {
  if (at + width > bytes.length) return Infinity
  let value = 0
  for (let index = at; index < at + width; index++) value = value * 256 + bytes[index]!
  return value
}
