/**
 * A mastership that the log has accepted: its writer, what is kept of the log, and what can be
 * said of standings by that.
 */

import type { LogOutbox } from '../log/port.ts'
import type { Retention } from '../log/retention.ts'
import type { KnownLog } from '../log/recovery.ts'
import type { RecoveredLog } from '../log/replay.ts'
import { isFullFor, type LogRoom } from '../log/room.ts'
import type { LogWriter, WriterStart } from '../log/writer.ts'
import type { Standing } from '../peer/message.ts'
import { isRecent } from './confirming.ts'

export class Serving {
  readonly kind = 'serving'
  readonly writer: LogWriter
  readonly start: WriterStart
  readonly retention: Retention
  readonly lineage: string
  readonly #formers: ReadonlySet<string>
  readonly #room: () => LogRoom
  /** The number of the last committed entry. */
  lastEntry = 0
  /** Something may go as soon as the log has accepted an append of ours. */
  isTrimHeld = false

  constructor(
    writer: LogWriter, start: WriterStart, retention: Retention,
    { lineage, formers }: RecoveredLog, room: () => LogRoom
  ) {
    this.writer = writer
    this.start = start
    this.retention = retention
    this.lineage = lineage
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

  /** True if the log cannot have what the client says that it was shown. */
  disproves(from: Standing | undefined): boolean {
    if (from === undefined || from.lineage !== this.lineage) return false
    const { epoch } = this.start
    if (from.epoch > epoch) return true
    const bound = from.epoch === epoch ? this.lastEntry : this.retention.boundOf(from.epoch)
    return bound === undefined ? this.retention.isNoEpoch(from.epoch) : from.entry > bound
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
