/**
 * A few small regions between which ways lead nowhere, mostly one way alone, or are slow one way,
 * while clients come, go, move and speak, and masters die. Short seeds cut nothing for as long as
 * messages are held, so that nobody may miss anything there; in long ones somebody may.
 */

import { Random } from '../../src/base/random.ts'
import { Abroad } from './abroad.ts'
import { Births } from './births.ts'
import { Acks } from './checks/acks.ts'
import type { Check } from './checks/check.ts'
import { Continuity } from './checks/continuity.ts'
import { Journeys } from './checks/journeys.ts'
import { Liveness } from './checks/liveness.ts'
import { Masters } from './checks/masters.ts'
import { Mirrors } from './checks/mirrors.ts'
import { Reasons } from './checks/reasons.ts'
import { Stayers } from './checks/stayers.ts'
import type { SimClient } from './clients.ts'
import { Witnessed } from './crowd.ts'
import { defaultRegion, Region } from './region.ts'
import { Violation, World } from './world.ts'

const STAYERS = 2
const WHOLE_MS = 180_000
const FRESH_MS = 30_000
/** A region of which nothing is heard for so long is out of the world. */
const SILENT_MS = 120_000
/** In short seeds nothing is cut for longer, nor is anybody away. */
const SHORT_MS = 90_000
const PAUSES_MS = [50, 300, 700, 1_500, 4_000, 9_000]
const LONG_PAUSES_MS = [...PAUSES_MS, 30_000, 65_000, 130_000]

/** What a seed is about. */
interface Shape {
  readonly isShort: boolean
  readonly hasDeaths: boolean
  readonly hasMovers: boolean
  readonly hasPresence: boolean
}

export class Lopsided {
  readonly abroad: Abroad
  readonly shape: Shape
  readonly clients: SimClient[] = []
  readonly journeys: Journeys
  readonly mirrors: Mirrors[] = []
  readonly reasons: Reasons
  /** How often each kind of deed was done. */
  readonly done = new Map<string, number>()
  readonly #random: Random
  readonly #movers = new Set<SimClient>()
  readonly #births = new Births()
  /** When the first of the ways that are cut now was cut. */
  #cutAtMs = Infinity
  #channels: readonly string[] = []
  #round = 0

  constructor(no: number, isTracing = false) {
    const random = this.#random = new Random(`lopsided ${no}`)
    const world = new World(`lopsided ${no}`)
    world.isTracing = isTracing
    this.abroad = new Abroad(world)
    this.abroad.delayMs = 5 + random.below(120)
    this.shape = {
      isShort: no % 2 === 0, hasDeaths: random.below(3) > 0, hasMovers: random.below(2) === 0,
      hasPresence: random.below(2) === 0
    }
    const nodeCount = 1 + random.below(3)
    for (const name of ['eu', 'us', 'ap'].slice(0, 2 + random.below(2))) {
      this.abroad.add(new Region({
        ...defaultRegion, seed: world.seed, name, abroad: this.abroad, nodeCount, workers: 1,
        partitionCount: 4
      }))
    }
    const isMover = (client: object): boolean => this.#movers.has(client as SimClient)
    this.journeys = new Journeys(this.abroad.regions, this.#births, isMover, {
      isFair: false, isReachable: false, areClocksFar: false, areCablesGood: false
    })
    this.reasons = new Reasons(this.abroad.regions)
    const receivedIds = new Set<string>()
    for (const region of this.abroad.regions) this.#watch(region, isMover, receivedIds)
  }

  get world(): World {
    return this.abroad.world
  }

  /** Everybody is there, and nobody has said anything. */
  start(): void {
    for (const region of this.abroad.regions) region.start()
    this.world.run(4_000)
    for (const region of this.abroad.regions) {
      for (let at = 0; at < STAYERS; at++) this.#come(region, `${region.name}${at}`)
      if (this.shape.hasMovers) this.#movers.add(this.#come(region, `${region.name}m`))
    }
    this.world.run(500)
  }

  /** Ways are cut and mended, and everything becomes whole. */
  round(): void {
    const random = this.#random
    this.#draw()
    this.#deeds(random.below(5), PAUSES_MS)
    this.#part()
    this.#deeds(3 + random.below(9), this.shape.isShort ? PAUSES_MS : LONG_PAUSES_MS)
    this.abroad.heal()
    this.#cutAtMs = Infinity
    this.world.note('healed')
    this.#deeds(random.below(3), PAUSES_MS)
    for (const client of this.clients) client.stayAway(0)
    this.#mustBecomeWhole(WHOLE_MS)
    for (const client of this.clients) {
      for (const channel of client.channels.keys()) client.publish(channel)
    }
    this.#mustBecomeWhole(FRESH_MS)
    this.#rest()
  }

  // -- how it is made --------------------------------------------------------------------------

  #watch(region: Region, isMover: (client: object) => boolean, ids: Set<string>): void {
    const mirrors = new Mirrors({ region, births: this.#births, isFair: false })
    const acks = new Acks(region, ids)
    acks.onAcknowledged = (committed) => mirrors.onAcknowledged(committed)
    this.mirrors.push(mirrors)
    region.checks.push(
      new Masters(), mirrors, acks, new Stayers(new Continuity(region), isMover), this.journeys,
      new Liveness(region)
    )
  }

  #come(region: Region, name: string): SimClient {
    const random = this.#random.fork(name)
    const client = new Witnessed(region, {
      name, format: 'json', echo: random.below(4) > 0, hasOwnIds: random.below(4) === 0,
      clientId: undefined, hasTokens: false, isComet: false
    })
    client.onTaking = (...taking) => {
      this.reasons.onTaking(...taking)
      this.journeys.onTaking(...taking)
    }
    this.clients.push(client)
    client.connect()
    return client
  }

  /** Other channels mostly, or those of the round before. */
  #draw(): void {
    const random = this.#random
    if (this.#round++ > 0 && random.below(3) === 0) return
    for (const client of this.clients) for (const each of this.#channels) client.detach(each)
    const [wide, plain] = [`everywhere:${this.#round}`, `plain${this.#round}`]
    this.#channels = [[wide], [plain], [wide, plain]][random.below(3)]!
  }

  /** One way is cut, others may be too, or are slow. */
  #part(): void {
    const random = this.#random
    const { regions } = this.abroad
    const [one, other] = this.#two()
    this.#cut(one, other)
    for (const from of regions) {
      for (const to of regions) {
        if (from === to) continue
        const dice = random.below(10)
        if (dice < 2) this.#cut(from, to)
        else if (dice < 5) this.abroad.slow(from, to, 100 + random.below(3_000))
      }
    }
    if (random.below(5) === 0) this.abroad.lossChance = 0.03
    if (!this.shape.isShort && random.below(3) === 0) this.#lose()
  }

  #cut(from: Region, to: Region): void {
    this.world.note(`${from.name}>${to.name} is cut`)
    this.abroad.cut(from, to, true)
    this.#cutAtMs = Math.min(this.#cutAtMs, this.world.nowMs)
  }

  /** Whoever does not hear a region takes it for lost. */
  #lose(): void {
    for (const from of this.abroad.regions) {
      for (const to of this.abroad.regions) {
        if (!this.abroad.cuts.has(`${from.name}>${to.name}`)) continue
        this.world.note(`${to.name} has lost ${from.name}`)
        this.abroad.lose(to, from, true)
      }
    }
  }

  // -- what is done ----------------------------------------------------------------------------

  #deeds(count: number, pausesMs: readonly number[]): void {
    for (let at = 0; at < count; at++) {
      this.#deed()
      const pauseMs = this.#pick(pausesMs)
      const cutForMs = this.world.nowMs + pauseMs - this.#cutAtMs
      if (this.shape.isShort && cutForMs > SHORT_MS) return
      this.world.run(pauseMs)
      if (cutForMs > SILENT_MS) this.#lose()
    }
  }

  #deed(): void {
    const random = this.#random
    const client = this.#pick(this.clients)
    const channel = this.#pick(this.#channels)
    const { hasDeaths, hasMovers, hasPresence } = this.shape
    const dice = random.below(100)
    const did = (what: string): void => {
      this.done.set(what, (this.done.get(what) ?? 0) + 1)
      this.world.note(`deed: ${what} ${client.name} ${channel}`)
    }
    if (dice < 30) {
      did('publish')
      for (let count = 1 + random.below(3); count > 0; count--) client.publish(channel)
    } else if (dice < 55) {
      did('attach')
      client.attach(channel)
    } else if (dice < 62) {
      did('detach')
      client.detach(channel)
    } else if (dice < 72) {
      if (hasDeaths) did('death')
      if (hasDeaths) this.#kill(channel)
    } else if (dice < 80) {
      did('absence')
      client.stayAway(this.shape.isShort || random.below(2) === 0 ? random.below(20_000) : 100_000)
    } else if (dice < 87) {
      if (hasMovers) did('move')
      if (hasMovers) this.#pick([...this.#movers]).moveTo(this.#pick(this.abroad.regions))
    } else if (dice < 93) {
      if (hasPresence) did('presence')
      if (hasPresence) this.#bePresent(client, channel)
    } else if (this.abroad.cuts.size > 0) {
      did('turn')
      this.#turn()
    }
  }

  #bePresent({ members, name }: SimClient, channel: string): void {
    if (this.#random.below(3) > 0) members.enter(channel, [name])
    else members.leave(channel, [name])
  }

  /** The master of the channel in a region dies, or some node. */
  #kill(channel: string): void {
    const region = this.#pick(this.abroad.regions)
    const [incarnation] = region.ledger.writerOf(`app/${channel}`).split('/')
    const { running } = region
    if (running.length === 0) return
    this.reasons.onDeath(region)
    const master = running.find(({ life }) => life?.incarnation === incarnation)
    region.crash(master ?? this.#pick(running), 500, 1_000 + this.#random.below(4_000))
  }

  /** Another way is cut, or one is mended. */
  #turn(): void {
    const { cuts } = this.abroad
    const [one, other] = this.#two()
    if (!cuts.has(`${one.name}>${other.name}`)) this.#cut(one, other)
    else this.abroad.mend(one, other)
    if (cuts.size === 0) this.#cutAtMs = Infinity
  }

  /** Time goes by, more or less of it, before the next round. */
  #rest(): void {
    const random = this.#random
    if (random.below(3) === 0) {
      for (const client of this.clients) {
        if (random.below(2) === 0) for (const each of this.#channels) client.detach(each)
      }
    }
    this.world.run(this.#pick([500, 5_000, 40_000, 200_000]))
  }

  // -- how it is judged ------------------------------------------------------------------------

  #mustBecomeWhole(withinMs: number): void {
    const checks = new Set<Check>(this.abroad.regions.flatMap((region) => region.checks))
    const missing = (): string[] => [...checks].flatMap((check) => check.missing?.() ?? [])
    this.world.run(1_000)
    if (this.world.runUntil(() => missing().length === 0, withinMs)) return
    throw new Violation('whole', `after ${withinMs} ms of calm: ${missing().join('; ')}`)
  }

  #pick<T>(among: readonly T[]): T {
    return among[this.#random.below(among.length)]!
  }

  #two(): [Region, Region] {
    const { regions } = this.abroad
    const at = this.#random.below(regions.length)
    const step = 1 + this.#random.below(regions.length - 1)
    return [regions[at]!, regions[(at + step) % regions.length]!]
  }
}
