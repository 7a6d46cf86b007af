import t from 'tap'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { encodeMessages } from '../../../src/channel/encoding.ts'
import { HistoryReading, type HistoryPage } from '../../../src/node/history-reading.ts'
import type { Questions } from '../../../src/node/questions.ts'
import type { Publication } from '../../../src/peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../../../src/peer/question-message.ts'
import { LINEAGE, publication } from '../channel/parts.ts'

const ASKER = { isOver: false }
/** What a master tells at a time. */
const STRETCH = 3

type Told = (answer: HistoryAnswer) => void

/** A master that has told of all it holds by stretches, and was asked so many times. */
class Master {
  readonly #all: readonly Publication[]
  askedCount = 0

  constructor(all: readonly Publication[]) {
    this.#all = all
  }

  ask(_asker: unknown, _channel: string, question: HistoryQuestion, onAnswer: Told): void {
    this.askedCount++
    const { isBackwards, from } = question
    const order = isBackwards ? this.#all.toReversed() : this.#all
    const behind = order.filter(({ timestamp: ms }) => from === undefined ||
      (isBackwards ? ms < from.ms : ms > from.ms) || (ms === from.ms && from.isIncluded))
    const publications = behind.slice(0, STRETCH)
    const isWhole = behind.length <= STRETCH
    onAnswer({ kind: 'history', publications, lineage: LINEAGE, isWhole })
  }
}

/** Publishes of `each` messages of so many bytes. */
function published(count: number, each: number, bytes: number): Publication[] {
  return Array.from({ length: count }, (_, at) => publication(at + 1, {
    messageCount: each,
    payload: encodeMessages(Array.from({ length: each }, (_, index) =>
      ({ data: `${at}.${index}`.padEnd(bytes, '-'), encoding: undefined })))
  }))
}

/** All pages, as a client reads them that follows the links. */
function pagesOf(master: Master, limit: number, isBackwards: boolean): HistoryPage[] {
  const pages: HistoryPage[] = []
  let cursor: string | undefined
  do {
    const request = {
      of: 'messages' as const, isBackwards, startMs: undefined, endMs: undefined, cursor,
      until: undefined, limit
    }
    const onPage = (page: HistoryPage | undefined) => void pages.push(page!)
    new HistoryReading('app/c', request, master as unknown as Questions, ASKER, onPage).begin()
    cursor = pages.at(-1)!.next
  } while (cursor !== undefined)
  return pages
}

const namesOf = (pages: readonly HistoryPage[]): string[] => pages.flatMap(({ items }) =>
  items.map(({ data }) => (data as string).split('-')[0]!))

for (const isBackwards of [false, true]) {
  const direction = isBackwards ? 'backwards' : 'forwards'
  const expected = (count: number, each: number): string[] => {
    const all = Array.from({ length: count * each }, (_, at) =>
      `${Math.floor(at / each)}.${at % each}`)
    return isBackwards ? all.reverse() : all
  }

  t.test(`a page ends with the bytes that it may have, ${direction}`, async (t) => {
    const bytes = 100_000
    const master = new Master(published(30, 4, bytes))
    const pages = pagesOf(master, 1_000, isBackwards)
    const fitting = Math.floor(archiveLimits.historyPageBytesMax / bytes)
    t.same(pages.map(({ items }) => items.length), [fitting, fitting, 120 - 2 * fitting])
    t.same(namesOf(pages), expected(30, 4), 'and the next one goes on within the publish')
    t.ok(master.askedCount <= 30 / STRETCH + 2 * pages.length, 'nothing more is read for it')
  })

  t.test(`a page has one item, whatever its size, ${direction}`, async (t) => {
    const pages = pagesOf(
      new Master(published(3, 1, archiveLimits.historyPageBytesMax + 1)), 1_000, isBackwards)
    t.same(pages.map(({ items }) => items.length), [1, 1, 1])
    t.same(namesOf(pages), expected(3, 1))
  })

  t.test(`a page ends with its limit, and only if more is behind, ${direction}`, async (t) => {
    const pages = pagesOf(new Master(published(5, 2, 10)), 5, isBackwards)
    t.same(pages.map(({ items }) => items.length), [5, 5])
    t.same(namesOf(pages), expected(5, 2))
  })
}
