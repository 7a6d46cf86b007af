/**
 * One run of several regions: they come up in calm, a storm passes over each of them and over the
 * cables between them while clients work and move, then the weather clears, and all must become
 * whole and of one mind within a bound, serve a fresh publish everywhere, and let everything go
 * when everybody leaves. Seeds of regions are seeds of their own: what one region does in a seed of
 * `simulate.ts` nothing of this changes.
 */

import { Random } from '../../src/base/random.ts'
import { Abroad } from './abroad.ts'
import { Births } from './births.ts'
import { type CableMix, CableWeather, drawCableMix } from './cable-weather.ts'
import { Acks } from './checks/acks.ts'
import { Agreement } from './checks/agreement.ts'
import { Bounds } from './checks/bounds.ts'
import { Continuity } from './checks/continuity.ts'
import { Handovers } from './checks/handovers.ts'
import { Journeys } from './checks/journeys.ts'
import { Liveness } from './checks/liveness.ts'
import { Masters } from './checks/masters.ts'
import { Mirrors } from './checks/mirrors.ts'
import { Refusals } from './checks/refusals.ts'
import { Removals } from './checks/removals.ts'
import { Rolls } from './checks/rolls.ts'
import { Stayers } from './checks/stayers.ts'
import { Succession } from './checks/succession.ts'
import { Crowd } from './crowd.ts'
import { drawLimits } from './drawn-limits.ts'
import { DEATHS, drawMix, MASTERLESS, type Mix, nothingRare } from './mix.ts'
import { defaultRegion, Region } from './region.ts'
import { apart, type RunResult, wordsOf } from './simulate.ts'
import { Weather } from './weather.ts'
import { Violation, World } from './world.ts'

const NAMES = ['eu', 'us', 'ap']
/** Members of a region that was lost leave after a minute; revocations are told every half. */
const WHOLE_MS = 180_000
const FRESH_MS = 30_000
const LET_GO_MS = 240_000
const TICK_MS = 1_000

/** What befalls each region is drawn by itself, and is milder than where there is but one. */
const CALMER: Partial<Mix> = {
  ...nothingRare, logRollbacks: 0, logRoomBytes: 0, logFulls: 0, isTight: false, isShort: false,
  archiveTrouble: 0, archiveLag: 0, archiveAways: 0, archiveFulls: 0, isKeeping: false,
  isBatching: false
}

export interface RegionsOptions {
  readonly seed: number
  /** 0: each seed draws its own number. */
  readonly regionCount?: number
  readonly stormMs?: number
  /** Replaces what the seed would draw for each region. */
  readonly mix?: Partial<Mix>
  readonly cables?: Partial<CableMix>
  readonly isTracing?: boolean
  /** Is told of the regions before anything happens in them. */
  onRegions?(abroad: Abroad): void
}

/** Runs one seed to its end. */
export function simulateRegions(options: RegionsOptions): RunResult {
  return apart(() => new Run(options).result())
}

class Run {
  readonly #options: RegionsOptions
  readonly #seed: string
  readonly #abroad: Abroad
  readonly #cables: CableMix
  readonly #cableWeather: CableWeather
  readonly #weathers: Weather[] = []
  readonly #mixes: Mix[] = []
  readonly #crowd: Crowd
  readonly #births = new Births()
  readonly #journeys: Journeys
  readonly #mirrors: Mirrors[] = []
  readonly #bounds: Bounds[] = []
  readonly #masters: Masters[] = []
  readonly #acks: Acks[] = []
  readonly #stormMs: number

  constructor(options: RegionsOptions) {
    this.#options = options
    const seed = this.#seed = `regions/${options.seed}`
    const random = new Random(`${seed}/shape`)
    const count = options.regionCount || 2 + random.below(2)
    this.#abroad = new Abroad(new World(seed))
    this.#abroad.world.isTracing = options.isTracing === true
    this.#cables = { ...drawCableMix(seed), ...options.cables }
    this.#cableWeather = new CableWeather(this.#abroad, this.#cables)
    this.#stormMs = options.stormMs ?? 12_000 + random.below(14_000)
    this.#crowd = new Crowd(this.#abroad, {
      clientCount: 2 + random.below(3), channelCount: 1 + random.below(3),
      publishRate: 1 + random.below(3), moves: random.below(3) === 0 ? 0 : 2 + random.below(8),
      isKept: options.mix?.isKeeping === true
    })
    const isMover = (client: object): boolean => this.#crowd.isMover(client)
    for (const name of NAMES.slice(0, count)) this.#add(name, random.fork(name))
    const isFair = this.#isFair()
    const isReachable = this.#isReachable()
    this.#journeys = new Journeys(
      this.#abroad.regions, this.#births, isMover, { isFair, isReachable }
    )
    this.#crowd.onTaking = (...taking) => this.#journeys.onTaking(...taking)
    for (const region of this.#abroad.regions) this.#watch(region, isMover, isFair)
    drawLimits(seed, this.#mixes[0]!)
  }

  result(): RunResult {
    const { world, regions } = this.#abroad
    let violation: Error | undefined
    try {
      this.#options.onRegions?.(this.#abroad)
      this.#play()
    } catch (error) {
      violation = error as Error
    }
    const weather: Record<string, number> = {}
    for (const { occurred } of [this.#cableWeather, ...this.#weathers]) {
      for (const [what, many] of occurred) weather[what] = (weather[what] ?? 0) + many
    }
    const sum = (counts: readonly number[]): number => counts.reduce((all, each) => all + each, 0)
    const mixes = [this.#cables, ...this.#mixes].map(wordsOf)
    return {
      seed: this.#options.seed,
      fingerprint: world.fingerprint,
      violation,
      mix: mixes.map((words, at) => `${regions[at - 1]?.name ?? 'cables'}: ${words}`).join('; '),
      nodeCount: sum(regions.map(({ options }) => options.nodeCount)),
      trace: world.trace,
      weather,
      eventCount: world.eventCount,
      virtualMs: world.nowMs,
      seen: {
        heard: this.#journeys.heardCount,
        losses: this.#journeys.lossCount,
        moves: this.#crowd.moveCount,
        resumedElsewhere: this.#journeys.movedCount,
        brought: sum(this.#mirrors.map(({ broughtCount }) => broughtCount)),
        acknowledgedGlobally: sum(this.#mirrors.map(({ globalCount }) => globalCount)),
        breaks: sum(this.#mirrors.map(({ breakCount }) => breakCount)),
        acknowledged: sum(this.#acks.map(({ ackedCount }) => ackedCount)),
        takeovers: sum(this.#masters.map(({ takeoverCount }) => takeoverCount)),
        frames: this.#abroad.frames
      }
    }
  }

  #add(name: string, random: Random): void {
    const drawn = drawMix(`${this.#seed}/${name}`)
    const mix = { ...drawn, ...CALMER, nodeCount: 2 + random.below(2), ...this.#options.mix }
    this.#mixes.push(mix)
    const { skewMs, nodeCount, workers } = mix
    const region = new Region({
      ...defaultRegion,
      seed: this.#seed, name, abroad: this.#abroad, nodeCount, workers, successorCount: 1,
      clockFault: (draws) => skewMs === 0 ? { skewMs: 0, drift: 0 }
        : { skewMs: draws.below(2 * skewMs) - skewMs, drift: (draws.unit() - 0.5) * 4e-4 }
    })
    this.#abroad.add(region)
    this.#weathers.push(new Weather(region, mix))
  }

  #watch(region: Region, isMover: (client: object) => boolean, isFair: boolean): void {
    const mirrors = new Mirrors({ region, births: this.#births, isFair })
    const [masters, acks] = [new Masters(), new Acks(region)]
    acks.onAcknowledged = (committed) => mirrors.onAcknowledged(committed)
    const bounds = new Bounds(region, false)
    this.#mirrors.push(mirrors)
    this.#masters.push(masters)
    this.#acks.push(acks)
    this.#bounds.push(bounds)
    region.checks.push(
      masters, mirrors, acks, new Stayers(new Continuity(region), isMover), this.#journeys,
      new Agreement(region), new Stayers(new Rolls(region), isMover), new Liveness(region), bounds,
      new Handovers(region), new Removals(region), new Refusals(region), new Succession(region)
    )
  }

  /** True where logs keep what they have, and no region is cut off for longer than tails last. */
  #isFair(): boolean {
    const { losses, resets } = this.#cables
    const trouble = this.#mixes.map(({ logAnews, logAways, logTrouble }) =>
      logAnews + logAways + logTrouble)
    return losses + resets === 0 && trouble.every((each) => each === 0)
  }

  /**
   * True where a region is asked, and brings what it told, within seconds: it has its masters again
   * by then, or has them all along where cables are slow.
   */
  #isReachable(): boolean {
    const faults = this.#cables.slows === 0 ? MASTERLESS : [...MASTERLESS, ...DEATHS]
    return this.#mixes.every((mix) => faults.every((fault) => mix[fault] === 0))
  }

  #play(): void {
    const { world, regions } = this.#abroad
    for (const region of regions) region.start()
    world.every(TICK_MS, () => {
      for (const check of this.#checks()) check.onTick?.()
    })
    world.run(4_000)
    this.#crowd.start()
    world.run(3_000)
    world.note('storm')
    for (const weather of [this.#cableWeather, ...this.#weathers]) weather.rage()
    world.run(this.#stormMs)
    world.note('calm')
    for (const weather of [this.#cableWeather, ...this.#weathers]) weather.calm()
    world.run(2_000)
    this.#crowd.stop()
    this.#mustBecomeWhole(WHOLE_MS)
    this.#crowd.publishEverywhere()
    this.#mustBecomeWhole(FRESH_MS)
    this.#crowd.closeAll()
    const isLetGo = (): boolean => this.#bounds.every((each) => each.leftovers(false).length === 0)
    world.run(LET_GO_MS / 2)
    world.runUntil(isLetGo, LET_GO_MS)
    for (const check of this.#checks()) check.onEmpty?.()
  }

  #checks() {
    return new Set(this.#abroad.regions.flatMap(({ checks }) => checks))
  }

  #mustBecomeWhole(withinMs: number): void {
    const { world } = this.#abroad
    const missing = (): string[] => [...this.#checks()].flatMap((check) => check.missing?.() ?? [])
    world.run(1_000)
    if (world.runUntil(() => missing().length === 0, withinMs)) return
    throw new Violation('whole', `after ${withinMs} ms of calm: ${missing().join('; ')}`)
  }
}
