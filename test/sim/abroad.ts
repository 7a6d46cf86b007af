/**
 * What several simulated regions have in common: their time, and the cables between them, which
 * are slow, lose what is on them when they are cut, and may be cut one way alone. Each region tells
 * the others who is there now and then, as the main threads of nodes will.
 */

import type { Random } from '../../src/base/random.ts'
import type { Foreign } from '../../src/node/ports.ts'
import { usualSettings, type WorldTerms } from '../../src/region/terms.ts'
import type { Endpoint } from './bus.ts'
import { STREAM_COUNT } from './log.ts'
import type { Region } from './region.ts'
import type { World } from './world.ts'

const TELL_MS = 500

export class Abroad {
  readonly world: World
  readonly regions: Region[] = []
  /** The way from one region to another, in ms. */
  delayMs = 40
  /** What comes on top of that, by way: `from>to`. */
  readonly lateMs = new Map<string, number>()
  /** So many frames are lost, though nothing is cut. */
  lossChance = 0
  /** How far the clocks of regions may be off. */
  skewMs = 0
  /** Ways that lead nowhere: `from>to`. */
  readonly cuts = new Set<string>()
  /** What a region had archived is gone. */
  onArchiveLost: (region: Region) => void = () => undefined
  /** How many frames were carried, and how many bytes. */
  frames = 0
  bytes = 0
  readonly #random: Random
  /** When a cable was cut or mended last. */
  #changedAtMs = -Infinity
  readonly #lastAtMs = new Map<string, number>()
  /** By region, and by region that it has heard of. */
  readonly #known = new Map<Region, Map<string, Foreign>>()
  /** By region, the names of those that it has not heard of for long. */
  readonly #absent = new Map<Region, Set<string>>()
  readonly #terms = new Map<Region, WorldTerms>()

  constructor(world: World) {
    this.world = world
    this.#random = world.fork('cables')
  }

  add(region: Region): void {
    this.regions.push(region)
    this.#known.set(region, new Map())
    this.#absent.set(region, new Set())
    this.world.every(TELL_MS, () => this.#tell(region))
  }

  /** What a region has heard of the others. */
  knownBy(region: Region): readonly Foreign[] {
    return [...this.#known.get(region)?.values() ?? []]
  }

  /** The names of those that it knows and does not hear. */
  absentFor(region: Region): readonly string[] {
    return [...this.#absent.get(region) ?? []].sort()
  }

  /** True if no cable has been cut for so long. */
  isWholeFor(ms: number): boolean {
    return this.cuts.size === 0 && this.world.nowMs - this.#changedAtMs >= ms
  }

  /** Nothing gets from one region to the other, or, with `isOneWay`, not that way. */
  cut(from: Region, to: Region, isOneWay = false): void {
    this.#changedAtMs = this.world.nowMs
    this.cuts.add(wayOf(from, to))
    if (!isOneWay) this.cuts.add(wayOf(to, from))
  }

  /** Mends one way alone. */
  mend(from: Region, to: Region): void {
    this.#changedAtMs = this.world.nowMs
    this.cuts.delete(wayOf(from, to))
  }

  /** Makes one way slower by so much, or as it was. */
  slow(from: Region, to: Region, byMs: number): void {
    this.lateMs.set(wayOf(from, to), byMs)
  }

  heal(): void {
    if (this.cuts.size > 0) this.#changedAtMs = this.world.nowMs
    this.cuts.clear()
    this.lateMs.clear()
    this.lossChance = 0
  }

  /**
   * Everything in a region is lost at once, its log and its ring as well: it is made anew under
   * its name, and its nodes are back after `restartMs`. With `hasArchive` that is as it was.
   */
  makeAnew(region: Region, restartMs: number, hasArchive = true): void {
    this.world.note(`region ${region.name} is made anew`)
    for (const node of region.running) region.crash(node, 500, restartMs)
    for (let stream = 0; stream < STREAM_COUNT; stream++) region.log.makeAnew(stream)
    region.kube.restoreRing(Infinity)
    if (hasArchive) return
    region.archive.makeAnew()
    this.onArchiveLost(region)
  }

  /** Each worker of the region sends so many clients away a second; undefined: none any more. */
  drain(region: Region, departuresPerSecond: number | undefined): void {
    const drain = departuresPerSecond === undefined ? 'none' : 'draining'
    const { lostRegionGraceMs } = usualSettings
    this.#terms.set(region, { endpoints: [], drain, departuresPerSecond, lostRegionGraceMs })
    this.#tellTerms(region)
  }

  /**
   * Two regions have not heard of each other for so long that neither counts with the other; or,
   * with `isOneWay`, the first has not heard of the second.
   */
  lose(one: Region, other: Region, isOneWay = false): void {
    for (const [region, lost] of [[one, other], [other, one]] as const) {
      if (isOneWay && region !== one) continue
      if (this.#known.get(region)!.delete(lost.name)) this.#absent.get(region)!.add(lost.name)
      this.#tellWorkers(region)
    }
  }

  /** Carries bytes to a place of another region; false: it is none of another one. */
  carry(from: Region, sender: Endpoint, to: string, bytes: Uint8Array): boolean {
    const [incarnation = ''] = to.split('/')
    const target = this.regions.find((region) =>
      region !== from && incarnation.startsWith(`${region.name}n`))
    if (target === undefined) return false
    if (!sender.isUp || sender.isClosed || this.#isCut(from, target)) return true
    if (this.lossChance > 0 && this.#random.unit() < this.lossChance) return true
    this.frames++
    this.bytes += bytes.byteLength
    const key = `${sender.key} ${to}`
    const delayMs = this.delayMs + (this.lateMs.get(wayOf(from, target)) ?? 0)
    const atMs = Math.max(this.world.nowMs + delayMs, this.#lastAtMs.get(key) ?? 0)
    this.#lastAtMs.set(key, atMs)
    this.world.at(atMs, () => {
      if (!this.#isCut(from, target)) target.mesh.receive(to, bytes)
    })
    return true
  }

  #isCut(from: Region, to: Region): boolean {
    return this.cuts.has(wayOf(from, to))
  }

  /** Again and again: nodes come and go. */
  #tellTerms(region: Region): void {
    const terms = this.#terms.get(region)
    if (terms === undefined) return
    for (const { life } of region.running) {
      for (const thread of life?.threads ?? []) thread?.tellTerms(terms)
    }
  }

  #tell(region: Region): void {
    this.#tellTerms(region)
    const lives = region.running.flatMap(({ life }) => life?.adopted === undefined ? [] : [life])
    const newest = lives.toSorted((a, b) =>
      b.adopted!.view.version - a.adopted!.view.version)[0]
    if (newest?.adopted === undefined) return
    const { view, generations } = newest.adopted
    for (const other of this.regions) {
      if (other === region) continue
      this.world.after(this.delayMs, () => {
        if (this.#isCut(region, other)) return
        this.#hear(other, { region: region.name, view, generations })
      })
    }
  }

  #hear(region: Region, news: Foreign): void {
    const known = this.#known.get(region)!
    const former = known.get(news.region)
    const isSame = former?.view === news.view && former.generations === news.generations
    if (isSame) return
    known.set(news.region, news)
    this.#absent.get(region)!.delete(news.region)
    this.#tellWorkers(region)
  }

  #tellWorkers(region: Region): void {
    const [foreign, absent] = [this.knownBy(region), this.absentFor(region)]
    for (const { life } of region.running) {
      for (const thread of life?.threads ?? []) thread?.tellWorld(foreign, absent)
    }
  }
}

function wayOf(from: Region, to: Region): string {
  return `${from.name}>${to.name}`
}
