/**
 * A channel's recent committed publications, for those who were away: two minutes or a byte
 * limit, whichever is first. `trimmedThrough` is the highest seq no longer held: whether somebody
 * can continue depends on it alone, never on age (rule 19), so that a client of a silent channel
 * continues after hours.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Publication } from '../peer/message.ts'

interface Held {
  readonly publication: Publication
  readonly atMs: number
}

const OVERHEAD_BYTES = 200

/** Of what was born on a channel and is held no longer. */
export interface BornTrimmed {
  /** The newest was then, or earlier, in ms since the Unix epoch. */
  readonly ms: number
  /** Of what stands up to this seq. */
  readonly through: number
}

/** What the tails of one worker hold together. */
export class TailPool {
  bytes = 0
}

/** Committed publications in order of seq, without a hole. */
export class Tail {
  #held: Held[] = []
  #head = 0
  #bytes = 0
  #trimmedThrough: number
  /** The entry of that seq, where it is known. */
  #trimmedEntry: number | undefined
  /** What was known of that before the tail began. */
  #bornBefore: BornTrimmed | undefined
  /** When the newest of it is said to have been; undefined where that is not known. */
  #trimmedMs: number | undefined
  /** The highest seq no longer held of what was born here. */
  #bornTrimmedThrough: number
  readonly #pool: TailPool

  /** `trimmedThrough`: the channel's last seq when the tail begins, and what entry that was. */
  constructor(trimmedThrough: number, pool: TailPool, trimmedEntry?: number) {
    this.#bornTrimmedThrough = trimmedThrough
    this.#pool = pool
    this.#trimmedThrough = trimmedThrough
    this.#trimmedEntry = trimmedEntry
  }

  /**
   * Of what was there before the tail began, `seq` was the last that was born here. What is known
   * of its time is of use if nothing that was born after that is left out.
   */
  knowBorn(seq: number, before?: BornTrimmed): void {
    this.#bornTrimmedThrough = Math.min(this.#bornTrimmedThrough, seq)
    this.#bornBefore = before
    const isOfAll = before !== undefined && this.#bornTrimmedThrough <= before.through
    this.#trimmedMs = isOfAll ? before.ms : undefined
  }

  /** One in its place that begins behind `trimmedThrough`; `bornSeq` was the last born here. */
  beginAnew(trimmedThrough: number, bornSeq: number): Tail {
    this.end()
    const tail = new Tail(trimmedThrough, this.#pool)
    tail.knowBorn(bornSeq, this.#bornBefore)
    return tail
  }

  /** For whoever takes the channel over; undefined where nothing is known. */
  get bornTrimmed(): BornTrimmed | undefined {
    return this.#trimmedMs === undefined ? undefined
      : { ms: this.#trimmedMs, through: this.#trimmedThrough }
  }

  /** When the newest that is no longer held and was born here was, or earlier; if that is known. */
  get bornTrimmedMs(): number | undefined {
    return this.#trimmedMs
  }

  /** The highest seq that cannot be read here any more. */
  get trimmedThrough(): number {
    return this.#trimmedThrough
  }

  /** The seq of the newest publication, held or let go. */
  get lastSeq(): number {
    return this.#trimmedThrough + this.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#held.length - this.#head
  }

  /** The newest publication is kept however large it is. */
  *sizes(): Generator<Size> {
    yield ['tailBytesMax', this.length > 1 ? this.#bytes : 0]
  }

  /** The publication at `index`, counted from the oldest that is held. */
  at(index: number): Publication {
    return this.#held[this.#head + index]!.publication
  }

  /** The entry of the publication at `seq`; undefined where that is not known any more. */
  entryOf(seq: number): number | undefined {
    if (seq <= this.#trimmedThrough) {
      return seq === this.#trimmedThrough ? this.#trimmedEntry : undefined
    }
    return this.#held[this.#head + seq - this.#trimmedThrough - 1]?.publication.entry
  }

  /** Adds the next committed publication; lets go what is too old or too much. */
  push(publication: Publication, nowMs: number): void {
    this.#held.push({ publication, atMs: nowMs })
    this.#add(sizeOf(publication))
    while (this.#isTooMuch && this.length > 1) this.#shift()
    this.expire(nowMs)
  }

  /** Lets go what is older than the retention; returns true when nothing is held. */
  expire(nowMs: number): boolean {
    const horizonMs = nowMs - limits.tailMs
    while (this.length > 0 && this.#held[this.#head]!.atMs <= horizonMs) this.#shift()
    return this.length === 0
  }

  /** Everything after `seq`, oldest first; undefined if something after it is gone. */
  after(seq: number): Publication[] | undefined {
    if (seq < this.#trimmedThrough) return undefined
    const publications: Publication[] = []
    for (let at = this.#head + (seq - this.#trimmedThrough); at < this.#held.length; at++) {
      publications.push(this.#held[at]!.publication)
    }
    return publications
  }

  /** What was born here after `seq`, oldest first; undefined if something of that is gone. */
  bornAfter(seq: number): Publication[] | undefined {
    if (seq < this.#bornTrimmedThrough) return undefined
    const held = this.after(Math.max(seq, this.#trimmedThrough))!
    return held.filter(({ origin }) => origin === undefined)
  }

  /**
   * The seq after which the last `count` messages stand that outlast their delivery, or as many as
   * are held and were published at `sinceMs` or later, and nothing may be missing between.
   */
  rewound(count: number, sinceMs: number): number {
    let seq = this.lastSeq
    let found = 0
    for (let at = this.#held.length - 1; at >= this.#head && found < count; at--) {
      const { publication } = this.#held[at]!
      if (publication.timestamp < sinceMs || publication.isBreak === true) break
      found += lastingCount(publication)
      seq = publication.seq - 1
    }
    return seq
  }

  /**
   * What was born here at `sinceMs` or later; undefined if something of that time may be gone.
   * Before `birthSeq` there was nothing; `lastMs` is when the newest was.
   */
  since(sinceMs: number, birthSeq: number, lastMs: number): Publication[] | undefined {
    const all = this.after(this.#trimmedThrough) ?? []
    const born = all.filter(({ origin }) => origin === undefined)
    const found = born.filter(({ timestamp }) => timestamp >= sinceMs)
    const isWhole = this.#bornTrimmedThrough <= birthSeq || lastMs < sinceMs ||
      (this.#trimmedMs ?? Infinity) < sinceMs || found.length < born.length
    return isWhole ? found : undefined
  }

  /** The seq of the newest one that was born here; 0 for none. */
  get bornThrough(): number {
    for (let at = this.length - 1; at >= 0; at--) {
      const { origin, seq } = this.at(at)
      if (origin === undefined) return seq
    }
    return 0
  }

  /** The newest publication that was born here and of which something outlasts its delivery. */
  lastLasting(): Publication | undefined {
    for (let at = this.length - 1; at >= 0; at--) {
      const publication = this.at(at)
      if (publication.origin === undefined && lastingCount(publication) > 0) return publication
    }
    return undefined
  }

  /** What is held of what was born here, in order; the tail itself, where that is all of it. */
  born(): { readonly length: number; at(index: number): Publication } {
    const held = this.after(this.#trimmedThrough)!
    const born = held.filter(({ origin }) => origin === undefined)
    return born.length === held.length ? this : { length: born.length, at: (at) => born[at]! }
  }

  /** Nothing is read here any more. */
  end(): void {
    this.#add(-this.#bytes)
  }

  /** Above the bound of all tails it is the growing one that is cut. */
  get #isTooMuch(): boolean {
    return this.#bytes > limits.tailBytesMax || this.#pool.bytes > limits.tailBytesPerWorkerMax
  }

  #add(bytes: number): void {
    this.#bytes += bytes
    this.#pool.bytes += bytes
  }

  #shift(): void {
    const { publication } = this.#held[this.#head]!
    this.#head++
    this.#add(-sizeOf(publication))
    this.#trimmedThrough = publication.seq
    this.#trimmedEntry = publication.entry
    if (publication.origin === undefined) {
      this.#trimmedMs = publication.timestamp
      this.#bornTrimmedThrough = publication.seq
    }
    if (this.#head > 64 && this.#head * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#head)
      this.#head = 0
    }
  }
}

/** How many of its messages somebody who comes later may be told. */
export function lastingCount({ owner, messageCount, ephemeralCount = 0 }: Publication): number {
  return owner === undefined ? messageCount - ephemeralCount : 0
}

/** The bytes of what they say. */
export function bytesOf(publications: readonly Publication[]): number {
  return publications.reduce((sum, { payload }) => sum + payload.byteLength, 0)
}

function sizeOf(publication: Publication): number {
  return publication.payload.byteLength + OVERHEAD_BYTES
}
