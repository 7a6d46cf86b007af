/**
 * Workers that count, workers that fold, and a store between them that forgets to answer, answers
 * late and does things later. Time is a number.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import type { Random } from '../../../src/base/random.ts'
import { Keeper } from '../../../src/stats/keeper.ts'
import type {
  PutOutcome, StatsAnswer, StatsOutbox, StatsQuestion, StatsRecord
} from '../../../src/stats/port.ts'
import { type Interval, readStats, type StatsRange } from '../../../src/stats/reading.ts'
import { Recorder } from '../../../src/stats/recorder.ts'
import { Shelf } from '../../../src/stats/shelf.ts'
import type { Unit } from '../../../src/stats/interval.ts'

export const BEGIN_MS = Date.UTC(2026, 2, 31, 23, 57, 20)

export class StatsWorld implements StatsOutbox {
  readonly deadlines = new Deadlines()
  readonly records = new Map<string, StatsRecord>()
  readonly told: { appId: string; item: object }[] = []
  nowMs = 0
  /** Of a hundred questions so many go wrong, in some way. */
  troubles = 0
  isAway = false
  /** How far the wall clock is off. */
  skewMs = 0
  readonly #random: Random
  #seq = 0

  constructor(random: Random) {
    this.#random = random
  }

  recorder(source: string): Recorder {
    return new Recorder(source, {
      store: this, deadlines: this.deadlines, now: () => this.now(), isKnown: () => true
    })
  }

  keeper(apps: readonly string[]): void {
    new Keeper({
      store: this, deadlines: this.deadlines, random: this.#random, now: () => this.now(),
      apps: () => apps, tell: (appId, item) => void this.told.push({ appId, item })
    }).begin()
  }

  now() {
    return { monoMs: this.nowMs, wallMs: BEGIN_MS + this.nowMs + this.skewMs }
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    while (this.deadlines.nextMs() <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.deadlines.nextMs())
      this.deadlines.fire(this.nowMs)
    }
    this.nowMs = endMs
  }

  askStats(question: StatsQuestion, onAnswer: (answer: StatsAnswer) => void): void {
    this.#later(this.#random.below(20), () => {
      if (question.kind === 'put') {
        this.#put(question, (outcome, afterMs) => {
          this.#later(afterMs, () => onAnswer({ kind: 'put', ticket: 0, outcome }))
        })
        return
      }
      const isFailing = this.isAway || this.#isTrouble()
      this.#later(this.#random.below(20), () => onAnswer(this.#read(question, isFailing)))
    })
  }

  /** What an app is told of one unit, oldest first. */
  read(appId: string, unit: Unit, over: Partial<StatsRange> = {}): Interval[] {
    let intervals: readonly Interval[] | undefined
    const range = { unit, startMs: 0, endMs: BEGIN_MS + this.nowMs, isBackwards: false,
      after: undefined, limit: 1_000, ...over }
    const now = this.now().wallMs
    readStats(new Shelf(appId, this), range, now, (page) => {
      intervals = page?.intervals ?? []
    })
    while (intervals === undefined) this.run(10)
    return [...intervals]
  }

  #read(
    question: StatsQuestion & { kind: 'list' | 'names' | 'remove' }, isFailing: boolean
  ): StatsAnswer {
    const ticket = 0
    const { kind } = question
    if (kind === 'remove') {
      if (!isFailing) this.records.delete(question.key)
      return { kind: 'removed', ticket, isDone: !isFailing }
    }
    const { path } = question
    const below = [...this.records.values()].filter(({ key }) =>
      path.endsWith('/') ? key.startsWith(path) : key === path).sort((a, b) => a.seq - b.seq)
    if (kind === 'names') {
      return { kind, ticket, names: isFailing ? undefined : below.map(({ key }) => key) }
    }
    const wanted = below.filter(({ seq }) => seq >= question.from)
    const page = { records: wanted.slice(0, 5), isEnd: wanted.length <= 5 }
    return { kind, ticket, page: isFailing ? undefined : page }
  }

  #put(
    { key, expectedSeq, bytes }: StatsQuestion & { kind: 'put' },
    say: (outcome: PutOutcome, afterMs: number) => void
  ): void {
    const store = (): PutOutcome => {
      const lastSeq = this.records.get(key)?.seq ?? 0
      if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
      const seq = ++this.#seq
      this.records.set(key, { key, seq, bytes })
      return { kind: 'written', seq }
    }
    if (this.isAway) {
      say({ kind: 'unknown' }, 2_000)
      return
    }
    if (!this.#isTrouble()) {
      say(store(), this.#random.below(20))
      return
    }
    const kind = (['refused', 'busy', 'lost', 'unheard', 'late'] as const)[this.#random.below(5)]!
    if (kind === 'refused' || kind === 'busy') {
      say({ kind }, 5)
      return
    }
    if (kind === 'unheard') store()
    if (kind === 'late') this.#later(this.#random.below(4_000), store)
    say({ kind: 'unknown' }, 2_000)
  }

  #isTrouble(): boolean {
    return this.#random.below(100) < this.troubles
  }

  #later(afterMs: number, run: () => void): void {
    this.deadlines.at(this.nowMs + afterMs, run)
  }
}
