/**
 * How a client reads the history of a channel by requests: page by page, each from where the last
 * one ended, in either order; and what it has read when it is through.
 */

import type { Random } from '../../src/base/random.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { Answer } from './exchanges.ts'
import type { WireItem, WirePresence } from './wire.ts'
import { Violation } from './world.ts'

const PAGES_MAX = 60
const TRIES_MAX = 6
const UNKNOWN_PLACE = 90008

export type HistoryItem = WireItem & WirePresence & { readonly serial?: string }

/** What was read, in the order of reading. */
export interface HistoryRead {
  readonly channel: string
  readonly of: 'messages' | 'presence'
  readonly isBackwards: boolean
  readonly items: readonly HistoryItem[]
}

export type Ask = (
  request: Partial<RawRequest>, onAnswer: (answer: Answer | undefined) => void
) => void

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
  const path = of === 'presence' ? 'presence/history' : random.below(2) === 0 ? 'messages'
    : 'history'
  const limit = 1 + random.below(random.below(2) === 0 ? 5 : 200)
  const items: HistoryItem[] = []
  const page = (query: string, pagesLeft: number, triesLeft: number): void => {
    const target = `/channels/${channel}/${path}?${query}`
    ask({ target }, (answer) => {
      if (answer?.status !== 200) {
        if (until !== undefined && answer?.value?.error?.code === UNKNOWN_PLACE) {
          onRead(undefined)
          return
        }
        if (answer !== undefined && answer.status < 500) {
          throw new Violation('requests', `${target}: ${JSON.stringify(answer.value)}`)
        }
        if (triesLeft > 0) page(query, pagesLeft, triesLeft - 1)
        else onRead(undefined)
        return
      }
      const told = answer.value as HistoryItem[]
      if (told.length > limit) throw new Violation('requests', `${target}: ${told.length} items`)
      items.push(...told)
      const next = /<\.\/\w+\?([^>]*)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1]
      if (next === undefined) onRead({ channel, of, isBackwards, items })
      else if (pagesLeft > 0) page(next, pagesLeft - 1, TRIES_MAX)
      else onRead(undefined)
    })
  }
  const direction = isBackwards ? 'backwards' : 'forwards'
  const bound = until === undefined ? '' : `&from_serial=${encodeURIComponent(until)}`
  page(`limit=${limit}&direction=${direction}${bound}`, PAGES_MAX, TRIES_MAX)
}
