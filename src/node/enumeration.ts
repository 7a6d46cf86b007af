/**
 * The channels of an app that are in use, a page in order of their names. Every worker of the view
 * tells the first of those that it knows (channel/used-channels.ts). Where one has more than it
 * told, only names up to its last one are known to be complete; behind that all are asked again.
 *
 * Where a worker leaves the view before it has answered, what it had may live on elsewhere by now,
 * with workers that were asked before that: all that are there then are asked. So they are where
 * one is there at the end that was not asked: it was taken for gone for a moment, or is new.
 */

import { limits } from '../base/limits.ts'
import type { Enumerated } from '../peer/question-message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { META_PREFIX } from '../wire/params.ts'
import { InTurns } from './in-turns.ts'
import type { Asker, Questions } from './questions.ts'

export interface EnumerationRequest {
  readonly appId: string
  readonly prefix: string
  /** Only names that are greater. */
  readonly after: string
  readonly limit: number
}

export interface NamesPage {
  readonly names: readonly string[]
  /** The last one, if there are more behind it. */
  readonly next: string | undefined
}

export class Enumeration {
  readonly #request: EnumerationRequest
  readonly #questions: Questions
  readonly #asker: Asker
  readonly #onPage: (page: NamesPage) => void
  readonly #names: string[] = []

  constructor(
    request: EnumerationRequest,
    questions: Questions,
    asker: Asker,
    onPage: (page: NamesPage) => void
  ) {
    this.#request = request
    this.#questions = questions
    this.#asker = asker
    this.#onPage = onPage
  }

  begin(): void {
    this.#ask(`${this.#request.appId}/${this.#request.after}`)
  }

  #ask(after: string): void {
    const { appId, prefix, limit } = this.#request
    const countMax = Math.min(limit + 1, limits.enumeratedMax)
    const question = { prefix: `${appId}/${prefix}`, after, countMax }
    const places = this.#questions.places()
    const turns = new InTurns<Place, Enumerated>(
      places,
      (place, onAnswer) => {
        this.#questions.enumerate(this.#asker, place, question, (answer) => {
          if (answer !== undefined) onAnswer(answer)
          else if (turns.cancel()) this.#ask(after)
        })
      },
      (answers) => {
        if (this.#areAll(places)) this.#onAnswers(answers)
        else this.#ask(after)
      }
    )
    turns.begin()
  }

  #areAll(asked: readonly Place[]): boolean {
    const keys = new Set(asked.map(placeKey))
    return this.#questions.places().every((place) => keys.has(placeKey(place)))
  }

  #onAnswers(answers: readonly (Enumerated | undefined)[]): void {
    const { appId, limit } = this.#request
    const told = new Set<string>()
    let horizon: string | undefined
    for (const answer of answers) {
      if (answer === undefined) continue
      for (const channel of answer.channels) told.add(channel)
      const last = answer.channels.at(-1)
      const isShort = !answer.isWhole && last !== undefined
      if (isShort && (horizon === undefined || last < horizon)) horizon = last
    }
    for (const channel of [...told].sort()) {
      if (horizon !== undefined && channel > horizon) break
      const name = channel.slice(appId.length + 1)
      if (!name.startsWith(META_PREFIX)) this.#names.push(name)
    }
    if (this.#names.length <= limit && horizon !== undefined) {
      this.#ask(horizon)
      return
    }
    const names = this.#names.slice(0, limit)
    this.#onPage({ names, next: this.#names.length > limit ? names.at(-1) : undefined })
  }
}
