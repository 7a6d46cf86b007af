/**
 * One page of a channel's history in a world of several regions: each is asked once what was born
 * in it, and what they tell is put together (history-merge.ts). A region that does not answer
 * within a second is left out, and the page says so; our own is waited for as long as the request.
 *
 *   asked ──all have answered, or a second has passed──▶ told
 *
 * What was said before an attachment (`until`) is asked first where the place is known, mostly in
 * our own region; that one says how far it had what was born in the others, which are asked then
 * for what they have up to there:
 *
 *   own region ──it knows the place──▶ the others ──▶ told
 *     └──another log's──▶ the others ──one knows it──▶ the rest ──▶ told
 *                            └──none does──▶ refused
 */

import type { Origin } from '../peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import { messageSerial, parseMessageSerial } from '../wire/serial.ts'
import { type Cursor, type Cursors, cursorsOf, cursorsText, startIn } from './history-cursor.ts'
import { itemsOf } from './history-items.ts'
import { mergeStretches, type Stretch, type Told } from './history-merge.ts'
import type { HistoryPage, HistoryRequest } from './history-reading.ts'
import type { Asker, Questions } from './questions.ts'

type Bounds = Pick<HistoryQuestion, 'until' | 'endMs'>

/** Told undefined where nobody knows the place `until` any more; `missing` regions are left out. */
type OnPage = (page: HistoryPage | undefined, missing: readonly string[]) => void

export class WorldHistory {
  readonly #channel: string
  readonly #request: HistoryRequest
  readonly #questions: Questions
  readonly #asker: Asker
  readonly #onPage: OnPage
  readonly #own: string
  readonly #others: readonly string[]
  readonly #absent: readonly string[]
  readonly #cursors: Cursors
  readonly #answers = new Map<string, HistoryAnswer>()
  readonly #asked = new Map<string, HistoryQuestion>()

  constructor(
    channel: string,
    request: HistoryRequest,
    questions: Questions,
    asker: Asker,
    onPage: OnPage
  ) {
    this.#channel = channel
    this.#request = request
    this.#questions = questions
    this.#asker = asker
    this.#onPage = onPage
    this.#own = questions.region
    this.#others = questions.regions
    this.#absent = questions.absent
    this.#cursors = cursorsOf(request.cursor, this.#own)
  }

  begin(): void {
    const { until, endMs } = this.#request
    const all = [this.#own, ...this.#others]
    if (until === undefined) {
      this.#askFor(all, () => ({ until, endMs }), () => this.#end())
      return
    }
    this.#askFor([this.#own], () => ({ until, endMs }), () => {
      if (this.#knows(this.#own)) this.#askRest(this.#own)
      else this.#findHome()
    })
  }

  /** The place is one of another region's log. */
  #findHome(): void {
    const { until, endMs } = this.#request
    this.#askFor(this.#others, () => ({ until, endMs }), () => {
      const home = this.#others.find((region) => this.#knows(region))
      if (home !== undefined) this.#askRest(home)
      else this.#onPage(undefined, this.#missingBut(this.#answers))
    })
  }

  #knows(region: string): boolean {
    return this.#answers.get(region)?.publications !== undefined
  }

  /** Asks all but `home`, which has said what was there. */
  #askRest(home: string): void {
    const { endMs = Infinity } = this.#request
    const { origins = [], isExact = false, nextMs = Infinity } =
      this.#answers.get(home)?.elsewhere ?? {}
    const rest = [this.#own, ...this.#others].filter((region) => region !== home)
    for (const region of rest) this.#answers.delete(region)
    const boundsOf = (region: string): Bounds => {
      const until = origins.find((origin: Origin) => origin.region === region)
      const lastMs = until !== undefined && isExact ? endMs : Math.min(endMs, nextMs)
      return { until, endMs: lastMs === Infinity ? undefined : lastMs }
    }
    this.#askFor(rest, boundsOf, () => this.#end())
  }

  #askFor(
    regions: readonly string[], boundsOf: (region: string) => Bounds, onDone: () => void
  ): void {
    this.#ask(new Map(regions.map((region) =>
      [region, this.#questionTo(region, boundsOf(region))])), onDone)
  }

  #ask(asked: ReadonlyMap<string, HistoryQuestion>, onDone: () => void): void {
    for (const [region, question] of asked) this.#asked.set(region, question)
    const own = asked.get(this.#own)
    let waitingCount = own === undefined ? 1 : 2
    const onAnswered = (): void => {
      if (--waitingCount === 0) onDone()
    }
    if (own !== undefined) {
      this.#questions.ask(this.#asker, this.#channel, own, (answer) => {
        this.#answers.set(this.#own, answer)
        onAnswered()
      })
    }
    const far = new Map([...asked].filter(([region]) => region !== this.#own))
    this.#questions.askAbroad(this.#asker, this.#channel, far, (answers) => {
      for (const [region, answer] of answers) this.#answers.set(region, answer)
      onAnswered()
    })
  }

  #questionTo(region: string, { until, endMs }: Bounds): HistoryQuestion {
    const { of, isBackwards, startMs, limit } = this.#request
    const start = startIn(region, this.#cursors, isBackwards)
    const from = start && {
      ms: start.ms, counter: start.counter, isIncluded: true, mark: start.mark
    }
    return {
      kind: 'history', of, isBackwards, startMs, endMs, from, until, countMax: limit + 1,
      isOfWorld: true
    }
  }

  #end(): void {
    const { isBackwards, limit } = this.#request
    const stretches: Stretch[] = []
    for (const [region, answer] of this.#answers) {
      if (answer.publications !== undefined) stretches.push(this.#stretchOf(region, answer))
    }
    const onward = this.#onwardFrom(stretches)
    if (onward.size > 0) {
      for (const region of onward.keys()) this.#answers.delete(region)
      this.#ask(onward, () => this.#end())
      return
    }
    const { told, reached, isWhole } = mergeStretches(stretches, isBackwards, limit)
    const read = new Set(stretches.map(({ region }) => region))
    const next = isWhole ? undefined : this.#nextCursor(read, reached)
    this.#onPage({ items: told.map(({ item }) => item), next }, this.#missingBut(read))
  }

  /** Whoever may have something, but for these. */
  #missingBut(read: { has(region: string): boolean }): string[] {
    const all = [this.#own, ...this.#others, ...this.#absent, ...this.#cursors.keys()]
    return [...new Set(all.filter((region) => !read.has(region)))].sort()
  }

  /**
   * Who has told nothing but what was told before, and may have more: where a log ends in the
   * archive, the one before it is told apart. It is asked for what is behind.
   */
  #onwardFrom(stretches: readonly Stretch[]): Map<string, HistoryQuestion> {
    const onward = new Map<string, HistoryQuestion>()
    for (const { region, items, isWhole } of stretches) {
      const { publications = [], marks = [] } = this.#answers.get(region)!
      const last = publications.at(-1)
      if (isWhole || items.length > 0 || last === undefined) continue
      const { timestamp: ms, counter } = last
      const from = { ms, counter, isIncluded: false, mark: marks.at(-1) || undefined }
      onward.set(region, { ...this.#asked.get(region)!, from })
    }
    return onward
  }

  /** What of an answer comes behind the place that the region goes on from. */
  #stretchOf(region: string, answer: HistoryAnswer): Stretch {
    const { of, isBackwards } = this.#request
    const { publications = [], marks, lineage, isWhole, isOfLast } = answer
    const start = startIn(region, this.#cursors, isBackwards)
    const items: Told[] = []
    for (const [at, publication] of publications.entries()) {
      const { timestamp: ms, counter } = publication
      const all = itemsOf(publication, lineage, of)
      for (const { item, index } of isBackwards ? all.reverse() : all) {
        const serial = messageSerial({ ms, counter, site: lineage }, Math.min(index, 999))
        const isBehind = start === undefined ||
          (isBackwards ? serial < start.serial : serial > start.serial)
        if (isBehind) items.push({ item, serial, mark: marks?.[at] || undefined })
      }
    }
    return { region, items, isWhole, isOfLast: isOfLast === true }
  }

  #nextCursor(read: ReadonlySet<string>, reached: ReadonlyMap<string, Told>): string {
    const cursors = new Map(this.#cursors)
    for (const region of read) {
      const last = reached.get(region)
      const cursor = last && cursorAt(last)
      if (cursor !== undefined || !cursors.has(region)) cursors.set(region, cursor)
    }
    return cursorsText(cursors)
  }
}

function cursorAt({ serial, mark }: Told): Cursor {
  return { ...parseMessageSerial(serial)!, serial, mark }
}
