/**
 * What the rest of the node is told to believe of the ring: the view, the generations of workers,
 * and, while the view cannot be written, who is gone all the same (rule 10). It is told when it
 * differs from what was told before.
 */

import type { Roster } from '../ring/roster.ts'
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
  readonly #roster: Roster
  readonly #generations: GenerationsDesk
  readonly #outbox: MemberOutbox
  #told: Told | undefined

  constructor(roster: Roster, generations: GenerationsDesk, outbox: MemberOutbox) {
    this.#roster = roster
    this.#generations = generations
    this.#outbox = outbox
  }

  /** Tells what is held now, if that is news; a view of version 0 is none. */
  tell(view: View | undefined, isApiAway: boolean, nowMs: number): void {
    if (view === undefined || view.version === 0) return
    const generations = this.#generations.of(view)
    // While the view can be written it is the view that says who is gone.
    const gone = isApiAway ? new Set(this.#roster.facts(view, nowMs).gone.keys()) : NOBODY_GONE
    const told = { view, generations, gone: [...gone].join(' ') }
    const isNews = this.#told?.view.version !== view.version || this.#told.gone !== told.gone ||
      !isSame(this.#told.generations, generations)
    this.#told = told
    if (isNews) this.#outbox.push({ kind: 'adopt', view, generations, gone })
  }
}

function isSame(a: Generations, b: Generations): boolean {
  if (a === b) return true
  return a.size === b.size && [...a].every(([incarnation, generations]) =>
    b.get(incarnation)?.join() === generations.join())
}
