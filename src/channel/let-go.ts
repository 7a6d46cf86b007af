/**
 * What a partition remembers of the channels that it has let go. One that is born again stands
 * above all of them (rule 5). In a world of regions another one may not have been told all that was
 * said on one of them: its relay asks when it can, and must not be told that nothing was. So of
 * each that may be asked about it stands here how far it went; beyond a bound it stands for all
 * others that nobody knows, and who comes from before that may have missed something. And it stands
 * here where its own clients and relays go on (comeback.ts), of the latest ones.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { RecoveredLog } from '../log/replay.ts'
import type { RelayJoin } from '../peer/relay-message.ts'
import type { Parting } from './comeback.ts'
import type { OtherRegions } from './partition-ports.ts'
import type { Here } from './page.ts'
import { beginSeqOf, type Birth, type PartitionState, type Past } from './partition-state.ts'

/** Where a channel stood when it was let go; `past`: what may be asked of it. */
export interface Left {
  readonly lastSeq: number
  readonly lastEntry: number
  readonly past: Past | undefined
  /** Where its clients and relays go on. */
  readonly parting: Parting
}

/** What is left of a channel that is born again. */
export interface Remembered {
  readonly past: Past | undefined
  readonly parting: Parting | undefined
}

/** What may be missing: the channel's past has all of it, or nobody knows. */
export type Missed = 'nothing' | 'something' | 'unknown'

export class LetGo {
  /** Those that are born again begin here. */
  #birth: Birth = { seq: 0, entry: 0 }
  /** By channel, the latest last: those that relays listened to, and others. */
  readonly #sought = new Map<string, Past>()
  readonly #unsought = new Map<string, Past>()
  /** By channel, the latest last. */
  readonly #partings = new Map<string, Parting>()
  /** Of all that had to be forgotten. */
  #forgotten = { entry: 0, ms: 0, bornMs: 0 }

  get birth(): Birth {
    return this.#birth
  }

  *sizes(): Generator<Size> {
    yield ['pastsMax', Math.max(this.#sought.size, this.#unsought.size, this.#partings.size)]
  }

  /** A channel is let go. */
  add(channel: string, { lastSeq, lastEntry, past, parting }: Left, others: OtherRegions): void {
    const isAlone = others === 'none'
    // Who comes from before is known by it, though nothing may be said in between.
    const seq = isAlone ? lastSeq : lastSeq + 1
    const { birth } = this
    this.#birth = { seq: Math.max(birth.seq, seq), entry: Math.max(birth.entry, lastEntry) }
    if (isAlone) return
    this.#part(channel, parting)
    if (past !== undefined) this.#add(channel, past, others === 'silent')
  }

  /**
   * A takeover finds this of a channel: its former master may have let it go since, and told of
   * others, on which nothing was said, that they begin behind it.
   */
  onFound(seq: number): void {
    if (seq > 0) this.#birth = { ...this.#birth, seq: Math.max(this.#birth.seq, seq + 1) }
  }

  /** It is born again; what is returned is its own from now on. */
  take(channel: string): Remembered {
    const past = this.#sought.get(channel) ?? this.#unsought.get(channel)
    const parting = this.#partings.get(channel)
    this.#partings.delete(channel)
    this.#sought.delete(channel)
    this.#unsought.delete(channel)
    const [{ seq: after }, { entry, ms: bornMs }] = [this.#birth, this.#forgotten]
    if (past !== undefined || bornMs === 0) return { past, parting }
    // It may be one of those that are forgotten.
    const keptSince = { after, from: 0 }
    const bornSeq = after - 1
    return { past: { beginSeq: -1, bornSeq, bornMs, entry, keptSince, isSought: false }, parting }
  }

  /**
   * What a relay may have missed of a channel that is not there; it stands in this log, or nowhere.
   * `isBack`: its region was silent not long ago.
   */
  missed(
    { channel, from, sinceMs, only }: Pick<RelayJoin, 'channel' | 'from' | 'sinceMs' | 'only'>,
    isBack: boolean
  ): Missed {
    if (from === undefined && only !== undefined && this.mayForget(sinceMs)) return 'unknown'
    const past = this.#sought.get(channel) ?? this.#unsought.get(channel)
    if (from === undefined) {
      const bornMs = past?.bornMs ?? this.#forgotten.ms
      // Who does not know since when it listens was told of all that was said in touch with it.
      const isMissed = sinceMs > 0 ? bornMs >= sinceMs : isBack && bornMs > 0
      if (!isMissed) return 'nothing'
      const isAllKept = past !== undefined && past.beginSeq >= past.keptSince.after
      return isAllKept && sinceMs > 0 ? 'something' : 'unknown'
    }
    if (past === undefined) return from.entry < this.#forgotten.entry ? 'unknown' : 'nothing'
    if (from.seq >= past.bornSeq) return 'nothing'
    return from.seq < past.keptSince.after ? 'unknown' : 'something'
  }

  /**
   * Whether something may have been born since then on a channel of which nothing is remembered. A
   * relay of one that comes back may ask about what others have asked about long ago.
   */
  mayForget(sinceMs: number): boolean {
    return this.#forgotten.bornMs >= sinceMs
  }

  /** All regions are heard, and have asked about what they may have missed. */
  settle(): void {
    if (this.#forgotten.ms > 0) this.#forgotten = { ...this.#forgotten, ms: 0 }
  }

  /** For a snapshot. */
  state(): Pick<PartitionState, 'letGo' | 'pasts' | 'partings' | 'forgotten'> {
    const pasts = new Map([...this.#sought, ...this.#unsought])
    const partings = new Map(this.#partings)
    return { letGo: this.#birth, pasts, partings, forgotten: this.#forgotten }
  }

  /** `wallMs`: now, by which nothing was born later. */
  restore({ letGo, pasts, partings, forgotten }: PartitionState, wallMs: number): void {
    this.#birth = letGo
    this.#forgotten = { ...forgotten, bornMs: forgotten.bornMs ?? wallMs }
    for (const [channel, past] of pasts) this.#add(channel, past, true)
    for (const [channel, parting] of partings) this.#part(channel, parting)
  }

  #part(channel: string, parting: Parting): void {
    this.#partings.set(channel, parting)
    if (this.#partings.size <= limits.pastsMax) return
    this.#partings.delete(this.#partings.keys().next().value!)
  }

  /** `isDoubtful`: a region is silent that may have missed what is forgotten. */
  #add(channel: string, past: Past, isDoubtful: boolean): void {
    const pasts = past.isSought ? this.#sought : this.#unsought
    pasts.set(channel, past)
    if (pasts.size <= limits.pastsMax) return
    const [oldest, { entry, bornMs }] = pasts.entries().next().value!
    pasts.delete(oldest)
    const { entry: entryMax, ms, bornMs: bornMax } = this.#forgotten
    this.#forgotten = {
      entry: Math.max(entryMax, entry), ms: isDoubtful ? Math.max(ms, bornMs) : ms,
      bornMs: Math.max(bornMax, bornMs)
    }
  }
}

/** By channel: before the first of its publications that a state does not cover. */
export function birthsIn({ entries, asOf }: RecoveredLog): Map<string, Birth> {
  const births = new Map<string, Birth>()
  for (const { entry, number } of entries) {
    if (entry.kind !== 'publication' || number <= asOf || births.has(entry.channel)) continue
    const { seq, entry: at } = entry.publication
    births.set(entry.channel, { seq: seq - 1, entry: at })
  }
  return births
}

/** The channel is born once more, though it was known: it had been let go meanwhile. */
export function bornAgain(former: Birth, birth: Birth): Birth {
  return { ...birth, beginSeq: beginSeqOf(former) }
}

/** What is to be remembered of a channel once it is let go; undefined: nothing can be missed. */
export function pastOf(
  { birth, tail, keptSince = { after: birth.seq, from: 0 }, standing: { entry } }: Here,
  { bornSeq, isSought, wallMs }: Pick<Past, 'bornSeq' | 'isSought'> & { readonly wallMs: number }
): Past | undefined {
  const bornMs = bornSeq === birth.seq ? 0 : tail.bornTrimmedMs ?? wallMs
  const past = { beginSeq: beginSeqOf(birth), bornSeq, bornMs, entry, keptSince, isSought }
  return isSought || bornMs > 0 ? past : undefined
}
