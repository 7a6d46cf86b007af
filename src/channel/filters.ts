/**
 * The filters that a node's attachments to one channel have, each compiled once. A message is
 * judged by a filter once per node, however many attachments have it (channel/encoding.ts).
 */

import type { Variant } from '../peer/message.ts'
import { type Filter, filterOf } from '../wire/filter.ts'
import type { Message } from '../wire/protocol-message.ts'

export class Filters {
  readonly #byText = new Map<string, Filter>()

  get size(): number {
    return this.#byText.size
  }

  /** True if the filter of this text lets the message through. */
  letsThrough(text: string, message: Message): boolean {
    let filter = this.#byText.get(text)
    if (filter === undefined) {
      filter = filterOf(text)
      this.#byText.set(text, filter)
    }
    return filter(message)
  }

  /** Only these variants are wanted any more. */
  keep(variants: Iterable<Variant | undefined>): void {
    if (this.#byText.size === 0) return
    const wanted = new Set<string | undefined>()
    for (const each of variants) wanted.add(each?.filter)
    for (const text of this.#byText.keys()) if (!wanted.has(text)) this.#byText.delete(text)
  }
}
