/**
 * What an app's clients did (protocol 17): counts by minute, hour, day and month, by pages, of all
 * regions of the world. What the last seconds brought is not in them yet.
 */

import { allowsEverywhere } from '../auth/capability.ts'
import { intervalOf, startOf } from '../stats/interval.ts'
import { isUnit, readStats, type StatsPage, type StatsRange } from '../stats/reading.ts'
import { statsItem } from '../stats/report.ts'
import { Shelf } from '../stats/shelf.ts'
import { addedPages } from '../stats/world.ts'
import { errors } from '../wire/errors.ts'
import type { Call } from './call.ts'
import { cursorOf, cursorText, limitOf, linksOf, type Parsed } from './paging.ts'
import type { Request } from './request.ts'
import { missingHeaders } from './regions-missing.ts'
import type { RequestPorts } from './request-ports.ts'
import { statsChannel } from './stats-desk.ts'

/** `GET /stats`. */
export function tellStats(call: Call, ports: RequestPorts): void {
  const { credentials: { capability, appId } } = call.caller
  if (!allowsEverywhere(capability, 'stats')) {
    call.refuse(errors.notPermitted('stats').info)
    return
  }
  const { wallMs } = ports.now()
  const range = rangeOf(call.request, wallMs)
  if (!range.ok) {
    call.refuse(range.error.info)
    return
  }
  const { unit, limit, isBackwards } = range.value
  readAll(call, range.value, ports, (page, missing) => {
    if (page === undefined) {
      call.refuse(errors.unavailable('The statistics cannot be read').info)
      return
    }
    const { intervals, hasMore, lastMinuteMs } = page
    const items = intervals.map(({ id, entries }) =>
      statsItem(entries, { appId, unit, id, nowMs: wallMs, lastMinuteMs }, call.version))
    const last = intervals.at(-1)
    const next = hasMore && last !== undefined ? cursorText(last.id) : undefined
    const direction = isBackwards ? 'backwards' : 'forwards'
    const links = linksOf(call.request, { limit: String(limit), direction, unit }, next)
    call.answer(200, items, { ...links, ...missingHeaders(missing) })
  })
}

/** Reads what all regions have; `onPage` is told undefined where our own cannot be read. */
function readAll(
  call: Call, range: StatsRange, { outbox, questions, now }: RequestPorts,
  onPage: (page: StatsPage | undefined, missing: readonly string[]) => void
): void {
  const { appId } = call.caller.credentials
  readStats(new Shelf(appId, outbox), range, now().wallMs, (own) => {
    const { regions, absent } = questions
    if (own === undefined || regions.length === 0) {
      onPage(own, absent)
      return
    }
    const asked = new Map(regions.map((region) =>
      [region, { kind: 'stats' as const, ...range }]))
    questions.askAbroad(call, statsChannel(appId), asked, (answers) => {
      const pages = [...answers].flatMap(([region, { intervals, hasMore, lastMinuteMs }]) =>
        intervals === undefined ? [] : [{ region, intervals, hasMore, lastMinuteMs }])
      const silent = regions.filter((name) => !pages.some(({ region }) => region === name))
      const missing = [...silent, ...absent].sort()
      onPage(addedPages([own, ...pages], range.isBackwards, range.limit), missing)
    })
  })
}

/** What is asked for; a value that makes no sense is 40003, a cursor 40011. */
function rangeOf({ query }: Request, nowMs: number): Parsed<StatsRange> {
  const unit = query.get('unit') || query.get('by') || 'minute'
  if (!isUnit(unit)) return refused('unit', 'minute, hour, day or month')
  const direction = query.get('direction') || 'backwards'
  if (direction !== 'backwards' && direction !== 'forwards') {
    return refused('direction', 'backwards or forwards')
  }
  const limit = limitOf(query)
  if (!limit.ok) return limit
  const cursor = cursorOf(query)
  if (!cursor.ok) return cursor
  const after = cursor.value
  if (after !== undefined && intervalOf(after) === undefined) {
    return { ok: false, error: errors.staleCursor() }
  }
  const start = timeOf(query, 'start', 0)
  // Clocks differ: who names no end may have named a start that is yet to come.
  const end = timeOf(query, 'end', Infinity)
  if (start === undefined) return refused('start', EXPECTED)
  if (end === undefined) return refused('end', EXPECTED)
  if (start.firstMs > end.lastMs) return refused('start', 'it is after the end')
  const startMs = startOf(unit, start.firstMs)
  const endMs = Math.min(end.lastMs, nowMs)
  const isBackwards = direction === 'backwards'
  return { ok: true, value: { unit, startMs, endMs, isBackwards, after, limit: limit.value } }
}

const EXPECTED = 'milliseconds, or the id of an interval'
const MS_MAX = Date.UTC(9999, 11, 31)

/** A time in milliseconds, or the first and the last of an interval's; undefined for neither. */
function timeOf(
  query: Request['query'], name: string, otherwiseMs: number
): { readonly firstMs: number; readonly lastMs: number } | undefined {
  const text = query.get(name)
  if (text === undefined || text === '') return { firstMs: otherwiseMs, lastMs: otherwiseMs }
  const interval = text.includes('-') ? intervalOf(text) : undefined
  if (interval !== undefined) return { firstMs: interval.startMs, lastMs: interval.endMs - 1 }
  const ms = /^\d{1,15}$/.test(text) ? Math.min(Number(text), MS_MAX) : undefined
  return ms === undefined ? undefined : { firstMs: ms, lastMs: ms }
}


function refused(name: string, detail: string): Parsed<StatsRange> & { readonly ok: false } {
  return { ok: false, error: errors.invalidParam(name, detail) }
}
