/**
 * Names of points in a channel's history. A message serial orders messages for ever and for
 * everybody, by plain comparison of text; a channelSerial says where in one log a client stands,
 * and means something to us alone (ably-protocol 6.4, 7.4).
 *
 * Message serials are made by the channel's master from a clock that only goes forward: a slow
 * wall clock, of this node or of the next master, must never sort a message before an earlier
 * one. So the clock is max(wall, last) with a counter, and runs ahead of the wall when more is
 * published in a millisecond than the counter's three digits can tell apart: one digit more would
 * break the order of texts.
 */

import { assert } from '../base/assert.ts'

/** A point in a channel: `seq` is the channel's own contiguous count within one lineage. */
export interface Position {
  readonly lineage: string
  readonly seq: number
}

/** One tick of a serial clock. */
export interface Tick {
  /** Milliseconds since the Unix epoch, at least; never before an earlier tick's. */
  readonly ms: number
  readonly counter: number
}

/** One of the clock of a place; `site` names where it ticked. */
export interface SerialParts extends Tick {
  readonly site: string
}

/** Three digits each; a publish holds at most as many messages as an index can count. */
export const counterMax = 999
export const indexMax = 999

const MESSAGE_SERIAL = /^(\d{14})-(\d{3})@([A-Za-z0-9_-]+):(\d{3})$/

/** The serial of the item at `index` of one publish: `<ms>-<counter>@<site>:<index>`. */
export function messageSerial(parts: SerialParts, index: number): string {
  assert(index >= 0 && index <= indexMax, 'index of a message within its publish')
  return `${serialBase(parts)}:${digits(index, 3)}`
}

/** What the serials of one publish have in common. */
export function serialBase({ ms, counter, site }: SerialParts): string {
  return `${digits(ms, 14)}-${digits(counter, 3)}@${site}`
}

/** The parts of a message serial of our form; undefined for any other text. */
export function parseMessageSerial(
  serial: string
): (SerialParts & { readonly index: number }) | undefined {
  const match = MESSAGE_SERIAL.exec(serial)
  if (match === null) return undefined
  const [, ms, counter, site, index] = match
  return { ms: Number(ms), counter: Number(counter), site: site!, index: Number(index) }
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}

/** The clock of one partition's serials; strictly forward, over changes of master too. */
export class SerialClock {
  #ms = 0
  #counter = -1

  /** The next tick, later than every tick given out or followed before. */
  next(wallMs: number): Tick {
    if (wallMs > this.#ms) {
      this.#ms = wallMs
      this.#counter = 0
    } else if (this.#counter < counterMax) {
      this.#counter++
    } else {
      this.#ms++
      this.#counter = 0
    }
    return { ms: this.#ms, counter: this.#counter }
  }

  /** Goes on after `serial`, which was found in the log or came from elsewhere. */
  follow(serial: string): void {
    const parts = parseMessageSerial(serial)
    if (parts !== undefined) this.followTick(parts)
  }

  /** Goes on after a tick. */
  followTick({ ms, counter }: Tick): void {
    if (ms < this.#ms || (ms === this.#ms && counter <= this.#counter)) return
    this.#ms = ms
    this.#counter = counter
  }

  /** The last tick given out or followed; counter −1 when there is none yet. */
  last(): Tick {
    return { ms: this.#ms, counter: this.#counter }
  }
}

/** What a channelSerial holds: a Position, and what proves that the log was not rolled back. */
export interface ChannelSerial extends Position {
  /** The epoch in which the Position was reached. */
  readonly epoch: string
  /** The partition's entry number at that Position. */
  readonly entry: number
}

/** First letters of ours, with the version of the form. No SDK's or service's begin so. */
const PREFIX = 'rc1'
const WORD = /^[A-Za-z0-9._-]{1,64}$/
const NUMBER = /^[0-9a-z]{1,11}$/

/** The text of a ChannelSerial: url-safe, short, without colons. */
export function channelSerial({ lineage, seq, epoch, entry }: ChannelSerial): string {
  assert(WORD.test(lineage) && WORD.test(epoch), 'lineage and epoch are short plain words')
  assert(Number.isSafeInteger(seq) && seq >= 0, 'seq is a count')
  assert(Number.isSafeInteger(entry) && entry >= 0, 'entry is a count')
  return `${PREFIX}~${lineage}~${epoch}~${entry.toString(36)}~${seq.toString(36)}`
}

/** Reads a channelSerial; foreign or malformed → undefined, which is never fatal (7.4). */
export function parseChannelSerial(text: string): ChannelSerial | undefined {
  const [prefix, lineage, epoch, entry, seq, ...more] = text.split('~', 6)
  if (prefix !== PREFIX || lineage === undefined || epoch === undefined) return undefined
  if (entry === undefined || seq === undefined || more.length > 0) return undefined
  if (!WORD.test(lineage) || !WORD.test(epoch)) return undefined
  const entryNumber = countOf(entry)
  const seqNumber = countOf(seq)
  if (entryNumber === undefined || seqNumber === undefined) return undefined
  return { lineage, seq: seqNumber, epoch, entry: entryNumber }
}

/**
 * The place right before the publication that stands at `text`: who goes on from there is told
 * that publication first. It says of the entry before no more than that it came before. Undefined
 * for a text that is none of ours.
 */
export function channelSerialBefore(text: string): string | undefined {
  const at = parseChannelSerial(text)
  if (at === undefined || at.seq === 0 || at.entry === 0) return undefined
  return channelSerial({ ...at, seq: at.seq - 1, entry: at.entry - 1 })
}

function countOf(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined
  const value = parseInt(text, 36)
  return Number.isSafeInteger(value) ? value : undefined
}
