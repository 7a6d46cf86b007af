/**
 * Virtual time: one heap of events, ties broken by number, jumps to the next. Whatever happens in
 * a run happens inside an event of this heap, and everything that chance decides is forked from
 * the seed by label; so one seed reproduces one run exactly, and the fingerprint shows it.
 */

import TinyQueue from 'tinyqueue'
import { Random } from '../../src/base/random.ts'

const TRACE_LINES = 4_000
const SECOND_MS = 1_000

/** Something that will happen. */
export interface Scheduled {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

/** Something that must never happen has happened. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly check: string

  constructor(check: string, text: string) {
    super(`${check}: ${text}`)
    this.check = check
  }
}

export class World {
  nowMs = 0
  eventCount = 0
  readonly seed: string
  /** The last lines of what happened; all of them if `isTracing`. */
  readonly trace: string[] = []
  isTracing = false
  /** More events in one second than this are an endless loop in virtual time. */
  eventsPerSecondMax = 100_000
  #secondEndsAtMs = 0
  #secondsEventCount = 0
  readonly #random: Random
  readonly #heap = new TinyQueue<Scheduled>([], byTime)
  #order = 0
  #a = 0x811c9dc5
  #b = 0x01000193

  constructor(seed: string) {
    this.seed = seed
    this.#random = new Random(seed)
  }

  /** A stream of draws of its own. */
  fork(label: string): Random {
    return this.#random.fork(label)
  }

  /** Everything that happened, as one word. */
  get fingerprint(): string {
    const word = (lane: number): string => (lane >>> 0).toString(16).padStart(8, '0')
    return `${word(this.#a)}${word(this.#b)}`
  }

  at(atMs: number, run: () => void): Scheduled {
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run }
    this.#heap.push(event)
    return event
  }

  after(delayMs: number, run: () => void): Scheduled {
    return this.at(this.nowMs + delayMs, run)
  }

  /** Takes it back; it is left in the heap and passed over. */
  cancel(event: Scheduled | undefined): void {
    if (event !== undefined) event.run = undefined
  }

  /** Again and again, until `run` returns false. */
  every(periodMs: number, run: () => boolean | void): void {
    const again = (): void => {
      if (run() !== false) this.after(periodMs, again)
    }
    this.after(periodMs, again)
  }

  /** Notes what happened: it becomes part of the fingerprint and of the trace. */
  note(text: string): void {
    this.mix(text)
    if (!this.isTracing && this.trace.length >= TRACE_LINES) this.trace.splice(0, TRACE_LINES / 2)
    this.trace.push(`${this.nowMs.toFixed(2).padStart(11)} ${text}`)
  }

  /** Makes text part of the fingerprint only. */
  mix(text: string): void {
    let a = this.#a ^ Math.floor(this.nowMs * 1_000)
    for (let at = 0; at < text.length; at++) a = Math.imul(a ^ text.charCodeAt(at), 0x01000193)
    this.#a = a
    this.#b = Math.imul(this.#b ^ (a >>> 7), 0x85ebca6b) + a
  }

  /** Makes bytes part of the fingerprint. */
  mixBytes(bytes: Uint8Array): void {
    let a = this.#a ^ bytes.length
    for (let at = 0; at < bytes.length; at++) a = Math.imul(a ^ bytes[at]!, 0x01000193)
    this.#a = a
    this.#b = Math.imul(this.#b ^ (a >>> 7), 0x85ebca6b) + a
  }

  /** Lets time pass. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      const first = this.#heap.peek()
      if (first === undefined || first.atMs > endMs) break
      this.#heap.pop()
      this.nowMs = first.atMs
      const { run } = first
      if (run === undefined) continue
      this.#count()
      first.run = undefined
      run()
    }
    this.nowMs = endMs
  }

  /** Lets time pass until `isDone`, looked at every `stepMs`, or until `boundMs` have passed. */
  runUntil(isDone: () => boolean, boundMs: number, stepMs = 500): boolean {
    const endMs = this.nowMs + boundMs
    while (!isDone()) {
      if (this.nowMs >= endMs) return false
      this.run(stepMs)
    }
    return true
  }

  #count(): void {
    this.eventCount++
    if (this.nowMs >= this.#secondEndsAtMs) {
      this.#secondEndsAtMs = this.nowMs + SECOND_MS
      this.#secondsEventCount = 0
    }
    if (++this.#secondsEventCount <= this.eventsPerSecondMax) return
    throw new Violation('endless', 'time does not pass')
  }
}

function byTime(a: Scheduled, b: Scheduled): number {
  return a.atMs - b.atMs || a.order - b.order
}
