/**
 * What a partition's mastership needs from its worker, and tells it.
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { ArchiveOutbox } from '../log/archive.ts'
import type { EpochEntry } from '../log/entry.ts'
import type { LogOutbox } from '../log/port.ts'
import type { LogRoom } from '../log/room.ts'
import type { MemberOwner, PeerMessage } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import type { RelayAsk, RelayHold, Stretch } from '../peer/relay-message.ts'
import type { Backlog } from './backlog.ts'
import type { Keeping } from './channel-archive.ts'
import type { Fate } from './claims.ts'
import type { AskedRegions } from './moving.ts'
import type { PartitionMaster } from './partition.ts'
import type { TailPool } from './tail.ts'

/** Silent: some of them, or one a while ago, may not hear what is said here. */
export type OtherRegions = 'none' | 'heard' | 'silent'

/** What a mastership needs from its worker. */
export interface PartitionPorts {
  readonly log: LogOutbox
  /** The name of the own region. */
  readonly region: string
  /** What all masters of the worker hold. */
  readonly tails: TailPool
  /** Where it is counted what becomes of channels. */
  readonly meters: MeterSource
  readonly archive: ArchiveOutbox
  /** What all masters of the worker have waiting for the archive. */
  readonly backlog: Backlog
  /** What the rules of namespaces say of what is kept for long. */
  readonly keeping: Keeping
  /** What room the region's log has (rule 6). */
  room(): LogRoom
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  /** What the ring knows of a node's life. */
  fateOf(incarnation: string): Fate
  send(place: Place, message: PeerMessage): void
  /** A channel has become active, or is so no more. */
  onActivity(channel: string, isActive: boolean): void
  /**
   * The same of this mastership; `isNew`: with no other one it was active before. `sinceMs`: who is
   * there may be there since then, in monotonic ms; undefined: nobody knows since when.
   */
  onUsed(channel: string, isUsed: boolean, isNew: boolean, sinceMs: number | undefined): void
  /** Whether there are other regions, and all of them are heard, or this one is. */
  others(region?: string): OtherRegions
  /** The names of all of them. */
  otherRegions(): readonly string[]
  /** Asks the other regions how many are attached to the channel there, or not any more. */
  countAbroad(channel: string, isWanted: boolean): void
  /** Asks the channel's masters in all other regions; returns which these are. */
  toRegions(ask: RelayAsk, former: AskedRegions): AskedRegions
  /** The same about the past; `onAnswers` is called once, with what comes within a second. */
  askAbroad(
    channel: string, questionTo: (region: string) => HistoryQuestion,
    onAnswers: (answers: ReadonlyMap<string, HistoryAnswer>) => void
  ): void
  /** Asks one of them, the next with every `turn`; false: there is none. */
  askToHold(hold: RelayHold, turn: number): boolean
  /** Says to a region how much of what was born there is written here. */
  sayWritten(channel: string, region: string, stretch: Stretch): void
  /** A region that said that nobody uses the channel there is asked again. */
  wakeRelay(channel: string, region: string): void
  /** Where the nodes of the view have their parts of this partition. */
  homes(): readonly Place[]
  /** False for a life of a worker that has surely ended. */
  isAlive(owner: MemberOwner): boolean
  /** So long members of a region stay that nobody listens to any more. */
  regionGraceMs(): number
  /** Something waits for the log: `flush` at the end of the turn. */
  wantsFlush(master: PartitionMaster): void
  /** The mastership ended because another one writes the log: the one of this Epoch, if known. */
  onDeposed(master: PartitionMaster, by: EpochEntry | undefined): void
  /** False while masters of this worker hold as much as they may of what was read ahead. */
  mayReadAhead(): boolean
  /** The log has seen this view. */
  onViewHeard(viewVersion: number): void
  note(text: string): void
}
