/**
 * The truth of a run: every record that the log ever accepted, read with the project's own entry
 * codec, by lineage and channel. Checks compare with it what clients were shown.
 */

import { partitionOf } from '../../src/base/hash.ts'
import { limits } from '../../src/base/limits.ts'
import { type Append, decodeAppend, type EpochEntry } from '../../src/log/entry.ts'
import {
  type Committed, newTextsOf, NOBODY, presentAfter, type PresentSet, publicationsOf
} from './committed.ts'
import { unsalted } from '../../src/peer/epoch.ts'
import type { Accepted } from './log.ts'
import type { Point } from './wire.ts'
import { Violation } from './world.ts'

/** What a record said. */
export interface Taken {
  readonly append: Append
  /** The epoch entry in it, if there is one. */
  readonly epoch: number | undefined
  readonly lineage: string
  readonly committed: readonly Committed[]
  /**
   * A former master's append, after a rollback: the log has given the sequence out again that it
   * expects. Nothing of it counts, and its finder begins a new lineage (rule 4). Or the claim of
   * whoever had read the log before, and what he writes by it.
   */
  readonly isStray: boolean
  /** What it says, as lost: its writer may answer and show it, to other regions too. */
  readonly strays: readonly Committed[]
}

/** How far a record reaches. */
interface Extent {
  readonly seq: number
  readonly lastEntry: number
  readonly bytes: number
  readonly lineage: string
  readonly epoch: number
}

/** A rollback: everything of a lineage above an entry is gone. */
interface Loss {
  readonly lineage: string
  readonly keptEntry: number
  /** The engine's last sequence before it: up to this they are given out again. */
  readonly lastSeq: number
  /** The last epoch before it: later ones number their entries from there again. */
  readonly epoch: number
  /** The worker's life that had begun it. */
  readonly claimant: string
}

interface Truth {
  extents: Extent[]
  losses: Loss[]
  lineage: string
  epoch: number
  claimant: string
  /** What lineage each epoch was of. */
  readonly lineages: Map<number, string>
  /** The sequences of a former master's appends (see Taken). */
  strays: number[]
  /** Why the lineage may change with the next epoch, or undefined. */
  excuse: string | undefined
}

export class Ledger {
  readonly #partitionCount: number
  readonly #partitions = new Map<number, Truth>()
  /** By lineage and channel, in order of seq. */
  readonly #channels = new Map<string, Committed[]>()
  readonly #lost = new Map<string, Committed>()
  /** Channels that were let go and are used again. */
  rebornCount = 0
  /** Publishes to channels that have had one whose id is no longer known. */
  outlivedCount = 0
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
      truth = {
        extents: [], losses: [], lineage: '', epoch: 0, claimant: '', lineages: new Map(),
        strays: [], excuse: 'the log was empty'
      }
      this.#partitions.set(partition, truth)
    }
    if (this.#isStray(truth, append)) return this.#takeStray(accepted, append, truth)
    let begun: number | undefined
    for (const entry of append.entries) {
      if (entry.kind !== 'epoch') continue
      begun = entry.epoch
      // The same bytes once more, since nobody heard that they had landed: nothing of it is lost.
      // Another's may have the same number, for the log has forgotten that it was given.
      const claimedBy = claimantOf(entry)
      truth.losses = truth.losses.filter(({ lineage, epoch, claimant }) =>
        lineage !== entry.lineage || epoch !== entry.epoch || claimant !== claimedBy)
      this.#onEpoch(partition, truth, entry)
      truth.epoch = entry.epoch
      truth.claimant = claimedBy
      truth.lineages.set(entry.epoch, entry.lineage)
    }
    const { lineage } = truth
    const committed = publicationsOf(append, accepted, lineage)
    const lastEntry = append.firstEntry + append.entries.length - 1
    const { epoch } = append
    truth.extents.push({ seq: accepted.seq, lastEntry, bytes: bytes.byteLength, lineage, epoch })
    for (const each of committed) this.#commit(each)
    return { append, epoch: begun, lineage, committed, isStray: false, strays: [] }
  }

  /** True for what a log that was rolled back took, and its reader will not believe. */
  #isStray(truth: Truth, append: Append): boolean {
    const { extents, losses, strays } = truth
    if (losses.length === 0) return false
    const begun = epochIn(append)
    if (begun?.startsLineage === true) return false
    if (begun !== undefined && lossOf(truth, begun) !== undefined) return true
    if (strays.includes(append.previousSeq)) return true
    const last = extents.at(-1)
    if (last === undefined) return false
    if (append.firstEntry !== last.lastEntry + 1 || append.epoch < last.epoch) return true
    return append.epoch > last.epoch && begun === undefined
  }

  /** Its writer may answer and show what it wrote, in the lineage that it knows: as lost. */
  #takeStray(accepted: Accepted, append: Append, truth: Truth): Taken {
    const begun = epochIn(append)
    const loss = begun && lossOf(truth, begun)
    if (begun !== undefined && loss !== undefined) {
      truth.losses.push({ ...loss, epoch: begun.epoch, claimant: claimantOf(begun) })
      truth.lineages.set(begun.epoch, begun.lineage)
    }
    const lineage = truth.lineages.get(append.epoch) ?? truth.lineage
    truth.excuse = 'a former master wrote after the log was rolled back'
    truth.strays.push(accepted.seq)
    const strays = publicationsOf(append, accepted, lineage)
    for (const each of strays) {
      each.isLost = true
      this.#lost.set(placeOf(each.channel, each), each)
      this.#rememberTexts(each)
    }
    return { append, epoch: undefined, lineage, committed: [], isStray: true, strays }
  }

  /** The log has lost everything of this partition above a sequence of its engine. */
  rollBack(partition: number, keptSeq: number): void {
    const truth = this.#partitions.get(partition)
    if (truth === undefined) return
    truth.excuse = 'the log was rolled back'
    const lastSeq = truth.extents.at(-1)?.seq ?? 0
    truth.extents = truth.extents.filter(({ seq }) => seq <= keptSeq)
    truth.strays = truth.strays.filter((seq) => seq <= keptSeq)
    const keptEntry = truth.extents.at(-1)?.lastEntry ?? 0
    const { epoch, claimant } = truth
    for (const lineage of new Set(truth.lineages.values())) {
      truth.losses.push({ lineage, keptEntry, lastSeq, epoch, claimant })
    }
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
    const truth = this.#partitions.get(partitionOf(channel, this.#partitionCount))
    if (truth === undefined || hasReached(truth, point)) return false
    return truth.losses.some(({ lineage, keptEntry, epoch }) =>
      lineage === point.lineage && point.entry > keptEntry && point.epoch <= epoch)
  }

  /** What stood at this point, if the log has lost it. */
  lostAt(channel: string, point: Point): Committed | undefined {
    return this.#isTrue(channel, point) ? undefined : this.#lost.get(placeOf(channel, point))
  }

  lineageOf(channel: string): string {
    return this.#partitions.get(partitionOf(channel, this.#partitionCount))?.lineage ?? ''
  }

  /** True if the log has lost entries that stood behind this point. */
  hasLostAfter(channel: string, { lineage, epoch, entry }: Point): boolean {
    const { losses } = this.#partitions.get(partitionOf(channel, this.#partitionCount)) ?? {}
    return losses?.some((loss) =>
      loss.lineage === lineage && loss.keptEntry >= entry && loss.epoch >= epoch) === true
  }

  /** True if a former master's append was taken: its writer believes itself the master. */
  hasStrays(channel: string): boolean {
    const truth = this.#partitions.get(partitionOf(channel, this.#partitionCount))
    return truth !== undefined && truth.strays.length > 0
  }

  /** What the channel's partition has logged from the record of an entry on, snapshots too. */
  bytesFrom(channel: string, entry: number): number {
    const { extents = [] } = this.#partitions.get(partitionOf(channel, this.#partitionCount)) ?? {}
    const later = extents.filter(({ lastEntry }) => lastEntry >= entry)
    return later.reduce((sum, { bytes }) => sum + bytes, 0)
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

  /** Who has written the channel's partition last, as its epoch names it. */
  writerOf(channel: string): string {
    return this.#partitions.get(partitionOf(channel, this.#partitionCount))?.claimant ?? ''
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
    if (truth?.entry !== entry) return false
    // Of one attempt that was made twice only the one that is in the log is meant.
    return truth.epoch === epoch || unsalted(truth.epoch) < unsalted(epoch)
  }

  #onEpoch(partition: number, truth: Truth, { lineage, startsLineage }: EpochEntry): void {
    if (lineage === truth.lineage) {
      if (truth.strays.length === 0) return
      throw new Violation('lineage', `partition ${partition}: a former master's append is believed`)
    }
    truth.strays = []
    // Rule 4: a master whose appends are lost, without a newer epoch, begins one, even when
    // somebody had begun one before it in a lower epoch.
    const isOfLoser = truth.losses.some(({ epoch }) => epoch > truth.epoch)
    if (truth.excuse === undefined && !isOfLoser) {
      throw new Violation('lineage', `partition ${partition}: a new lineage, though its log stood`)
    }
    truth.lineage = lineage
    // A former one that has come back, for nobody is left who knew the last: it was cut off too,
    // and a client that stands beyond its end proves it (rule 4).
    if (startsLineage) truth.excuse = undefined
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
    // What was born elsewhere is kept as long as it is held, for its id is of no use here.
    const leastMs = last?.origin === undefined ? limits.idleChannelMs : limits.tailMs
    const isReborn = last !== undefined && committed.seq > last.seq &&
      committed.atMs - last.atMs > leastMs * 0.9
    if (last !== undefined && committed.seq !== last.seq + 1 && !isReborn) {
      throw new Violation('ledger', `${key}: seq ${committed.seq} follows ${last.seq}`)
    }
    if (isReborn) this.rebornCount++
    const [first = committed] = all
    if (committed.atMs - first.atMs > limits.idKeptMs) this.outlivedCount++
    committed.present = presentAfter(last?.present ?? NOBODY, committed.events)
    all.push(committed)
    this.#rememberTexts(committed)
  }

  #rememberTexts(committed: Committed): void {
    for (const text of newTextsOf(committed)) {
      const known = this.#byText.get(text)
      if (known === undefined) this.#byText.set(text, [committed])
      else known.push(committed)
    }
  }
}

function epochIn({ entries }: Append): EpochEntry | undefined {
  return entries.find((each) => each.kind === 'epoch')
}

/** True where the log has come so far in an epoch that was not lost, even of a lower salt. */
function hasReached({ extents, losses }: Truth, point: Point): boolean {
  if (losses.some(({ epoch }) => epoch === point.epoch)) return false
  return extents.some(({ lineage, epoch, lastEntry }) =>
    lineage === point.lineage && epoch === point.epoch && lastEntry >= point.entry)
}

/** What was lost of the lineage that this claim goes on with, though the log has another by now. */
function lossOf({ extents, losses }: Truth, { lineage }: EpochEntry): Loss | undefined {
  if ((extents.at(-1)?.lineage ?? lineage) === lineage) return undefined
  return losses.find((loss) => loss.lineage === lineage)
}

function claimantOf({ incarnation, workerGeneration }: EpochEntry): string {
  return `${incarnation}/${workerGeneration}`
}

function placeOf(
  channel: string,
  { lineage, entry, seq }: Pick<Point, 'lineage' | 'entry' | 'seq'>
): string {
  return `${channel} ${lineage} ${entry} ${seq}`
}
