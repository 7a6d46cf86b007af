/**
 * A mastership that the log has accepted: its writer, what is kept of the log, and what can be
 * said of standings by that.
 */

import type { Random } from '../base/random.ts'
import { decodeAppend } from '../log/entry.ts'
import type { LogOutbox, ReadPage } from '../log/port.ts'
import type { Retention } from '../log/retention.ts'
import type { KnownLog } from '../log/recovery.ts'
import type { RecoveredLog } from '../log/replay.ts'
import { isFullFor, type LogRoom } from '../log/room.ts'
import type { LogWriter, WriterStart } from '../log/writer.ts'
import type { Standing } from '../peer/message.ts'
import { isRecent } from './confirming.ts'

/** So often a master that writes nothing looks whether the log still ends with its record. */
export const MASTER_LOOK_MS = 30_000

export class Serving {
  readonly kind = 'serving'
  readonly writer: LogWriter
  readonly start: WriterStart
  readonly retention: Retention
  readonly lineage: string
  /** True: nobody knows what was said before. */
  readonly beganLineage: boolean
  readonly #formers: ReadonlySet<string>
  readonly #room: () => LogRoom
  /** The number of the last committed entry. */
  lastEntry = 0
  /** Something may go as soon as the log has accepted an append of ours. */
  isTrimHeld = false
  #lookAtMs = 0

  constructor(
    writer: LogWriter, start: WriterStart, retention: Retention,
    { lineage, formers, entries }: RecoveredLog, room: () => LogRoom
  ) {
    this.writer = writer
    this.start = start
    this.retention = retention
    this.lineage = lineage
    this.beganLineage = entries.some(({ entry }) =>
      entry.kind === 'epoch' && entry.startsLineage && entry.epoch === start.epoch)
    this.#formers = formers
    this.#room = room
  }

  /** How far the log surely went. */
  get known(): KnownLog {
    const { writer: { lastSeq }, start: { epoch }, lineage } = this
    return { lastSeq, epoch, lineage, formers: this.#formers }
  }

  /** False while the log takes nothing (rule 6). */
  get hasRoom(): boolean {
    const room = this.#room()
    return !isFullFor(this.start.partition, room) && this.writer.hasRoom &&
      this.retention.bytes < 2 * room.partitionBytesMax
  }

  /**
   * Lets go what may. A trim is not fenced, and a log that was rolled back gives sequences out
   * again: whoever slept through that would trim what others wrote since. So it waits for a recent
   * append of ours (`isTrimHeld`), except where the log has no room for one (rules 6 and 11).
   */
  trim(log: LogOutbox, nowMs: number): void {
    const { partitionBytesMax } = this.#room()
    const isSure = isRecent(this.writer, nowMs) || !this.hasRoom
    this.isTrimHeld = !isSure && this.retention.canTrim(nowMs, partitionBytesMax)
    if (!isSure) return
    const below = this.retention.trimBelow(nowMs, partitionBytesMax)
    if (below !== undefined) log.ask({ kind: 'trim', partition: this.start.partition, below })
  }

  /**
   * Looks now and then whether the log still ends with our last record; `onDoubt`: it does not
   * seem so. Another one may have taken us for gone and answered publishes, and not live to say
   * so: while nothing is appended here, and nobody Joins, nothing else would ever show it (rules 3
   * and 10).
   */
  look(log: LogOutbox, random: Random, nowMs: number, onDoubt: () => void): void {
    const { writer } = this
    const { lastSeq } = writer
    const isQuiet = writer.isIdle && nowMs - writer.confirmedAtMs >= MASTER_LOOK_MS / 2
    if (!isQuiet || nowMs < this.#lookAtMs) return
    this.#lookAtMs = nowMs + random.jitter(MASTER_LOOK_MS, 0.3)
    log.ask({ kind: 'read', partition: this.start.partition, from: lastSeq }, (answer) => {
      if (answer.kind !== 'read' || answer.outcome.kind !== 'page') return
      if (writer.lastSeq === lastSeq && !this.#isOurs(answer.outcome)) onDoubt()
    })
  }

  /** True if our last record is all that is there. */
  #isOurs({ records, isEnd }: ReadPage): boolean {
    const { lastSeq, confirmedCounter } = this.writer
    const [first] = records
    if (first?.seq !== lastSeq || records.length > 1 || !isEnd) return false
    const append = decodeAppend(first.bytes)
    return append?.epoch === this.start.epoch && append.counter === confirmedCounter
  }

  /** True if the log cannot have what the client says that it was shown. */
  disproves(from: Standing | undefined): boolean {
    if (from === undefined || from.lineage !== this.lineage) return false
    const { epoch } = this.start
    if (from.epoch > epoch) return true
    const bound = from.epoch === epoch ? this.lastEntry : this.retention.boundOf(from.epoch)
    return bound === undefined ? this.retention.isNoEpoch(from.epoch) : from.entry > bound
  }

  /**
   * True for a lineage that we have never heard of: it may be one that has ended and was trimmed
   * away; or one that has begun, behind our back.
   */
  isUnheard(from: Standing | undefined): boolean {
    return from !== undefined && from.lineage !== this.lineage && !this.#formers.has(from.lineage)
  }

  /** False for a standing whose epoch is forgotten, or did not reach so far (rule 4). */
  isKnown(standing: Standing): boolean {
    if (this.disproves(standing)) return false
    const isOurs = standing.epoch === this.start.epoch
    return isOurs || this.retention.endOf(standing.epoch) !== undefined
  }

  /** True for a standing whose epoch is forgotten, and may have reached so far. */
  isForgotten(standing: Standing): boolean {
    return !this.disproves(standing) && this.retention.isForgotten(standing.epoch)
  }
}
