/**
 * The truth of a run: every record that the log ever accepted, read with the project's own entry
 * codec, by lineage and channel. Checks compare with it what clients were shown.
 */

import { decode } from '@msgpack/msgpack'
import { partitionOf } from '../../src/base/hash.ts'
import { limits } from '../../src/base/limits.ts'
import { type Append, decodeAppend, type PublicationEntry } from '../../src/log/entry.ts'
import type { Accepted } from './log.ts'
import { memberKeyOf, memberWords, Presence, type Shown, shownIn } from './presence-map.ts'
import type { Point, WireItem, WirePresence } from './wire.ts'
import { Violation } from './world.ts'

/** A committed publish as the log has it. */
export interface Committed {
  readonly channel: string
  readonly lineage: string
  readonly seq: number
  readonly entry: number
  readonly epoch: number
  readonly id: string
  readonly idSpace: string
  readonly connectionId: string | undefined
  readonly timestamp: number
  readonly counter: number
  readonly atMs: number
  readonly bytes: number
  /** The engine's sequence of its record. */
  readonly logSeq: number
  /** The log has lost it since. */
  isLost: boolean
  /** The data of its messages; of presence, its events in words. */
  readonly texts: readonly string[]
  /** Of presence. */
  readonly events: readonly Shown[] | undefined
  /** Who is present after it. */
  present: PresentSet
}

/** A presence set as the log has it at one moment, by member. */
export type PresentSet = ReadonlyMap<string, Shown>

const NOBODY: PresentSet = new Map()

/** Presence events in words, as all must be shown them. */
export function eventWords(events: readonly Shown[]): string[] {
  return events.map((event) => `${event.action} ${memberWords(event)}`)
}

/** What a record said. */
export interface Taken {
  readonly append: Append
  /** The epoch entry in it, if there is one. */
  readonly epoch: number | undefined
  readonly lineage: string
  readonly committed: readonly Committed[]
}

/** How far a record reaches. */
interface Extent {
  readonly seq: number
  readonly lastEntry: number
}

/** A rollback: everything of a lineage above an entry is gone. */
interface Loss {
  readonly lineage: string
  readonly keptEntry: number
  /** The last epoch before it: later ones number their entries from there again. */
  readonly epoch: number
}

interface Truth {
  extents: Extent[]
  readonly losses: Loss[]
  lineage: string
  epoch: number
  /** Why the lineage may change with the next epoch, or undefined. */
  excuse: string | undefined
}

export class Ledger {
  readonly #partitionCount: number
  readonly #partitions = new Map<number, Truth>()
  /** By lineage and channel, in order of seq. */
  readonly #channels = new Map<string, Committed[]>()
  readonly #lost = new Map<string, Committed>()
  readonly #byText = new Map<string, Committed[]>()

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount
  }

  take(accepted: Accepted): Taken {
    const { partition, bytes } = accepted
    const append = decodeAppend(bytes)
    if (append === undefined) throw new Violation('ledger', `unreadable record in ${partition}`)
    let truth = this.#partitions.get(partition)
    if (truth === undefined) {
      truth = { extents: [], losses: [], lineage: '', epoch: 0, excuse: 'the log was empty' }
      this.#partitions.set(partition, truth)
    }
    let begun: number | undefined
    const committed: Committed[] = []
    for (const [at, entry] of append.entries.entries()) {
      if (entry.kind === 'epoch') {
        begun = entry.epoch
        this.#onEpoch(partition, truth, entry.lineage)
        truth.epoch = entry.epoch
      } else if (entry.kind === 'publication') {
        const { publication, channel } = entry
        if (publication.entry !== append.firstEntry + at) {
          throw new Violation('ledger', `${channel}: entry ${publication.entry} stands elsewhere`)
        }
        committed.push(committedOf(entry, truth.lineage, append.epoch, accepted))
      }
    }
    const lastEntry = append.firstEntry + append.entries.length - 1
    truth.extents.push({ seq: accepted.seq, lastEntry })
    for (const each of committed) this.#commit(each)
    return { append, epoch: begun, lineage: truth.lineage, committed }
  }

  /** The log has lost everything of this partition above a sequence of its engine. */
  rollBack(partition: number, keptSeq: number): void {
    const truth = this.#partitions.get(partition)
    if (truth === undefined) return
    truth.excuse = 'the log was rolled back'
    truth.extents = truth.extents.filter(({ seq }) => seq <= keptSeq)
    const keptEntry = truth.extents.at(-1)?.lastEntry ?? 0
    truth.losses.push({ lineage: truth.lineage, keptEntry, epoch: truth.epoch })
    for (const [key, all] of this.#channels) {
      const channel = key.slice(key.indexOf(' ') + 1)
      if (partitionOf(channel, this.#partitionCount) !== partition) continue
      const kept = all.filter(({ logSeq }) => logSeq <= keptSeq)
      for (const committed of all.slice(kept.length)) {
        committed.isLost = true
        this.#lost.set(placeOf(channel, committed), committed)
      }
      this.#channels.set(key, kept)
    }
  }

  /** True if the log has lost what stood at this point, or that anybody ever came that far. */
  isLost(channel: string, point: Point): boolean {
    if (this.#isTrue(channel, point)) return false
    const { losses } = this.#partitions.get(partitionOf(channel, this.#partitionCount)) ?? {}
    return losses?.some(({ lineage, keptEntry, epoch }) =>
      lineage === point.lineage && point.entry > keptEntry && point.epoch <= epoch) === true
  }

  /** What stood at this point, if the log has lost it. */
  lostAt(channel: string, point: Point): Committed | undefined {
    return this.#isTrue(channel, point) ? undefined : this.#lost.get(placeOf(channel, point))
  }

  lineageOf(channel: string): string {
    return this.#partitions.get(partitionOf(channel, this.#partitionCount))?.lineage ?? ''
  }

  at(lineage: string, channel: string, seq: number): Committed | undefined {
    const found = this.after(lineage, channel, seq - 1)
    return found?.seq === seq ? found : undefined
  }

  /** The first committed publish after `seq`. */
  after(lineage: string, channel: string, seq: number): Committed | undefined {
    const all = this.of(lineage, channel)
    return all[this.#countThrough(all, seq)]
  }

  /** True if the log has lost something of the channel's partition in the lineage that it has. */
  wasRolledBack(channel: string): boolean {
    const truth = this.#partitions.get(partitionOf(channel, this.#partitionCount))
    return truth?.losses.some(({ lineage }) => lineage === truth.lineage) === true
  }

  /** Everything of a channel in one lineage, in order. */
  of(lineage: string, channel: string): readonly Committed[] {
    return this.#channels.get(`${lineage} ${channel}`) ?? []
  }

  /** Who is present at a point of a lineage, as the log has it. */
  presentAt(lineage: string, channel: string, seq: number): PresentSet {
    const all = this.of(lineage, channel)
    const at = all[this.#countThrough(all, seq) - 1]
    return at?.present ?? NOBODY
  }

  /** Who is present on each channel now. */
  *present(): Generator<readonly [channel: string, present: PresentSet]> {
    for (const [key, all] of this.#channels) {
      const [lineage = '', channel = ''] = key.split(' ')
      if (lineage === this.lineageOf(channel)) yield [channel, all.at(-1)?.present ?? NOBODY]
    }
  }

  /** Where this text was committed. */
  withText(text: string): readonly Committed[] {
    return this.#byText.get(text) ?? []
  }

  /** How many of them stand at `seq` or before. */
  #countThrough(all: readonly Committed[], seq: number): number {
    let low = 0
    let high = all.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (all[middle]!.seq > seq) high = middle
      else low = middle + 1
    }
    return low
  }

  /** A point is told in the epoch of its entry or a later one, never in an earlier one. */
  #isTrue(channel: string, { lineage, seq, entry, epoch }: Point): boolean {
    const truth = this.at(lineage, channel, seq)
    return truth?.entry === entry && truth.epoch <= epoch
  }

  #onEpoch(partition: number, truth: Truth, lineage: string): void {
    if (lineage === truth.lineage) return
    if (truth.excuse === undefined) {
      throw new Violation('lineage', `partition ${partition}: a new lineage, though its log stood`)
    }
    truth.lineage = lineage
    truth.excuse = undefined
  }

  #commit(committed: Committed): void {
    const key = `${committed.lineage} ${committed.channel}`
    let all = this.#channels.get(key)
    if (all === undefined) {
      all = []
      this.#channels.set(key, all)
    }
    const last = all.at(-1)
    // A channel that was let go is born again above every seq that was let go.
    const isReborn = last !== undefined && committed.seq > last.seq &&
      committed.atMs - last.atMs > limits.idleChannelMs * 0.9
    if (last !== undefined && committed.seq !== last.seq + 1 && !isReborn) {
      throw new Violation('ledger', `${key}: seq ${committed.seq} follows ${last.seq}`)
    }
    committed.present = presentAfter(last?.present ?? NOBODY, committed.events)
    all.push(committed)
    for (const text of newTextsOf(committed)) {
      const known = this.#byText.get(text)
      if (known === undefined) this.#byText.set(text, [committed])
      else known.push(committed)
    }
  }
}

function committedOf(
  { channel, publication }: PublicationEntry,
  lineage: string,
  epoch: number,
  { atMs, seq: logSeq }: Accepted
): Committed {
  const { payload, messageCount, owner, ...said } = publication
  const items = decode(payload) as (WireItem & WirePresence)[]
  const events = owner === undefined ? undefined
    : shownIn({ action: 0, ...said, presence: items })
  const texts = events === undefined ? items.map(({ data }) => data ?? '') : eventWords(events)
  if (messageCount !== (events === undefined ? texts.length : 0)) {
    throw new Violation('ledger', 'messages miscounted')
  }
  const bytes = payload.byteLength
  return { ...said, channel, lineage, epoch, atMs, bytes, logSeq, isLost: false, texts, events,
    present: NOBODY }
}

function presentAfter(before: PresentSet, events: readonly Shown[] | undefined): PresentSet {
  if (events === undefined) return before
  const after = new Map(before)
  for (const event of events) {
    if (event.action === Presence.LEAVE) after.delete(memberKeyOf(event))
    else after.set(memberKeyOf(event), event)
  }
  return after
}

/** What was said in it, and not only repeated by servers or for a former state. */
function newTextsOf({ texts, events }: Committed): readonly string[] {
  if (events === undefined) return texts
  return events.flatMap(({ action, data }) => (action === Presence.LEAVE ? [] : data))
}

function placeOf(
  channel: string,
  { lineage, entry, seq }: Pick<Point, 'lineage' | 'entry' | 'seq'>
): string {
  return `${channel} ${lineage} ${entry} ${seq}`
}
