/**
 * The channels of an app that are in use in any region, a page in order of their names. Every
 * worker of every region's view tells the first of those that it knows (channel/used-channels.ts).
 * Where one has more than it told, only names up to its last one are known to be complete; behind
 * that all are asked again.
 *
 * Where a worker leaves the view before it has answered, what it had may live on elsewhere by now,
 * with workers that were asked before that: all of our region then are asked. So they are
 * where one is there at the end that was not asked: it was taken for gone for a moment, or is new.
 *
 * Each region is asked for itself, all of them at once. In another one nobody is waited for: a
 * worker that does not answer leaves the rest of it out, and so does one that is there at the end
 * and was not asked, once all of that region were asked again.
 */

import { limits } from '../base/limits.ts'
import type { Enumerate, Enumerated } from '../peer/question-message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { META_PREFIX } from '../wire/params.ts'
import { InTurns } from './in-turns.ts'
import type { Asker, Questions } from './questions.ts'
import type { WorldAsking } from './world-asking.ts'

export interface EnumerationRequest {
  readonly appId: string
  readonly prefix: string
  /** Only names that are greater. */
  readonly after: string
  readonly limit: number
}

export interface NamesPage {
  readonly names: readonly string[]
  /** For each name the other regions where the channel is in use. */
  readonly usedIn: ReadonlyMap<string, ReadonlySet<string>>
  /** The last one, if there are more behind it. */
  readonly next: string | undefined
}

/** What a worker told; `region`: another one than ours. */
interface Told {
  readonly region: string | undefined
  readonly answer: Enumerated | undefined
}

export class Enumeration {
  readonly #request: EnumerationRequest
  readonly #questions: Questions
  readonly #asking: WorldAsking
  readonly #asker: Asker
  readonly #onPage: (page: NamesPage) => void
  readonly #usedIn = new Map<string, Set<string>>()

  constructor(
    request: EnumerationRequest,
    questions: Questions,
    asking: WorldAsking,
    asker: Asker,
    onPage: (page: NamesPage) => void
  ) {
    this.#request = request
    this.#questions = questions
    this.#asking = asking
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
    const asked = new Set<string | undefined>()
    const all: Told[] = []
    const askOthers = (): void => {
      const others = [undefined, ...this.#asking.regions].filter((region) => !asked.has(region))
      let waitingCount = others.length
      if (waitingCount === 0) this.#onAnswers(all)
      for (const region of others) asked.add(region)
      for (const region of others) {
        this.#askRegion(region, question, (answers) => {
          all.push(...answers.map((answer) => ({ region, answer })))
          // One that was not heard of before may be there by now.
          if (--waitingCount === 0) askOthers()
        })
      }
    }
    askOthers()
  }

  /** Asks the workers of our region, or of another one, a few at a time; `isAgain`: once more. */
  #askRegion(
    region: string | undefined,
    question: Omit<Enumerate, 'kind' | 'askNo'>,
    onAnswers: (answers: readonly (Enumerated | undefined)[]) => void,
    isAgain = false
  ): void {
    const places = this.#questions.places(region)
    const isLeftOut = (): boolean =>
      region !== undefined && !this.#asking.regions.includes(region)
    const anew = (): void => this.#askRegion(region, question, onAnswers, true)
    const turns = new InTurns<Place, Enumerated | undefined>(
      places,
      (place, onAnswer) => {
        if (isLeftOut()) {
          this.#asking.leaveOut(region!)
          onAnswer(undefined)
          return
        }
        this.#questions.enumerate(this.#asker, place, question, (answer) => {
          if (answer === undefined && region === undefined) {
            if (turns.cancel()) anew()
            return
          }
          if (answer === undefined) this.#asking.leaveOut(region!)
          onAnswer(answer)
        }, region)
      },
      (answers) => {
        if (isLeftOut() || this.#areAll(places, region)) {
          onAnswers(answers)
        } else if (region === undefined || !isAgain) {
          anew()
        } else {
          this.#asking.leaveOut(region)
          onAnswers(answers)
        }
      }
    )
    turns.begin()
  }

  #areAll(asked: readonly Place[], region: string | undefined): boolean {
    const keys = new Set(asked.map(placeKey))
    return this.#questions.places(region).every((place) => keys.has(placeKey(place)))
  }

  #onAnswers(all: readonly Told[]): void {
    const { appId, limit } = this.#request
    const told = new Map<string, Set<string>>()
    let horizon: string | undefined
    for (const { region, answer } of all) {
      if (answer === undefined) continue
      for (const channel of answer.channels) {
        const usedIn = told.get(channel) ?? new Set()
        told.set(channel, region === undefined ? usedIn : usedIn.add(region))
      }
      const last = answer.channels.at(-1)
      const isShort = !answer.isWhole && last !== undefined
      if (isShort && (horizon === undefined || last < horizon)) horizon = last
    }
    for (const channel of [...told.keys()].sort()) {
      if (horizon !== undefined && channel > horizon) break
      const name = channel.slice(appId.length + 1)
      if (!name.startsWith(META_PREFIX)) this.#usedIn.set(name, told.get(channel)!)
    }
    const usedIn = this.#usedIn
    if (usedIn.size <= limit && horizon !== undefined) {
      this.#ask(horizon)
      return
    }
    const names = [...usedIn.keys()].slice(0, limit)
    this.#onPage({ names, usedIn, next: usedIn.size > limit ? names.at(-1) : undefined })
  }
}
