/**
 * The groups of one node that a ChannelClient serves, and how each wants its frames. A publication
 * is encoded once per variant for all of them, and so is the set of those who are present.
 */

import type { Deadlines } from '../base/deadlines.ts'
import type { Meter } from '../base/meter.ts'
import type { Size } from '../base/sizes.ts'
import type { OccupancyTold } from '../peer/census-message.ts'
import type {
  Attach,
  Attached,
  BroadcastItem,
  ContinuityLost,
  Joined,
  Members,
  PeerMessage,
  Publication,
  Standing,
  Sync,
  SyncWanted,
  Variant
} from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import { type Batch, Batcher, type Batching } from './batching.ts'
import { type Arrival, lineagesOf } from './catch-up.ts'
import { DeltaChains } from './delta-chain.ts'
import { type Allocate, EncodedPublication } from './encoding.ts'
import { Filters } from './filters.ts'
import { itemFor, Telling } from './items.ts'
import { Replica } from './replica.ts'
import { OccupancyFrames } from './occupancy.ts'
import { rewoundItems } from './rewound.ts'

/** A worker's group as the client knows it. */
interface Door {
  readonly worker: number
  /** Sparse, by the group's variantId. */
  readonly variants: (Variant | undefined)[]
  isAttached: boolean
  /** False: no member lives there, for nobody there has said anything of presence. */
  mayHaveMembers: boolean
  /** True: the master that we joined last does not know yet whose members live there. */
  isUndeclared: boolean
}

/** What the doors need from the client's worker. */
export interface DoorPorts {
  readonly allocate: Allocate
  readonly deadlines: Deadlines
  nowMs(): number
  /** How the channel's rules say now that messages are put together, if they are. */
  batching(): Batching | undefined
  /** That of the channel's app. */
  readonly meter: Meter
  /** Sends to the group of `worker` on this node. */
  toGroup(worker: number, message: PeerMessage): void
}

type Beginning = Pick<Attached, 'standing' | 'isResumed' | 'error' | 'backlog'>

export class Doors {
  readonly #channel: string
  readonly #ports: DoorPorts
  readonly #doors = new Map<number, Door>()
  /** Who is present where the client stands. */
  readonly #replica: Replica
  readonly #occupancy: OccupancyFrames
  /** What was committed and waits to be told. */
  readonly #batcher: Batcher
  /** False: no attachment wants to be told. */
  #mayWantOccupancy = false
  readonly #chains: DeltaChains
  readonly #filters = new Filters()
  /** True: some variant is wanted no more; one that attaches anew wants the same at once. */
  #isUntidy = false
  /** True: attachments were told that SYNC comes later. */
  #owesSync = false
  /** What was broadcast last, or would have been before what comes next. */
  #lastSeq = 0

  constructor(channel: string, ports: DoorPorts) {
    this.#channel = channel
    this.#ports = ports
    this.#replica = new Replica(ports.allocate)
    this.#chains = new DeltaChains(ports.meter.deltas)
    this.#occupancy = new OccupancyFrames(ports.allocate)
    const { deadlines, nowMs, batching } = ports
    const tell = (batch: Batch): void => this.#tell(batch)
    this.#batcher = new Batcher({ deadlines, nowMs, batching, tell })
  }

  /** True if it is known who is present. */
  get hasMembers(): boolean { return this.#replica.isWhole }

  /** True if every group has said whose members live there. */
  get hasDeclared(): boolean {
    for (const { isUndeclared } of this.#doors.values()) if (isUndeclared) return false
    return true
  }

  get size(): number {
    return this.#doors.size
  }

  /** True if some group has attachments. */
  get isAnyAttached(): boolean {
    for (const door of this.#doors.values()) if (door.isAttached) return true
    return false
  }

  /** The workers whose groups have attachments. */
  *attached(): Generator<number> {
    for (const { worker, isAttached } of this.#doors.values()) if (isAttached) yield worker
  }

  /** True if some attachment wants to be told the occupancy; if none does, what was told is old. */
  wantsOccupancy(): boolean {
    if (!this.#mayWantOccupancy) return false
    for (const { isAttached, variants } of this.#doors.values()) {
      if (isAttached && variants.some((each) => each?.occupancy !== undefined)) return true
    }
    this.#mayWantOccupancy = false
    this.#occupancy.forget()
    return false
  }

  sizes(): Iterable<Size> {
    return this.#batcher.sizes()
  }

  /** Nobody is there any more. */
  close(): void {
    this.#batcher.close()
  }

  /** Tells the occupancy to those who want to know. */
  tellOccupancy(told: OccupancyTold, standing: Standing): void {
    if (!this.#occupancy.become(told)) return
    this.#batcher.flush()
    const channel = this.#channel
    for (const { worker, isAttached, variants } of this.#doors.values()) {
      const frames = variants.map((each) => each && this.#occupancy.frame(each, standing))
      if (!isAttached || frames.every((frame) => frame === undefined)) continue
      this.#ports.toGroup(worker, { kind: 'occupied', channel, frames })
    }
  }

  /** A group has an attachment of this variant. */
  onAttach(worker: number, { variantId, variant }: Attach): void {
    const door = this.#door(worker)
    door.variants[variantId] = variant
    door.isAttached = true
    if (variant.occupancy !== undefined) this.#mayWantOccupancy = true
    this.#chains.want(variant)
  }

  /** Nobody there is attached any more. */
  onGroupEmpty(worker: number): void {
    const door = this.#doors.get(worker)
    if (door !== undefined) door.isAttached = false
  }

  onVariantUnused(worker: number, variantId: number): void {
    const door = this.#doors.get(worker)
    if (door !== undefined) door.variants[variantId] = undefined
    this.#isUntidy = true
  }

  /** The worker is gone, and its group with it. */
  forget(worker: number): void {
    this.#doors.delete(worker)
    this.#isUntidy = true
  }

  /**
   * A Join was answered: what it says of presence holds from here on. False: it must be asked
   * again, for the master believes us to know what we do not.
   */
  onJoined(joined: Joined, continues: boolean): boolean {
    const isMistaken = joined.members === 'kept' && !continues
    if (isMistaken) this.#replica.forget()
    else this.#replica.onJoined(joined)
    for (const door of this.#doors.values()) {
      // Groups that have members, and those of which the master believes that they have some.
      if (!door.mayHaveMembers && joined.hasYours !== true) continue
      door.isUndeclared = true
      this.#ports.toGroup(door.worker, { kind: 'declareWanted', channel: this.#channel })
    }
    return !isMistaken
  }

  /** The group of `worker` has said something of presence. */
  onPresence(worker: number): void {
    this.#door(worker).mayHaveMembers = true
  }

  /** The group of `worker` has said whose members live there; `isWhole`: of each for certain. */
  onDeclared(worker: number, hasMembers: boolean, isWhole: boolean): void {
    const door = this.#door(worker)
    door.mayHaveMembers = hasMembers
    door.isUndeclared = !isWhole
  }

  /** A part of the presence set, before a `joined` or, if `isLive`, when it was held. */
  onMembers(members: Members, isLive: boolean): void {
    this.#replica.onMembers(members)
    if (!isLive || !members.isLast) return
    this.#replica.become(members.joinNo)
    this.sayWhoWasOwed()
  }

  /** Who is present, for attachments of one variant that wait to hear it. */
  onSyncWanted(worker: number, { variantId }: SyncWanted): void {
    const variant = this.#door(worker).variants[variantId]
    if (variant === undefined) return
    if (!this.#replica.isWhole) {
      this.#owesSync = true
      return
    }
    const channel = this.#channel
    const frames: (readonly Frame[])[] = []
    frames[variantId] = this.#replica.frames(variant)
    this.#ports.toGroup(worker, { kind: 'synced', channel, frames })
  }

  /** Answers an attach; without a word of the present where it does not want to know. */
  sayAttached(arrival: Omit<Arrival, 'from'>, standing: Standing, isResumed: boolean): void {
    const { isRewinding, hasLost } = arrival
    this.#batcher.flush()
    this.#lastSeq = standing.seq
    const backlog = isRewinding ? this.#rewound(arrival, standing)
      : this.#backlog(arrival, standing)
    const error = hasLost === true ? errors.continuityLost().info : undefined
    this.#answer(arrival, { standing, isResumed, error, backlog })
  }

  /** Tells a part of what it missed; who is present it is told at the end. */
  sayPage(arrival: Omit<Arrival, 'from'>, standing: Standing): void {
    const backlog = this.#backlog(arrival, standing)
    this.#answer(arrival, { standing, isResumed: true, error: undefined, backlog }, true)
  }

  /** Answers an attach whose continuation is none; `hasMore`: we are further than it begins. */
  refuseContinuation(
    arrival: Pick<Arrival, 'worker' | 'attach'>, standing: Standing, hasMore: boolean
  ): void {
    const error = errors.continuityLost().info
    this.#batcher.flush()
    this.#answer(arrival, { standing, isResumed: false, error, backlog: [] }, hasMore)
  }

  /** Tells every attachment that something may be missing, and who is present now. */
  sayContinuityLost(standing: Standing): void {
    const channel = this.#channel
    const error = errors.continuityLost().info
    this.#batcher.flush()
    this.#chains.forget()
    for (const door of this.#doors.values()) {
      if (!door.isAttached) continue
      const lost = { channel, standing, error, sync: this.#syncFor(door) }
      this.#ports.toGroup(door.worker, { kind: 'continuityLost', ...lost })
    }
  }

  /** Sends SYNC to those who were told that it comes later, if it can be told now. */
  sayWhoWasOwed(): void {
    if (!this.#owesSync || !this.#replica.isWhole) return
    this.#owesSync = false
    const channel = this.#channel
    for (const { worker, variants } of this.#doors.values()) {
      const frames = variants.map((variant) => variant && this.#replica.frames(variant))
      this.#ports.toGroup(worker, { kind: 'synced', channel, frames })
    }
  }

  /** Committed publications, contiguous and in order: told now, or when their batch is whole. */
  broadcast(publications: readonly Publication[], standing: Standing): void {
    this.#replica.apply(publications)
    this.#batcher.take(publications, standing)
  }

  #tell({ publications, standing, how }: Batch): void {
    const channel = this.#channel
    this.#lastSeq = standing.seq
    if (this.#isUntidy) this.#tidy()
    const encoded = publications.map((publication) => this.#encoded(publication, standing))
    const telling = new Telling(encoded, how, this.#chains, this.#ports.allocate)
    if (this.isAnyAttached) telling.count(this.#ports.meter)
    for (const { worker, isAttached, variants } of this.#doors.values()) {
      if (!isAttached) continue
      const items = telling.items(variants)
      this.#ports.toGroup(worker, { kind: 'broadcast', channel, standing, items })
    }
  }

  /** Publications for one attachment that missed them, in its own variant: the first one whole. */
  #backlog(
    { attach: { variant, variantId }, missed, older }: Omit<Arrival, 'from'>, standing: Standing
  ): BroadcastItem[] {
    const variants: Variant[] = []
    variants[variantId] = variant
    const lineages = lineagesOf(older)
    // Deltas build on what stands in one lineage, whose seqs tell them apart.
    const elsewhere = [...lineages.keys()].map((each) =>
      ({ ...itemFor(variants, this.#encodedOf(each, standing, lineages)), isCut: true as const }))
    const chains = new DeltaChains()
    chains.want(variant)
    const items = missed.map((each) => {
      const encoded = this.#encoded(each, standing)
      return itemFor(variants, encoded, chains.next(encoded))
    })
    // What follows live builds on the last of these, also for the only one who wants deltas.
    if (missed.at(-1)?.seq === this.#lastSeq) this.#chains.goOnFrom(chains)
    return [...elsewhere, ...items]
  }

  /** The same for one that rewinds. */
  #rewound(
    { attach, missed, older }: Omit<Arrival, 'from'>, standing: Standing
  ): BroadcastItem[] {
    const lineages = lineagesOf(older)
    const all = [...lineages.keys(), ...missed]
    const encode = (each: Publication): EncodedPublication =>
      this.#encodedOf(each, standing, lineages)
    const items = rewoundItems({ attach, missed: all }, standing, encode)
    const last = items.at(-1)
    const told = all.findLast(({ seq }) => seq === last?.seq)
    if (told === undefined || last?.isCut === true || attach.variant.delta !== true) return items
    const chains = new DeltaChains()
    chains.want(attach.variant)
    chains.next(encode(told))
    this.#chains.goOnFrom(chains)
    return items
  }

  /** `hasMore`: it is not where we are, and asks for what comes next when it can take it. */
  #answer(
    { worker, attach }: Pick<Arrival, 'worker' | 'attach'>, beginning: Beginning, hasMore = false
  ): void {
    const { attachId, variant, hearsPresence } = attach
    const present = hearsPresence === true ? this.#replica.sync(variant) : undefined
    const attached = { kind: 'attached' as const, channel: this.#channel, attachId, ...beginning }
    if (hasMore) {
      // Who begins anew behind us may have seen them: that nobody is left is told at the end, too.
      const isHeld = beginning.isResumed ? present !== undefined : hearsPresence === true
      const sync = isHeld ? 'held' : undefined
      this.#ports.toGroup(worker, { ...attached, sync, hasMore })
      return
    }
    const sync = this.#noted(present)
    const occupancy = this.#occupancy.frame(variant, beginning.standing)
    this.#ports.toGroup(worker, { ...attached, sync, occupancy })
  }

  #syncFor({ variants }: Door): ContinuityLost['sync'] {
    if (!this.#replica.isWhole) return this.#noted('held') as 'held'
    const frames = variants.map((variant) => variant && this.#replica.sync(variant))
    return frames.some((each) => each !== undefined) ? frames as (Frame[] | undefined)[] : undefined
  }

  #noted(sync: Sync | undefined): Sync | undefined {
    if (sync === 'held') this.#owesSync = true
    return sync
  }

  /** A publication with the channelSerial it had: its own place, in the standing's lineage. */
  #encoded(publication: Publication, { lineage, epoch }: Standing): EncodedPublication {
    const { seq, entry } = publication
    const standing = { lineage, seq, epoch, entry }
    return new EncodedPublication(publication, standing, this.#ports.allocate, this.#filters)
  }

  /** The same of one that may stand in another lineage. */
  #encodedOf(
    publication: Publication, standing: Standing, lineages: ReadonlyMap<Publication, string>
  ): EncodedPublication {
    const lineage = lineages.get(publication) ?? standing.lineage
    return this.#encoded(publication, { ...standing, lineage })
  }

  /** What no variant wants any more is let go. */
  #tidy(): void {
    this.#isUntidy = false
    const variants = [...this.#doors.values()].flatMap((door) => door.variants)
    this.#chains.keep(variants)
    this.#filters.keep(variants)
  }

  #door(worker: number): Door {
    let door = this.#doors.get(worker)
    if (door === undefined) {
      const isNew = { isAttached: false, mayHaveMembers: false, isUndeclared: false }
      door = { worker, variants: [], ...isNew }
      this.#doors.set(worker, door)
    }
    return door
  }
}
