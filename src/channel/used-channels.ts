/**
 * The first channels that are in use, in order of their keys, of all that a worker knows: a page of
 * an enumeration. A channel is in use while somebody is attached, which the worker knows whose
 * session that is, or present, which the channel's master knows: members may be there whose node
 * is gone. Both may tell of one channel.
 *
 * Of many channels only those of the page are held while they are looked through.
 */

import type { Enumerate, Enumerated } from '../peer/question-message.ts'

export class UsedChannels {
  readonly #question: Enumerate
  /** In order. */
  readonly #page: string[] = []
  #isWhole = true

  constructor(question: Enumerate) {
    this.#question = question
  }

  /** Takes a channel that is in use. */
  add(channel: string): void {
    const { prefix, after, countMax } = this.#question
    if (!channel.startsWith(prefix) || channel <= after) return
    let low = 0
    let high = this.#page.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#page[middle]! < channel) low = middle + 1
      else high = middle
    }
    if (this.#page[low] === channel) return
    this.#page.splice(low, 0, channel)
    if (this.#page.length <= countMax) return
    this.#page.pop()
    this.#isWhole = false
  }

  answer(): Enumerated {
    const { askNo } = this.#question
    return { kind: 'enumerated', askNo, channels: this.#page, isWhole: this.#isWhole }
  }
}
