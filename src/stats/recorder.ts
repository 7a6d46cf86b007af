/**
 * A worker's meters, and their way into the store: every few seconds, and when a minute is over,
 * what was counted in it is written as this worker's tally of that minute (stats/record.ts).
 *
 *   running ──minute over──▶ closed ──all of it written──▶ gone
 *      │                       │ not written in time: what is missing goes to the running minute
 *      └──────sealed───────────┴──▶ the rest is written under the next part's key
 *
 * One writing of a tally is under way at a time, and names the one before it. Of one whose outcome
 * is unknown the same is written again until that is decided, so that no late one undoes a newer.
 * Whoever folds a minute seals its tallies first, by the same compare-and-write: what this worker
 * adds afterwards it cannot add there any more, so that nothing is lost and nothing counts twice.
 *
 * Cost: per app that was busy, one writing of its few names and numbers every `statsFlushMs`.
 */

import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import { Meter, type MeterSource } from '../base/meter.ts'
import { added, type Entries, entriesOf, isSameCount, remainderOf, resetMeter } from './entries.ts'
import type { PutOutcome, StatsAnswer, StatsOutbox } from './port.ts'
import { decodeTally, encodeTally, tallyKey } from './record.ts'

const MINUTE_MS = 60_000

export interface RecorderPorts {
  readonly store: StatsOutbox
  readonly deadlines: Deadlines
  now(): Now
  /** True for an app that there is. */
  isKnown(appId: string): boolean
}

/** One minute of one app on its way into the store. */
interface Draft {
  readonly appId: string
  readonly minuteMs: number
  /** Everything that was counted. */
  all: Entries
  /** What of it parts hold that are sealed. */
  sealed: Entries
  part: number
  /** Of the part that is written now: its last writing, and what that held. */
  lastSeq: number
  written: Entries
  /** What is being written, or may have been. */
  sent: Entries | undefined
  isUnderWay: boolean
  /** Since when nobody knows what became of what was sent. */
  undecidedAtMs: number | undefined
  isClosed: boolean
}

export class Recorder implements MeterSource {
  readonly #source: string
  readonly #ports: RecorderPorts
  readonly #meters = new Map<string, Meter>()
  /** What is counted of apps beyond the bound, and kept nowhere. */
  readonly #overflow = new Meter('')
  /** Of former minutes, what could not be written in time; by app. */
  readonly #late = new Map<string, Entries>()
  readonly #running = new Map<string, Draft>()
  readonly #closed = new Set<Draft>()
  #minuteMs = 0
  #beat: Deadline | undefined
  #underWayCount = 0
  #onFlushed: (() => void) | undefined

  /** `source` names this life of a worker: nobody else ever writes under it. */
  constructor(source: string, ports: RecorderPorts) {
    this.#source = source
    this.#ports = ports
  }

  of(appId: string): Meter {
    let meter = this.#meters.get(appId)
    if (meter !== undefined) return meter
    if (this.#meters.size >= limits.statsAppsMax) return this.#overflow
    meter = new Meter(appId)
    this.#meters.set(appId, meter)
    if (this.#beat === undefined) this.#beatLater()
    const { monoMs, wallMs } = this.#ports.now()
    resetMeter(meter, monoMs - Math.max(0, wallMs - this.#minuteMs))
    return meter
  }

  ofChannel(channel: string): Meter {
    return this.of(channel.slice(0, channel.indexOf('/')))
  }

  /** How many deadlines it has, always. */
  get beatCount(): number {
    return this.#beat === undefined ? 0 : 1
  }

  /** Minutes of apps that are not wholly written. */
  get openCount(): number {
    let count = this.#closed.size
    for (const draft of this.#running.values()) if (!this.#isWritten(draft)) count++
    return count
  }

  /** The worker is about to end: writes all there is; `onFlushed` is called once that is done. */
  flush(onFlushed: () => void): void {
    this.#onFlushed = onFlushed
    this.#cut()
    for (const draft of this.#running.values()) this.#closed.add(draft)
    this.#writeAll()
    this.#tellFlushed()
  }

  #beatLater(): void {
    const { deadlines, now } = this.#ports
    const { monoMs, wallMs } = now()
    this.#minuteMs ||= minuteAt(wallMs)
    const restMs = Math.max(1, this.#minuteMs + MINUTE_MS - wallMs)
    const afterMs = Math.min(limits.statsFlushMs, restMs)
    this.#beat = deadlines.at(monoMs + afterMs, () => {
      this.#cut()
      this.#writeAll()
      this.#beatLater()
    })
  }

  /** Takes down what was counted until now; where a minute is over, the next one begins. */
  #cut(): void {
    const { monoMs, wallMs } = this.#ports.now()
    // A clock that is set back goes on with the minute that it had: no minute is begun twice.
    const isOver = minuteAt(wallMs) > this.#minuteMs
    for (const meter of this.#meters.values()) this.#take(meter, monoMs, isOver)
    if (!isOver) return
    for (const draft of this.#running.values()) {
      draft.isClosed = true
      this.#closed.add(draft)
    }
    this.#running.clear()
    this.#late.clear()
    this.#minuteMs = minuteAt(wallMs)
    this.#tidy(wallMs)
  }

  #take(meter: Meter, monoMs: number, isOver: boolean): void {
    const { appId } = meter
    const counted = entriesOf(meter, monoMs)
    const late = this.#late.get(appId)
    const all = late === undefined ? counted : added(counted, late)
    if (isOver) resetMeter(meter, monoMs)
    let draft = this.#running.get(appId)
    if (draft === undefined) {
      if (Object.keys(all).length === 0) return
      draft = newDraft(appId, this.#minuteMs)
      this.#running.set(appId, draft)
    }
    draft.all = all
  }

  /** What is too old to be written is counted now; apps that are gone are forgotten. */
  #tidy(wallMs: number): void {
    for (const draft of this.#closed) {
      const isLate = wallMs - draft.minuteMs - MINUTE_MS > limits.statsLateMs
      if (!isLate || draft.isUnderWay || draft.undecidedAtMs !== undefined) continue
      this.#closed.delete(draft)
      const rest = remainderOf(draft.all, added(draft.sealed, draft.written))
      this.#late.set(draft.appId, added(this.#late.get(draft.appId) ?? {}, rest))
    }
    for (const [appId, { connections, channels }] of this.#meters) {
      const isUsed = connections.value > 0 || channels.value > 0
      if (!isUsed && !this.#ports.isKnown(appId)) this.#meters.delete(appId)
    }
  }

  #writeAll(): void {
    for (const draft of this.#running.values()) this.#write(draft)
    for (const draft of this.#closed) this.#write(draft)
  }

  #write(draft: Draft): void {
    if (draft.isUnderWay || this.#underWayCount >= limits.statsPutsMax) return
    if (draft.undecidedAtMs === undefined) {
      if (this.#isWritten(draft)) {
        this.#closed.delete(draft)
        return
      }
      draft.sent = restOf(draft)
    } else if (this.#doubtMs(draft) > limits.statsUndecidedMs) {
      // Nobody may remember by now that it was folded: another writing could count it twice.
      this.#succeed(draft, draft.sent!)
      return
    }
    const { appId, minuteMs, part, lastSeq, sent } = draft
    draft.isUnderWay = true
    this.#underWayCount++
    this.#ports.store.askStats({
      kind: 'put',
      key: tallyKey(appId, minuteMs, this.#source, part),
      expectedSeq: lastSeq,
      bytes: encodeTally({ entries: sent!, isSealed: false }),
      ttlMs: limits.statsTallyMs
    }, (answer) => {
      if (answer.kind === 'put') this.#onPut(draft, answer.outcome)
    })
  }

  #onPut(draft: Draft, outcome: PutOutcome): void {
    switch (outcome.kind) {
      case 'written':
        draft.lastSeq = outcome.seq
        // It may have been written before, folded and let go: whatever is added would not count.
        if (this.#doubtMs(draft) > limits.statsDoubtMs) this.#succeed(draft, draft.sent!)
        else this.#onDecided(draft, draft.sent!)
        break
      case 'conflict':
        if (draft.undecidedAtMs !== undefined) {
          this.#look(draft, outcome.lastSeq)
          return
        }
        this.#succeed(draft, draft.written)
        break
      case 'unknown':
        draft.undecidedAtMs ??= this.#ports.now().monoMs
        break
      case 'refused':
      case 'busy':
        break
    }
    this.#onAnswered(draft, outcome.kind === 'written' || outcome.kind === 'conflict')
  }

  /** What was sent may be what is there: looks, once a copy is found that is no older. */
  #look(draft: Draft, lastSeq: number): void {
    const key = tallyKey(draft.appId, draft.minuteMs, this.#source, draft.part)
    this.#ports.store.askStats({ kind: 'list', path: key, from: 0 }, (answer) => {
      this.#onLook(draft, lastSeq, answer)
      this.#onAnswered(draft, draft.undecidedAtMs === undefined)
    })
  }

  #onLook(draft: Draft, lastSeq: number, answer: StatsAnswer): void {
    if (answer.kind !== 'list' || answer.page === undefined) return
    const record = answer.page.records.at(-1)
    if ((record?.seq ?? 0) < lastSeq) return
    if (record === undefined) {
      this.#succeed(draft, draft.sent!)
      return
    }
    const { entries, isSealed } = decodeTally(record.bytes)
    draft.lastSeq = record.seq
    if (isSealed) this.#succeed(draft, entries)
    else this.#onDecided(draft, entries)
  }

  /** For how long nobody has known what became of what was sent. */
  #doubtMs({ undecidedAtMs }: Draft): number {
    return undecidedAtMs === undefined ? 0 : this.#ports.now().monoMs - undecidedAtMs
  }

  #onDecided(draft: Draft, written: Entries): void {
    draft.written = written
    draft.undecidedAtMs = undefined
  }

  /** Somebody folds it, with `written`: the rest of the minute goes under another key. */
  #succeed(draft: Draft, written: Entries): void {
    draft.sealed = added(draft.sealed, written)
    draft.part++
    draft.lastSeq = 0
    this.#onDecided(draft, {})
  }

  #onAnswered(draft: Draft, isDecided: boolean): void {
    draft.isUnderWay = false
    const wasFull = this.#underWayCount-- >= limits.statsPutsMax
    if (wasFull) this.#writeAll()
    else if (isDecided || this.#onFlushed !== undefined) this.#write(draft)
    this.#tellFlushed()
  }

  #isWritten(draft: Draft): boolean {
    if (draft.undecidedAtMs !== undefined) return false
    const rest = restOf(draft)
    if (Object.keys(rest).length === 0) return true
    // A mean is said when something else is, and once the minute is over.
    if (!isSameCount(rest, draft.written)) return false
    return !this.#closed.has(draft) || isSameThroughout(rest, draft.written)
  }

  #tellFlushed(): void {
    if (this.#onFlushed === undefined || this.openCount > 0) return
    const told = this.#onFlushed
    this.#onFlushed = undefined
    told()
  }
}

function newDraft(appId: string, minuteMs: number): Draft {
  return {
    appId,
    minuteMs,
    all: {},
    sealed: {},
    part: 0,
    lastSeq: 0,
    written: {},
    sent: undefined,
    isUnderWay: false,
    undecidedAtMs: undefined,
    isClosed: false
  }
}

/** What the part that is written now has to hold. */
function restOf({ all, sealed, part }: Draft): Entries {
  return part === 0 ? all : remainderOf(all, sealed)
}

function isSameThroughout(some: Entries, others: Entries): boolean {
  return Object.entries(some).every(([name, value]) => others[name] === value)
}

function minuteAt(wallMs: number): number {
  return wallMs - (wallMs % MINUTE_MS)
}
