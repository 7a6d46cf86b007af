/**
 * What the masters of one partition's channels need of it. While the partition does not serve they
 * are told nothing and write nothing.
 */

import type { Now } from '../base/clock.ts'
import type { MeterSource } from '../base/meter.ts'
import type { OwnershipEntry, RelayEntry } from '../log/entry.ts'
import { viewVersionOf } from '../peer/epoch.ts'
import type { MemberOwner, PeerMessage, Publication, Standing } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { RelayAsk, RelayHold, Stretch } from '../peer/relay-message.ts'
import type { Archiving, Keeping } from './channel-archive.ts'
import type { HoleArchive } from './holes.ts'
import type { ChannelMaster } from './master.ts'
import type { AskedRegions } from './moving.ts'
import type { PartitionArchiving } from './partition-archiving.ts'
import type { OtherRegions, PartitionPorts } from './partition-ports.ts'
import type { Serving } from './serving.ts'
import type { TailPool } from './tail.ts'

/** What a channel's master needs from its partition. */
export interface MasterPorts {
  readonly epoch: number
  readonly lineage: string
  /** The name of the own region. */
  readonly region: string
  readonly tails: TailPool
  /** False while the log takes nothing (rule 6). */
  readonly hasRoom: boolean
  /** What the rules of namespaces say of what is kept for long, and where it is. */
  readonly keeping: Keeping
  readonly archiving: Archiving & HoleArchive
  /** False for a standing whose epoch is forgotten, or did not reach so far (rule 4). */
  isKnown(standing: Standing): boolean
  /** True for a standing whose epoch is forgotten, and may have reached so far. */
  isForgotten(standing: Standing): boolean
  /** True while nobody can say who is present (rule 21). */
  readonly isRollOpen: boolean
  /** True: what was said before this mastership nobody knows. */
  readonly beganLineage: boolean
  /** False for a life of a worker that has surely ended. */
  isAlive(owner: MemberOwner): boolean
  /** So long members of a region stay that nobody listens to any more. */
  regionGraceMs(): number
  /** Adds the publication to what waits for the log. */
  append(channel: string, op: Omit<Publication, 'entry'>): void
  own(entry: OwnershipEntry | RelayEntry): void
  /** Whether there are other regions, and all of them are heard, or this one is. */
  others(region?: string): OtherRegions
  /** The names of all of them. */
  otherRegions(): readonly string[]
  /** Asks the other regions how many are attached there, or not any more. */
  countAbroad(channel: string, isWanted: boolean): void
  /** Asks the channel's masters in all other regions, but for those that were asked before. */
  toRegions(ask: RelayAsk, former: AskedRegions): AskedRegions
  /** Asks one of them, the next with every `turn`; false: there is none. */
  askToHold(hold: RelayHold, turn: number): boolean
  /** Says to a region how much of what was born there is written here. */
  sayWritten(channel: string, region: string, stretch: Stretch): void
  /** A region that said that nobody uses the channel there is asked again. */
  wakeRelay(channel: string, region: string): void
  /** Where it is counted what becomes of channels. */
  readonly meters: MeterSource
  now(): Now
  /** Calls back, unless the channel is let go, or the mastership over, by then. */
  later(channel: string, afterMs: number, run: (nowMs: number) => void): void
  send(place: Place, message: PeerMessage): void
}

/** The partition as its channels' masters see it. */
export interface MastersPartition {
  /** Undefined while it does not serve. */
  readonly serving: Serving | undefined
  readonly isRollOpen: boolean
  readonly archiving: PartitionArchiving
  /** Undefined for a channel that was let go. */
  masterOf(name: string): ChannelMaster | undefined
  wantsFlush(): void
}

export class PartitionMasterPorts implements MasterPorts {
  readonly #partition: MastersPartition
  readonly #ports: PartitionPorts
  readonly #viewVersion: () => number

  /** `viewVersion`: that of the view held now. */
  constructor(partition: MastersPartition, ports: PartitionPorts, viewVersion: () => number) {
    this.#partition = partition
    this.#ports = ports
    this.#viewVersion = viewVersion
  }

  get epoch(): number {
    return this.#partition.serving?.start.epoch ?? 0
  }

  get tails(): TailPool {
    return this.#ports.tails
  }

  get lineage(): string {
    return this.#partition.serving?.lineage ?? ''
  }

  get region(): string {
    return this.#ports.region
  }

  get hasRoom(): boolean {
    return this.#partition.serving?.hasRoom === true
  }

  get keeping(): Keeping {
    return this.#ports.keeping
  }

  get archiving(): PartitionArchiving {
    return this.#partition.archiving
  }

  get isRollOpen(): boolean {
    return this.#partition.isRollOpen
  }

  get beganLineage(): boolean {
    return this.#partition.serving?.beganLineage === true
  }

  isKnown(standing: Standing): boolean {
    return this.#partition.serving?.isKnown(standing) === true
  }

  isForgotten(standing: Standing): boolean {
    return this.#partition.serving?.isForgotten(standing) === true
  }

  /**
   * False for a life that has surely ended. By a view that is behind what the log has seen, that
   * cannot be said of a node that was never heard of: it may have come with a later one.
   */
  isAlive(owner: MemberOwner): boolean {
    if (this.#ports.isAlive(owner)) return true
    const isBehind = viewVersionOf(this.epoch) > this.#viewVersion()
    return isBehind && this.#ports.fateOf(owner.incarnation) === 'unheard'
  }

  regionGraceMs(): number {
    return this.#ports.regionGraceMs()
  }

  get meters(): MeterSource {
    return this.#ports.meters
  }

  now(): Now {
    return this.#ports.now()
  }

  send(place: Place, message: PeerMessage): void {
    this.#ports.send(place, message)
  }

  /** Runs only if the channel is the same by then. */
  later(name: string, afterMs: number, run: (nowMs: number) => void): void {
    const { deadlines, now } = this.#ports
    const master = this.#partition.masterOf(name)
    deadlines.at(now().monoMs + afterMs, (nowMs) => {
      const isSame = master !== undefined && this.#partition.masterOf(name) === master
      if (isSame && this.#partition.serving !== undefined) run(nowMs)
    })
  }

  others(region?: string): OtherRegions {
    return this.#ports.others(region)
  }

  otherRegions(): readonly string[] {
    return this.#ports.otherRegions()
  }

  countAbroad(channel: string, isWanted: boolean): void {
    this.#ports.countAbroad(channel, isWanted)
  }

  toRegions(ask: RelayAsk, former: AskedRegions): AskedRegions {
    return this.#ports.toRegions(ask, former)
  }

  askToHold(hold: RelayHold, turn: number): boolean {
    return this.#ports.askToHold(hold, turn)
  }

  sayWritten(channel: string, region: string, stretch: Stretch): void {
    this.#ports.sayWritten(channel, region, stretch)
  }

  wakeRelay(channel: string, region: string): void {
    this.#ports.wakeRelay(channel, region)
  }

  own(entry: OwnershipEntry | RelayEntry): void {
    this.#partition.serving?.writer.add(entry)
    this.#partition.wantsFlush()
  }

  append(channel: string, op: Omit<Publication, 'entry'>): void {
    const writer = this.#partition.serving?.writer
    if (writer === undefined) return
    writer.add({ kind: 'publication', channel, publication: { ...op, entry: writer.nextEntry } })
    this.#partition.wantsFlush()
  }
}
