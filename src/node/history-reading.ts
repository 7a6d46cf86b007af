/**
 * One reading of a channel's history in a region that is alone: stretches are asked of the master
 * until a page is full or nothing is left, and are taken apart into items. A page is full by the
 * number of its items or by their bytes, whichever is first, and has one item at least. It may
 * begin or end within a publish of several messages; its cursor is the place of the last item told
 * (history-cursor.ts).
 */

import { archiveLimits } from '../base/archive-limits.ts'
import type { Publication, Standing } from '../peer/message.ts'
import type { HistoryAnswer, HistoryPlace, HistoryQuestion } from '../peer/question-message.ts'
import { messageSize } from '../wire/message.ts'
import type { Message, PresenceMessage } from '../wire/protocol-message.ts'
import { messageSerial, parseMessageSerial, type SerialParts } from '../wire/serial.ts'
import { type Cursor, cursorOf, cursorText } from './history-cursor.ts'
import { itemsOf, messagesOf } from './history-items.ts'
import type { Asker, Questions } from './questions.ts'

/** What a client asks for. */
export interface HistoryRequest {
  readonly of: 'messages' | 'presence'
  readonly isBackwards: boolean
  readonly startMs: number | undefined
  readonly endMs: number | undefined
  /** Where it is read on: the serial of the last item of the page before. */
  readonly cursor: string | undefined
  readonly until: Standing | undefined
  readonly limit: number
}

export interface HistoryPage {
  readonly items: readonly (Message | PresenceMessage)[]
  /** The cursor of the next page; undefined: there is none. */
  readonly next: string | undefined
}

interface Told {
  readonly item: Message | PresenceMessage
  readonly cursor: string
}

type Place = Pick<Cursor, 'ms' | 'counter' | 'index'>

export class HistoryReading {
  readonly #channel: string
  readonly #request: HistoryRequest
  readonly #questions: Questions
  readonly #asker: Asker
  readonly #onPage: (page: HistoryPage | undefined) => void
  readonly #cursor: Cursor | undefined
  readonly #told: Told[] = []
  #toldBytes = 0
  /** Something is behind the page that has no room in it. */
  #isFull = false

  /** `onPage` is told undefined where nobody knows the place `until` any more. */
  constructor(
    channel: string,
    request: HistoryRequest,
    questions: Questions,
    asker: Asker,
    onPage: (page: HistoryPage | undefined) => void
  ) {
    this.#channel = channel
    this.#request = request
    this.#questions = questions
    this.#asker = asker
    this.#onPage = onPage
    const { cursor } = request
    this.#cursor = cursor === undefined ? undefined : cursorOf(cursor)
  }

  begin(): void {
    const cursor = this.#cursor
    this.#ask(cursor && { ...cursor, isIncluded: true })
  }

  #ask(place: HistoryPlace | undefined): void {
    const from = place && {
      ms: place.ms, counter: place.counter, isIncluded: place.isIncluded, mark: place.mark
    }
    const { of, isBackwards, startMs, endMs, until, limit } = this.#request
    const question: HistoryQuestion = {
      kind: 'history', of, isBackwards, startMs, endMs, from, until, countMax: limit + 1
    }
    this.#questions.ask(this.#asker, this.#channel, question, (answer) => this.#onAnswer(answer))
  }

  #onAnswer({ publications, marks, lineage, isWhole }: HistoryAnswer): void {
    if (publications === undefined) {
      this.#onPage(undefined)
      return
    }
    for (const [at, publication] of publications.entries()) {
      this.#take(publication, lineage, marks?.[at])
    }
    const last = publications.at(-1)
    if (!this.#isFull && !isWhole && last !== undefined) {
      const mark = marks?.[publications.length - 1] || undefined
      this.#ask({ ms: last.timestamp, counter: last.counter, isIncluded: false, mark })
      return
    }
    const next = this.#isFull ? this.#told.at(-1)!.cursor : undefined
    this.#onPage({ items: this.#told.map(({ item }) => item), next })
  }

  #take(publication: Publication, lineage: string, mark: number | undefined): void {
    const { timestamp: ms, counter } = publication
    const items = itemsOf(publication, lineage, this.#request.of)
    const order = this.#request.isBackwards ? items.reverse() : items
    for (const { item, index } of order) {
      if (!this.#isBehindCursor({ ms, counter, index })) continue
      this.#isFull ||= !this.#hasRoomFor(item)
      if (this.#isFull) return
      const serial = messageSerial({ ms, counter, site: lineage }, Math.min(index, 999))
      this.#told.push({ item, cursor: cursorText(serial, mark) })
      this.#toldBytes += messageSize(item)
    }
  }

  #hasRoomFor(item: Message | PresenceMessage): boolean {
    if (this.#told.length === 0) return true
    const bytes = this.#toldBytes + messageSize(item)
    return this.#told.length < this.#request.limit && bytes <= archiveLimits.historyPageBytesMax
  }

  #isBehindCursor(place: Place): boolean {
    const cursor = this.#cursor
    if (cursor === undefined) return true
    const difference = place.ms - cursor.ms || place.counter - cursor.counter ||
      place.index - cursor.index
    return this.#request.isBackwards ? difference < 0 : difference > 0
  }
}

/**
 * The message of this serial, if it is there: asks for what was published in that moment, here and
 * then in the other regions. `missing`: those that have not said whether it is theirs.
 */
export function findMessage(
  channel: string,
  serial: string,
  questions: Questions,
  asker: Asker,
  onFound: (message: Message | undefined, missing: readonly string[]) => void
): void {
  const place = parseMessageSerial(serial)
  if (place === undefined) {
    onFound(undefined, [])
    return
  }
  const { ms, counter } = place
  const question: HistoryQuestion = {
    kind: 'history', of: 'messages', isBackwards: false, startMs: ms, endMs: ms,
    from: { ms, counter, isIncluded: true }, until: undefined, countMax: 1
  }
  questions.ask(asker, channel, question, (answer) => {
    const own = messageIn(answer, place)
    if (own !== undefined) {
      onFound(own, [])
      return
    }
    const { regions, absent } = questions
    const asked = new Map(regions.map((region) => [region, question]))
    questions.askAbroad(asker, channel, asked, (answers) => {
      const found = [...answers.values()].map((each) => messageIn(each, place))
        .find((message) => message !== undefined)
      const silent = regions.filter((name) => !answers.has(name))
      onFound(found, found === undefined ? [...silent, ...absent].sort() : [])
    })
  })
}

function messageIn(
  { publications, lineage }: HistoryAnswer, { counter, index, site }: SerialParts & {
    readonly index: number
  }
): Message | undefined {
  const publication = lineage !== site ? undefined
    : publications?.find((each) => each.counter === counter)
  return publication && messagesOf(publication, lineage).find((each) => each.index === index)?.item
}
