/**
 * A first-in first-out queue on one array: `shift` is O(1) by moving a head index, and the spent
 * front is cut off when it is the larger half. Bounds are the caller's, who must decide what
 * happens at them; `bytes` is kept for those whose bound is in bytes.
 */

/** A queue of items, each with a size in bytes (0 where nobody counts). */
export class Queue<T> {
  #items: { item: T; bytes: number }[] = []
  #head = 0
  #bytes = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  /** The sum of the items' sizes. */
  get bytes(): number {
    return this.#bytes
  }

  push(item: T, bytes = 0): void {
    this.#items.push({ item, bytes })
    this.#bytes += bytes
  }

  peek(): T | undefined {
    return this.#items[this.#head]?.item
  }

  shift(): T | undefined {
    const entry = this.#items[this.#head]
    if (entry === undefined) return undefined
    this.#head++
    this.#bytes -= entry.bytes
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return entry.item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
    this.#bytes = 0
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at]!.item
  }
}
