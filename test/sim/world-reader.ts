/** Who reads history in one region of several, page by page, by the links. */

import type { RawRequest } from '../../src/node/request.ts'
import { KEY } from './app.ts'
import type { Answer } from './exchanges.ts'
import type { HistoryItem } from './history-client.ts'
import type { Region } from './region.ts'
import { basic } from './rest-nonsense.ts'

const TRIES_MAX = 10

/** A page as it was told. */
export interface ReadPage {
  readonly items: readonly HistoryItem[]
  /** Regions that were left out. */
  readonly missing: string | undefined
  /** The query of the next one. */
  readonly next: string | undefined
}

export class WorldReader {
  readonly region: Region

  constructor(region: Region) {
    this.region = region
  }

  /** Asks until there is an answer; some are lost on their way. */
  ask(target: string): Answer {
    const request: RawRequest = {
      method: 'GET', target, body: undefined, isTls: false, headers: { authorization: basic(KEY) }
    }
    for (let tryNo = 0; tryNo < TRIES_MAX; tryNo++) {
      let told: Answer | undefined
      let isOver = false
      this.region.ask(request, (answer) => {
        told = answer
        isOver = true
      })
      this.region.world.runUntil(() => isOver, 20_000, 20)
      if (told !== undefined && told.status < 500) return told
    }
    throw new Error(`${target} is not answered`)
  }

  /** One page of a channel's `messages`, or of its `presence/history`. */
  page(channel: string, query: string, of = 'messages'): ReadPage {
    const target = `/channels/${encodeURIComponent(channel)}/${of}?${query}`
    const { status, headers, value } = this.ask(target)
    if (status !== 200) throw new Error(`${target}: ${status} ${JSON.stringify(value)}`)
    const missing = headers['x-ringcast-regions-missing']
    return { items: value as HistoryItem[], missing, next: nextOf(headers) }
  }

  /** All pages. */
  pages(channel: string, query: string, of = 'messages'): ReadPage[] {
    const pages = [this.page(channel, query, of)]
    for (let next = pages[0]!.next; next !== undefined; next = pages.at(-1)!.next) {
      pages.push(this.page(channel, next, of))
    }
    return pages
  }
}

/** The query of the next page, if a link leads there. */
export function nextOf(headers: Answer['headers']): string | undefined {
  return /<\.\/\w+\?([^>]*)>; rel="next"$/.exec(headers['link'] ?? '')?.[1]
}

/** What messages said, in the order in which they were read. */
export function textsOf(pages: readonly ReadPage[]): string[] {
  return pages.flatMap(({ items }) => items.map(({ data }) => data as string))
}

/** The serials of messages, in the order in which they were read. */
export function serialsOf(pages: readonly ReadPage[]): string[] {
  return pages.flatMap(({ items }) => items.map(({ serial = '' }) => serial))
}
