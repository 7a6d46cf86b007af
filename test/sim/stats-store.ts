/**
 * The simulated store of statistics: records by key, written by compare-and-write, in the weather
 * that the log has, which is of the same servers. Copies lag, answers are lost, and what nobody
 * waits for any more is done later.
 */

import type { Random } from '../../src/base/random.ts'
import type { PutOutcome, StatsAnswer, StatsRecord, StatsRequest } from '../../src/stats/port.ts'
import type { Asker, SimLog } from './log.ts'
import type { World } from './world.ts'

const PAGE_RECORDS = 8
const ANSWER_MS = 0.4
const UNKNOWN_AFTER_MS = 2_000
/** How long copies may show what was there before. */
const PAST_MS = 60_000

interface Version extends StatsRecord {
  readonly atMs: number
  readonly isGone: boolean
}

export class SimStats {
  readonly #world: World
  readonly #random: Random
  readonly #log: SimLog
  /** By key, oldest first. */
  readonly #versions = new Map<string, Version[]>()
  #seq = 0

  constructor(world: World, log: SimLog) {
    this.#world = world
    this.#random = world.fork('stats')
    this.#log = log
  }

  /** Everything that is there. */
  records(): StatsRecord[] {
    return this.#below('', this.#world.nowMs)
  }

  /** `onAnswer` is called once, however late. */
  ask(asker: Asker, request: StatsRequest, onAnswer: (answer: StatsAnswer) => void): void {
    this.#world.after(this.#random.jitter(ANSWER_MS / 2), () => {
      const isReachable = asker.isUp && !this.#log.cutOff.has(asker.machine)
      this.#serve(isReachable, request, onAnswer)
    })
  }

  #serve(
    isReachable: boolean, request: StatsRequest, onAnswer: (answer: StatsAnswer) => void
  ): void {
    const { ticket } = request
    const { faults } = this.#log
    const isAway = !isReachable || faults.isAway
    const say = (answer: StatsAnswer, afterMs = this.#random.jitter(ANSWER_MS / 2)): void => {
      this.#world.after(afterMs, () => onAnswer(answer))
    }
    if (request.kind === 'put') {
      this.#put(isAway, request, (outcome, afterMs) => {
        say({ kind: 'put', ticket, outcome }, afterMs)
      })
      return
    }
    if (isAway || this.#isDrawn(faults.unreadableChance)) {
      const kind = request.kind
      const nothing: StatsAnswer = kind === 'list' ? { kind, ticket, page: undefined }
        : kind === 'names' ? { kind, ticket, names: undefined }
          : { kind: 'removed', ticket, isDone: false }
      say(nothing, isAway ? UNKNOWN_AFTER_MS : undefined)
      return
    }
    if (request.kind === 'remove') {
      this.#write(request.key, new Uint8Array(), true)
      say({ kind: 'removed', ticket, isDone: true })
      return
    }
    if (request.kind === 'names') {
      const names = this.#below(request.path, this.#world.nowMs).map(({ key }) => key)
      say({ kind: 'names', ticket, names })
      return
    }
    const lagMs = this.#isDrawn(faults.lagChance) ? this.#random.below(faults.lagMs) : 0
    const found = this.#below(request.path, this.#world.nowMs - lagMs)
      .filter(({ seq }) => seq >= request.from)
    const records = found.slice(0, PAGE_RECORDS)
    say({ kind: 'list', ticket, page: { records, isEnd: records.length === found.length } })
  }

  #put(
    isAway: boolean,
    { key, expectedSeq, bytes }: StatsRequest & { kind: 'put' },
    say: (outcome: PutOutcome, afterMs?: number) => void
  ): void {
    const { faults } = this.#log
    const store = (): PutOutcome => {
      const last = this.#versions.get(key)?.at(-1)
      const lastSeq = last === undefined || last.isGone ? 0 : last.seq
      if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
      return { kind: 'written', seq: this.#write(key, bytes, false) }
    }
    if (isAway || this.#isDrawn(faults.lostChance)) {
      say({ kind: 'unknown' }, UNKNOWN_AFTER_MS)
    } else if (faults.isFull || this.#isDrawn(faults.refusedChance)) {
      say({ kind: 'refused' })
    } else if (this.#isDrawn(faults.busyChance)) {
      say({ kind: 'busy' })
    } else if (this.#isDrawn(faults.lateChance)) {
      this.#world.after(this.#random.below(faults.lateMs), store)
      say({ kind: 'unknown' }, this.#random.jitter(faults.lateMs))
    } else {
      const outcome = store()
      const isHeard = !this.#isDrawn(faults.lostAnswerChance)
      say(isHeard ? outcome : { kind: 'unknown' }, isHeard ? undefined : UNKNOWN_AFTER_MS)
    }
  }

  #write(key: string, bytes: Uint8Array, isGone: boolean): number {
    const atMs = this.#world.nowMs
    const former = this.#versions.get(key) ?? []
    // The last one that copies could still show, and what came after it.
    const firstAt = former.findLastIndex((each) => each.atMs < atMs - PAST_MS)
    const seq = ++this.#seq
    this.#versions.set(key, [...former.slice(Math.max(0, firstAt)),
      { key, seq, bytes, atMs, isGone }])
    this.#world.mixBytes(bytes)
    return seq
  }

  /** What is below a path, or the one of this key, as it was at a time; in order of `seq`. */
  #below(path: string, atMs: number): StatsRecord[] {
    const isPath = path === '' || path.endsWith('/')
    const keys = isPath ? [...this.#versions.keys()].filter((key) => key.startsWith(path)) : [path]
    return keys.flatMap((key) => {
      const then = this.#versions.get(key)?.findLast((each) => each.atMs <= atMs)
      return then === undefined || then.isGone ? [] : [then]
    }).sort((a, b) => a.seq - b.seq)
  }

  #isDrawn(chance: number): boolean {
    return chance > 0 && this.#random.unit() < chance
  }
}
