/**
 * A log that is nearly full takes no publishes (rule 6): once a stream has been above the mark for
 * long enough that every master has heard of it, what is appended to it is no publication.
 */

import { limits } from '../../../src/base/limits.ts'
import type { Entry } from '../../../src/log/entry.ts'
import { EPOCH_MS } from '../clock.ts'
import type { Taken } from '../ledger.ts'
import { LOOK_MS } from '../life.ts'
import { type Accepted, STREAM_COUNT } from '../log.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** A look, perhaps one that was missed before it, and then what was admitted until then. */
const GRACE_MS = 2 * LOOK_MS + 1_000
/** Tries that are unknown take two seconds each. */
const UNKNOWNS_MS = 10_000
/** Above it the log may refuse a record. */
const REFUSING_SHARE = 0.97

export class Room implements Check {
  readonly #region: Region
  readonly #fullSinceMs = new Array<number>(STREAM_COUNT).fill(Infinity)
  /** When somebody last stood still, or could not reach the log. */
  #troubleAtMs = 0

  constructor(region: Region) {
    this.#region = region
  }

  onTick(): void {
    const { log, running, world } = this.#region
    if (log.streamBytesMax === Infinity) {
      this.#fullSinceMs.fill(Infinity)
      return
    }
    const isTrouble = log.isTroubled || running.some(({ isImpaired }) => isImpaired)
    // To the last byte: what was admitted in time waits for a place.
    const isFull = log.fill().streams.some(({ bytes, bytesMax }) =>
      bytes > REFUSING_SHARE * bytesMax)
    if (isTrouble || isFull) this.#troubleAtMs = world.nowMs
    for (let stream = 0; stream < STREAM_COUNT; stream++) this.#look(stream)
  }

  onAppended({ append: { entries } }: Taken, { partition, atMs }: Accepted): void {
    const stream = partition % STREAM_COUNT
    const isFull = this.#look(stream)
    const sinceMs = Math.max(this.#fullSinceMs[stream]!, this.#troubleAtMs)
    const graceMs = GRACE_MS + (this.#region.log.faults.lostChance > 0 ? UNKNOWNS_MS : 0)
    // A record that was admitted in time is tried until there is a place for the whole of it.
    const admittedAtMs = Math.max(...entries.map(admittedMs))
    const isLate = Math.min(atMs, admittedAtMs) - sinceMs > graceMs
    if (!isLate || !isFull) return
    throw new Violation('room', `a publish was taken by a full log, in partition ${partition}`)
  }

  /** With every append, too: between two ticks it may be trimmed, and be filled again. */
  #look(stream: number): boolean {
    const { log, world } = this.#region
    const { bytes, bytesMax } = log.fill().streams[stream]!
    const isFull = bytes >= limits.logAdmissionShare * bytesMax
    if (!isFull) this.#fullSinceMs[stream] = Infinity
    else if (this.#fullSinceMs[stream] === Infinity) this.#fullSinceMs[stream] = world.nowMs
    return isFull
  }
}

/**
 * When its master gave the publish its place, by that one's clock. What nodes declare of their
 * members, and leaves, are bounded by who is present.
 */
function admittedMs(entry: Entry): number {
  if (entry.kind !== 'publication' || entry.publication.owner !== undefined) return -Infinity
  return entry.publication.timestamp - EPOCH_MS
}
