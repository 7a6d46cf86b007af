/**
 * Tallies of minutes that are over become sheets. In this order, so that a crash anywhere between
 * counts nothing twice and loses nothing:
 *
 *   sheets read ▶ tallies sealed ▶ minutes written, with the marks of what is in them
 *     ▶ hours, days and months written anew ▶ later: tallies let go
 *
 * Each writing names the one before it. A seal that is accepted proves that what was read is the
 * last word of its source, and that it is there still; a sheet that has changed since it was read
 * refuses what was made of it, and everything begins again. A tally that was let go may come again,
 * late; its mark stays in the sheet.
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import { type BuildUp, buildUp, within } from './buildup.ts'
import { intervalId, intervalOf, type Unit, UNITS, WIDER } from './interval.ts'
import type { StatsOutbox } from './port.ts'
import { encodeSheet, encodeTally, markOf, sheetKey } from './record.ts'
import type { Shelf, Tally } from './shelf.ts'

/** So often a tally that its source goes on to write is read again before it is left for later. */
const SEAL_TRIES = 3

/** What the one who folds an app remembers between one time and the next. */
export class Folded {
  /** Tallies that are in all their sheets, with the (monotonic) time since when. */
  readonly done = new Map<string, number>()
}

export class Folding {
  readonly #shelf: Shelf
  readonly #store: StatsOutbox
  readonly #folded: Folded
  readonly #now: Now
  readonly #onEnd: () => void

  /** `onEnd` is called once, whether anything was folded or not. */
  constructor(
    shelf: Shelf, store: StatsOutbox, folded: Folded, now: Now, onEnd: () => void
  ) {
    this.#shelf = shelf
    this.#store = store
    this.#folded = folded
    this.#now = now
    this.#onEnd = onEnd
  }

  /** Folds those of the tallies whose minutes are over, and lets go those that were folded. */
  begin(tallies: readonly Tally[]): void {
    const { done } = this.#folded
    const { monoMs, wallMs } = this.#now
    for (const { key } of tallies) {
      if (monoMs - (done.get(key) ?? monoMs) > limits.statsTallyKeptMs) this.#letGo(key)
    }
    const open = tallies.filter(({ key, minuteMs }) => {
      return !done.has(key) && wallMs - minuteMs - 60_000 > limits.statsFoldMs
    }).slice(0, limits.statsFoldsMax)
    if (open.length === 0) {
      this.#onEnd()
      return
    }
    this.#shelf.load([...new Set(open.map(({ minuteMs }) => this.#keyOf('minute', minuteMs)))],
      (isDone) => {
        if (isDone) this.#sealAll(open, [])
        else this.#onEnd()
      })
  }

  #letGo(key: string): void {
    this.#store.askStats({ kind: 'remove', key }, (answer) => {
      if (answer.kind !== 'removed' || !answer.isDone) return
      this.#folded.done.delete(key)
    })
  }

  /** Seals one after the other; those that cannot be are left for the next time. */
  #sealAll(open: readonly Tally[], sealed: readonly Tally[]): void {
    const [tally, ...others] = open
    if (tally === undefined) {
      if (sealed.length === 0) this.#onEnd()
      else this.#fold(sealed)
      return
    }
    // What is folded was sealed, and may be sealed no more: it could be gone.
    if (this.#isFolded(tally)) this.#sealAll(others, [...sealed, tally])
    else this.#seal(tally, SEAL_TRIES, (sealedNow) => {
      this.#sealAll(others, sealedNow === undefined ? sealed : [...sealed, sealedNow])
    })
  }

  #isFolded({ key, minuteMs }: Tally): boolean {
    return this.#shelf.sheet(this.#keyOf('minute', minuteMs)).sheet.folded
      .includes(markOf(key))
  }

  #seal(tally: Tally, tries: number, onSealed: (tally: Tally | undefined) => void): void {
    const { key, seq, entries } = tally
    this.#store.askStats({
      kind: 'put', key, expectedSeq: seq, bytes: encodeTally({ entries, isSealed: true }),
      ttlMs: limits.statsTallyMs
    }, (answer) => {
      const outcome = answer.kind === 'put' ? answer.outcome : undefined
      if (outcome?.kind === 'written') {
        onSealed({ ...tally, seq: outcome.seq })
      } else if (outcome?.kind === 'conflict' && outcome.lastSeq > 0 && tries > 1) {
        this.#shelf.tally(key, (now) => {
          if (now === undefined) onSealed(undefined)
          else this.#seal(now, tries - 1, onSealed)
        })
      } else {
        onSealed(undefined)
      }
    })
  }

  #fold(sealed: readonly Tally[]): void {
    buildUp(sealed, this.#shelf, 'month', this.#now.wallMs, (changes) => {
      if (changes === undefined) {
        this.#onEnd()
        return
      }
      this.#writeAll(this.#sheetsOf(changes), sealed, (isDone) => {
        if (isDone) for (const { key } of sealed) this.#folded.done.set(key, this.#now.monoMs)
        this.#onEnd()
      })
    })
  }

  /** The sheets that change, minutes first, with what changes in them. */
  #sheetsOf(changes: BuildUp): { unit: Unit; span: string; changes: BuildUp }[] {
    return UNITS.flatMap((unit) => {
      const spans = new Set([...changes[unit].keys()].map((id) =>
        intervalId(WIDER[unit], intervalOf(id)!.startMs)))
      return [...spans].map((span) => ({ unit, span, changes }))
    })
  }

  #writeAll(
    sheets: readonly { unit: Unit; span: string; changes: BuildUp }[],
    sealed: readonly Tally[],
    onEnd: (isDone: boolean) => void
  ): void {
    const [first, ...others] = sheets
    if (first === undefined) {
      onEnd(true)
      return
    }
    const { unit, span, changes } = first
    const key = this.#keyOf(unit, intervalOf(span)!.startMs)
    const { seq, sheet } = this.#shelf.sheet(key)
    const own = unit === 'minute' ? this.#marksIn(key, sealed) : []
    const folded = [...new Set([...sheet.folded, ...own])]
    const entries = { ...sheet.entries, ...within(span, changes[unit]) }
    this.#store.askStats({
      kind: 'put', key, expectedSeq: seq, bytes: encodeSheet({ entries, folded }),
      ttlMs: limits.statsKeptMs[unit]
    }, (answer) => {
      const isWritten = answer.kind === 'put' && answer.outcome.kind === 'written'
      if (isWritten) this.#writeAll(others, sealed, onEnd)
      else onEnd(false)
    })
  }

  #marksIn(sheet: string, sealed: readonly Tally[]): number[] {
    return sealed.filter(({ minuteMs }) => this.#keyOf('minute', minuteMs) === sheet)
      .map(({ key }) => markOf(key))
  }

  #keyOf(unit: Unit, ms: number): string {
    return sheetKey(this.#shelf.appId, unit, WIDER[unit], ms)
  }
}
