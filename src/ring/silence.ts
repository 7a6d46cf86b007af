/**
 * Who is gone by silence alone: the third kind of evidence of rule 8 (`ring/roster.ts` has the
 * others). Watchers tell whom they miss and whose private ports do not answer them.
 *
 * ```
 * heard ──told silent──▶ silent ──settled, enough probes failed──▶ gone ──atOnceMs──▶ long gone
 *   ▲                      │  ▲                                     │                    │
 *   │                      │  └── not told any more, or an outage ──┘                    │
 *   └──────────────────────┴───────────── any message of its own ───────────────────────┘
 * ```
 * Silences that come together say something about the mesh: if those of more than a third come at
 * once, none of them is evidence. Who is long gone did not fall silent together with those who do
 * now, and counts neither among them nor among those who could; only in a view that cannot be
 * written does it stay so long (rule 10). Nobody is gone where half of the ring is not heard of,
 * however slowly it came to this: of two sides that have lost each other, step by step, one at most
 * still has the greater half, and the other must not act for it (`docs/decisions/0021`).
 */

import type { Suspicion } from '../peer/membership.ts'
import type { Timing } from './timing.ts'

interface Report {
  readonly atMs: number
  readonly suspects: readonly Suspicion[]
}

/** What is told of the silence of one member. */
interface Silence {
  readonly toldCount: number
  readonly failedCount: number
}

export class Silences {
  readonly #timing: Timing
  /** By watcher, the last it told. */
  readonly #reports = new Map<string, Report>()
  readonly #toldSinceMs = new Map<string, number>()
  /** Since when it has been gone by silence in this view, without a break. */
  readonly #goneSinceMs = new Map<string, number>()
  /** Was gone for `atOnceMs`, and has not been heard since. */
  readonly #longGone = new Set<string>()

  constructor(timing: Timing) {
    this.#timing = timing
  }

  /** True where nothing is told, so that the time alone changes nothing. */
  get isEmpty(): boolean {
    return this.#reports.size === 0
  }

  /** All that `watcher` suspects now. */
  onSuspicions(watcher: string, suspects: readonly Suspicion[], nowMs: number): void {
    this.#reports.set(watcher, { atMs: nowMs, suspects })
  }

  /** A message of its own came in. */
  onHeard(incarnation: string): void {
    this.#goneSinceMs.delete(incarnation)
    this.#longGone.delete(incarnation)
  }

  /** A newer view lists these and no others: who is gone by what is told now is so since now. */
  onView(isListed: (incarnation: string) => boolean): void {
    this.#goneSinceMs.clear()
    for (const known of [this.#reports, this.#toldSinceMs, this.#longGone]) {
      keep<string>(known, isListed)
    }
  }

  /** Who of `living` is gone: of those for whose end there is no other evidence. */
  gone(
    living: ReadonlySet<string>, heardAtMs: (incarnation: string) => number, nowMs: number
  ): string[] {
    const { suspicionKeptMs, suspectSettleMs } = this.#timing
    keep(this.#reports, (watcher) =>
      nowMs - this.#reports.get(watcher)!.atMs < suspicionKeptMs)
    const told = this.#told(living, heardAtMs, nowMs)
    const needed = Math.min(2, living.size - 1)
    const gone = this.#credible(living, told)
      .filter((incarnation) => told.get(incarnation)!.failedCount >= needed &&
        nowMs - this.#toldSinceMs.get(incarnation)! >= suspectSettleMs)
    this.#note(gone, nowMs)
    return gone
  }

  #told(
    living: ReadonlySet<string>, heardAtMs: (incarnation: string) => number, nowMs: number
  ): Map<string, Silence> {
    const told = new Map<string, Silence>()
    for (const incarnation of living) {
      const silence = this.#silenceOf(incarnation, living)
      const isHeard = nowMs - heardAtMs(incarnation) < this.#timing.silenceMs
      if (silence.toldCount === 0 || isHeard) {
        this.#toldSinceMs.delete(incarnation)
        continue
      }
      told.set(incarnation, silence)
      if (!this.#toldSinceMs.has(incarnation)) this.#toldSinceMs.set(incarnation, nowMs)
    }
    return told
  }

  #silenceOf(incarnation: string, living: ReadonlySet<string>): Silence {
    let toldCount = 0
    let failedCount = 0
    for (const [watcher, { suspects }] of this.#reports) {
      if (watcher === incarnation || !living.has(watcher)) continue
      const suspicion = suspects.find((suspect) => suspect.incarnation === incarnation)
      if (suspicion === undefined) continue
      toldCount++
      if (suspicion.isProbeFailed) failedCount++
    }
    return { toldCount, failedCount }
  }

  /** Whose silence does not only say something about the mesh. */
  #credible(living: ReadonlySet<string>, told: ReadonlyMap<string, Silence>): string[] {
    const longGone = [...living].filter((incarnation) => this.#longGone.has(incarnation))
    const atOnce = [...told.keys()].filter((incarnation) => !this.#longGone.has(incarnation))
    // One alone is always too few to be an outage, or two nodes could never lose one.
    const missedCount = longGone.length + atOnce.length
    if (missedCount > 1 && 2 * missedCount >= living.size) return []
    const isOutage = atOnce.length > Math.max(1, Math.floor((living.size - longGone.length) / 3))
    return isOutage ? longGone.filter((incarnation) => told.has(incarnation)) : [...told.keys()]
  }

  #note(gone: readonly string[], nowMs: number): void {
    keep(this.#goneSinceMs, (incarnation) => gone.includes(incarnation))
    for (const incarnation of gone) {
      const sinceMs = this.#goneSinceMs.get(incarnation) ?? nowMs
      this.#goneSinceMs.set(incarnation, sinceMs)
      if (nowMs - sinceMs >= this.#timing.atOnceMs) this.#longGone.add(incarnation)
    }
  }
}

/** Forgets the others. */
export function keep<K>(
  known: { keys(): Iterable<K>; delete(key: K): unknown }, isKept: (key: K) => boolean
): void {
  for (const key of [...known.keys()]) {
    if (!isKept(key)) known.delete(key)
  }
}
