/**
 * What is kept, and under which keys. A *tally* is what one source, which is a life of a worker,
 * has counted of one app in one minute: written again and again with all of it, so that writing it
 * twice counts nothing twice. A *sheet* holds the intervals of one unit that make up a wider one:
 * the minutes of an hour, the hours of a day, the days of a month, the months of a year.
 *
 * Minutes are folded into their sheet from tallies. The sheet marks each by its key: what both hold
 * counts once, and so does a tally that comes again after it was let go, because its source never
 * heard that it had been written.
 */

import { Decoder, encode } from '@msgpack/msgpack'
import { hash32 } from '../base/hash.ts'
import type { Entries } from './entries.ts'
import { intervalId, intervalOf, type Span, type Unit } from './interval.ts'

/** Ids of intervals are keys here, and would push those of all others out of the shared cache. */
const decoder = new Decoder({ keyDecoder: null })

/** What one source counted of a minute. */
export interface TallyRecord {
  readonly entries: Entries
  /** True: it is about to be folded, and its source writes it no more. */
  readonly isSealed: boolean
}

export interface Sheet {
  /** By the id of the interval. */
  readonly entries: Readonly<Record<string, Entries>>
  /** Of minutes: the marks of the tallies that are in it (`markOf`). */
  readonly folded: readonly number[]
}

/** A tally's key as sheets remember it: 53 bits of it, so that no two ever meet. */
export function markOf(key: string): number {
  return hash32(key) * 0x20_0000 + (hash32(`${key}/`) & 0x1f_ffff)
}

export const emptySheet: Sheet = { entries: {}, folded: [] }

/** Under which all tallies of an app are. */
export function talliesPath(appId: string): string {
  return `${appId}/tally/`
}

/** Where a source keeps a minute; `part` counts those that were sealed before it was done. */
export function tallyKey(appId: string, minuteMs: number, source: string, part: number): string {
  return `${talliesPath(appId)}${intervalId('minute', minuteMs)}/${source}~${part}`
}

/** The minute of a tally's key. */
export function minuteOf(key: string): number {
  return intervalOf(key.split('/')[2]!)!.startMs
}

export function sheetsPath(appId: string, unit: Unit): string {
  return `${appId}/${unit}/`
}

/** The sheet of `unit` that holds what lies in the interval at `ms` of the wider unit. */
export function sheetKey(appId: string, unit: Unit, span: Span, ms: number): string {
  return `${sheetsPath(appId, unit)}${intervalId(span, ms)}`
}

export function encodeTally({ entries, isSealed }: TallyRecord): Uint8Array {
  return encode([entries, isSealed])
}

export function decodeTally(bytes: Uint8Array): TallyRecord {
  const [entries, isSealed] = decoder.decode(bytes) as [Entries, boolean]
  return { entries, isSealed }
}

export function encodeSheet({ entries, folded }: Sheet): Uint8Array {
  return encode([entries, folded])
}

export function decodeSheet(bytes: Uint8Array): Sheet {
  const [entries, folded] = decoder.decode(bytes) as [Sheet['entries'], number[]]
  return { entries, folded }
}
