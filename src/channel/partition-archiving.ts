/**
 * What a partition's mastership has to do with the archive: what waits for it, who wants to be
 * sure that we are the master still, and the readings under way, each for one question.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { archiveLimits } from '../base/archive-limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import type { ArchiveOutbox, Shelf } from '../log/archive.ts'
import type { LogWriter } from '../log/writer.ts'
import type { Standing } from '../peer/message.ts'
import type { HistoryQuestion } from '../peer/question-message.ts'
import { type ArchiveBounds, type ArchivePart, ArchiveReading } from './archive-reading.ts'
import { Backlog } from './backlog.ts'
import type { Archiving } from './channel-archive.ts'
import { type HoleBounds, type HolePart, HoleReading } from './hole-reading.ts'
import type { HoleArchive } from './holes.ts'
import type { PartitionPorts } from './partition-ports.ts'

/** The partition's master. */
export interface MastershipOwner {
  /** The writer of the mastership, with an append of ours on its way. */
  confirmed(): LogWriter | undefined
  disproves(standing: Standing): boolean
  onRolledBack(): void
}

interface Confirmation {
  readonly counter: number
  run(): void
}

/** One under way. */
interface Reading {
  begin(): void
  stop(): void
}

export class PartitionArchiving implements Archiving, HoleArchive {
  readonly partition: number
  readonly backlog: Backlog
  readonly #ports: PartitionPorts
  readonly #owner: MastershipOwner
  #confirmations: Confirmation[] = []
  readonly #readings = new Map<string, Reading>()
  /** Who waits for others' readings to end. */
  #waiting: (() => void)[] = []

  constructor(partition: number, ports: PartitionPorts, owner: MastershipOwner) {
    this.partition = partition
    this.backlog = new Backlog(ports.backlog)
    this.#ports = ports
    this.#owner = owner
  }

  get archive(): ArchiveOutbox {
    return this.#ports.archive
  }

  get deadlines(): Deadlines {
    return this.#ports.deadlines
  }

  get random(): Random {
    return this.#ports.random
  }

  get hasRoom(): boolean {
    return this.#ports.room().isArchiveFull !== true
  }

  nowMs(): number {
    return this.#ports.now().monoMs
  }

  confirm(run: () => void): void {
    const writer = this.#owner.confirmed()
    if (writer !== undefined) this.#confirmations.push({ counter: writer.nextCounter, run })
  }

  disproves(standing: Standing): boolean {
    return this.#owner.disproves(standing)
  }

  onRolledBack(): void {
    this.#owner.onRolledBack()
  }

  /** The log has accepted something of ours; it may end the mastership. */
  onCommitted({ confirmedCounter }: LogWriter): void {
    if (this.#confirmations.length === 0) return
    const isReady = ({ counter }: Confirmation): boolean => counter <= confirmedCounter
    const ready = this.#confirmations.filter(isReady)
    this.#confirmations = this.#confirmations.filter((each) => !isReady(each))
    for (const { run } of ready) run()
    if (this.#confirmations.length > 0) this.#owner.confirmed()
  }

  /**
   * Reads for a question, unless that is under way; `onRead` is told undefined where nothing could
   * be read. False where too many are under way.
   */
  read(
    key: string, shelf: Shelf, question: HistoryQuestion, bounds: ArchiveBounds,
    onRead: (part: ArchivePart | undefined) => void
  ): boolean {
    return this.#begin(key, onRead, (onDone) =>
      new ArchiveReading(shelf, question, bounds, this.archive, onDone))
  }

  /** The same of what another region has missed. */
  readHole(
    key: string, shelf: Shelf, bounds: HoleBounds, onRead: (part: HolePart) => void
  ): boolean {
    return this.#begin(key, onRead, (onDone) =>
      new HoleReading(shelf, bounds, this.archive, onDone))
  }

  #begin<Part>(
    key: string, onRead: (part: Part) => void, make: (onDone: (part: Part) => void) => Reading
  ): boolean {
    if (this.#readings.has(key)) return true
    if (this.#readings.size >= archiveLimits.archiveReadingsMax) return false
    const reading = make((part) => {
      this.#readings.delete(key)
      onRead(part)
      this.#goOn()
    })
    this.#readings.set(key, reading)
    reading.begin()
    return true
  }

  /** Calls back, in turn, when there is room for a reading; nobody needs to make use of it. */
  whenRoom(run: () => void): void {
    this.#waiting.push(run)
    this.#goOn()
  }

  /** Nobody waits any more for the reading of this key, if there is one. */
  cease(key: string): void {
    this.#readings.get(key)?.stop()
    if (this.#readings.delete(key)) this.#goOn()
  }

  #goOn(): void {
    while (this.#readings.size < archiveLimits.archiveReadingsMax) {
      const run = this.#waiting.shift()
      if (run === undefined) return
      run()
    }
  }

  *sizes(): Generator<Size> {
    yield ['archiveReadingsMax', this.#readings.size]
  }

  /** The mastership is over, or begins again. */
  end(): void {
    this.#confirmations = []
    for (const reading of this.#readings.values()) reading.stop()
    this.#readings.clear()
    this.#waiting = []
  }
}
