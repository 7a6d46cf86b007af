/**
 * Frames of clients that keep to nothing. Most are nearly right, since what is entirely wrong gets
 * no further than the decoder: known actions with the right fields, in illegal order, with a value
 * of the wrong kind here and there, with what was told to somebody else. The rest is damaged.
 */

import { encode } from '@msgpack/msgpack'
import { Odd } from './odd.ts'

export type FuzzFormat = 'json' | 'msgpack'

/** What has been told to anybody, to be told back by everybody. */
export class Heard {
  static readonly #MAX = 200
  readonly connectionKeys: string[] = []
  readonly channelSerials: string[] = []
  readonly ids: string[] = []

  note(list: 'connectionKeys' | 'channelSerials' | 'ids', text: unknown): void {
    if (typeof text !== 'string') return
    const known = this[list]
    if (known.push(text) > Heard.#MAX) known.splice(0, Heard.#MAX / 2)
  }
}

/** A frame as it goes over the wire. */
export interface FuzzFrame {
  readonly data: string | Uint8Array
  readonly isBinary: boolean
}

const NAMES = ['one', 'two', 'three', 'four', 'a:b', 'a/b?c', '?', 'é', 'x'.repeat(2_048)]
const WRONG_NAMES = [
  '', ':', ':a', '::', '[', '[]', '[]a', '[a]b', '[[a]]', ']a', '[?]a', '[?rewind=1]one',
  '[?rewind=x]one', '[?delta=vcdiff]two', '[?delta=none]two', '[?a=%ff&=]one', '[meta]log',
  '[meta]', '[filter=]a', '[filter=bmFtZSA9PSBgYWA=]one', '[filter=%]one', '[filter=AAAA]one',
  '[filter=bmFtZSA9PSBgYWA=?rewind=2]one', '[?occupancy=metrics]one', '[?modes=]one',
  'x'.repeat(2_049), '\ud800', '\u0000', '[?rewind=1', '[*]a', '[meta?a=b]channel.lifecycle'
]
const WORDS = [
  'name', 'headers', '.', '"k"', '`1`', '`"x"`', '`{`', "'raw'", '==', '!=', '<', '&&', '||', '!',
  '(', ')', '[', ']', '[?', '[*]', '*', '@', '&', '|', 'contains(', 'length(', 'sort_by(', ',', ' ',
  'data', 'é', '\u0000', '-1', '99999999999999999999', 'to_string(@)', 'keys(@)'
]
const PARAMS = [
  'modes', 'rewind', 'rewindLimit', 'delta', 'occupancy', 'objects', 'echo', 'appendMode', 'agent',
  '__proto__', ''
]
const PARAM_VALUES = [
  '', '1', '0', '-1', '99999999999', '10s', '2m', 'vcdiff', 'metrics', 'metrics.publishers',
  'metrics.', 'subscribe', 'publish,presence', 'SUBSCRIBE,nonsense', 'true', 'false', ','
]
const ACTIONS = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 99]
const FIELDS = [
  'action', 'flags', 'id', 'timestamp', 'connectionId', 'connectionKey', 'connectionDetails',
  'channel', 'channelSerial', 'msgSerial', 'count', 'error', 'auth', 'messages', 'presence',
  'annotations', 'state', 'params', 'res', 'nonsense'
]

type Fields = Record<string, unknown>

export class FrameMaker {
  readonly #odd: Odd
  readonly #heard: Heard
  readonly #format: FuzzFormat
  #msgSerial = 0

  constructor(odd: Odd, heard: Heard, format: FuzzFormat) {
    this.#odd = odd
    this.#heard = heard
    this.#format = format
  }

  /** The next frame; CLOSE and AUTH are rare, since they end the fun. */
  next(): FuzzFrame {
    const odd = this.#odd
    const kind = odd.below(100)
    if (kind < 70) return this.#encoded(this.#nearlyRight())
    if (kind < 88) return this.#encoded(this.#spoiled(this.#nearlyRight()))
    if (kind < 90) return this.#encoded(odd.value(this.#format === 'msgpack'))
    if (kind < 91) return this.#otherKind()
    return this.#damaged(this.#encoded(this.#nearlyRight()))
  }

  #nearlyRight(): Fields {
    const odd = this.#odd
    switch (odd.below(20)) {
      case 0: return { action: 0, id: odd.once(2) ? odd.text() : undefined }
      case 1: case 2: case 3: case 4: return this.#attach()
      case 5: return { action: 12, channel: this.#name() }
      case 6: return { action: 16, channel: this.#name(), channelSerial: this.#serial() }
      case 7: case 8: case 9: case 10: return this.#presence()
      case 11: return this.#other()
      case 12: return odd.once(12) ? this.#ending() : this.#message()
      default: return this.#message()
    }
  }

  #attach(): Fields {
    const odd = this.#odd
    return {
      action: 10,
      channel: this.#name(),
      channelSerial: odd.once(3) ? this.#serial() : undefined,
      flags: odd.once(3) ? odd.one([1 << 16, 1 << 17, 1 << 18, 1 << 19, 3 << 21, 3 << 24, 32,
        2 ** 31, odd.below(2 ** 30)]) : undefined,
      params: odd.once(4) ? this.#params() : undefined
    }
  }

  #message(): Fields {
    const odd = this.#odd
    return {
      action: 15,
      channel: this.#name(),
      msgSerial: this.#nextSerial(),
      messages: odd.list(() => this.#item()),
      params: odd.once(30) ? { _forceNack: 'true' } : undefined
    }
  }

  #item(): Fields {
    const odd = this.#odd
    const withBytes = this.#format === 'msgpack'
    return {
      id: odd.once(10) ? this.#id() : undefined,
      name: odd.once(3) ? odd.text() : undefined,
      data: odd.once(8) ? odd.value(withBytes) : odd.text(),
      encoding: odd.once(6) ? odd.text() : undefined,
      clientId: odd.once(12) ? odd.text() : undefined,
      extras: odd.once(12) ? odd.value(withBytes) : undefined,
      action: odd.once(20) ? odd.below(7) : undefined,
      serial: odd.once(20) ? this.#id() : undefined,
      version: odd.once(20) ? odd.value(withBytes) : undefined
    }
  }

  #presence(): Fields {
    const odd = this.#odd
    const withBytes = this.#format === 'msgpack'
    return {
      action: 14,
      channel: this.#name(),
      msgSerial: this.#nextSerial(),
      presence: odd.list(() => ({
        action: odd.once(8) ? odd.number() : odd.one([2, 2, 3, 4]),
        clientId: odd.once(6) ? odd.text() : odd.one(['ann', 'ben', 'cid']),
        id: odd.once(8) ? this.#id() : undefined,
        data: odd.once(3) ? odd.value(withBytes) : odd.text(),
        extras: odd.once(12) ? odd.value(withBytes) : undefined
      }))
    }
  }

  #other(): Fields {
    const odd = this.#odd
    const action = odd.once(10) ? odd.number() : odd.one(ACTIONS)
    const withBytes = this.#format === 'msgpack'
    return {
      action,
      channel: odd.once(3) ? undefined : this.#name(),
      msgSerial: odd.once(2) ? undefined : this.#nextSerial(),
      count: odd.once(4) ? odd.number() : undefined,
      state: action === 19 ? odd.list(() => odd.value(withBytes)) : undefined,
      annotations: action === 21 ? odd.list(() => ({
        action: odd.below(3), type: odd.text(), name: odd.text(), messageSerial: this.#id()
      })) : undefined
    }
  }

  #ending(): Fields {
    const odd = this.#odd
    if (odd.once(3)) return { action: 7 }
    return { action: 17, auth: odd.once(3) ? odd.value(false) : { accessToken: odd.text() } }
  }

  /** One field, or several, of another kind. */
  #spoiled(fields: Fields): Fields {
    const odd = this.#odd
    const spoiled = { ...fields }
    const withBytes = this.#format === 'msgpack'
    for (let times = 1 + odd.below(2); times > 0; times--) {
      const field = odd.one(FIELDS)
      if (odd.once(6)) delete spoiled[field]
      else spoiled[field] = odd.value(withBytes)
    }
    return spoiled
  }

  /** The other format's frame, or something that is no message at all. */
  #otherKind(): FuzzFrame {
    const odd = this.#odd
    const value = this.#nearlyRight()
    switch (odd.below(4)) {
      case 0: return { data: Buffer.from(encode(value, OPTIONS)), isBinary: true }
      case 1: return { data: Buffer.from(JSON.stringify(value)), isBinary: false }
      case 2: return { data: odd.bytes(), isBinary: odd.once(2) }
      default: return this.#huge()
    }
  }

  /** Deep, long, or with a head that promises much. */
  #huge(): FuzzFrame {
    const odd = this.#odd
    if (this.#format === 'json') {
      const open = odd.one(['[', '{"a":'])
      return { data: Buffer.from(open.repeat(odd.below(20_000))), isBinary: false }
    }
    const head = odd.one([
      [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0x7f, 0xff, 0xff, 0xff],
      [0xc6, 0xff, 0xff, 0xff, 0xff], [0xdb, 0xff, 0xff, 0xff, 0xfe],
      [0xc9, 0xff, 0xff, 0xff, 0xff, 1], [0x9f], [0x8f], [0xc1]
    ])
    const times = odd.below(odd.once(10) ? 20_000 : 80)
    return { data: Buffer.concat(Array.from({ length: times }, () => Buffer.from(head))),
      isBinary: true }
  }

  #damaged({ data, isBinary }: FuzzFrame): FuzzFrame {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    return { data: this.#odd.damaged(bytes), isBinary }
  }

  #encoded(value: unknown): FuzzFrame {
    if (this.#format === 'msgpack') {
      return { data: Buffer.from(encode(value, OPTIONS)), isBinary: true }
    }
    return { data: Buffer.from(JSON.stringify(value)), isBinary: false }
  }

  /** A derived channel, by an expression of which most are none. */
  #derived(): string {
    const odd = this.#odd
    let expression = odd.once(3) ? 'name == `"a"`' : ''
    for (let words = odd.below(8); words > 0; words--) expression += odd.one(WORDS)
    if (odd.once(30)) expression = odd.one(['(', '!', '[', '{a:']).repeat(odd.below(800))
    const params = odd.once(4) ? odd.one(['?rewind=2', '?delta=vcdiff', '?', '?a=b']) : ''
    return `[filter=${Buffer.from(expression).toString('base64')}${params}]${odd.one(NAMES)}`
  }

  #name(): string {
    if (this.#odd.once(20)) return this.#derived()
    return this.#odd.once(6) ? this.#odd.one(WRONG_NAMES) : this.#odd.one(NAMES)
  }

  #params(): unknown {
    const odd = this.#odd
    if (odd.once(6)) return odd.value(false)
    return Object.fromEntries(odd.list(() => [odd.one(PARAMS), odd.one(PARAM_VALUES)] as const))
  }

  /** Mostly the next one; else back, ahead, or the same again. */
  #nextSerial(): unknown {
    const odd = this.#odd
    if (!odd.once(15)) return this.#msgSerial++
    return odd.once(3) ? odd.number() : Math.max(0, this.#msgSerial - odd.below(9))
  }

  #id(): string {
    const { ids } = this.#heard
    if (ids.length === 0 || this.#odd.once(3)) return this.#odd.text()
    const id = this.#odd.one(ids)
    return this.#odd.once(3) ? this.#odd.damagedText(id) : id
  }

  /** One that somebody was told, one that could be, or nothing of the kind. */
  #serial(): string {
    const odd = this.#odd
    const { channelSerials } = this.#heard
    if (channelSerials.length === 0 || odd.once(6)) return odd.text()
    const serial = odd.one(channelSerials)
    if (odd.once(3)) return serial
    if (odd.once(3)) return odd.damagedText(serial)
    const parts = serial.split('~')
    parts[1 + odd.below(4)] = odd.one([
      'x', '0', '-', '1e9', 'NaN', '2gosa7pa2gv', 'zzzzzzzzzzz', '9', '1', 'Infinity', ''
    ])
    return parts.join('~')
  }
}

const OPTIONS = { ignoreUndefined: true, maxDepth: 1_000 } as const
