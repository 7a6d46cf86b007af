/**
 * The generations of everybody's workers: state that each node alone is the authority for, with a
 * version of its own, spread by announcement and repaired by digests (rules 11 and 14). It is no
 * part of the view, since a worker's restart changes no ownership.
 */

import { hash32 } from '../base/hash.ts'
import type { GenerationsEntry } from '../peer/membership.ts'
import { ringLimits, type Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
import type { Send } from './member-views.ts'

export class GenerationsDesk {
  readonly #timing: Timing
  readonly #send: Send
  readonly #entries = new Map<string, GenerationsEntry>()
  #own: GenerationsEntry
  #pullAtMs = -Infinity

  constructor(self: string, timing: Timing, send: Send) {
    this.#timing = timing
    this.#send = send
    this.#own = { incarnation: self, version: 0, generations: [] }
    this.#entries.set(self, this.#own)
  }

  get own(): GenerationsEntry {
    return this.#own
  }

  /** This node's workers have these generations now; true if that is news, which is told to all. */
  onWorkers(generations: readonly number[]): boolean {
    if (generations.join() === this.#own.generations.join()) return false
    this.#own = { ...this.#own, version: this.#own.version + 1, generations: [...generations] }
    this.#entries.set(this.#own.incarnation, this.#own)
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
    return news.length > 0
  }

  /** Forgets who is not listed (candidates say it again with every hello). */
  onView(view: View): void {
    const listed = new Set(view.members.map(({ incarnation }) => incarnation))
    for (const incarnation of [...this.#entries.keys()]) {
      const isOwn = incarnation === this.#own.incarnation
      if (!listed.has(incarnation) && !isOwn) this.#entries.delete(incarnation)
    }
  }

  /** By incarnation, the generations of the members of `view` that were heard. */
  of(view: View): Map<string, readonly number[]> {
    return new Map(view.members.flatMap(({ incarnation }) => {
      const entry = this.#entries.get(incarnation)
      return entry === undefined ? [] : [[incarnation, entry.generations] as const]
    }))
  }

  /** A number of all entries of the members of `view`: equal where nobody is behind. */
  digest(view: View): number {
    return view.members.reduce((sum, { incarnation }) => {
      const version = this.#entries.get(incarnation)?.version ?? 0
      return (sum + hash32(`${incarnation} ${version}`)) >>> 0
    }, 0)
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
}
