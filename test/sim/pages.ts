/**
 * How a client reads a list that is told by pages: each from where the last one ended, by the link
 * that leads there, and as SDKs do it asks again where no answer comes, or one above 500.
 */

import type { RawRequest } from '../../src/node/request.ts'
import type { Answer } from './exchanges.ts'
import { Violation } from './world.ts'

const PAGES_MAX = 60
const TRIES_MAX = 6
const TOO_MANY_REQUESTS = 429

/** Asks for one thing; `onAnswer` is called once, with undefined if no answer came. */
export type Ask = (
  request: Partial<RawRequest>, onAnswer: (answer: Answer | undefined) => void
) => void

/** A list, and how it is asked for. */
export interface List {
  readonly path: string
  /** Of the first page, but for the limit. */
  readonly query: string
  /** Items of one page, at most. */
  readonly limit: number
  /** The code of an error that is no more than an answer: there is nothing to be read. */
  readonly mayBe?: number | undefined
}

/** True where nothing is known by this answer: none came, or one that promises nothing. */
export function mayAskAgain(answer: Answer | undefined): boolean {
  return answer === undefined || answer.status >= 500 || answer.status === TOO_MANY_REQUESTS
}

/** Reads all; `onRead` is told undefined where some page was never answered. */
export function readPages<Item>(
  { path, query, limit, mayBe }: List,
  ask: Ask,
  onRead: (items: readonly Item[] | undefined) => void
): void {
  const items: Item[] = []
  const page = (pageQuery: string, pagesLeft: number, triesLeft: number): void => {
    const target = `${path}?${pageQuery}`
    ask({ target }, (answer) => {
      if (answer?.status !== 200) {
        const code = answer?.value?.error?.code
        if (mayBe !== undefined && code === mayBe) {
          onRead(undefined)
          return
        }
        if (!mayAskAgain(answer)) {
          throw new Violation('requests', `${target}: ${JSON.stringify(answer?.value)}`)
        }
        if (triesLeft > 0) page(pageQuery, pagesLeft, triesLeft - 1)
        else onRead(undefined)
        return
      }
      const told = answer.value as Item[]
      if (told.length > limit) throw new Violation('requests', `${target}: ${told.length} items`)
      items.push(...told)
      const next = /<\.\/\w+\?([^>]*)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1]
      if (next === undefined) onRead(items)
      else if (pagesLeft > 0) page(next, pagesLeft - 1, TRIES_MAX)
      else onRead(undefined)
    })
  }
  page(`limit=${limit}${query}`, PAGES_MAX, TRIES_MAX)
}
