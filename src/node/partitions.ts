/**
 * The masterships of one worker: they begin when somebody wants a partition that the view gives to
 * it, and end when the view or the log says so. A planned move is the same with warning (rule 12):
 *
 * - announced to us: the log is read ahead, and kept for a moment after the move for who may want
 *   the partition;
 * - given to somebody else: what is under way is written first, and the heir is told that it can
 *   go on. Nobody is answered meanwhile: who is master the view says.
 *
 * A worker is *settled* with a view when all that it gained by it serves, or waits for nobody, and
 * all that is announced has been read.
 */

import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import { Backlog } from '../channel/backlog.ts'
import type { Keeping } from '../channel/channel-archive.ts'
import type { Fate } from '../channel/claims.ts'
import type { AskedRegions } from '../channel/moving.ts'
import { PartitionMaster } from '../channel/partition.ts'
import type { OtherRegions, PartitionPorts } from '../channel/partition-ports.ts'
import { TailPool } from '../channel/tail.ts'
import type { ChannelMaster } from '../channel/master.ts'
import type { UsedChannels } from '../channel/used-channels.ts'
import type { LogRoom } from '../log/room.ts'
import type { ListenersAsked } from '../peer/listeners-message.ts'
import type { HandedOver, PeerMessage, RollAnswered, ToMaster } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { RelayAsk, RelayHold, Stretch } from '../peer/relay-message.ts'
import { Duels } from './duels.ts'
import { EarlyJoins } from './early-joins.ts'
import type { Mastership } from './mastership.ts'
import type { Outbox } from './outbox.ts'
import { StatsDesk } from './stats-desk.ts'

export interface PartitionsOptions {
  readonly self: Place
  readonly generation: number
  /** The name of the region. */
  readonly siteCode: string
}

export interface PartitionsPorts {
  readonly outbox: Outbox
  /** How full the log is. */
  room(): LogRoom
  readonly deadlines: Deadlines
  readonly random: Random
  readonly meters: MeterSource
  now(): Now
  send(to: Place, message: PeerMessage): void
  /** What the rules of namespaces say of what is kept for long. */
  keeping(): Keeping
  fateOf(incarnation: string): Fate
  /** A channel has become active, or is so no more. */
  onActivity(channel: string, isActive: boolean): void
  /** The same of one mastership (channel/partition-ports.ts). */
  onUsed(channel: string, isUsed: boolean, isNew: boolean, sinceMs: number | undefined): void
  /** Whether there are other regions, and all of them are heard, or this one is. */
  others(region?: string): OtherRegions
  /** The names of all of them. */
  otherRegions(): readonly string[]
  /** Asks the other regions how many are attached to the channel there, or not any more. */
  countAbroad(channel: string, isWanted: boolean): void
  /** Asks the channel's masters in all other regions; returns which these are. */
  toRegions(ask: RelayAsk, former: AskedRegions): AskedRegions
  /** The same about the past; see channel/partition-ports.ts. */
  askAbroad: PartitionPorts['askAbroad']
  /** So long members of a region stay that nobody listens to any more. */
  regionGraceMs(): number
  /** Asks one of them, the next with every `turn`; false: there is none. */
  askToHold(hold: RelayHold, turn: number): boolean
  /** Says to a region how much of what was born there is written here. */
  sayWritten(channel: string, region: string, stretch: Stretch): void
  /** A region that said that nobody uses the channel there is asked again. */
  wakeRelay(channel: string, region: string): void
}

export class Partitions {
  readonly #options: PartitionsOptions
  readonly #mastership: Mastership
  readonly #ports: PartitionsPorts
  readonly #masters = new Map<number, PartitionMaster>()
  /** Read ahead, and wanted by nobody yet. */
  readonly #awaited = new Map<number, PartitionMaster>()
  readonly #early = new EarlyJoins()
  readonly #duels: Duels
  readonly #tails = new TailPool()
  readonly #backlog = new Backlog()
  readonly #dirty = new Set<PartitionMaster>()
  /** For whoever asks what the region has counted, whatever is mastered here. */
  readonly #statsDesk: StatsDesk
  /** What the worker waits for before it is settled with the view. */
  #unsettled: PartitionMaster[] = []
  #settledVersion = 0
  #sweep: Deadline | undefined

  constructor(options: PartitionsOptions, mastership: Mastership, ports: PartitionsPorts) {
    this.#options = options
    this.#mastership = mastership
    this.#ports = ports
    this.#statsDesk = new StatsDesk(ports)
    this.#duels = new Duels(mastership, options.generation, ports.random.fork('duels'))
  }

  get size(): number {
    return this.#masters.size
  }

  /** What all masters keep. */
  counts(): { channels: number; registered: number } {
    let [channels, registered] = [0, 0]
    for (const { channelCount, registeredCount } of this.#masters.values()) {
      channels += channelCount
      registered += registeredCount
    }
    return { channels, registered }
  }

  *sizes(): Generator<Size> {
    yield ['tailBytesPerWorkerMax', this.#tails.bytes]
    yield* this.#early.sizes()
    for (const master of this.#masters.values()) yield* master.sizes()
  }

  /** The master of a partition that is this worker's, whether it was wanted before or not. */
  wanted(partition: number): PartitionMaster {
    const known = this.#masters.get(partition)
    if (known !== undefined) return known
    const awaited = this.#awaited.get(partition)
    this.#awaited.delete(partition)
    const master = awaited ?? this.#begin(partition, false)
    this.#masters.set(partition, master)
    this.#unsettled.push(master)
    return master
  }

  /** True if it was wanted before. */
  isWanted(partition: number): boolean {
    return this.#masters.has(partition)
  }

  onMessage(from: Place, message: ToMaster): void {
    if (message.kind === 'ask' && message.question.kind === 'stats') {
      this.#statsDesk.onAsk(from, message, message.question)
      return
    }
    const partition = this.#mastership.partitionOf(message.channel)
    const isJoin = message.kind === 'join'
    if (this.#mastership.isMine(partition)) {
      const isQuestion = message.kind === 'ask' || message.kind === 'relayJoin' ||
        message.kind === 'relayAsk' || message.kind === 'relayHold'
      const isWanted = isJoin || isQuestion || this.isWanted(partition)
      if (isWanted) this.wanted(partition).onMessage(from, message)
      return
    }
    if (message.kind === 'part') this.#early.forget(from, message.channel)
    if (!isJoin) return
    const { viewVersion } = this.#mastership
    if (message.viewVersion > viewVersion) {
      this.#early.keep(from, message)
      return
    }
    const { channel, joinNo } = message
    this.#ports.send(from, { kind: 'notMaster', channel, joinNo, viewVersion })
  }

  /** Somebody has something to tell on a channel; no partition is taken over for that. */
  onListenersAsked(from: Place, { channel }: ListenersAsked): void {
    const partition = this.#mastership.partitionOf(channel)
    if (!this.#mastership.isMine(partition)) return
    const isWatched = this.#masters.get(partition)?.channelOf(channel)?.census.isWatched === true
    this.#ports.send(from, { kind: 'listenersTold', channel, isWatched })
  }

  /** The master of a channel, if it serves here. */
  channelOf(channel: string): ChannelMaster | undefined {
    return this.#masters.get(this.#mastership.partitionOf(channel))?.channelOf(channel)
  }

  /** Shows the channels of this worker's masters where somebody is present. */
  list(used: UsedChannels): void {
    for (const master of this.#masters.values()) master.list(used)
  }

  /** The former master has nothing under way any more: it is one that was in use. */
  onHandedOver({ partition, lastSeq }: HandedOver): void {
    if (this.#mastership.isMine(partition)) this.wanted(partition).takeOver(lastSeq)
  }

  onRollAnswered(from: Place, { partition, epoch }: RollAnswered): void {
    this.#masters.get(partition)?.onRollAnswered(from, epoch)
  }

  /** The mastership has learnt of a view, or of generations. */
  onView(): void {
    for (const [partition, master] of this.#masters) {
      if (this.#mastership.isMine(partition)) continue
      this.#masters.delete(partition)
      this.#give(partition, master)
    }
    if (this.#duels.onView()) for (const master of this.#masters.values()) master.goOn()
    this.#readAhead()
    for (const { from, join } of this.#early.takeAll()) {
      if (!this.#mastership.isRemoved(from)) this.onMessage(from, join)
    }
  }

  /** What was said to `place` may be lost. */
  onLinkReset(place: Place): void {
    this.#early.forget(place)
    for (const master of this.#masters.values()) master.onLinkReset(place)
  }

  /** Forgets the clients of places that are gone. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    for (const master of this.#masters.values()) master.onPlaceGone(isGone)
  }

  /** Nodes or workers have begun or ended. */
  onPlaces(): void {
    for (const master of this.#masters.values()) master.onPlaces()
  }

  /** End of a turn: what the masters decided goes to the log. */
  flush(nowMs: number): void {
    for (const master of this.#dirty) master.flush(nowMs)
    this.#dirty.clear()
    this.#saySettled()
  }

  describe(): string[] {
    return [...this.#masters.values(), ...this.#awaited.values()].map((each) => each.describe())
  }

  #give(partition: number, master: PartitionMaster): void {
    const heir = this.#mastership.placeOf(partition)
    if (heir === undefined) master.stop()
    else master.handOver(heir)
  }

  /** Reads what is announced; what was announced and did not come is let go. */
  #readAhead(): void {
    const announced = this.#mastership.announced()
    for (const partition of this.#awaited.keys()) {
      if (!announced.has(partition) && !this.#mastership.isMine(partition)) this.#letGo(partition)
    }
    for (const partition of announced) {
      if (this.#masters.has(partition) || this.#awaited.has(partition)) continue
      this.#awaited.set(partition, this.#begin(partition, true))
    }
    this.#unsettled.push(...this.#awaited.values())
    this.#letGoLater(announced)
  }

  /** What has moved here and nobody has wanted for a while is let go, all at once. */
  #letGoLater(announced: ReadonlySet<number>): void {
    const { deadlines, now } = this.#ports
    deadlines.cancel(this.#sweep)
    this.#sweep = undefined
    if ([...this.#awaited.keys()].every((partition) => announced.has(partition))) return
    this.#sweep = deadlines.at(now().monoMs + limits.readAheadMs, () => {
      this.#sweep = undefined
      for (const partition of [...this.#awaited.keys()]) this.#letGo(partition)
    })
  }

  #letGo(partition: number): void {
    this.#awaited.get(partition)?.stop()
    this.#awaited.delete(partition)
  }

  #saySettled(): void {
    const { viewVersion } = this.#mastership
    this.#unsettled = this.#unsettled.filter((master) => !master.isSettled)
    if (this.#unsettled.length > 0 || this.#settledVersion === viewVersion) return
    this.#settledVersion = viewVersion
    this.#ports.outbox.settled(viewVersion)
  }

  #mayReadAhead(): boolean {
    let bytes = 0
    for (const { heldBytes } of this.#awaited.values()) bytes += heldBytes
    return bytes <= limits.readAheadBytesMax
  }

  #begin(partition: number, isAwaited: boolean): PartitionMaster {
    const { self, generation } = this.#options
    const { outbox, deadlines, random } = this.#ports
    const mastership = this.#mastership
    const { keeping } = this.#ports
    const claimant = {
      partition,
      viewVersion: () => mastership.viewVersion,
      incarnation: self.incarnation,
      workerGeneration: generation,
      restsUntilMs: isAwaited ? 0 : this.#duels.restsUntilMs(partition)
    }
    const master: PartitionMaster = new PartitionMaster(claimant, {
      log: outbox,
      region: this.#options.siteCode,
      archive: outbox,
      backlog: this.#backlog,
      get keeping() {
        return keeping()
      },
      tails: this.#tails,
      meters: this.#ports.meters,
      room: () => this.#ports.room(),
      deadlines,
      random,
      now: () => this.#ports.now(),
      fateOf: (incarnation) => this.#ports.fateOf(incarnation),
      send: (to, message) => this.#ports.send(to, message),
      onActivity: (channel, isActive) => this.#ports.onActivity(channel, isActive),
      onUsed: (channel, isUsed, ...more) => {
        // One that is given away may end after another one has begun here.
        const current = this.#masters.get(partition) ?? master
        if (isUsed || current === master) this.#ports.onUsed(channel, isUsed, ...more)
      },
      toRegions: (...asked) => this.#ports.toRegions(...asked),
      askAbroad: (channel, questionTo, onAnswers) => {
        this.#ports.askAbroad(channel, questionTo, onAnswers)
      },
      askToHold: (hold, turn) => this.#ports.askToHold(hold, turn),
      sayWritten: (channel, region, stretch) => this.#ports.sayWritten(channel, region, stretch),
      wakeRelay: (channel, region) => this.#ports.wakeRelay(channel, region),
      countAbroad: (channel, isWanted) => this.#ports.countAbroad(channel, isWanted),
      others: (region) => this.#ports.others(region),
      otherRegions: () => this.#ports.otherRegions(),
      homes: () => mastership.homes(partition),
      isAlive: (owner) => mastership.isAlive(owner),
      regionGraceMs: () => this.#ports.regionGraceMs(),
      wantsFlush: (which) => this.#dirty.add(which),
      mayReadAhead: () => this.#mayReadAhead(),
      onDeposed: (master, by) => {
        if (this.#masters.get(partition) !== master) return
        this.#masters.delete(partition)
        this.#duels.onDeposed(partition, by, this.#ports.now().monoMs)
      },
      onViewHeard: (viewVersion) => outbox.heardView(viewVersion, undefined),
      note: (text) => outbox.note(text)
    }, isAwaited)
    return master
  }
}
