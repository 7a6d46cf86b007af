/**
 * How a client reads the history of a channel by requests, in either order; and what it has read
 * when it is through.
 */

import type { Random } from '../../src/base/random.ts'
import { type Ask, readPages } from './pages.ts'
import type { WireItem, WirePresence } from './wire.ts'

const UNKNOWN_PLACE = 90008
/** Times that are asked for lie so far back at most, and so far apart. */
const WITHIN_MS = 20_000

export type HistoryItem = WireItem & WirePresence & { readonly serial?: string }

/** What was read, in the order of reading. */
export interface HistoryRead {
  readonly channel: string
  readonly of: 'messages' | 'presence'
  readonly isBackwards: boolean
  /** Nothing before and nothing behind them was asked for. */
  readonly startMs: number
  readonly endMs: number
  readonly items: readonly HistoryItem[]
}

/**
 * Reads everything, or what was there at `until`, or of some time; `onRead` is told undefined where
 * some page was never answered.
 */
export function readHistory(
  channel: string,
  random: Random,
  ask: Ask,
  until: string | undefined,
  wallMs: number,
  onRead: (read: HistoryRead | undefined) => void
): void {
  const isBackwards = random.below(3) > 0
  const of = random.below(3) === 0 ? 'presence' as const : 'messages' as const
  const name = of === 'presence' ? 'presence/history' : random.below(2) === 0 ? 'messages'
    : 'history'
  const limit = 1 + random.below(random.below(2) === 0 ? 5 : 200)
  const direction = isBackwards ? 'backwards' : 'forwards'
  const times = random.fork(`times ${wallMs}`)
  const isTimed = times.below(4) === 0
  const endMs = isTimed && times.below(2) === 0 ? wallMs - times.below(WITHIN_MS) : Infinity
  const startMs = isTimed ? Math.min(wallMs, endMs) - times.below(WITHIN_MS) : 0
  const bound = (until === undefined ? '' : `&from_serial=${encodeURIComponent(until)}`) +
    (startMs > 0 ? `&start=${startMs}` : '') + (endMs < Infinity ? `&end=${endMs}` : '')
  const list = {
    path: `/channels/${channel}/${name}`, query: `&direction=${direction}${bound}`, limit,
    mayBe: until === undefined ? undefined : UNKNOWN_PLACE
  }
  readPages<HistoryItem>(list, ask, (items) =>
    onRead(items && { channel, of, isBackwards, startMs, endMs, items }))
}
