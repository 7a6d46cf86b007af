/**
 * The nonces that were used lately, of those whose digests fall into one partition. A nonce is
 * used by the first request that names it, once that is in the log:
 *
 *   spend ──new──▶ in the log ──▶ fresh
 *     │ known, by the same request (sent again) ──▶ fresh
 *     └ known, by another one, or too old to be known ──▶ used
 *
 * Both answers stay true once they are: so a master that is deposed and does not know it can say
 * nothing wrong, and nothing is confirmed for them. Nobody is remembered longer than the nonce's
 * timestamp could be taken by any clock; after that the timestamp refuses it (protocol 11.3).
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Entry } from '../log/entry.ts'
import type { NonceRecord, NonceVerdict, Spend, Spent } from '../peer/nonce-message.ts'
import type { Place } from '../peer/place.ts'

/** What they need from their partition. */
export interface NoncesPorts {
  now(): Now
  /** False while the log takes nothing (rule 6). */
  hasRoom(): boolean
  send(place: Place, message: Spent): void
  /** Adds to what waits for the log. */
  append(entry: Entry): number
}

export class NonceRegister {
  readonly #ports: NoncesPorts
  /** In the log. */
  readonly #records = new Map<string, NonceRecord>()
  /** On their way there, with who has asked. */
  readonly #underWay = new Map<string, { readonly record: NonceRecord; from: Place }>()
  /** What came before the partition was claimed. */
  readonly #early = new Map<string, { readonly from: Place; readonly message: Spend }>()
  #isServing = false

  constructor(ports: NoncesPorts) {
    this.#ports = ports
  }

  /** How many are known. */
  get size(): number {
    return this.#records.size
  }

  *sizes(): Generator<Size> {
    yield ['noncesPerPartitionMax', this.#records.size + this.#underWay.size]
    yield ['confirmingMax', this.#early.size]
  }

  /** For a snapshot. */
  state(): NonceRecord[] {
    return [...this.#records.values()]
  }

  /** Takes one from the log or its snapshot. */
  restore(record: NonceRecord): void {
    this.#records.set(record.digest, record)
  }

  /** The partition is ours, and everything is restored. */
  begin(): void {
    this.#isServing = true
    const early = [...this.#early.values()]
    this.#early.clear()
    for (const { from, message } of early) this.onSpend(from, message)
  }

  /**
   * The mastership is over: what is under way is asked again, of the next master. If that is this
   * one, since the log has lost something, it still knows what was used.
   */
  end(): void {
    this.#isServing = false
    this.#underWay.clear()
  }

  onSpend(from: Place, message: Spend): void {
    const { digest, spendId, untilMs } = message
    if (!this.#isServing) {
      if (this.#early.size < limits.confirmingMax) this.#early.set(spendId, { from, message })
      return
    }
    const known = this.#records.get(digest)
    const underWay = this.#underWay.get(digest)
    if (known !== undefined) {
      this.#answer(from, spendId, known.spendId === spendId ? 'fresh' : 'used')
    } else if (untilMs <= this.#ports.now().wallMs) {
      this.#answer(from, spendId, 'used')
    } else if (underWay !== undefined) {
      // Another one asks again, and is answered when it is sure.
      if (underWay.record.spendId === spendId) underWay.from = from
    } else if (this.#isFull || !this.#ports.hasRoom()) {
      this.#answer(from, spendId, 'full')
    } else {
      const record = { digest, spendId, untilMs }
      this.#underWay.set(digest, { record, from })
      this.#ports.append({ kind: 'nonce', record })
    }
  }

  /** An entry is in the log. */
  onCommitted(entry: Entry): void {
    if (entry.kind !== 'nonce') return
    const { digest, spendId } = entry.record
    this.#records.set(digest, entry.record)
    const underWay = this.#underWay.get(digest)
    this.#underWay.delete(digest)
    if (underWay !== undefined) this.#answer(underWay.from, spendId, 'fresh')
  }

  /** Lets go those that nobody could use any more. */
  expire(): void {
    const { wallMs } = this.#ports.now()
    for (const { digest, untilMs } of this.#records.values()) {
      if (untilMs <= wallMs) this.#records.delete(digest)
    }
  }

  get #isFull(): boolean {
    return this.#records.size + this.#underWay.size >= limits.noncesPerPartitionMax
  }

  #answer(place: Place, spendId: string, verdict: NonceVerdict): void {
    this.#ports.send(place, { kind: 'spent', spendId, verdict })
  }
}
