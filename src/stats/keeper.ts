/**
 * Who keeps the statistics of an app: the worker that masters the metachannel on which they are
 * told (protocol 7.9). Soon after each minute it tells what was counted in it, and folds what is
 * old enough. That two believe to be it for a while does no harm: what they write is decided by
 * what they replace (stats/folding.ts).
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { buildUp } from './buildup.ts'
import { Folded, Folding } from './folding.ts'
import { intervalId } from './interval.ts'
import type { StatsOutbox } from './port.ts'
import { statsItem } from './report.ts'
import { Shelf, type Tally } from './shelf.ts'

const MINUTE_MS = 60_000
/** Of the newest form. */
const VERSION = 6

export interface KeeperPorts {
  readonly store: StatsOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  /** The apps whose statistics this worker keeps. */
  apps(): readonly string[]
  /** Tells those of the app who listen what was counted in a minute. */
  tell(appId: string, item: object): void
}

export class Keeper {
  readonly #ports: KeeperPorts
  readonly #folded = new Map<string, Folded>()
  #isBusy = false
  #isWatching = false

  constructor(ports: KeeperPorts) {
    this.#ports = ports
  }

  /** How many deadlines it has, always. */
  get beatCount(): number {
    return this.#isWatching ? 1 : 0
  }

  /** Begins to look after every minute. */
  begin(): void {
    this.#isWatching = true
    const { deadlines, random, now } = this.#ports
    const { monoMs, wallMs } = now()
    const restMs = MINUTE_MS - (wallMs % MINUTE_MS)
    const afterMs = restMs + limits.statsTellMs + random.below(limits.statsTellMs)
    deadlines.at(monoMs + afterMs, () => {
      this.#look()
      this.begin()
    })
  }

  #look(): void {
    if (this.#isBusy) return
    const apps = this.#ports.apps()
    for (const appId of this.#folded.keys()) {
      if (!apps.includes(appId)) this.#folded.delete(appId)
    }
    this.#isBusy = true
    this.#next(apps)
  }

  #next([appId, ...others]: readonly string[]): void {
    if (appId === undefined) {
      this.#isBusy = false
      return
    }
    const { store, now } = this.#ports
    const began = now()
    const shelf = new Shelf(appId, store)
    shelf.tallies((tallies) => {
      if (tallies === undefined || tallies.length === 0) {
        this.#next(others)
        return
      }
      this.#tell(appId, tallies, began.wallMs)
      const folded = this.#folded.get(appId) ?? new Folded()
      this.#folded.set(appId, folded)
      new Folding(shelf, store, folded, began, () => this.#next(others)).begin(tallies)
    })
  }

  /** What was counted in the minute that is just over. */
  #tell(appId: string, tallies: readonly Tally[], nowMs: number): void {
    const minuteMs = nowMs - (nowMs % MINUTE_MS) - MINUTE_MS
    const last = tallies.filter((each) => each.minuteMs === minuteMs)
    if (last.length === 0) return
    const id = intervalId('minute', minuteMs)
    buildUp(last, new Shelf(appId, this.#ports.store), 'minute', nowMs, (changes) => {
      const entries = changes?.minute.get(id)
      if (entries === undefined) return
      const told = { appId, unit: 'minute' as const, id, nowMs, lastMinuteMs: minuteMs }
      this.#ports.tell(appId, statsItem(entries, told, VERSION))
    })
  }
}
