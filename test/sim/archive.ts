/**
 * The simulated archive: shelves of records that survive masters, written by compare-and-append,
 * read from copies that may lag. The weather has for it what it has for the log.
 */

import type { Random } from '../../src/base/random.ts'
import type { ArchiveAnswer, ArchiveRequest, Shelf } from '../../src/log/archive.ts'
import type { AppendOutcome, LogRecord } from '../../src/log/port.ts'
import type { Filled } from '../../src/log/room.ts'
import { type Asker, calmFaults, type LogFaults } from './log.ts'
import type { World } from './world.ts'

const ANSWER_MS = 0.4
const UNKNOWN_AFTER_MS = 2_000

interface Held extends LogRecord {
  readonly atMs: number
  readonly endsAtMs: number
}

export class SimArchive {
  readonly faults: LogFaults = calmFaults()
  /** A record is stored. */
  onStored: (shelf: Shelf, bytes: Uint8Array) => void = () => undefined
  readonly #world: World
  readonly #random: Random
  readonly #shelves = new Map<string, Held[]>()
  readonly #cutOff: ReadonlySet<string>
  #seq = 0

  /** `cutOff`: machines that do not reach it. */
  constructor(world: World, cutOff: ReadonlySet<string>) {
    this.#world = world
    this.#random = world.fork('archive')
    this.#cutOff = cutOff
  }

  ask(asker: Asker, request: ArchiveRequest, onAnswer: (answer: ArchiveAnswer) => void): void {
    this.#world.after(this.#delayMs(), () => {
      const isReachable = asker.isUp && !this.#cutOff.has(asker.machine)
      if (request.kind === 'append') this.#append(isReachable, request, onAnswer)
      else if (request.kind === 'trim') this.#trim(isReachable, request, onAnswer)
      else this.#read(isReachable, request, onAnswer)
    })
  }

  /** As JetStream tells it, as far as it matters: full, or with room. */
  fill(): Filled {
    return { bytes: this.faults.isFull ? 99 : 1, bytesMax: 100 }
  }

  /** All that was stored is lost. */
  makeAnew(): void {
    this.#shelves.clear()
  }

  /** A shelf's records as they stand. */
  recordsOf(shelf: Shelf): readonly LogRecord[] {
    return this.#heldOf(shelf)
  }

  #read(
    isReachable: boolean, request: ArchiveRequest & { kind: 'last' | 'next' | 'page' },
    onAnswer: (answer: ArchiveAnswer) => void
  ): void {
    const { ticket, shelf } = request
    const kind = request.kind === 'page' ? 'page' : 'record'
    const { faults } = this
    if (!isReachable || this.#isDrawn(faults.unreadableChance)) {
      const outcome = { kind: 'unreadable', reason: 'no answer' } as const
      const afterMs = isReachable ? this.#delayMs() : UNKNOWN_AFTER_MS
      this.#world.after(afterMs, () => onAnswer({ kind, ticket, outcome }))
      return
    }
    const all = this.#heldOf(shelf)
    if (request.kind !== 'page') {
      const record = request.kind === 'last' ? all.at(-1)
        : all.find(({ seq }) => seq >= request.from)
      this.#world.after(this.#delayMs(), () => {
        onAnswer({ kind: 'record', ticket, outcome: { kind: 'record', record } })
      })
      return
    }
    const lagMs = this.#isDrawn(faults.lagChance) ? this.#random.below(faults.lagMs) : 0
    const seenMs = this.#world.nowMs - lagMs
    const copy = lagMs > 0 ? all.filter(({ atMs }) => atMs <= seenMs) : all
    const wanted = copy.filter(({ seq }) => seq >= request.from)
    const records = wanted.slice(0, Math.min(8, request.countMax))
    const isEnd = records.length === wanted.length
    this.#world.after(this.#delayMs(), () => {
      onAnswer({ kind: 'page', ticket, outcome: { kind: 'page', records, isEnd } })
    })
  }

  #trim(
    isReachable: boolean, { shelf, below, ticket }: ArchiveRequest & { kind: 'trim' },
    onAnswer: (answer: ArchiveAnswer) => void
  ): void {
    if (isReachable && !this.#isDrawn(this.faults.lostChance)) {
      const held = this.#heldOf(shelf)
      held.splice(0, held.findIndex(({ seq }) => seq >= below))
    }
    this.#world.after(this.#delayMs(), () => onAnswer({ kind: 'trimmed', ticket }))
  }

  #append(
    isReachable: boolean, request: ArchiveRequest & { kind: 'append' },
    onAnswer: (answer: ArchiveAnswer) => void
  ): void {
    const { faults } = this
    const { ticket } = request
    const say = (outcome: AppendOutcome, afterMs: number): void => {
      this.#world.mix(`archive ${request.shelf.channel} ${outcome.kind}`)
      this.#world.after(afterMs, () => onAnswer({ kind: 'append', ticket, outcome }))
    }
    const unknown = { kind: 'unknown', reason: 'no answer in time' } as const
    if (!isReachable || faults.isAway || this.#isDrawn(faults.lostChance)) {
      say(unknown, this.#random.jitter(UNKNOWN_AFTER_MS))
    } else if (faults.isFull || this.#isDrawn(faults.refusedChance)) {
      say({ kind: 'refused', reason: 'limits' }, this.#delayMs())
    } else if (this.#isDrawn(faults.busyChance)) {
      say({ kind: 'busy' }, this.#delayMs())
    } else if (this.#isDrawn(faults.lateChance)) {
      this.#world.after(this.#random.below(faults.lateMs), () => this.#store(request))
      say(unknown, this.#random.jitter(faults.lateMs))
    } else {
      const outcome = this.#store(request)
      const isHeard = !this.#isDrawn(faults.lostAnswerChance)
      say(isHeard ? outcome : unknown, isHeard ? this.#delayMs() : UNKNOWN_AFTER_MS)
    }
  }

  #store({ shelf, expectedSeq, bytes, keptMs }: ArchiveRequest & { kind: 'append' })
    : AppendOutcome {
    const held = this.#heldOf(shelf)
    const lastSeq = held.at(-1)?.seq ?? 0
    if (lastSeq !== expectedSeq) return { kind: 'conflict', lastSeq }
    // Shelves share the engine's sequence.
    this.#seq += 1 + this.#random.below(3)
    const atMs = this.#world.nowMs
    held.push({ seq: this.#seq, bytes, atMs, endsAtMs: atMs + keptMs })
    this.#world.mixBytes(bytes)
    this.onStored(shelf, bytes)
    return { kind: 'appended', seq: this.#seq }
  }

  #heldOf({ channel, of }: Shelf): Held[] {
    const key = `${of} ${channel}`
    const held = (this.#shelves.get(key) ?? []).filter(({ endsAtMs }) =>
      endsAtMs > this.#world.nowMs)
    this.#shelves.set(key, held)
    return held
  }

  #isDrawn(chance: number): boolean {
    return chance > 0 && this.#random.unit() < chance
  }

  #delayMs(): number {
    const { slowChance, slowMs } = this.faults
    return this.#random.jitter(ANSWER_MS / 2) +
      (this.#isDrawn(slowChance) ? this.#random.below(slowMs) : 0)
  }
}
