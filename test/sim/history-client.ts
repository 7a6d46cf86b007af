/**
 * How a client reads the history of a channel by requests, in either order; and what it has read
 * when it is through.
 */

import type { Random } from '../../src/base/random.ts'
import { type Ask, readPages } from './pages.ts'
import type { WireItem, WirePresence } from './wire.ts'

const UNKNOWN_PLACE = 90008

export type HistoryItem = WireItem & WirePresence & { readonly serial?: string }

/** What was read, in the order of reading. */
export interface HistoryRead {
  readonly channel: string
  readonly of: 'messages' | 'presence'
  readonly isBackwards: boolean
  readonly items: readonly HistoryItem[]
}

/**
 * Reads everything, or what was there at `until`; `onRead` is told undefined where some page was
 * never answered.
 */
export function readHistory(
  channel: string,
  random: Random,
  ask: Ask,
  until: string | undefined,
  onRead: (read: HistoryRead | undefined) => void
): void {
  const isBackwards = random.below(3) > 0
  const of = random.below(3) === 0 ? 'presence' as const : 'messages' as const
  const name = of === 'presence' ? 'presence/history' : random.below(2) === 0 ? 'messages'
    : 'history'
  const limit = 1 + random.below(random.below(2) === 0 ? 5 : 200)
  const direction = isBackwards ? 'backwards' : 'forwards'
  const bound = until === undefined ? '' : `&from_serial=${encodeURIComponent(until)}`
  const list = {
    path: `/channels/${channel}/${name}`, query: `&direction=${direction}${bound}`, limit,
    mayBe: until === undefined ? undefined : UNKNOWN_PLACE
  }
  readPages<HistoryItem>(list, ask, (items) =>
    onRead(items && { channel, of, isBackwards, items }))
}
