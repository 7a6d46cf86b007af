/**
 * The generations of everybody's workers: state that each node alone is the authority for, with a
 * version of its own, spread by announcement and repaired by digests (rules 11 and 14). It is no
 * part of the view, since a worker's restart changes no ownership.
 */

import { hash32 } from '../base/hash.ts'
import type { Size } from '../base/sizes.ts'
import type { GenerationsEntry } from '../peer/membership.ts'
import { type RingLimitName, ringLimits, type Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
import type { Send } from './member-views.ts'

/** By incarnation, the generations of its workers. */
export type Generations = ReadonlyMap<string, readonly number[]>

export class GenerationsDesk {
  readonly #timing: Timing
  readonly #send: Send
  readonly #entries = new Map<string, GenerationsEntry>()
  #own: GenerationsEntry
  #pullAtMs = -Infinity
  /** What is known of the members of a view, until a view or an entry is another. */
  #known: { readonly view: View; readonly of: Generations; readonly digest: number } | undefined

  constructor(self: string, timing: Timing, send: Send) {
    this.#timing = timing
    this.#send = send
    this.#own = { incarnation: self, version: 0, generations: [] }
    this.#entries.set(self, this.#own)
  }

  *sizes(): Generator<Size<RingLimitName>> {
    yield ['candidatesMax', this.#entries.size]
  }

  get own(): GenerationsEntry {
    return this.#own
  }

  /** This node's workers have these generations now; true if that is news, which is told to all. */
  onWorkers(generations: readonly number[]): boolean {
    if (generations.join() === this.#own.generations.join()) return false
    this.#own = { ...this.#own, version: this.#own.version + 1, generations: [...generations] }
    this.#entries.set(this.#own.incarnation, this.#own)
    this.#known = undefined
    this.#send('all', { kind: 'generations', entries: [this.#own] })
    return true
  }

  /** Takes over what is newer; true if anything was. */
  merge(entries: readonly GenerationsEntry[]): boolean {
    const known = this.#entries
    const news = entries.filter(({ incarnation, version }) => {
      if (incarnation === this.#own.incarnation) return false
      if (!known.has(incarnation) && known.size >= ringLimits.candidatesMax) return false
      return version > (known.get(incarnation)?.version ?? 0)
    })
    for (const entry of news) this.#entries.set(entry.incarnation, entry)
    if (news.length > 0) this.#known = undefined
    return news.length > 0
  }

  /** Forgets who is not listed (candidates say it again with every hello). */
  onView(view: View): void {
    const listed = new Set(view.members.map(({ incarnation }) => incarnation))
    for (const incarnation of [...this.#entries.keys()]) {
      const isOwn = incarnation === this.#own.incarnation
      if (!listed.has(incarnation) && !isOwn) this.#entries.delete(incarnation)
    }
    this.#known = undefined
  }

  /** Of the members of `view`, as far as they were heard; the same object until it differs. */
  of(view: View): Generations {
    return this.#knownOf(view).of
  }

  /** A number of all entries of the members of `view`: equal where nobody is behind. */
  digest(view: View): number {
    return this.#knownOf(view).digest
  }

  /** A member of the same view knows other generations than this node: one of the two is behind. */
  onOtherDigest(from: string, nowMs: number): void {
    if (nowMs < this.#pullAtMs) return
    this.#pullAtMs = nowMs + this.#timing.pullRetryMs
    this.#send(from, { kind: 'generationsPull' })
  }

  /** Answers with everything known. */
  onPull(from: string): void {
    this.#send(from, { kind: 'generations', entries: [...this.#entries.values()] })
  }

  /** Asked with every beat, and as long as the view: it is made once for each change. */
  #knownOf(view: View) {
    if (this.#known?.view === view) return this.#known
    const of = new Map<string, readonly number[]>()
    let digest = 0
    for (const { incarnation } of view.members) {
      const entry = this.#entries.get(incarnation)
      if (entry !== undefined) of.set(incarnation, entry.generations)
      digest = (digest + hash32(`${incarnation} ${entry?.version ?? 0}`)) >>> 0
    }
    return this.#known = { view, of, digest }
  }
}
