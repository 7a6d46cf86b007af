/**
 * What a seed's weather does between regions: cables that are slow, lose what they carry, or are
 * cut, both ways or one; a region that nobody reaches, or that others take for lost; one that is
 * made anew; and clocks of whole regions that are wrong. What befalls the nodes of each region is
 * its own weather (weather.ts).
 */

import { Random } from '../../src/base/random.ts'
import type { Abroad } from './abroad.ts'
import type { Region } from './region.ts'

/** Faults between regions, at their worst: chances, durations or rates per minute. */
const WORST = {
  loss: 0.05, slows: 8, cuts: 5, oneWayCuts: 5, isolations: 2, losses: 2, resets: 1.5,
  /** How far the clocks of a region may be off, in ms. */
  skews: 20_000
} as const

/** How bad it is between regions; 0 turns a fault off. */
export interface CableMix extends Record<keyof typeof WORST, number> {
  /** The way from one region to another, in ms. */
  readonly delayMs: number
  /** Cuts last so long at least. */
  readonly cutsMs: number
  /** A region that is made anew has no archive any more. */
  readonly losesArchives: boolean
}

/** Half of the seeds have cuts, fewer what is worse. */
const ONE_IN: Partial<Record<keyof typeof WORST, number>> = {
  slows: 2, cuts: 2, losses: 4, resets: 5, skews: 6
}

export const calmCables: CableMix = {
  delayMs: 40, loss: 0, slows: 0, cuts: 0, oneWayCuts: 0, isolations: 0, losses: 0, resets: 0,
  skews: 0, cutsMs: 0, losesArchives: false
}

/** What the seed draws. */
export function drawCableMix(seed: string): CableMix {
  const drawn: Record<string, number> = {}
  for (const [name, worst] of Object.entries(WORST)) {
    const random = new Random(`${seed}/cables/${name}`)
    const amount = worst * (0.3 + 0.7 * random.unit())
    const oneIn = ONE_IN[name as keyof typeof WORST] ?? 3
    drawn[name] = random.below(oneIn) === 0 ? Number(amount.toFixed(3)) : 0
  }
  const delayMs = 5 + new Random(`${seed}/cables/delay`).below(150)
  return { ...(drawn as unknown as CableMix), delayMs, cutsMs: 0, losesArchives: false }
}

/** How far all clocks of a region are off, in ms; each region's by something else. */
export function offOf(seed: string, region: string, { skews }: CableMix): number {
  return Math.round(skews * (2 * new Random(`${seed}/${region}/clocks`).unit() - 1))
}

export class CableWeather {
  readonly #abroad: Abroad
  readonly #mix: CableMix
  readonly #random: Random
  /** How often each kind of weather has come. */
  readonly occurred = new Map<string, number>()
  #isRaging = false

  constructor(abroad: Abroad, mix: CableMix) {
    this.#abroad = abroad
    this.#mix = mix
    this.#random = abroad.world.fork('cable weather')
  }

  rage(): void {
    this.#isRaging = true
    const { delayMs, loss, slows, cuts, oneWayCuts, isolations, losses, resets, skews } = this.#mix
    const abroad = this.#abroad
    abroad.delayMs = delayMs
    abroad.lossChance = loss
    if (loss > 0) this.occurred.set('cable loss', 1)
    if (skews > 0) this.occurred.set('clocks apart', 1)
    this.#often('slow cables', slows, (random) => {
      const [from, to] = this.#two(random)
      abroad.slow(from, to, 100 + random.below(3_000))
      this.#later(random, 6_000, () => abroad.slow(from, to, 0), 0)
    })
    this.#often('cut cables', cuts, (random) => this.#cut(random, 12_000, true))
    this.#often('cables cut one way', oneWayCuts, (random) => this.#cut(random, 9_000, false))
    this.#often('isolations', isolations, (random) => this.#isolate(random))
    this.#often('lost regions', losses, (random) => this.#lose(random))
    this.#often('regions made anew', resets, (random) => {
      abroad.makeAnew(this.#some(random), 500 + random.below(4_000), !this.#mix.losesArchives)
    })
  }

  /** All cables are whole again. */
  calm(): void {
    this.#isRaging = false
    this.#abroad.heal()
  }

  #cut(random: Random, mostMs: number, isBothWays: boolean): void {
    const [from, to] = this.#two(random)
    const { world } = this.#abroad
    world.note(`the cable ${from.name}>${to.name} is cut${isBothWays ? ', and back' : ''}`)
    this.#abroad.cut(from, to, !isBothWays)
    this.#later(random, mostMs, () => {
      this.#abroad.mend(from, to)
      if (isBothWays) this.#abroad.mend(to, from)
    })
  }

  #isolate(random: Random): void {
    const lonely = this.#some(random)
    this.#abroad.world.note(`${lonely.name} reaches no other region`)
    const others = this.#abroad.regions.filter((each) => each !== lonely)
    for (const other of others) this.#abroad.cut(lonely, other)
    this.#later(random, 12_000, () => {
      for (const other of others) {
        this.#abroad.mend(lonely, other)
        this.#abroad.mend(other, lonely)
      }
    })
  }

  /** As after minutes without a word. */
  #lose(random: Random): void {
    const [one, other] = this.#two(random)
    this.#abroad.world.note(`${one.name} and ${other.name} are lost to each other`)
    this.#abroad.cut(one, other)
    this.#abroad.lose(one, other)
    this.#later(random, 10_000, () => {
      this.#abroad.mend(one, other)
      this.#abroad.mend(other, one)
    })
  }

  #later(random: Random, mostMs: number, run: () => void, leastMs = this.#mix.cutsMs): void {
    this.#abroad.world.after(200 + leastMs + random.below(mostMs), run)
  }

  #some(random: Random): Region {
    const { regions } = this.#abroad
    return regions[random.below(regions.length)]!
  }

  #two(random: Random): [Region, Region] {
    const { regions } = this.#abroad
    const at = random.below(regions.length)
    const step = 1 + random.below(regions.length - 1)
    return [regions[at]!, regions[(at + step) % regions.length]!]
  }

  /** Does something again and again, so many times a minute on average. */
  #often(what: string, perMinute: number, run: (random: Random) => void): void {
    if (perMinute === 0) return
    const random = this.#random.fork(what)
    const again = (pauseMs: number): void => {
      this.#abroad.world.after(pauseMs, () => {
        if (!this.#isRaging) return
        this.occurred.set(what, (this.occurred.get(what) ?? 0) + 1)
        run(random)
        again(random.jitter(60_000 / perMinute, 0.9))
      })
    }
    // The first comes soon, so that a short storm has one of each.
    again(random.below(8_000))
  }
}
