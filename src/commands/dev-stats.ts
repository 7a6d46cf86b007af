/**
 * Statistics that tests give an app of dev mode (protocol 23.3): numbers of minutes gone by, in the
 * nested form, which count like what its clients did.
 */

import { limits } from '../base/limits.ts'
import type { StatsStore } from '../node/ports.ts'
import { added, type Entries } from '../stats/entries.ts'
import { intervalOf, startOf } from '../stats/interval.ts'
import { encodeTally, tallyKey } from '../stats/record.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { type Fields, isMap } from '../wire/fields.ts'

const FIXTURES_MAX = 1_000
/** How far the numbers of an interval are nested at most. */
const BRANCH_DEPTH_MAX = 8
/** Where a branch of the nested form stands in the flat one. */
const PREFIXES: Readonly<Record<string, string>> = {
  inbound: 'messages.inbound',
  outbound: 'messages.outbound',
  persisted: 'messages.persisted',
  processed: 'messages.processed',
  connections: 'connections',
  channels: 'channels',
  apiRequests: 'apiRequests.other',
  tokenRequests: 'apiRequests.tokenRequests',
  push: 'push'
}

interface Fixture {
  readonly minuteMs: number
  readonly entries: Entries
}

/** What was given, by minute; or why it makes no sense (40000). */
export function statsFixturesOf(body: unknown): readonly Fixture[] | ErrorInfo {
  const list = Array.isArray(body) ? body : [body]
  if (list.length > FIXTURES_MAX) return refused(`at most ${FIXTURES_MAX} intervals`)
  const byMinute = new Map<number, Entries>()
  for (const each of list) {
    if (!isMap(each)) return refused('an interval must be a map')
    const { intervalId: id } = each
    const interval = typeof id === 'string' ? intervalOf(id) : undefined
    if (interval === undefined) return refused('an interval must have an intervalId')
    const entries: Record<string, number> = {}
    for (const [name, prefix] of Object.entries(PREFIXES)) {
      if (!flatten(each[name], prefix, entries)) return refused(`${name} must hold numbers`)
    }
    const minuteMs = startOf('minute', interval.startMs)
    byMinute.set(minuteMs, added(byMinute.get(minuteMs) ?? {}, entries))
  }
  return [...byMinute].map(([minuteMs, entries]) => ({ minuteMs, entries }))
}

/**
 * Has them kept under a name that no worker has, and that ends in an id that nobody else has;
 * false where there is no room.
 */
export async function keepFixtures(
  appId: string, fixtures: readonly Fixture[], id: string, store: StatsStore
): Promise<boolean> {
  for (const { minuteMs, entries } of fixtures) {
    const key = tallyKey(appId, minuteMs, `fixture-${id}`, 0)
    const bytes = encodeTally({ entries, isSealed: false })
    const { kind } = await store.put(key, 0, bytes, limits.statsTallyMs)
    if (kind !== 'written') return false
  }
  return true
}

/** Adds the numbers of a branch, but for sums of others, which are made when they are told. */
function flatten(
  value: unknown, prefix: string, entries: Record<string, number>, depthLeft = BRANCH_DEPTH_MAX
): boolean {
  if (value === undefined || value === null) return true
  if (typeof value === 'number') {
    if (value > 0) entries[prefix] = value
    return Number.isFinite(value) && value >= 0
  }
  if (!isMap(value) || depthLeft === 0) return false
  return Object.entries(value as Fields).every(([name, each]) => {
    const isSum = name === 'all' && prefix.startsWith('messages.')
    return isSum || flatten(each, `${prefix}.${name}`, entries, depthLeft - 1)
  })
}

function refused(detail: string): ErrorInfo {
  return errors.badRequest(`The statistics make no sense: ${detail}`).info
}
