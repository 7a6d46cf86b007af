/**
 * Deltas as a client reads them: VCDIFF (RFC 3284) of one window, the default code table, against
 * the message before. What the server's encoder gets wrong shows here, and so does a delta that is
 * told to who does not have what it builds on.
 */

import type { Wire, WireItem } from './wire.ts'
import { Violation } from './world.ts'

interface Last {
  readonly id: string
  readonly bytes: Buffer | undefined
}

/** Reads what one socket is told; whatever was a delta is whole afterwards. */
export class DeltaReader {
  readonly #lasts = new Map<string, Last>()
  deltaCount = 0

  read(message: Wire): Wire {
    const { channel = '', messages, id = '' } = message
    if (messages === undefined || messages.length === 0) return message
    const whole: WireItem[] = []
    for (const [at, item] of messages.entries()) {
      const last = this.#lasts.get(channel)
      const read = this.#whole(channel, item, last)
      whole.push(read)
      const bytes = read.data === undefined ? undefined : Buffer.from(read.data)
      this.#lasts.set(channel, { id: item.id ?? `${id}:${at}`, bytes })
    }
    return { ...message, messages: whole }
  }

  #whole(channel: string, item: WireItem, last: Last | undefined): WireItem {
    const delta = item.extras?.['delta'] as { from: string; format: string } | undefined
    if (delta === undefined) return item
    if (delta.from !== last?.id || last.bytes === undefined) {
      throw new Violation('delta', `${channel}: builds on ${delta.from}, not on ${last?.id}`)
    }
    const { encoding = '' } = item
    const isText = encoding === 'utf-8/vcdiff/base64'
    if (!isText && encoding !== 'utf-8/vcdiff') throw new Violation('delta', `as ${encoding}`)
    const data = item.data as unknown
    const bytes = isText ? Buffer.from(data as string, 'base64') : Buffer.from(data as Uint8Array)
    this.deltaCount++
    const { delta: _, ...extras } = item.extras!
    return { ...item, data: applyDelta(bytes, last.bytes).toString(), extras, encoding: undefined }
  }
}

/** Reads bytes one after the other. */
class Cursor {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Violation('delta', 'it ends too soon')
    return byte
  }

  number(): number {
    let value = 0
    for (;;) {
      const byte = this.byte()
      value = value * 128 + (byte & 0x7f)
      if (byte < 0x80) return value
    }
  }

  take(count: number): Buffer {
    this.at += count
    if (this.at > this.#bytes.length) throw new Violation('delta', 'it ends too soon')
    return this.#bytes.subarray(this.at - count, this.at)
  }
}

/** The target of a delta. */
export function applyDelta(delta: Buffer, base: Buffer): Buffer {
  const cursor = new Cursor(delta)
  if (cursor.take(5).toString('hex') !== 'd6c3c40000' || cursor.byte() !== 1) {
    throw new Violation('delta', 'no VCDIFF of the plain form')
  }
  const size = cursor.number()
  const source = base.subarray(cursor.number()).subarray(0, size)
  cursor.number()
  const targetSize = cursor.number()
  cursor.byte()
  const [dataSize, instructionSize, addressSize] = [cursor.number(), cursor.number(),
    cursor.number()]
  const data = new Cursor(cursor.take(dataSize))
  const instructions = new Cursor(cursor.take(instructionSize))
  const addresses = new AddressReader(new Cursor(cursor.take(addressSize)))
  const made: number[] = [...source]
  while (!instructions.isAtEnd) {
    const code = instructions.byte()
    if (code >= 1 && code <= 18) {
      made.push(...data.take(code === 1 ? instructions.number() : code - 1))
    } else if (code >= 19 && code <= 162) {
      const [mode, short] = [Math.floor((code - 19) / 16), (code - 19) % 16]
      const count = short === 0 ? instructions.number() : short + 3
      const from = addresses.next(mode, made.length)
      for (let at = from; at < from + count; at++) made.push(made[at]!)
    } else {
      throw new Violation('delta', `instruction ${code}`)
    }
  }
  const target = Buffer.from(made.slice(source.length))
  if (target.length !== targetSize) throw new Violation('delta', 'a target of another size')
  return target
}

class AddressReader {
  readonly #cursor: Cursor
  readonly #near = [0, 0, 0, 0]
  readonly #same = new Array<number>(768).fill(0)
  #nextNear = 0

  constructor(cursor: Cursor) {
    this.#cursor = cursor
  }

  next(mode: number, here: number): number {
    let address: number
    if (mode === 0) address = this.#cursor.number()
    else if (mode === 1) address = here - this.#cursor.number()
    else if (mode < 6) address = this.#near[mode - 2]! + this.#cursor.number()
    else address = this.#same[(mode - 6) * 256 + this.#cursor.byte()]!
    this.#near[this.#nextNear] = address
    this.#nextNear = (this.#nextNear + 1) % 4
    this.#same[address % 768] = address
    return address
  }
}
