/**
 * Statistics as clients are told them (protocol 17): the flat form with its sums, and the nested
 * one for those who speak version 2.
 */

import type { Entries } from './entries.ts'
import { intervalId, intervalOf, secondId, type Unit } from './interval.ts'

const SCHEMA = 'https://schemas.ably.com/json/app-stats-0.0.5.json'
const KINDS = ['messages', 'presence', 'objects'] as const
const INBOUND = ['realtime', 'rest', 'externalQueue'] as const
const OUTBOUND = [
  'realtime', 'rest', 'webhook', 'sharedQueue', 'externalQueue', 'httpEvent', 'push'
] as const
const TRAFFIC = ['count', 'data', 'uncompressedData', 'failed', 'refused'] as const
const REQUESTS = ['tokenRequests', 'push', 'other'] as const
const OUTCOMES = ['succeeded', 'failed', 'refused'] as const
const GAUGE = ['peak', 'min', 'mean', 'opened', 'refused'] as const

type Numbers = Record<string, number>

/** Where an interval's statistics stand among others. */
export interface Told {
  readonly appId: string
  readonly unit: Unit
  readonly id: string
  readonly nowMs: number
  /** The last minute of which something was counted, and may still be. */
  readonly lastMinuteMs: number | undefined
}

/** One interval, in the form of a protocol version. */
export function statsItem(entries: Entries, told: Told, version: number): object {
  const { appId, unit, id } = told
  const all = withSums(entries)
  const inProgress = progressOf(told)
  if (version >= 3) {
    return { intervalId: id, unit, schema: SCHEMA, appId, inProgress, entries: all }
  }
  return { intervalId: id, unit, inProgress, ...nested(all, entries) }
}

/** What there is, with what sums up to; without zeros. */
export function withSums(leaves: Entries): Entries {
  const all: Numbers = {}
  for (const [name, value] of Object.entries(leaves)) {
    if (!/^connections\.(tls|plain)\./.test(name)) all[name] = value
  }
  for (const field of TRAFFIC) addTrafficSums(all, field)
  for (const field of GAUGE) {
    const sides = ['all', 'tls', 'plain'].map((side) => leaves[`connections.${side}.${field}`])
    put(all, `connections.all.${field}`, sum(sides))
  }
  for (const field of OUTCOMES) {
    const parts = REQUESTS.map((kind) => leaves[`apiRequests.${kind}.${field}`])
    put(all, `apiRequests.all.${field}`, sum(parts))
  }
  return all
}

function addTrafficSums(all: Numbers, field: string): void {
  const ways = [['inbound', INBOUND], ['outbound', OUTBOUND]] as const
  for (const [way, sides] of ways) {
    for (const kind of KINDS) {
      const parts = sides.map((side) => all[`messages.${way}.${side}.${kind}.${field}`])
      put(all, `messages.${way}.all.${kind}.${field}`, sum(parts))
    }
    for (const side of [...sides, 'all']) sumKinds(all, `messages.${way}.${side}`, field)
  }
  for (const kind of KINDS) {
    const parts = ways.map(([way]) => all[`messages.${way}.all.${kind}.${field}`])
    put(all, `messages.all.${kind}.${field}`, sum(parts))
  }
  sumKinds(all, 'messages.all', field)
  sumKinds(all, 'messages.persisted', field)
}

function sumKinds(all: Numbers, prefix: string, field: string): void {
  put(all, `${prefix}.all.${field}`, sum(KINDS.map((kind) => all[`${prefix}.${kind}.${field}`])))
}

function sum(parts: readonly (number | undefined)[]): number {
  let total = 0
  for (const part of parts) total += part ?? 0
  return total
}

function put(all: Numbers, name: string, value: number): void {
  if (value > 0) all[name] = value
}

/** The last part of the running interval that is counted in, as far as it is told. */
function progressOf({ unit, id, nowMs, lastMinuteMs = 0 }: Told): string | undefined {
  const { startMs, endMs } = intervalOf(id)!
  if (nowMs < startMs || nowMs >= endMs) return undefined
  return unit === 'minute' ? secondId(nowMs) : intervalId('minute', Math.max(startMs, lastMinuteMs))
}

/** The form of version 2: `messages` is left out of the names, and `connections` has its sides. */
function nested(all: Entries, leaves: Entries): object {
  const tree: Record<string, unknown> = {}
  const grow = (path: readonly string[], value: number): void => {
    let branch = tree
    for (const step of path.slice(0, -1)) {
      branch = (branch[step] ??= {}) as Record<string, unknown>
    }
    branch[path.at(-1)!] = value
  }
  for (const [name, value] of Object.entries({ ...leaves, ...all })) {
    const path = name.split('.')
    if (path[0] === 'messages') path.shift()
    const own = path[0] === 'apiRequests' ? requestPath(path) : path
    if (own !== undefined) grow(own, value)
  }
  return tree
}

/** Requests for tokens stand beside the others there, and nothing sums them up. */
function requestPath([, kind, field]: readonly string[]): string[] | undefined {
  if (kind === 'other') return ['apiRequests', field!]
  return kind === 'tokenRequests' ? ['tokenRequests', field!] : undefined
}
