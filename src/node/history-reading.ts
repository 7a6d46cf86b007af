/**
 * One reading of a channel's history: stretches are asked of the master until a page is full or
 * nothing is left, and are taken apart into items. A page is full by the number of its items or by
 * their bytes, whichever is first, and has one item at least. It may begin or end within a publish
 * of several messages; its cursor is the serial of the last item told, with the record of the
 * archive that it was read in, if it was: so that the next page need not be searched for.
 */

import { archiveLimits } from '../base/archive-limits.ts'
import { shownEvents, shownMessages } from '../channel/encoding.ts'
import type { Publication, Standing } from '../peer/message.ts'
import type { HistoryAnswer, HistoryPlace, HistoryQuestion } from '../peer/question-message.ts'
import { messageSize } from '../wire/message.ts'
import type { Message, PresenceMessage } from '../wire/protocol-message.ts'
import { messageSerial, parseMessageSerial } from '../wire/serial.ts'
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

/** The place in order of an item, or of what a cursor names. */
interface Place {
  readonly ms: number
  readonly counter: number
  readonly index: number
}

interface Cursor extends Place {
  readonly mark: number | undefined
}

const MARK = '!'
const MARK_RADIX = 36

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
    const items = this.#request.of === 'presence' ? eventsOf(publication)
      : messagesOf(publication, lineage)
    const order = this.#request.isBackwards ? items.reverse() : items
    for (const { item, index } of order) {
      if (!this.#isBehindCursor({ ms, counter, index })) continue
      this.#isFull ||= !this.#hasRoomFor(item)
      if (this.#isFull) return
      const serial = messageSerial({ ms, counter, site: lineage }, Math.min(index, 999))
      const cursor = mark ? `${serial}${MARK}${mark.toString(MARK_RADIX)}` : serial
      this.#told.push({ item, cursor })
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

interface Indexed {
  readonly item: Message | PresenceMessage
  readonly index: number
}

/**
 * Every item with all its fields (protocol 14.3), but those that were for live ears alone. Its
 * first version is the only one that it has: SDKs know that of what they hear live (6.1).
 */
function messagesOf(publication: Publication, lineage: string): Indexed[] {
  const { id, connectionId, timestamp } = publication
  return shownMessages(publication, lineage).map((message, index) => {
    const { serial } = message
    const version = { serial: serial!, timestamp }
    const whole = { id: message.id ?? `${id}:${index}`, connectionId, timestamp, version }
    return { item: { ...message, ...whole }, index }
  }).filter(({ item }) => item.extras?.['ephemeral'] !== true)
}

function eventsOf(publication: Publication): Indexed[] {
  const { connectionId, timestamp } = publication
  return shownEvents(publication).map((event, index) => ({
    item: { ...event, connectionId, timestamp }, index
  }))
}

/** The message of this serial, if it is there: asks for what was published in that moment. */
export function findMessage(
  channel: string,
  serial: string,
  questions: Questions,
  asker: Asker,
  onFound: (message: Message | undefined) => void
): void {
  const place = parseMessageSerial(serial)
  if (place === undefined) {
    onFound(undefined)
    return
  }
  const { ms, counter, index, site } = place
  const question: HistoryQuestion = {
    kind: 'history', of: 'messages', isBackwards: false, startMs: ms, endMs: ms,
    from: { ms, counter, isIncluded: true }, until: undefined, countMax: 1
  }
  questions.ask(asker, channel, question, ({ publications, lineage }) => {
    const publication = lineage !== site ? undefined
      : publications?.find((each) => each.counter === counter)
    const found = publication && messagesOf(publication, lineage).find((each) =>
      each.index === index)
    onFound(found?.item)
  })
}

/** True for a cursor that `HistoryReading` can go on from. */
export function isCursor(text: string): boolean {
  return cursorOf(text) !== undefined
}

function cursorOf(text: string): Cursor | undefined {
  const at = text.lastIndexOf(MARK)
  const place = parseMessageSerial(at === -1 ? text : text.slice(0, at))
  const mark = at === -1 ? undefined : Number.parseInt(text.slice(at + 1), MARK_RADIX)
  if (place === undefined || Number.isNaN(mark)) return undefined
  return { ...place, mark }
}
