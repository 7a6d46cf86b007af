/**
 * What the rest of the node is told to believe of the ring: the view, the generations of workers,
 * and, while the view cannot be written, who is gone all the same (rule 10). It is told when it
 * differs from what was told before.
 *
 * That the view cannot be written shows in two ways: the API says nothing of the pods any more; or
 * somebody stays listed though there is evidence against it (rule 8), because writes fail while
 * watches live on, or nobody has noticed yet that the API is away. Such a belief goes with its
 * evidence, and a view that is newer and lists the member says otherwise.
 */

import type { Roster } from '../ring/roster.ts'
import type { Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
import type { Generations, GenerationsDesk } from './member-generations.ts'
import type { MemberOutbox } from './member-ports.ts'

interface Told {
  readonly view: View
  readonly generations: Generations
  readonly gone: string
}

const NOBODY_GONE: ReadonlySet<string> = new Set()

export class Beliefs {
  readonly #timing: Timing
  readonly #roster: Roster
  readonly #generations: GenerationsDesk
  readonly #outbox: MemberOutbox
  #told: Told | undefined
  /** By listed incarnation, since when there has been evidence against it. */
  #evidentSinceMs: ReadonlyMap<string, number> = new Map()
  #dueMs = Infinity

  constructor(
    timing: Timing, roster: Roster, generations: GenerationsDesk, outbox: MemberOutbox
  ) {
    this.#timing = timing
    this.#roster = roster
    this.#generations = generations
    this.#outbox = outbox
  }

  /** Tells what is held now, if that is news; a view of version 0 is none. */
  tell(view: View | undefined, isApiAway: boolean, nowMs: number): void {
    if (view === undefined || view.version === 0) return
    const generations = this.#generations.of(view)
    const gone = this.#believedGone(view, isApiAway, nowMs)
    const told = { view, generations, gone: [...gone].join(' ') }
    const isNews = this.#told?.view.version !== view.version || this.#told.gone !== told.gone ||
      !isSame(this.#told.generations, generations)
    this.#told = told
    if (isNews) this.#outbox.push({ kind: 'adopt', view, generations, gone })
  }

  /** When `tell` may have news though nothing more is learnt, or Infinity. */
  nextDeadlineMs(): number {
    return this.#dueMs
  }

  /** While the view can be written it is the view that says who is gone. */
  #believedGone(view: View, isApiAway: boolean, nowMs: number): ReadonlySet<string> {
    const evident = [...this.#roster.facts(view, nowMs).gone.keys()]
    const isSameView = this.#told?.view.version === view.version
    const dueMs = (incarnation: string): number =>
      this.#evidentSinceMs.get(incarnation)! + this.#timing.unwrittenMs
    this.#evidentSinceMs = new Map(evident.map((incarnation) => {
      const sinceMs = isSameView ? this.#evidentSinceMs.get(incarnation) : undefined
      return [incarnation, sinceMs ?? nowMs]
    }))
    const gone = evident.filter((incarnation) => isApiAway || dueMs(incarnation) <= nowMs)
    const waiting = evident.filter((incarnation) => !gone.includes(incarnation))
    this.#dueMs = Math.min(...waiting.map(dueMs))
    return gone.length === 0 ? NOBODY_GONE : new Set(gone)
  }
}

function isSame(a: Generations, b: Generations): boolean {
  if (a === b) return true
  return a.size === b.size && [...a].every(([incarnation, generations]) =>
    b.get(incarnation)?.join() === generations.join())
}
