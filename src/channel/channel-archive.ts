/**
 * What is kept of one persisted channel: its shelves in the archive (archiver.ts), and whether it
 * takes more at present. A channel that is born in this mastership does not know how far the
 * serials of its past go; its first publishes wait until the archive has said so, for serials must
 * sort behind those that are there.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { archiveLimits } from '../base/archive-limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import { type Archived, type ArchiveOutbox, SHELF_KINDS, type ShelfKind } from '../log/archive.ts'
import type { Publication, Standing } from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import { Archiver } from './archiver.ts'
import type { Backlog } from './backlog.ts'

/** What is kept of a publication beyond its two minutes. */
export interface Kept {
  /** So long; undefined: no longer. */
  readonly keptMs?: number | undefined
  /** Until another one is published, or a year has gone by. */
  readonly isLastKept?: boolean | undefined
}

/** What is kept of a publish, and when it is acknowledged. */
export interface PublishRule extends Kept {
  /** Once another region has it. */
  readonly isGlobal?: boolean | undefined
}

/** The rules of namespaces, as far as they say what is kept, and when it is acknowledged. */
export interface Keeping {
  /** Another one says that the rules may have changed. */
  readonly version: number
  /** What is kept of what is published on the channel, and when that is acknowledged. */
  kept(channel: string): PublishRule
}

/** As long as nobody has said anything. */
export const keepsNothing: Keeping = { version: 0, kept: () => ({}) }

/** What a partition gives its channels for it. */
export interface Archiving {
  readonly partition: number
  readonly archive: ArchiveOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  readonly backlog: Backlog
  /** False while the archive has no room for more. */
  readonly hasRoom: boolean
  nowMs(): number
  /** Runs once the log has accepted an append that began now, if we are the master by then. */
  confirm(run: () => void): void
  /** True if the log cannot have been there. */
  disproves(standing: Standing): boolean
  /** The log has lost what stands in the archive. */
  onRolledBack(): void
}

export interface ArchiveOwner {
  onStored(publication: Publication): void
  /** A shelf has serials up to this one. */
  onPast(tick: Archived['tick']): void
}

export class ChannelArchive {
  /** Those of shelves that something is for. */
  readonly #archivers = new Map<ShelfKind, Archiver>()
  readonly #channel: string
  readonly #lineage: string
  readonly #epoch: number
  readonly #archiving: Archiving
  readonly #owner: ArchiveOwner
  readonly #early: (() => void)[] = []

  constructor(
    channel: string, lineage: string, epoch: number, archiving: Archiving, owner: ArchiveOwner
  ) {
    this.#channel = channel
    this.#lineage = lineage
    this.#epoch = epoch
    this.#archiving = archiving
    this.#owner = owner
  }

  /** True if all shelves have said how far they go. */
  get isKnown(): boolean {
    return [...this.#archivers.values()].every(({ isKnown }) => isKnown)
  }

  get isIdle(): boolean {
    return [...this.#archivers.values()].every(({ isIdle }) => isIdle)
  }

  /** Asks the shelves how far they go. */
  begin(shelves: readonly ShelfKind[]): void {
    for (const shelf of shelves) {
      if (!this.#archivers.has(shelf)) this.#archiverOf(shelf).flush()
    }
  }

  /** Takes the next committed publication. */
  add(publication: Publication): void {
    for (const shelf of shelvesOf(publication)) this.#archiverOf(shelf).add(publication)
  }

  /** Takes the last publication for the shelf of that alone. */
  addLast(publication: Publication): void {
    this.#archiverOf('last').add({ ...publication, keptMs: undefined, isLastKept: true })
  }

  /** Appends what waits. */
  flush(): void {
    for (const archiver of this.#archivers.values()) if (!archiver.isIdle) archiver.flush()
  }

  /** Committed, and not known to be in the archive. */
  waitingOf(of: ShelfKind): readonly Publication[] {
    return this.#archivers.get(of)?.waiting ?? []
  }

  /** The same of all, in order. */
  waiting(): Publication[] {
    const all = new Set(SHELF_KINDS.flatMap((of) => this.waitingOf(of)))
    return [...all].sort((a, b) => a.seq - b.seq)
  }

  /**
   * Runs it once the past is known; false if that need not be waited for, or not any more. What was
   * said before has then had its turn: nothing may overtake it.
   */
  holds(run: () => void): boolean {
    if (this.isKnown) return false
    if (this.#isInTrouble || this.#early.length >= archiveLimits.archiveEarlyMax) {
      this.#runEarly()
      return false
    }
    if (this.#early.length === 0) {
      const atMs = this.#archiving.nowMs() + archiveLimits.archiveSilentMs
      this.#archiving.deadlines.at(atMs, () => this.#runEarly())
    }
    this.#early.push(run)
    return true
  }

  /** Why a publish cannot be taken; `isBorn`: nothing of the past is known but by the archive. */
  refusal(isBorn: boolean): ErrorInfo | undefined {
    const { hasRoom, backlog } = this.#archiving
    if (!hasRoom) return errors.unavailable('the archive of persisted messages is full').info
    if (backlog.hasRoom && !this.#isInTrouble && (this.isKnown || !isBorn)) return undefined
    return errors.unavailable('persisted messages cannot be stored for now').info
  }

  *sizes(): Generator<Size> {
    yield ['archiveEarlyMax', this.#early.length]
  }

  stop(): void {
    this.#early.length = 0
    for (const archiver of this.#archivers.values()) archiver.stop()
  }

  get #isInTrouble(): boolean {
    const nowMs = this.#archiving.nowMs()
    return [...this.#archivers.values()].some((archiver) => archiver.isInTrouble(nowMs))
  }

  #archiverOf(of: ShelfKind): Archiver {
    let archiver = this.#archivers.get(of)
    if (archiver === undefined) {
      archiver = this.#makeArchiver(of)
      this.#archivers.set(of, archiver)
    }
    return archiver
  }

  #makeArchiver(of: ShelfKind): Archiver {
    const archiving = this.#archiving
    const { partition, archive, deadlines, random, backlog } = archiving
    return new Archiver({ partition, channel: this.#channel, of }, {
      archive, deadlines, random, epoch: this.#epoch, lineage: this.#lineage, backlog,
      nowMs: () => archiving.nowMs(),
      confirm: (run) => archiving.confirm(run),
      disproves: (standing) => archiving.disproves(standing),
      onRolledBack: () => archiving.onRolledBack(),
      onStored: (stored) => this.#onStored(stored),
      onKnown: (tick) => this.#onKnown(tick)
    })
  }

  /** One that belongs on two shelves is stored when it stands on both. */
  #onStored(stored: readonly Publication[]): void {
    for (const publication of stored) {
      const waits = shelvesOf(publication).some((of) => {
        const [first] = this.waitingOf(of)
        return first !== undefined && first.seq <= publication.seq
      })
      if (!waits) this.#owner.onStored(publication)
    }
  }

  #onKnown(tick: Archived['tick']): void {
    this.#owner.onPast(tick)
    if (this.isKnown) this.#runEarly()
  }

  #runEarly(): void {
    for (const run of this.#early.splice(0)) run()
  }
}

/** True if anything of it is kept for long; asked of every publish, so it allocates nothing. */
export function isKept({ keptMs, isLastKept }: Kept): boolean {
  return keptMs !== undefined || isLastKept === true
}

/** The shelves that something is for by these rules. */
export function shelvesFor({ keptMs, isLastKept }: Kept): ShelfKind[] {
  return SHELF_KINDS.filter((of) => (of === 'last' ? isLastKept === true : keptMs !== undefined))
}

/** Those that the publication belongs on. */
function shelvesOf(publication: Publication): ShelfKind[] {
  const isPresence = publication.owner !== undefined
  return shelvesFor(publication).filter((of) => (of === 'presence') === isPresence)
}
