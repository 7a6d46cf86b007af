/**
 * History by request (rules 3 and 11): what is read is a stretch of the log, in order, nothing
 * twice and nothing left out; and it has what was acknowledged before it was asked for.
 *
 * Where a lineage ends a channel's past is another one: those readings are not judged.
 */

import { channelKey } from '../app.ts'
import type { Committed } from '../committed.ts'
import type { HistoryItem, HistoryRead } from '../history-client.ts'
import type { Region } from '../region.ts'
import { isEphemeral } from '../submissions.ts'
import { type Point, pointOf } from '../wire.ts'
import { Violation } from '../world.ts'
import { isKept } from './kept.ts'
import { whyLetGo } from './retention.ts'

/** What held when a reading began. */
export interface ReadingStart {
  readonly channel: string
  readonly lineage: string
  /** The last publish that was acknowledged by then. */
  readonly acked: Committed | undefined
  /** Nothing behind this place may be told. */
  readonly until: Point | undefined
}

export class History {
  readonly #region: Region
  readonly #acked = new Map<string, Committed>()
  readCount = 0
  itemCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  /** Somebody is told that this is committed. */
  onAcknowledged(committed: Committed): void {
    const { channel, lineage, seq } = committed
    const last = this.#acked.get(channel)
    if (last === undefined || last.lineage !== lineage || last.seq < seq) {
      this.#acked.set(channel, committed)
    }
  }

  /** Somebody begins to read. */
  start(channel: string, until: string | undefined): ReadingStart {
    const key = channelKey(channel)
    const lineage = this.#region.ledger.lineageOf(key)
    const acked = this.#acked.get(key)
    return { channel: key, lineage, acked, until: until === undefined ? until : pointOf(until) }
  }

  /** It has read. */
  onRead({ channel, lineage, acked, until }: ReadingStart, read: HistoryRead): void {
    const { ledger } = this.#region
    if (ledger.lineageOf(channel) !== lineage || ledger.wasRolledBack(channel)) return
    // A former master's append was taken by a log that has lost what it follows on: it answers
    // until the next one's append is refused, and a new lineage begins.
    if (ledger.hasStrays(channel)) return
    this.readCount++
    this.itemCount += read.items.length
    const told = read.isBackwards ? [...read.items].reverse() : read.items
    const lastSeq = until?.seq ?? Infinity
    const isAsked = ({ timestamp }: Committed): boolean =>
      timestamp >= read.startMs && timestamp <= read.endMs
    const truth = ledger.of(lineage, channel).filter((each) => isAsked(each) &&
      each.seq <= lastSeq && (each.events !== undefined) === (read.of === 'presence'))
    const wanted = truth.flatMap((each) => wordsOf(each).map((word) => ({ word, each })))
    // A persisted channel tells of former lineages, too: before all that is of this one.
    const former = ({ serial = '' }: HistoryItem): boolean => !serial.includes(`@${lineage}:`)
    const begins = told.findIndex((item) => wordOf(item, read.of) === wanted[0]?.word)
    const formerCount = !isKept(channel) ? 0
      : read.of === 'messages' ? told.findLastIndex(former) + 1
        : begins === -1 ? told.length : begins
    const had = told.slice(formerCount).map((item) => wordOf(item, read.of))
    const first = had.length === 0 ? wanted.length
      : wanted.findIndex(({ word }) => word === had[0])
    let at = isKept(channel) ? 0 : first
    if (at === -1) throw new Violation('history', `${channel}: ${had[0]} is not in the log`)
    for (const word of had) {
      // A page later what stood next may be gone.
      let next = wanted[at]
      while (!isKept(channel) && !read.isBackwards && next !== undefined && next.word !== word &&
        this.#mayBeGone(next.each)) next = wanted[++at]
      if (next?.word !== word) {
        throw new Violation('history',
          `${channel}: ${word} is told where the log has ${next?.word}`)
      }
      at++
    }
    const isOwed = acked !== undefined && acked.lineage === lineage && !acked.isLost
    const owedCount = wanted.filter(({ each }) => isOwed && each.seq <= acked.seq).length
    if (isKept(channel) && at < owedCount) {
      throw new Violation('history', `${channel}: ${wanted[at]!.word} is persisted and not told`)
    }
    const mustHave = read.of === 'messages' && (acked?.seq ?? 0) <= lastSeq &&
      (acked === undefined || isAsked(acked))
    if (mustHave) this.#mustHave(acked, lineage, new Set(had))
  }

  /** One message was asked for by its serial; `told` is undefined where it was not found. */
  onMessage(text: string, serial: string, told: HistoryItem | undefined): void {
    if (told?.data === text && told.serial === serial) return
    const { ledger } = this.#region
    const truth = ledger.withText(text)
    const isThere = told === undefined && truth.every((each) =>
      !each.isLost && !this.#mayBeGone(each) && !ledger.hasStrays(each.channel) &&
      each.lineage === ledger.lineageOf(each.channel))
    if (told === undefined && !isThere) return
    throw new Violation('history', `${text} under ${serial} is told as ${JSON.stringify(told)}`)
  }

  /** The last that was acknowledged is there, unless it may be let go. */
  #mustHave(acked: Committed | undefined, lineage: string, had: ReadonlySet<string>): void {
    if (acked === undefined || acked.lineage !== lineage || acked.isLost) return
    const missing = wordsOf(acked).find((word) => !had.has(word))
    if (missing === undefined || this.#mayBeGone(acked)) return
    throw new Violation('history', `${acked.channel}: ${missing} is acknowledged and not told`)
  }

  /** History is read of what is kept for those who resume. */
  #mayBeGone({ lineage, channel, seq }: Committed): boolean {
    const rest = this.#region.ledger.of(lineage, channel).filter((each) => each.seq >= seq)
    return whyLetGo(this.#region, rest) !== undefined
  }
}

/** The items of a publish, each in a word that no other item has. */
function wordsOf({ texts, timestamp, counter, events }: Committed): string[] {
  if (events === undefined) {
    return texts.filter((text) => !isEphemeral(text)).map((text) =>
      `${timestamp}-${counter} ${text}`)
  }
  return events.map(({ action, clientId, id }) => `${timestamp} ${action} ${clientId} ${id}`)
}

function wordOf(item: HistoryItem, of: HistoryRead['of']): string {
  if (of === 'presence') {
    return `${item.timestamp} ${item.action} ${item.clientId} ${item.id}`
  }
  const [, , counter] = /^(\d+)-(\d+)@/.exec(item.serial ?? '') ?? []
  return `${item.timestamp}-${Number(counter)} ${item.data ?? ''}`
}
