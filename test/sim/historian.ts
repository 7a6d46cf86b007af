/**
 * Who reads the history of channels now and then, in one region or another, page by page, while
 * others work; as SDKs do it asks again where no answer comes, or one above 500.
 */

import type { Random } from '../../src/base/random.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { Abroad } from './abroad.ts'
import { KEY } from './app.ts'
import type { HistoryItem } from './history-client.ts'
import { mayAskAgain } from './pages.ts'
import type { Region } from './region.ts'
import { basic } from './rest-nonsense.ts'
import { Routine } from './routine.ts'
import { Violation } from './world.ts'
import { nextOf, type ReadPage } from './world-reader.ts'

const PAUSE_MS = 2_000
const RETRY_MS = 500
const TRIES_MAX = 6
const PAGES_MAX = 100
const LIMIT_MAX = 40

/** What was read, in the order of reading. */
export interface WorldRead {
  readonly region: Region
  readonly channel: string
  readonly isBackwards: boolean
  readonly pages: readonly ReadPage[]
}

export interface HistorianWitness {
  /** Somebody begins to read; what is returned is told all that was read. */
  onReading(channel: string): (read: WorldRead) => void
}

export class Historian {
  readonly #abroad: Abroad
  readonly #channels: readonly string[]
  readonly #random: Random
  readonly #witness: HistorianWitness
  /** How it begins to read, time and again. */
  readonly routine: Routine

  constructor(abroad: Abroad, channels: readonly string[], witness: HistorianWitness) {
    this.#abroad = abroad
    this.#channels = channels
    this.#random = abroad.world.fork('historian')
    this.#witness = witness
    this.routine = new Routine(abroad.world, this.#random, PAUSE_MS, () => this.#read())
  }

  #read(): void {
    const { regions } = this.#abroad
    const region = regions[this.#random.below(regions.length)]!
    const channel = this.#channels[this.#random.below(this.#channels.length)]!
    const isBackwards = this.#random.below(2) === 0
    const query = `limit=${1 + this.#random.below(LIMIT_MAX)}&direction=` +
      (isBackwards ? 'backwards' : 'forwards')
    const onRead = this.#witness.onReading(channel)
    const pages: ReadPage[] = []
    const path = `/channels/${encodeURIComponent(channel)}/messages`
    const goOn = (from: string): void => {
      this.#page(region, `${path}?${from}`, TRIES_MAX, (page) => {
        pages.push(page)
        if (page.next === undefined) onRead({ region, channel, isBackwards, pages })
        else if (pages.length < PAGES_MAX) goOn(page.next)
      })
    }
    goOn(query)
  }

  #page(region: Region, target: string, triesLeft: number, onPage: (page: ReadPage) => void): void {
    const request: RawRequest = {
      method: 'GET', target, body: undefined, isTls: false, headers: { authorization: basic(KEY) }
    }
    region.ask(request, (answer) => {
      if (mayAskAgain(answer)) {
        if (triesLeft === 0) return
        this.#abroad.world.after(this.#random.jitter(RETRY_MS), () =>
          this.#page(region, target, triesLeft - 1, onPage))
      } else if (answer?.status === 200) {
        const { headers, value } = answer
        const missing = headers['x-ringcast-regions-missing']
        onPage({ items: value as HistoryItem[], missing, next: nextOf(headers) })
      } else throw new Violation('requests', `${target}: ${JSON.stringify(answer?.value)}`)
    })
  }
}
