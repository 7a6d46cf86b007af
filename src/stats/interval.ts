/**
 * Intervals of statistics (protocol 17): minutes, hours, days and months of UTC, each known by when
 * it begins, and told as `yyyy-mm[-dd[:hh[:mm]]]`, so that the length of an id says its unit.
 */

export const UNITS = ['minute', 'hour', 'day', 'month'] as const

export type Unit = (typeof UNITS)[number]

/** What the intervals of a unit are kept together by: one sheet holds those of one of these. */
export type Span = Unit | 'year'

const ID_LENGTHS: Readonly<Record<Span, number>> =
  { minute: 16, hour: 13, day: 10, month: 7, year: 4 }
const ID = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?::(\d{2})(?::(\d{2}))?)?)?)?$/

/** The unit whose intervals are made of those of this one. */
export const WIDER: Readonly<Record<Unit, Span>> =
  { minute: 'hour', hour: 'day', day: 'month', month: 'year' }

/** The id of the interval that a time (ms since the epoch) lies in. */
export function intervalId(span: Span, ms: number): string {
  return new Date(ms).toISOString().replace('T', ':').slice(0, ID_LENGTHS[span])
}

/** Seconds included, as `inProgress` says it of a minute. */
export function secondId(ms: number): string {
  return new Date(ms).toISOString().replace('T', ':').slice(0, 19)
}

/** When the interval of this id begins and ends (exclusively); undefined for what is no id. */
export function intervalOf(
  id: string
): { readonly span: Span; readonly startMs: number; readonly endMs: number } | undefined {
  const match = ID.exec(id)
  if (match === null) return undefined
  const [year, month = 1, day = 1, hour = 0, minute = 0] =
    match.slice(1).map((each) => (each === undefined ? undefined : Number(each)))
  const startMs = Date.UTC(year!, month - 1, day, hour, minute)
  const span = (Object.keys(ID_LENGTHS) as Span[]).find((each) => ID_LENGTHS[each] === id.length)!
  // A day that no month has is none: it would be taken for one of the next.
  if (!Number.isFinite(startMs) || intervalId(span, startMs) !== id) return undefined
  return { span, startMs, endMs: startOfNext(span, startMs) }
}

/** When the interval that `ms` lies in begins. */
export function startOf(span: Span, ms: number): number {
  return intervalOf(intervalId(span, ms))!.startMs
}

function startOfNext(span: Span, startMs: number): number {
  const date = new Date(startMs)
  switch (span) {
    case 'minute': return startMs + 60_000
    case 'hour': return startMs + 3_600_000
    case 'day': return startMs + 86_400_000
    case 'month': return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
    case 'year': return Date.UTC(date.getUTCFullYear() + 1, 0)
  }
}
