/**
 * Persisted history (rule 22): what is acknowledged on a persisted channel stands in the archive
 * by then; whatever stands there is committed, in order, and once; after calm nothing is missing.
 */

import { channelKey } from '../app.ts'
import type { Committed } from '../committed.ts'
import type { Taken } from '../ledger.ts'
import type { Region } from '../region.ts'
import { isEphemeral } from '../submissions.ts'
import { Violation } from '../world.ts'
import { decodeArchived, type Shelf } from '../../../src/log/archive.ts'
import type { Check } from './check.ts'

/** True for a channel of the namespaces that are persisted. */
export function isKept(channel: string): boolean {
  return channel.includes('/kept:') || channel.includes('/keptEverywhere:')
}

export class Kept implements Check {
  readonly #region: Region
  readonly #names: readonly string[]
  /** What the log ever took. */
  readonly #logged = new Set<string>()
  /** What is stored, by shelf, lineage and seq. */
  readonly #stored = new Set<string>()
  /** The last seq of each shelf and lineage. */
  readonly #lasts = new Map<string, number>()
  storedCount = 0

  /** `names`: of the channels that clients use. What was born elsewhere is kept there. */
  constructor(region: Region, names: readonly string[]) {
    this.#region = region
    this.#names = names.map(channelKey).filter(isKept)
    region.archive.onStored = (shelf, bytes) => this.#onStored(shelf, bytes)
  }

  onAppended({ append, lineage }: Taken): void {
    for (const entry of append.entries) {
      if (entry.kind !== 'publication' || !isKept(entry.channel)) continue
      const { seq, timestamp, id } = entry.publication
      this.#logged.add(`${entry.channel} ${lineage} ${seq} ${timestamp} ${id}`)
    }
  }

  /** Somebody is told that this is committed. */
  onAcknowledged(committed: Committed): void {
    if (!this.#isOwed(committed)) return
    const { channel, seq } = committed
    if (!this.#stored.has(placeOf(committed))) {
      throw new Violation('kept', `${channel}: ${seq} is acknowledged and not in the archive`)
    }
    if (committed.events === undefined && seq > this.#lastOf(committed)) {
      throw new Violation('kept', `${channel}: ${seq} is acknowledged and not kept as the last one`)
    }
  }

  /** The last seq of what was said last. */
  #lastOf({ channel, lineage }: Committed): number {
    return this.#lasts.get(`last ${channel} ${lineage}`) ?? 0
  }

  missing(): string[] {
    const { ledger } = this.#region
    return this.#names.flatMap((channel) => ledger.of(ledger.lineageOf(channel), channel)
      .filter((each) => this.#isOwed(each) && !this.#stored.has(placeOf(each)))
      .map(({ seq }) => `${channel}: ${seq} is not in the archive`))
  }

  #onStored({ channel, of }: Shelf, bytes: Uint8Array): void {
    const archived = decodeArchived(bytes)
    if (archived === undefined) throw new Violation('kept', `${channel}: an unreadable record`)
    const { lineage, publications } = archived
    const shelf = `${of} ${channel} ${lineage}`
    for (const { seq, timestamp, id } of publications) {
      const lastSeq = this.#lasts.get(shelf) ?? 0
      if (seq <= lastSeq) {
        throw new Violation('kept', `${channel}: ${seq} is stored behind ${lastSeq}`)
      }
      if (!this.#logged.has(`${channel} ${lineage} ${seq} ${timestamp} ${id}`)) {
        throw new Violation('kept', `${channel}: ${seq} is stored and not committed`)
      }
      this.#lasts.set(shelf, seq)
      this.#stored.add(`${shelf} ${seq}`)
      this.storedCount++
    }
  }

  #isOwed({ channel, texts, events, origin }: Committed): boolean {
    return isKept(channel) && origin === undefined &&
      (events !== undefined || !texts.every(isEphemeral))
  }
}

function placeOf({ channel, lineage, seq, events }: Committed): string {
  return `${events === undefined ? 'messages' : 'presence'} ${channel} ${lineage} ${seq}`
}
