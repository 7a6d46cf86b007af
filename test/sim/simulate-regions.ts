/**
 * One run of several regions: they come up in calm, a storm passes over each of them and over the
 * cables between them while clients work and move, then the weather clears, and all must become
 * whole and of one mind within a bound, serve a fresh publish everywhere, and let everything go
 * when everybody leaves. Seeds of regions are seeds of their own: what one region does in a seed of
 * `simulate.ts` nothing of this changes.
 */

import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import { Abroad } from './abroad.ts'
import { channelKey } from './app.ts'
import { Births } from './births.ts'
import { type CableMix, CableWeather, drawCableMix, offOf } from './cable-weather.ts'
import { Acks, serialsOf } from './checks/acks.ts'
import { Agreement } from './checks/agreement.ts'
import { Annals } from './checks/annals.ts'
import { Bounds } from './checks/bounds.ts'
import { Continuity } from './checks/continuity.ts'
import { Handovers } from './checks/handovers.ts'
import { Journeys, type JourneysOptions } from './checks/journeys.ts'
import { Kept } from './checks/kept.ts'
import { Liveness } from './checks/liveness.ts'
import { Masters } from './checks/masters.ts'
import { Mirrors } from './checks/mirrors.ts'
import { Refusals } from './checks/refusals.ts'
import { Removals } from './checks/removals.ts'
import { Rolls } from './checks/rolls.ts'
import { Stayers } from './checks/stayers.ts'
import { Succession } from './checks/succession.ts'
import type { Committed } from './committed.ts'
import { Crowd } from './crowd.ts'
import { drawLimits } from './drawn-limits.ts'
import { Historian } from './historian.ts'
import {
  archiveTroubleOf, cablesOf, drawKeeping, holdShortly, isKeptIn, type Keeping, stormOf
} from './keeping.ts'
import { DEATHS, drawMix, MASTERLESS, type Mix, nothingRare } from './mix.ts'
import { defaultRegion, Region } from './region.ts'
import { Repeater } from './repeater.ts'
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
  readonly #receivedIds = new Set<string>()
  readonly #kept: Kept[] = []
  readonly #stormMs: number
  /** What the seed has of persisted channels, if it has any. */
  readonly #keeping: Keeping | undefined
  readonly #annals: Annals
  readonly #repeater: Repeater
  readonly #historian: Historian

  constructor(options: RegionsOptions) {
    this.#options = options
    const seed = this.#seed = `regions/${options.seed}`
    const random = new Random(`${seed}/shape`)
    const count = options.regionCount || 2 + random.below(2)
    this.#abroad = new Abroad(new World(seed))
    this.#abroad.world.isTracing = options.isTracing === true
    const keeping = options.mix?.isKeeping ?? isKeptIn(seed) ? drawKeeping(seed) : undefined
    this.#keeping = keeping
    const drawn = drawCableMix(seed)
    this.#cables = { ...(keeping ? cablesOf(drawn, keeping) : drawn), ...options.cables }
    this.#abroad.skewMs = this.#cables.skews
    this.#cableWeather = new CableWeather(this.#abroad, this.#cables)
    const stormMs = options.stormMs ?? 12_000 + random.below(14_000)
    this.#stormMs = keeping === undefined ? stormMs : stormOf(stormMs, keeping)
    this.#crowd = new Crowd(this.#abroad, {
      clientCount: 2 + random.below(3), channelCount: 1 + random.below(3),
      publishRate: 1 + random.below(3), moves: random.below(3) === 0 ? 0 : 2 + random.below(8),
      isKept: keeping !== undefined
    })
    const isMover = (client: object): boolean => this.#crowd.isMover(client)
    for (const name of NAMES.slice(0, count)) this.#add(name, random.fork(name))
    const isFair = this.#isFair()
    this.#journeys = new Journeys(
      this.#abroad.regions, this.#births, isMover, this.#journeyOptions(isFair)
    )
    this.#crowd.onTaking = (...taking) => this.#journeys.onTaking(...taking)
    const { channels } = this.#crowd
    const losesLogs = this.#mixes.some(({ logAnews }) => logAnews > 0)
    const limit = 1 + random.below(40)
    this.#annals = new Annals(this.#abroad, this.#births, channels, { limit, losesLogs })
    this.#abroad.onArchiveLost = (region) => this.#annals.onArchiveLost(region)
    this.#repeater = new Repeater(this.#abroad, channels, {
      onPublished: (...published) => this.#onPublished(...published)
    })
    this.#historian = new Historian(this.#abroad, channels, this.#annals)
    for (const region of this.#abroad.regions) this.#watch(region, isMover, isFair)
    drawLimits(seed, this.#mixes[0]!)
    if (keeping !== undefined) holdShortly(keeping)
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
        broughtLate: sum(this.#mirrors.map(({ lateCount }) => lateCount)),
        acknowledgedGlobally: sum(this.#mirrors.map(({ globalCount }) => globalCount)),
        breaks: sum(this.#mirrors.map(({ breakCount }) => breakCount)),
        archived: sum(this.#kept.map(({ storedCount }) => storedCount)),
        historyRead: this.#annals.itemCount,
        readAtWork: this.#annals.readCount,
        readWholeAtWork: this.#annals.wholeCount,
        eventsRead: this.#annals.eventCount,
        repeatedElsewhere: this.#repeater.repeatedCount,
        acknowledged: sum(this.#acks.map(({ ackedCount }) => ackedCount)),
        takeovers: sum(this.#masters.map(({ takeoverCount }) => takeoverCount)),
        frames: this.#abroad.frames
      }
    }
  }

  #add(name: string, random: Random): void {
    const drawn = drawMix(`${this.#seed}/${name}`)
    const archive = this.#keeping === undefined ? {} : archiveTroubleOf(drawn)
    const shape = { nodeCount: 2 + random.below(2) }
    const mix = { ...drawn, ...CALMER, ...archive, ...shape, ...this.#options.mix }
    this.#mixes.push(mix)
    const { skewMs, nodeCount, workers } = mix
    const offMs = offOf(this.#seed, name, this.#cables)
    const region = new Region({
      ...defaultRegion,
      seed: this.#seed, name, abroad: this.#abroad, nodeCount, workers, successorCount: 1,
      clockFault: (draws) => skewMs === 0 ? { skewMs: offMs, drift: 0 }
        : { skewMs: offMs + draws.below(2 * skewMs) - skewMs, drift: (draws.unit() - 0.5) * 4e-4 }
    })
    this.#abroad.add(region)
    this.#weathers.push(new Weather(region, mix))
  }

  #watch(region: Region, isMover: (client: object) => boolean, isFair: boolean): void {
    const mirrors = new Mirrors({ region, births: this.#births, isFair })
    const [masters, acks] = [new Masters(), new Acks(region, this.#receivedIds)]
    acks.onAcknowledged = (committed) => this.#onAcknowledged(region, committed)
    const kept = new Kept(region, this.#crowd.channels)
    const bounds = new Bounds(region, false)
    this.#mirrors.push(mirrors)
    this.#masters.push(masters)
    this.#acks.push(acks)
    this.#kept.push(kept)
    this.#bounds.push(bounds)
    region.checks.push(
      masters, mirrors, acks, kept, new Stayers(new Continuity(region), isMover), this.#journeys,
      new Agreement(region), new Stayers(new Rolls(region), isMover), new Liveness(region), bounds,
      new Handovers(region), new Removals(region), new Refusals(region), new Succession(region),
      this.#repeater
    )
  }

  #onAcknowledged(region: Region, committed: Committed): void {
    const at = this.#abroad.regions.indexOf(region)
    this.#mirrors[at]!.onAcknowledged(committed)
    this.#kept[at]!.onAcknowledged(committed)
    this.#annals.onAcknowledged(committed)
  }

  #onPublished(region: Region, channel: string, text: string, serial: string | undefined): void {
    const found = region.ledger.withText(text)
    const committed = found.find((each) => each.channel === channelKey(channel) &&
      (serial === undefined || serialsOf(each) === serial))
    if (committed !== undefined) return this.#onAcknowledged(region, committed)
    throw new Violation('committed', `${text} is acknowledged in ${region.name} as ${serial}, ` +
      `the log has ${found.map(serialsOf)}`)
  }

  /** True where logs keep what they have, and no region is cut off for longer than tails last. */
  #isFair(): boolean {
    const { losses, resets } = this.#cables
    const trouble = this.#mixes.map(({ logAnews, logAways, logTrouble }) =>
      logAnews + logAways + logTrouble)
    const isHeld = this.#keeping === undefined
    return isHeld && losses + resets === 0 && trouble.every((each) => each === 0)
  }

  #journeyOptions(isFair: boolean): JourneysOptions {
    const { loss, slows, cuts, oneWayCuts, isolations } = this.#cables
    const offs = this.#abroad.regions.map(({ name }) => offOf(this.#seed, name, this.#cables))
    return {
      isFair,
      isReachable: this.#isReachable(),
      areClocksFar: Math.max(...offs) - Math.min(...offs) > limits.relayLeadMs,
      areCablesGood: loss + slows + cuts + oneWayCuts + isolations === 0
    }
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
    const more = [this.#repeater.routine, this.#historian.routine]
    if (this.#keeping !== undefined) for (const each of more) each.start()
    world.run(3_000)
    world.note('storm')
    for (const weather of [this.#cableWeather, ...this.#weathers]) weather.rage()
    world.run(this.#stormMs)
    world.note('calm')
    for (const weather of [this.#cableWeather, ...this.#weathers]) weather.calm()
    world.run(2_000)
    this.#crowd.stop()
    for (const each of more) each.stop()
    this.#mustBecomeWhole(WHOLE_MS)
    this.#crowd.publishEverywhere()
    this.#mustBecomeWhole(FRESH_MS)
    this.#annals.read()
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
