/**
 * A page of an app's statistics: intervals of one unit, newest or oldest first, of those in which
 * anything was counted. What is in no sheet yet is put over what is.
 *
 * Cost of a page: the tallies of the last minutes, the names of the unit's sheets, and those sheets
 * that the page needs, one after the other.
 */

import { type BuildUp, buildUp, within } from './buildup.ts'
import type { Entries } from './entries.ts'
import { intervalOf, type Unit, UNITS, WIDER } from './interval.ts'
import { minuteOf, sheetKey } from './record.ts'
import type { Shelf, Tally } from './shelf.ts'

export interface StatsRange {
  readonly unit: Unit
  /** Intervals that begin from here to there, both inclusive. */
  readonly startMs: number
  readonly endMs: number
  readonly isBackwards: boolean
  /** Only those that come after this one. */
  readonly after: string | undefined
  readonly limit: number
}

export interface Interval {
  readonly id: string
  readonly entries: Entries
}

export interface StatsPage {
  readonly intervals: readonly Interval[]
  readonly hasMore: boolean
  /** The last minute of which anything was counted, if any is in no sheet. */
  readonly lastMinuteMs: number | undefined
}

/** Reads a page at the wall time `nowMs`; undefined where the store could not be read. */
export function readStats(
  shelf: Shelf, range: StatsRange, nowMs: number, onPage: (page: StatsPage | undefined) => void
): void {
  shelf.tallies((tallies) => {
    if (tallies === undefined) {
      onPage(undefined)
      return
    }
    buildUp(tallies, shelf, range.unit, nowMs, (changes) => {
      if (changes === undefined) onPage(undefined)
      else new Reading(shelf, range, changes, lastMinuteOf(tallies), onPage).begin()
    })
  })
}

function lastMinuteOf(tallies: readonly Tally[]): number | undefined {
  return tallies.length === 0 ? undefined : Math.max(...tallies.map(({ key }) => minuteOf(key)))
}

class Reading {
  readonly #shelf: Shelf
  readonly #range: StatsRange
  readonly #changes: BuildUp
  readonly #lastMinuteMs: number | undefined
  readonly #onPage: (page: StatsPage | undefined) => void
  readonly #intervals: Interval[] = []

  constructor(
    shelf: Shelf,
    range: StatsRange,
    changes: BuildUp,
    lastMinuteMs: number | undefined,
    onPage: (page: StatsPage | undefined) => void
  ) {
    this.#shelf = shelf
    this.#range = range
    this.#changes = changes
    this.#lastMinuteMs = lastMinuteMs
    this.#onPage = onPage
  }

  begin(): void {
    const { unit } = this.#range
    this.#shelf.spans(unit, (ids) => {
      if (ids === undefined) {
        this.#onPage(undefined)
        return
      }
      const all = new Set(ids)
      for (const id of this.#changes[unit].keys()) all.add(id.slice(0, WIDER_LENGTHS[unit]))
      this.#goOn(this.#inOrder([...all].filter((id) => this.#touches(id))))
    })
  }

  /** Looks through the sheets of these wider intervals, until the page is full. */
  #goOn(spans: readonly string[]): void {
    const { unit, limit } = this.#range
    const [span, ...others] = spans
    if (span === undefined || this.#intervals.length > limit) {
      const intervals = this.#intervals.slice(0, limit)
      const hasMore = this.#intervals.length > limit
      this.#onPage({ intervals, hasMore, lastMinuteMs: this.#lastMinuteMs })
      return
    }
    const key = sheetKey(this.#shelf.appId, unit, WIDER[unit], intervalOf(span)!.startMs)
    this.#shelf.load([key], (isDone) => {
      if (!isDone) {
        this.#onPage(undefined)
        return
      }
      this.#take({ ...this.#shelf.sheet(key).sheet.entries, ...within(span, this.#changes[unit]) })
      this.#goOn(others)
    })
  }

  #take(all: Readonly<Record<string, Entries>>): void {
    const { startMs, endMs, after, isBackwards } = this.#range
    const wanted = Object.keys(all).filter((id) => {
      const ms = intervalOf(id)!.startMs
      const isNext = after === undefined || (isBackwards ? id < after : id > after)
      return ms >= startMs && ms <= endMs && isNext
    })
    for (const id of this.#inOrder(wanted)) this.#intervals.push({ id, entries: all[id]! })
  }

  /** True if something of the wider interval may be wanted. */
  #touches(id: string): boolean {
    const span = intervalOf(id)
    if (span === undefined) return false
    return span.startMs <= this.#range.endMs && span.endMs > this.#range.startMs
  }

  #inOrder(ids: readonly string[]): string[] {
    const sorted = ids.toSorted()
    return this.#range.isBackwards ? sorted.reverse() : sorted
  }
}

/** How much of an interval's id is that of the wider one. */
const WIDER_LENGTHS: Readonly<Record<Unit, number>> = { minute: 13, hour: 10, day: 7, month: 4 }

/** True for a word that is a unit. */
export function isUnit(text: string): text is Unit {
  return (UNITS as readonly string[]).includes(text)
}
