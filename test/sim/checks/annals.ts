/**
 * What history tells of persisted channels once the weather has cleared: in every region the same,
 * in the order of serials, each once, in either direction; and of all messages that were ever
 * acknowledged none is left out, whatever logs have lost since. What a client said in two regions
 * under one id is told by one of them, or by both on different pages.
 */

import type { Abroad } from '../abroad.ts'
import { channelKey } from '../app.ts'
import type { Births } from '../births.ts'
import type { Committed } from '../committed.ts'
import type { HistoryItem } from '../history-client.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { WorldRead } from '../historian.ts'
import { WorldReader } from '../world-reader.ts'
import { isKept } from './kept.ts'

export class Annals {
  readonly #abroad: Abroad
  readonly #births: Births
  readonly #channels: readonly string[]
  readonly #limit: number
  readonly #losesLogs: boolean
  /** By channel, in order. */
  readonly #acknowledged = new Map<string, Committed[]>()
  readonly #lostAtMs = new Map<Region, number>()
  itemCount = 0
  eventCount = 0
  /** How often it was read while others worked, and how often no region was left out. */
  readCount = 0
  wholeCount = 0

  /**
   * `channels`: those that all regions use; `limit`: items of a page; `losesLogs`: a region may
   * begin another log, and what was said of members in the former one may be stored later.
   */
  constructor(
    abroad: Abroad, births: Births, channels: readonly string[],
    { limit, losesLogs }: { readonly limit: number; readonly losesLogs: boolean }
  ) {
    this.#abroad = abroad
    this.#births = births
    this.#channels = channels.filter((channel) => isKept(channelKey(channel)))
    this.#limit = limit
    this.#losesLogs = losesLogs
  }

  /** Its publisher is told that it is published. */
  onAcknowledged(committed: Committed): void {
    const { channel } = committed
    const known = this.#acknowledged.get(channel) ?? []
    this.#acknowledged.set(channel, known)
    known.push(committed)
  }

  /** All that a region had stored is gone, and so are its logs. */
  onArchiveLost(region: Region): void {
    this.#lostAtMs.set(region, region.world.nowMs)
  }

  /**
   * Somebody begins to read, whatever the weather: what was acknowledged before is told, or a
   * region is named that may have it. A region that was left out is told of later, out of order;
   * and so is, forwards, what comes meanwhile where a clock is behind.
   */
  onReading(channel: string): (read: WorldRead) => void {
    const acknowledged = this.#acknowledged.get(channelKey(channel))?.slice() ?? []
    return ({ region, isBackwards, pages }) => {
      const who = `${channel} in ${region.name}, ${isBackwards ? 'backwards' : 'forwards'}`
      const items = pages.flatMap((page) => page.items)
      if (isBackwards) items.reverse()
      const isWhole = pages.every(({ missing }) => missing === undefined)
      const parts = isBackwards ? [items] : Map.groupBy(items, siteOf).values()
      if (isWhole) for (const part of parts) this.#mustBeInOrder(who, part)
      this.#mustBeOnce(who, channel, items)
      if (isWhole) this.#mustHaveAll(who, items, acknowledged)
      this.readCount++
      if (isWhole) this.wholeCount++
    }
  }

  /** Reads all of it in every region. Takes time. */
  read(): void {
    for (const channel of this.#channels) {
      const [first, ...others] = this.#abroad.regions.map((region) =>
        this.#readIn(region, channel))
      for (const other of others) this.#mustBeSame(channel, first!, other)
      this.#readEvents(channel)
    }
  }

  /** Who came and went there, in order, which nothing that is told of them shows. */
  #readEvents(channel: string): void {
    const readings = this.#abroad.regions.flatMap((region) => {
      const reader = new WorldReader(region)
      return ['forwards', 'backwards'].map((direction) => {
        const query = `direction=${direction}&limit=${this.#limit}`
        const items = reader.pages(channel, query, 'presence/history').flatMap((page) => page.items)
        return direction === 'backwards' ? items.reverse() : items
      })
    })
    this.eventCount += readings[0]!.length
    // As messages that are said twice: by both regions on different pages.
    const twice = new Set(readings.flatMap((items) => repeatedIn(items.map(({ id = '' }) => id))))
    const once = readings.map((items) => items.filter(({ id = '' }) => !twice.has(id)))
    // Stored late, with an earlier time than what came before it: one direction leaves it out.
    const alike = this.#losesLogs ? [once.filter((_, no) => no % 2 === 0),
      once.filter((_, no) => no % 2 === 1)] : [once]
    for (const [first, ...others] of alike) {
      for (const other of others) this.#mustBeSame(channel, first!, other)
    }
  }

  #readIn(region: Region, channel: string): readonly HistoryItem[] {
    const reader = new WorldReader(region)
    const who = `${channel} in ${region.name}`
    const [forwards, backwards] = ['forwards', 'backwards'].map((direction) => {
      const pages = reader.pages(channel, `direction=${direction}&limit=${this.#limit}`)
      const missing = pages.find((page) => page.missing !== undefined)?.missing
      if (missing !== undefined) throw new Violation('annals', `${who}: ${missing} is left out`)
      const items = pages.flatMap((page) => page.items)
      if (direction === 'backwards') items.reverse()
      this.#mustBeInOrder(`${who}, ${direction}`, items)
      this.#mustBeOnce(`${who}, ${direction}`, channel, items)
      this.#mustHaveAll(who, items, this.#acknowledged.get(channelKey(channel)) ?? [])
      return items
    })
    this.#mustBeSame(who, forwards!, backwards!)
    this.itemCount += forwards!.length
    return forwards!
  }

  #mustBeInOrder(who: string, items: readonly HistoryItem[]): void {
    const at = items.findIndex(({ serial }, no) => no > 0 && serial! < items[no - 1]!.serial!)
    if (at === -1) return
    const words = `${wordsOf(items[at]!)} is told after ${wordsOf(items[at - 1]!)}`
    throw new Violation('annals', `${who}: ${words}`)
  }

  #mustBeOnce(who: string, channel: string, items: readonly HistoryItem[]): void {
    const known = new Set<string>()
    for (const item of items) {
      const { serial = '', id = '' } = item
      if (known.has(serial) || (known.has(id) && !this.#isSaidTwice(channel, item))) {
        throw new Violation('annals', `${who}: ${wordsOf(item)} is told twice`)
      }
      known.add(serial).add(id)
    }
  }

  #mustBeSame(who: string, one: readonly HistoryItem[], other: readonly HistoryItem[]): void {
    const channel = who.split(' ')[0]!
    const [ones, others] = [one, other].map((items) => items
      .filter((item) => !this.#isSaidTwice(channel, item)).map(wordsOf))
    const at = ones!.findIndex((words, no) => words !== others![no])
    if (at === -1 && ones!.length === others!.length) return
    const no = at === -1 ? ones!.length : at
    throw new Violation('annals', `${who}: ${ones![no]} is told, and elsewhere ${others![no]}`)
  }

  #mustHaveAll(
    who: string, items: readonly HistoryItem[], acknowledged: readonly Committed[]
  ): void {
    const told = new Set(items.map(({ data }) => data))
    const left = acknowledged.filter((each) => !this.#wasLost(each))
      .flatMap(({ texts }) => texts).find((text) => !told.has(text))
    if (left !== undefined) throw new Violation('annals', `${who}: ${left} is not told`)
  }

  /**
   * Its region lost all that it had stored; or it was acknowledged where another region's
   * publication was known by its id, before that had stored it, and that one's log has lost it.
   */
  #wasLost(committed: Committed): boolean {
    const { origin, channel } = committed
    const { lineage, seq } = origin ?? committed
    const birth = this.#births.at(channel, lineage, seq)
    if (birth === undefined) return false
    const { isLost, atMs } = birth.committed
    const isGone = atMs <= (this.#lostAtMs.get(birth.region) ?? -Infinity)
    return isGone || (origin !== undefined && isLost)
  }

  /** In two regions, or in a log that is lost and again in the next one. */
  #isSaidTwice(channel: string, { id = '' }: HistoryItem): boolean {
    const key = channelKey(channel)
    const ofAll = id.replace(/:\d+$/, '')
    return [id, ofAll, `${ofAll}:0`].some((each) => this.#births.withId(key, each).length > 1)
  }
}

/** The log that it is of. */
function siteOf({ serial = '' }: HistoryItem): string {
  return serial.slice(serial.indexOf('@'), serial.lastIndexOf(':'))
}

function wordsOf({ serial, data, action, clientId, id, timestamp }: HistoryItem): string {
  return serial === undefined ? `${timestamp} ${action} ${clientId} ${id}` : `${serial} "${data}"`
}

function repeatedIn(ids: readonly string[]): string[] {
  return ids.filter((id, at) => ids.indexOf(id) < at)
}
