/** What crosses between regions: bytes, and how often a mark that messages carry is among them. */

export class Crossing {
  bytes = 0
  markCount = 0
  readonly #mark: Buffer
  /** By who is sent to: the end of what was sent, in which a mark may have begun. */
  readonly #ends = new WeakMap<object, Buffer>()

  constructor(mark: string) {
    this.#mark = Buffer.from(mark)
  }

  /** Forgets what was counted. */
  clear(): void {
    this.bytes = 0
    this.markCount = 0
  }

  onPass(bytes: Buffer, to: object): void {
    this.bytes += bytes.length
    const former = this.#ends.get(to)
    const text = former === undefined ? bytes : Buffer.concat([former, bytes])
    const { length } = this.#mark
    for (let at = text.indexOf(this.#mark); at >= 0; at = text.indexOf(this.#mark, at + length)) {
      this.markCount++
    }
    this.#ends.set(to, Buffer.from(text.subarray(Math.max(0, text.length - length + 1))))
  }
}
