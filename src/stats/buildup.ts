/**
 * What tallies change: the minutes that they are of, and with them the hours, days and months.
 * Whoever reads puts it over the sheets that are there; whoever folds writes it into them. So both
 * always say the same, and a wider interval is never added to, but made again of all its parts.
 */

import { added, type Entries, finished, merged } from './entries.ts'
import { intervalId, intervalOf, type Unit, UNITS, WIDER } from './interval.ts'
import { markOf, sheetKey } from './record.ts'
import type { Shelf, Tally } from './shelf.ts'

/** By the interval's id. */
export type Changes = ReadonlyMap<string, Entries>

export type BuildUp = Readonly<Record<Unit, Changes>>

const MINUTE_MS = 60_000

/**
 * What `tallies` change up to the intervals of `through`, at the wall time `nowMs`. The sheets that
 * it took are loaded in the shelf; undefined where they could not be.
 */
export function buildUp(
  tallies: readonly Tally[],
  shelf: Shelf,
  through: Unit,
  nowMs: number,
  onDone: (changes: BuildUp | undefined) => void
): void {
  const changes: Record<Unit, Map<string, Entries>> =
    { minute: new Map(), hour: new Map(), day: new Map(), month: new Map() }
  const { appId } = shelf
  const keyOf = (unit: Unit, ms: number): string => sheetKey(appId, unit, WIDER[unit], ms)
  const climb = (unit: Unit): void => {
    const spans = wider(unit, changes[unit])
    const keys = [...spans.values()].map((ms) => keyOf(unit, ms))
    shelf.load(keys, (isDone) => {
      const next = UNITS[UNITS.indexOf(unit) + 1]
      if (!isDone || unit === through || next === undefined) {
        onDone(isDone ? changes : undefined)
        return
      }
      for (const [id, ms] of spans) {
        const { entries } = shelf.sheet(keyOf(unit, ms)).sheet
        changes[next].set(id, merged(Object.values({ ...entries, ...within(id, changes[unit]) })))
      }
      climb(next)
    })
  }
  shelf.load(tallies.map(({ minuteMs }) => keyOf('minute', minuteMs)), (isDone) => {
    if (!isDone) {
      onDone(undefined)
      return
    }
    changes.minute = minutesOf(tallies, shelf, nowMs)
    climb('minute')
  })
}

/** The minutes that these tallies are of, with what is folded of them already. */
function minutesOf(
  tallies: readonly Tally[], shelf: Shelf, nowMs: number
): Map<string, Entries> {
  const minutes = new Map<string, Entries>()
  for (const [minuteMs, all] of Map.groupBy(tallies, (tally) => tally.minuteMs)) {
    const { sheet } = shelf.sheet(sheetKey(shelf.appId, 'minute', 'hour', minuteMs))
    const folded = new Set(sheet.folded)
    const fresh = all.filter(({ key }) => !folded.has(markOf(key))).map(({ entries }) => entries)
    const id = intervalId('minute', minuteMs)
    const former = sheet.entries[id] ?? {}
    const lengthMs = Math.min(MINUTE_MS, nowMs - minuteMs)
    minutes.set(id, added(former, finished(added(...fresh), lengthMs)))
  }
  return minutes
}

/** The wider intervals that these lie in, with when each begins. */
function wider(unit: Unit, changes: Changes): Map<string, number> {
  const spans = new Map<string, number>()
  for (const id of changes.keys()) {
    const { startMs } = intervalOf(id)!
    spans.set(intervalId(WIDER[unit], startMs), startMs)
  }
  return spans
}

/** Those of the changes that lie in the wider interval of this id. */
export function within(id: string, changes: Changes): Record<string, Entries> {
  return Object.fromEntries([...changes].filter(([each]) => each.startsWith(id)))
}
