/**
 * What nobody should send: values, texts and bytes of every kind, drawn from a seed. Small ones
 * are common and large ones rare, or most of the time would go into carrying them.
 */

import type { Random } from '../../src/base/random.ts'

const HUGE_SHARE = 500
const DEPTH_MAX = 3

const TEXTS = [
  '', ' ', 'a', 'null', '0', '-1', 'true', '[]', '{}', '*', '%', '%00', '\u0000', '\ud800', 'é',
  '💩', '__proto__', 'constructor', 'toString', '../..', 'a'.repeat(300), '\u202e', 'a:b:c', '!',
  '"', '\\', '\n', 'utf-8/base64', 'json', 'vcdiff', 'cipher+aes-128-cbc/base64', '=', 'AA=='
]

const NUMBERS = [
  0, 1, -1, 2, 0.5, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63,
  -(2 ** 31), -(2 ** 53), 1e300, Number.MIN_VALUE, 999
]

export class Odd {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** True once in so many draws. */
  once(inSoMany: number): boolean {
    return this.#random.below(inSoMany) === 0
  }

  below(bound: number): number {
    return this.#random.below(bound)
  }

  one<T>(of: readonly T[]): T {
    return of[this.#random.below(of.length)]!
  }

  text(): string {
    if (this.once(HUGE_SHARE)) return 'x'.repeat(this.below(200_000))
    return this.once(4) ? this.#random.id(1 + this.below(12)) : this.one(TEXTS)
  }

  number(): number {
    return this.once(3) ? this.below(100) : this.one(NUMBERS)
  }

  bytes(): Uint8Array {
    const size = this.once(HUGE_SHARE) ? this.below(100_000) : this.below(40)
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; at++) bytes[at] = this.below(256)
    return bytes
  }

  /** Anything; `withBytes`: also what JSON does not know. */
  value(withBytes: boolean, depth = 0): unknown {
    switch (this.below(depth < DEPTH_MAX ? 10 : 7)) {
      case 0: return null
      case 1: return this.once(2)
      case 2: case 3: return this.text()
      case 4: case 5: return this.number()
      case 6: return withBytes ? this.bytes() : this.text()
      case 7: return this.list(() => this.value(withBytes, depth + 1))
      case 8: return this.once(20) ? this.deep(2 + this.below(200)) : {}
      default: return Object.fromEntries(
        this.list(() => [this.text(), this.value(withBytes, depth + 1)] as const))
    }
  }

  /** A list of a few; seldom of very many. */
  list<T>(make: () => T): T[] {
    const count = this.once(HUGE_SHARE) ? 1_100 : this.below(4)
    return Array.from({ length: count }, make)
  }

  /** Lists in lists, or maps in maps. */
  deep(levels: number): unknown {
    const isMap = this.once(2)
    let value: unknown = 1
    for (let level = 0; level < levels; level++) value = isMap ? { a: value } : [value]
    return value
  }

  /** JSON nested deeper than an engine's stack can follow, by keys that it may treat apart. */
  deepText(): string {
    const levels = 3_000 + this.below(7_000)
    const [open, close] = this.one([['[', ']'], ['{"a":', '}'], ['{"0":', '}']] as const)
    return `[${open.repeat(levels)}1${close.repeat(levels)}]`
  }

  /** The same bytes with something wrong: cut, extended, turned or repeated. */
  damaged(bytes: Uint8Array): Uint8Array {
    const at = this.below(bytes.length + 1)
    switch (this.below(4)) {
      case 0: return bytes.slice(0, at)
      case 1: return Buffer.concat([bytes, this.bytes()])
      case 2: {
        const copy = bytes.slice()
        for (let flips = 1 + this.below(3); flips > 0 && copy.length > 0; flips--) {
          copy[this.below(copy.length)] = this.below(256)
        }
        return copy
      }
      default: return Buffer.concat([bytes.slice(0, at), bytes])
    }
  }

  /** The same text with something wrong. */
  damagedText(text: string): string {
    const at = this.below(text.length + 1)
    switch (this.below(4)) {
      case 0: return text.slice(0, at)
      case 1: return text + this.text()
      case 2: return text.slice(0, at) + this.one(TEXTS) + text.slice(at + 1)
      default: return text.slice(0, at) + text.slice(at + 1)
    }
  }
}
