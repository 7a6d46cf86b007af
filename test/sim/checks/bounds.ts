/**
 * Everything that grows is bounded (rule 25), and nothing leaks: whatever workers and nodes keep is
 * within the bound that docs/bounds.md names for it, at every second; what they hold follows from
 * who is there, and is nothing when everybody has left and what is kept by time has had its time.
 */

import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { limits } from '../../../src/base/limits.ts'
import type { LimitName, Size } from '../../../src/base/sizes.ts'
import { type RingLimitName, ringLimits } from '../../../src/ring/timing.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { WorkerThread } from '../worker.ts'
import type { Check } from './check.ts'

/**
 * What was said at once, to the last message, may go beyond these: it is let in while there is
 * room, and a link is found to be full when a batch has been added to it.
 */
const LAST_BYTES: Partial<Record<LimitName, number>> = { linkBytesMax: 4_096 }
/**
 * Members whom nodes declare to a new master are taken whatever their number: they were let in
 * before the log was rolled back, as others may have been since.
 */
const DECLARED: ReadonlySet<LimitName> = new Set(['presenceMembersMax'])
/** Every so many ticks all sizes are judged: to look at all of them takes a while. */
const SIZES_EVERY = 2
/** Deadlines of a part, at most; what a worker has besides. */
const DEADLINES_PER_PART = 4
const DEADLINES_BESIDES = 16

export class Bounds implements Check {
  isPatient: boolean
  readonly #region: Region

  #tickCount = 0
  /** The most that was seen of each thing that has a bound. */
  readonly most = new Map<string, number>()

  /** `isPatient`: the run goes on until everything that is kept by time has had its time. */
  constructor(region: Region, isPatient: boolean) {
    this.#region = region
    this.isPatient = isPatient
  }

  onTick(): void {
    for (const thread of this.#threads()) this.#checkThread(thread)
    if (this.#tickCount++ % SIZES_EVERY !== 0) return
    for (const { life, worker } of this.#threads()) {
      for (const size of worker.sizes()) this.#judge(life, size)
    }
    for (const { life } of this.#region.running) {
      for (const size of life?.member.sizes() ?? []) this.#judgeRing(life!.incarnation, size)
    }
    for (const { id, isOverfull } of this.#region.sockets) {
      if (isOverfull) throw new Violation('bounds', `${id} was written more than it may hold`)
    }
  }

  onEmpty(): void {
    const [first] = this.leftovers(this.isPatient)
    if (first !== undefined) throw new Violation('leak', first)
  }

  /**
   * What workers hold, in words, that nobody should who has nobody to serve; `isLongSince`: what is
   * kept by time has had its time, too. A partition that was wanted once has a master as long as
   * the view says so.
   */
  leftovers(isLongSince: boolean): string[] {
    return this.#threads().flatMap(({ life, worker, outbox }) => {
      const { partitions: _, channels, registered, deadlines, ...others } = worker.counts()
      const kept = isLongSince ? { channels, registered, deadlines } : {}
      const left = { ...others, ...kept, tickets: outbox.openTicketCount }
      return Object.entries(left).filter(([, count]) => count > 0)
        .map(([what, count]) => `${life} still has ${count} ${what}`)
    })
  }

  #threads(): WorkerThread[] {
    return this.#region.running.flatMap(({ life }) =>
      (life?.threads ?? []).flatMap((thread) => thread ?? []))
  }

  #judge(who: string, [limit, amount]: Size): void {
    this.#note(limit, amount)
    const max = boundOf(limit) * (DECLARED.has(limit) ? 2 : 1) + (LAST_BYTES[limit] ?? 0)
    if (amount <= max) return
    throw new Violation('bounds', `${who} has ${amount}, at most ${max} (${limit})`)
  }

  #judgeRing(who: string, [limit, amount]: Size<RingLimitName>): void {
    this.#note(limit, amount)
    if (amount <= ringLimits[limit]) return
    throw new Violation('bounds', `${who} has ${amount}, at most ${ringLimits[limit]} (${limit})`)
  }

  #note(limit: string, amount: number): void {
    if (amount > (this.most.get(limit) ?? 0)) this.most.set(limit, amount)
  }

  #checkThread({ life, worker, outbox }: WorkerThread): void {
    const { nodeCount, workers, partitionCount } = this.#region.options
    const counts = worker.counts()
    const places = this.#placesEver(nodeCount * workers)
    const parts = counts.connections + counts.attachments + counts.groups + counts.clients +
      counts.partitions + counts.requests + counts.comet + counts.questions + 2 * places
    const bounds = {
      deadlines: [counts.deadlines, DEADLINES_BESIDES + DEADLINES_PER_PART * parts],
      unconfirmedBytes: [counts.unconfirmedBytes, places * (limits.linkBytesMax + 4_096)],
      partitions: [counts.partitions, partitionCount],
      tickets: [outbox.openTicketCount, 3 * partitionCount]
    } as const
    for (const [what, [count, max]] of Object.entries(bounds)) {
      if (count > max) throw new Violation('bounds', `${life} has ${count} ${what}, at most ${max}`)
    }
  }

  /** Places that are, and some that were a moment ago. */
  #placesEver(count: number): number {
    return 3 * count
  }
}

function boundOf(limit: LimitName): number {
  return limit in limits ? limits[limit as keyof typeof limits] as number
    : archiveLimits[limit as keyof typeof archiveLimits]
}
