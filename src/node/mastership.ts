/**
 * Who masters what, as this worker knows it: the view, the lives of workers, and who is known to
 * be gone although the view cannot say so yet (rule 10). Channels and clients are told places and
 * partitions only; the ring stops here.
 */

import { present } from '../base/assert.ts'
import { partitionOf } from '../base/hash.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { homeWorkerOf, masterOf, type Member, memberOf, ownersOf, type View } from '../ring/view.ts'

export type Generations = ReadonlyMap<string, readonly number[]>

/** What a new view or new generations say about places, beside who masters what. */
export interface PlaceNews {
  /** Out of the view, whether they were ever in one of ours or not. */
  readonly ended: readonly Place[]
  /** A new life has begun there, which has not spoken to us yet. */
  readonly anew: readonly Place[]
  /** A new life has begun there, and what it said to us came first: that is to be kept. */
  readonly heardAnew: readonly Place[]
  /**
   * Views between were never seen. Whoever masters now as before may have lost the partition
   * meanwhile, and knows nothing any more of those who joined it before that.
   */
  readonly hasSkipped: boolean
}

export class Mastership {
  readonly #self: Place
  readonly #workers: number
  #view: View | undefined
  #generations: Generations = new Map()
  #gone: ReadonlySet<string> = new Set()
  /** Incarnations that were removed: they never return. */
  #removed: ReadonlySet<string> = new Set()
  /** The newest life that spoke to us from each place: links are quicker than the mesh. */
  readonly #heard = new Map<string, Place & { readonly generation: number }>()

  /** `workers`: how many this node has. */
  constructor(self: Place, workers: number) {
    this.#self = self
    this.#workers = workers
  }

  get viewVersion(): number {
    return this.#view?.version ?? 0
  }

  /** Takes what the main thread knows; returns what it means for places. */
  learn(view: View, generations: Generations, gone: ReadonlySet<string>): PlaceNews {
    const ended = this.#placesEnded(view)
    for (const place of ended) this.#heard.delete(placeKey(place))
    const hasSkipped = this.#view !== undefined && view.version > this.#view.version + 1
    const news = { ended, ...this.#placesAnew(generations), hasSkipped }
    this.#view = view
    this.#removed = new Set(view.tombstones.map(({ incarnation }) => incarnation))
    this.#generations = generations
    this.#gone = gone
    return news
  }

  /**
   * True for the places of an incarnation that was removed, whether it knows that or not: what they
   * ask for nobody would ever take back.
   */
  isRemoved(place: Place): boolean {
    return this.#removed.has(place.incarnation)
  }

  /** True for a place of a node of the view that is not known to be gone. */
  isListed(place: Place): boolean {
    return this.isAlive({ ...place, generation: Infinity })
  }

  /** True for a place of a node that the view does not list, whatever became of it. */
  isStranger({ incarnation }: Place): boolean {
    return this.#view !== undefined && memberOf(incarnation, this.#view) === undefined
  }

  /** The life `generation` of `place` has spoken to us. */
  hear(place: Place, generation: number): void {
    const key = placeKey(place)
    const known = this.#heard.get(key)?.generation ?? 0
    if (known < generation) this.#heard.set(key, { ...place, generation })
  }

  /** The channel's partition. There is a view before there are sockets, so it is always known. */
  partitionOf(channel: string): number {
    return partitionOf(channel, present(this.#view, 'a view').partitionCount)
  }

  /** The worker of this node on which the channel's parts live. */
  homeWorker(channel: string): number {
    return this.partitionOf(channel) % this.#workers
  }

  /** Where the channel's master is, if anybody is. */
  masterPlace(channel: string): Place | undefined {
    return this.#view === undefined ? undefined : this.placeOf(this.partitionOf(channel))
  }

  /** Where the partition's master is, if anybody is. */
  placeOf(partition: number): Place | undefined {
    const member = this.#view && this.#actingMaster(partition, this.#view)
    return member && homeAt(member, partition)
  }

  /**
   * Who would be its master by the view, and is thought to be gone (rule 10). Where that is wrong,
   * it knows yet who joined it, and nobody else would ever tell it that they have left.
   */
  doubtedMasters(channel: string): readonly Place[] {
    if (this.#gone.size === 0 || this.#view === undefined) return []
    const partition = this.partitionOf(channel)
    const owners = ownersOf(partition, this.#view)
    const acting = owners.findIndex(({ incarnation }) => !this.#gone.has(incarnation))
    const doubted = owners.slice(0, acting === -1 ? owners.length : acting)
    return doubted.map((member) => homeAt(member, partition))
  }

  /** The master's place with the life of its worker: when this changes, clients Join again. */
  masterLife(channel: string): string {
    const place = this.masterPlace(channel)
    if (place === undefined) return 'nobody'
    const generation = this.#generations.get(place.incarnation)?.[place.worker] ?? 0
    return `${placeKey(place)}/${generation}`
  }

  /** Every worker of the view's members, but for those that are known to be gone. */
  places(): Place[] {
    const members = this.#view?.members ?? []
    return members.flatMap(({ incarnation, workers }) => this.#gone.has(incarnation) ? []
      : Array.from({ length: workers }, (_, worker) => ({ incarnation, worker })))
  }

  /** Where the nodes of the view have their parts of the partition. */
  homes(partition: number): Place[] {
    return (this.#view?.members ?? []).map((member) => homeAt(member, partition))
  }

  /** False for a life that has surely ended: of a node that is out, or of a worker with an heir. */
  isAlive({ incarnation, worker, generation }: Place & { readonly generation: number }): boolean {
    if (this.#gone.has(incarnation)) return false
    if (this.#view === undefined || memberOf(incarnation, this.#view) === undefined) return false
    return (this.#generations.get(incarnation)?.[worker] ?? 0) <= generation
  }

  /** True if this very worker is to master the partition. */
  isMine(partition: number): boolean {
    const member = this.#view && this.#actingMaster(partition, this.#view)
    return (
      member !== undefined &&
      member.incarnation === this.#self.incarnation &&
      homeWorkerOf(partition, member) === this.#self.worker
    )
  }

  isSelf(incarnation: string): boolean {
    return incarnation === this.#self.incarnation
  }

  /** True if the view names this node for the partition, and `incarnation` after it or not. */
  isNamedBefore(partition: number, incarnation: string): boolean {
    const owners = this.#view === undefined ? [] : ownersOf(partition, this.#view)
    const first = owners.find((each) =>
      this.isSelf(each.incarnation) || each.incarnation === incarnation)
    return first !== undefined && this.isSelf(first.incarnation)
  }

  /** The partitions that this worker is to master from the next view on, as planned. */
  announced(): Set<number> {
    const { incarnation, worker } = this.#self
    const ours = (this.#view?.handovers ?? []).filter(({ to }) => to === incarnation)
    return new Set(ours.flatMap(({ partitions }) =>
      partitions.filter((partition) => partition % this.#workers === worker)))
  }

  /** The partitions that this very worker is to master. */
  *partitions(): Iterable<number> {
    const count = this.#view?.partitionCount ?? 0
    for (let partition = 0; partition < count; partition++) {
      if (this.isMine(partition)) yield partition
    }
  }

  /** The partition's master, or the first owner after it that is not known to be gone. */
  #actingMaster(partition: number, view: View): Member | undefined {
    if (this.#gone.size === 0) return masterOf(partition, view)
    return ownersOf(partition, view).find(({ incarnation }) => !this.#gone.has(incarnation))
  }

  /**
   * Places of the view before that are out; and such as spoke to us and were in and out again in
   * views that we never saw. We have answered those, and would ask for ever what became of it.
   */
  #placesEnded(view: View): Place[] {
    const living = new Set(view.members.map((member) => member.incarnation))
    const former = new Set<string>()
    const places: Place[] = []
    for (const { incarnation, workers } of this.#view?.members ?? []) {
      former.add(incarnation)
      if (living.has(incarnation)) continue
      for (let worker = 0; worker < workers; worker++) places.push({ incarnation, worker })
    }
    const removed = new Set(view.tombstones.map(({ incarnation }) => incarnation))
    for (const { incarnation, worker } of this.#heard.values()) {
      if (former.has(incarnation) || !removed.has(incarnation)) continue
      places.push({ incarnation, worker })
    }
    return places
  }

  #placesAnew(generations: Generations): Pick<PlaceNews, 'anew' | 'heardAnew'> {
    const anew: Place[] = []
    const heardAnew: Place[] = []
    for (const [incarnation, known] of generations) {
      for (const [worker, generation] of known.entries()) {
        const former = this.#generations.get(incarnation)?.[worker]
        const isSelf = incarnation === this.#self.incarnation && worker === this.#self.worker
        if (former === undefined || former === generation || isSelf) continue
        const place = { incarnation, worker }
        const isHeard = (this.#heard.get(placeKey(place))?.generation ?? 0) >= generation
        const places = isHeard ? heardAnew : anew
        places.push(place)
      }
    }
    return { anew, heardAnew }
  }
}

/** Where a node has its parts of the partition. */
function homeAt(member: Member, partition: number): Place {
  return { incarnation: member.incarnation, worker: homeWorkerOf(partition, member) }
}
