/**
 * Who publishes by requests, each under an id of its own, and says the same again in another
 * region: where no answer comes, or one that promises nothing, and now and then where it was told
 * that it is published.
 */

import type { Random } from '../../src/base/random.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { Abroad } from './abroad.ts'
import { KEY } from './app.ts'
import { mayAskAgain } from './pages.ts'
import type { Region } from './region.ts'
import { basic } from './rest-nonsense.ts'
import { Routine } from './routine.ts'

const PAUSE_MS = 700
const AGAIN_MS = 2_000
/** Who is told nothing for so often gives up: what became of it, nobody knows. */
const TRIES_MAX = 5

interface Said {
  readonly channel: string
  readonly text: string
  /** Regions that are still to be told, though another has it. */
  repeatsLeft: number
  triesLeft: number
}

/** Who is told what was answered where. */
export interface RepeaterWitness {
  onPublished(region: Region, channel: string, text: string, serial: string | undefined): void
}

export class Repeater {
  readonly #abroad: Abroad
  readonly #channels: readonly string[]
  readonly #random: Random
  readonly #witness: RepeaterWitness
  /** How it says something new, time and again. */
  readonly routine: Routine
  readonly #open = new Set<Said>()
  #count = 0
  /** How often it was told, of one thing in another region, that it is published. */
  repeatedCount = 0

  constructor(abroad: Abroad, channels: readonly string[], witness: RepeaterWitness) {
    this.#abroad = abroad
    this.#channels = channels
    this.#random = abroad.world.fork('repeater')
    this.#witness = witness
    this.routine = new Routine(abroad.world, this.#random, PAUSE_MS, () => this.#sayNew())
  }

  /** What it has no answer to. */
  missing(): string[] {
    return [...this.#open].map(({ text }) => `${text} is not published`)
  }

  #sayNew(): void {
    const channel = this.#channels[this.#random.below(this.#channels.length)]!
    const [text, repeatsLeft] = [`r.${++this.#count}`, this.#random.below(2)]
    const said = { channel, text, repeatsLeft, triesLeft: TRIES_MAX }
    this.#open.add(said)
    const { regions } = this.#abroad
    this.#say(said, regions[this.#random.below(regions.length)]!)
  }

  #say(said: Said, region: Region): void {
    const { channel, text } = said
    const request: RawRequest = {
      method: 'POST', target: `/channels/${channel}/messages`, isTls: false,
      headers: { authorization: basic(KEY), 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify([{ id: `of-${text}`, data: text }]))
    }
    region.ask(request, (answer) => {
      if (mayAskAgain(answer) && said.triesLeft-- > 0) return this.#sayElsewhere(said, region)
      this.#open.delete(said)
      if (answer?.status !== 201) return
      this.#witness.onPublished(region, channel, text, answer.value.serials?.[0])
      if (said.repeatsLeft-- <= 0) return
      this.repeatedCount++
      this.#open.add(said)
      this.#sayElsewhere(said, region)
    })
  }

  #sayElsewhere(said: Said, region: Region): void {
    const others = this.#abroad.regions.filter((other) => other !== region)
    const next = others[this.#random.below(others.length)]!
    this.#abroad.world.after(this.#random.below(AGAIN_MS), () => this.#say(said, next))
  }
}
