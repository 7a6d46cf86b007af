/** How a client reads its app's statistics by requests, page by page, and what it holds them to. */

import type { Random } from '../../src/base/random.ts'
import { EPOCH_MS } from './clock.ts'
import type { Ask } from './pages.ts'
import { Violation } from './world.ts'

const UNITS = ['minute', 'hour', 'day', 'month'] as const
const PAGES_MAX = 20
const HOUR_MS = 3_600_000

interface Item {
  readonly intervalId: string
  readonly entries?: Readonly<Record<string, number>>
  readonly inbound?: { readonly all?: object }
}

/** Reads what there is of some unit; each page must go on where the one before it ended. */
export function readStats(random: Random, ask: Ask): void {
  const unit = UNITS[random.below(4)]!
  const isBackwards = random.below(3) > 0
  const limit = 1 + random.below(4)
  const version = random.below(4) === 0 ? '2' : '6'
  const around = random.below(2) === 0 ? ''
    : `&start=${EPOCH_MS - HOUR_MS}&end=${new Date(EPOCH_MS + HOUR_MS).toISOString().slice(0, 7)}`
  let last = ''
  const page = (query: string, pagesLeft: number): void => {
    const target = `/stats?${query}`
    ask({ target, headers: { 'x-ably-version': version } }, (answer) => {
      if (answer === undefined || answer.status >= 500) return
      const items = answer.value as Item[]
      const isRight = answer.status === 200 && items.length <= limit && items.every((item) => {
        const { intervalId: id, entries } = item
        const isNext = last === '' || (isBackwards ? id < last : id > last)
        last = id
        return isNext && (version === '2' ? entries === undefined : entries !== undefined)
      })
      if (!isRight) throw new Violation('requests', `${target}: ${JSON.stringify(answer.value)}`)
      const next = /<\.\/\w+\?([^>]*)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1]
      if (next !== undefined && pagesLeft > 0) page(next, pagesLeft - 1)
    })
  }
  const direction = isBackwards ? 'backwards' : 'forwards'
  page(`unit=${unit}&limit=${limit}&direction=${direction}${around}`, PAGES_MAX)
}
