/**
 * What an attachment that rewinds is shown before it is live (protocol 7.5): the last messages
 * before its place, in order, each once, as many as it asked for; fewer only where the tail does
 * not hold them any more. The last one bears the attachment's own place.
 */

import { decodeArchived } from '../../../src/log/archive.ts'
import { type Committed, committedOf } from '../committed.ts'
import type { Region } from '../region.ts'
import { isEphemeral, nameOf } from '../submissions.ts'
import type { Point } from '../wire.ts'

const COUNT_MAX = 100

/** What the archive has of the lineages before this one, in its order. */
export function archivedBefore(
  { archive }: Region, channel: string, lineage: string
): Committed[] {
  const records = archive.recordsOf({ partition: 0, channel, of: 'messages' })
  return records.flatMap(({ bytes, seq }) => {
    const { lineage: former, epoch, publications } = decodeArchived(bytes)!
    if (former === lineage) return []
    return publications.map((publication) => committedOf(
      { kind: 'publication', channel, publication }, former, epoch, { atMs: 0, seq }))
  })
}

/** One message that may be shown. */
interface Due {
  readonly committed: Committed
  readonly text: string
}

export class Rewinding {
  readonly at: Point
  readonly #due: readonly Due[]
  #first: number | undefined
  #next = 0

  /** `all`: what was committed up to `at`, of which the last `count` messages are asked for. */
  constructor(
    all: readonly Committed[],
    count: number,
    at: Point,
    isDerived: boolean,
    isVisible: (committed: Committed) => boolean
  ) {
    this.at = at
    const lasting = all.filter(({ events }) => events === undefined)
      .flatMap((committed) => committed.texts.map((text) => ({ committed, text })))
      .filter(({ text }) => !isEphemeral(text))
    // With a filter it is the last ones of the last hundred.
    const chosen = isDerived ? lasting.slice(-COUNT_MAX).filter(({ text }) => nameOf(text) === 'f')
      : lasting
    const wanted = count === 0 ? [] : chosen.slice(-count)
    this.#due = wanted.filter(({ committed }) => isVisible(committed))
  }

  /** True once everything is shown that is to be. */
  get isOver(): boolean {
    return this.#next === this.#due.length
  }

  /** The last one that is left out, if any is: before the first that is shown. */
  get leftOut(): Committed | undefined {
    return this.#due[(this.#first ?? this.#due.length) - 1]?.committed
  }

  /** Takes what a frame shows; a problem in words, or undefined. */
  show(texts: readonly string[], to: Point): string | undefined {
    if (this.#first === undefined) {
      const first = this.#due.findIndex(({ text }) => text === texts[0])
      if (first === -1) return `rewinds to ${texts}, which it did not ask for`
      this.#first = first
      this.#next = first
    }
    const shown = this.#due.slice(this.#next, this.#next + texts.length)
    if (shown.map(({ text }) => text).join() !== texts.join()) {
      const wanted = this.#due.slice(this.#next).map(({ text }) => text)
      return `rewinds to ${texts}, should be shown ${wanted}`
    }
    const { seq } = shown.at(-1)!.committed
    this.#next += texts.length
    if (to.seq === seq || to.seq === this.at.seq) return undefined
    return `rewinds to ${texts} as ${to.seq}, where it is ${seq}, or ${this.at.seq} at the end`
  }
}
