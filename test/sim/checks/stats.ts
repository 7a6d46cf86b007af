/**
 * Statistics: what clients published and the log took is counted once and never more; all of it
 * once everything is written, but for what workers counted that were killed, and for what nobody
 * heard that the log had taken. Hours and days say the same as their minutes.
 */

import { decodeSheet, decodeTally, markOf } from '../../../src/stats/record.ts'
import type { Entries } from '../../../src/stats/entries.ts'
import type { LogAnswer, LogRequest } from '../../../src/log/port.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

const COUNTS = ['messages.inbound.realtime.messages.count', 'messages.inbound.rest.messages.count']

/** What a life heard to be in the log. */
interface Heard {
  readonly count: number
  readonly atMs: number
  /** The same by the clock of the life, which stands still while it does. */
  readonly turningMs: number
}

export class Stats implements Check {
  readonly #region: Region
  /** True: nothing keeps a worker from writing what it counts. */
  readonly #isFair: boolean
  readonly #heard = new Map<string, Heard[]>()
  /** By the clock of the life, too: who stands still writes nothing. */
  readonly #killedAtMs = new Map<string, number>()
  /** When those that ended in good order were told to write what they had counted. */
  readonly #flushedAtMs = new Map<string, number>()
  #takenCount = 0
  #wasRolledBack = false

  constructor(region: Region, isFair: boolean) {
    this.#region = region
    this.#isFair = isFair
  }

  /** So many messages stand in statistics. */
  get countedCount(): number {
    return this.#counted().total
  }

  /** So many tallies have become parts of sheets. */
  get foldedCount(): number {
    return this.#counted().folded
  }

  onAppended({ append }: Taken, _: Accepted): void {
    this.#takenCount += messagesIn(append)
  }

  onLogAnswer(life: string, request: LogRequest, answer: LogAnswer, turningMs: number): void {
    if (request.kind !== 'append' || answer.kind !== 'append') return
    if (answer.outcome.kind !== 'appended') return
    // The log of revocations holds other records.
    const append = decodeAppend(request.bytes)
    if (append === undefined) return
    const heard = this.#heard.get(life) ?? []
    const count = messagesIn(append)
    heard.push({ count, atMs: this.#region.world.nowMs, turningMs })
    this.#heard.set(life, heard)
  }

  onFlushing(life: string): void {
    this.#flushedAtMs.set(life, this.#region.world.nowMs)
  }

  onLifeEnded(life: string, isFlushed: boolean, turningMs: number): void {
    if (!isFlushed) this.#killedAtMs.set(life, turningMs)
  }

  onRolledBack(): void {
    this.#wasRolledBack = true
  }

  onTick(): void {
    const { total } = this.#counted()
    if (total <= this.#takenCount) return
    throw new Violation('stats', `${total} messages are counted of ${this.#takenCount} published`)
  }

  onEmpty(): void {
    this.onTick()
    const { total } = this.#counted()
    const least = this.#leastCount()
    if (total < least) throw new Violation('stats', `${total} messages are counted of ${least}`)
  }

  /** What must have been counted by now. */
  #leastCount(): number {
    // What was lost and said again is counted as often as its publishers heard of it.
    if (this.#wasRolledBack) return 0
    let least = 0
    for (const [life, heard] of this.#heard) {
      const killedAtMs = this.#killedAtMs.get(life)
      if (killedAtMs !== undefined && !this.#isFair) continue
      // One that is out of the ring goes on with its work while it writes its last words.
      const flushedAtMs = this.#flushedAtMs.get(life) ?? Infinity
      for (const { count, atMs, turningMs } of heard) {
        const isCertain = killedAtMs === undefined ? atMs < flushedAtMs
          : turningMs < killedAtMs - LOST_MS
        if (isCertain) least += count
      }
    }
    return least
  }

  #counted(): { total: number; folded: number } {
    let total = 0
    const inSheets = new Set<number>()
    const records = this.#region.stats.records()
    const wider = new Map<string, number>()
    for (const { key, bytes } of records) {
      const kind = key.split('/')[1]!
      if (kind === 'tally') continue
      const { entries, folded } = decodeSheet(bytes)
      const count = sum(Object.values(entries))
      wider.set(kind, (wider.get(kind) ?? 0) + count)
      if (kind === 'minute') total += count
      for (const each of folded) inSheets.add(each)
    }
    for (const kind of ['hour', 'day', 'month']) {
      if ((wider.get(kind) ?? 0) <= total) continue
      throw new Violation('stats', `${wider.get(kind)} in ${kind}s, ${total} in minutes`)
    }
    for (const { key, bytes } of records) {
      if (key.split('/')[1] === 'tally' && !inSheets.has(markOf(key))) {
        total += sum([decodeTally(bytes).entries])
      }
    }
    return { total, folded: inSheets.size }
  }
}

/** What a worker that is killed has not written, at most: of the time in which it could. */
const LOST_MS = 10_000

function sum(all: readonly Entries[]): number {
  let total = 0
  for (const entries of all) for (const name of COUNTS) total += entries[name] ?? 0
  return total
}

/** The messages of clients in an append. */
function messagesIn({ entries }: Taken['append']): number {
  let count = 0
  for (const entry of entries) {
    if (entry.kind !== 'publication') continue
    const { idSpace, messageCount } = entry.publication
    if (idSpace === 'connection' || idSpace === 'client') count += messageCount
  }
  return count
}
