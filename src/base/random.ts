/**
 * Seeded randomness, forked by label, so that a new draw in one place does not shift another and
 * a run can be repeated from one number. The generator is sfc32 (Chris Doty-Humphrey, PractRand):
 * fast and statistically sound, and not for secrets. Secrets are drawn by the shell.
 */

import { hash32 } from './hash.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export class Random {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** `seed` names the whole stream of draws; the same seed gives the same stream. */
  constructor(seed: string) {
    this.#seed = seed
    this.#a = hash32(`${seed}/a`)
    this.#b = hash32(`${seed}/b`)
    this.#c = hash32(`${seed}/c`)
    for (let warm = 0; warm < 12; warm++) this.uint32()
  }

  /** An independent stream for one use. */
  fork(label: string): Random {
    return new Random(`${this.#seed}/${label}`)
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + sum) | 0
    return sum >>> 0
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.uint32() / 4294967296
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.unit() * bound)
  }

  /** `ms` scaled by a factor drawn from [1 − spread, 1 + spread). */
  jitter(ms: number, spread = 0.5): number {
    return ms * (1 - spread + 2 * spread * this.unit())
  }

  /** A string of `length` letters and digits (5.95 bits each). */
  id(length: number): string {
    let text = ''
    for (let at = 0; at < length; at++) text += ALPHABET[this.below(ALPHABET.length)]
    return text
  }
}
