/**
 * What relays of other regions missed of a persisted channel, and is not held any more
 * (docs/decisions/0024-regions.md): it is read from the archive, page by page, until what is held
 * follows on it. A page that is read is never the last; its relay asks again from where it ends,
 * so nothing is remembered from one to the next, and whoever takes the channel over goes on.
 *
 *   reading ──publications──▶ a page of more
 *      │  └──────none──▶ what is held, if it follows by then; otherwise reading, of less
 *      └──gone, or nothing is told in time──▶ something may be missing
 *
 * Who came and went does not stand there: it is told anew who is present. A message that outlasts
 * nothing is not told that late.
 */

import { archiveLimits } from '../base/archive-limits.ts'
import type { Now } from '../base/clock.ts'
import type { Shelf } from '../log/archive.ts'
import { joinWaitMaxMs } from '../peer/joining.ts'
import type { Publication, Standing } from '../peer/message.ts'
import { isBornHere } from './transplant.ts'
import type { Keeping } from './channel-archive.ts'
import type { HoleBounds, HolePart } from './hole-reading.ts'
import { brokenPage, firstPage, follow, type Here, type Page, startAfter } from './page.ts'
import { beginSeqOf } from './partition-state.ts'
import { owedBefore } from './persisted-history.ts'

const RETRY_MS = 100

/** Where it is read. */
export interface HoleArchive {
  readonly partition: number
  /** False where too many are under way; `key` names it among all. */
  readHole(
    key: string, shelf: Shelf, bounds: HoleBounds, onRead: (part: HolePart) => void
  ): boolean
  whenRoom(run: () => void): void
  cease(key: string): void
}

export interface HolePorts {
  readonly keeping: Keeping
  readonly archiving: HoleArchive
  /** Calls back, unless the channel or its mastership is over by then. */
  later(channel: string, afterMs: number, run: (nowMs: number) => void): void
  now(): Now
}

interface Hole {
  readonly from: Standing
  readonly sinceMs: number
  /** It is told up to here that nothing of it was published. */
  throughSeq: number
  onPage: (page: Page) => void
  /** Then it is told that it is missing. */
  readonly untilMs: number
}

export class Holes {
  readonly #channel: string
  readonly #ports: HolePorts
  readonly #here: () => Here
  /** By region, those first that have waited for longest. */
  readonly #holes = new Map<string, Hole>()
  #isWatching = false

  constructor(channel: string, ports: HolePorts, here: () => Here) {
    this.#channel = channel
    this.#ports = ports
    this.#here = here
  }

  /**
   * Tells a region what comes behind its place, once; who asks again for as much is told instead.
   * One without any, which was never told anything, is told what was born since a time, in ms since
   * the Unix epoch; where that is 0 nobody knows what it wants. It says how long ago that was, and
   * counts in how long it may wait, so that it asks for more each time: it is read for that, too.
   * False: the archive cannot have it.
   */
  fill(
    region: string, place: Standing | undefined, sinceMs: number, onPage: (page: Page) => void
  ): boolean {
    const here = this.#here()
    const from = place ?? (sinceMs > 0 ? beginningOf(here) : undefined)
    if (from === undefined) return false
    const throughSeq = startAfter(here, from)
    const isKept = this.#ports.keeping.kept(this.#channel).keptMs !== undefined
    const { keptSince } = here
    if (!isKept || throughSeq === undefined || keptSince === undefined) return false
    if (throughSeq < keptSince.after) return false
    const former = this.#holes.get(region)
    const since = place === undefined ? sinceMs : 0
    if (former !== undefined && former.sinceMs <= since && isSame(former.from, from)) {
      former.onPage = onPage
      return true
    }
    this.forget(region)
    const { monoMs } = this.#ports.now()
    const untilMs = monoMs + archiveLimits.archiveHoleMs
    const earliestMs = Math.max(0, since - joinWaitMaxMs())
    const hole = { from, throughSeq, sinceMs: earliestMs, onPage, untilMs }
    this.#holes.set(region, hole)
    this.#watch(monoMs)
    this.#read(region, hole)
    return true
  }

  /** The region's relay waits for nothing any more. */
  forget(region: string): void {
    if (this.#holes.delete(region)) this.#ports.archiving.cease(this.#keyOf(region))
  }

  /** One deadline for all of them: a hole of many pages is many, each for a moment. */
  #watch(nowMs: number): void {
    const [first] = this.#holes.values()
    if (first === undefined || this.#isWatching) return
    this.#isWatching = true
    this.#ports.later(this.#channel, Math.max(0, first.untilMs - nowMs), (atMs) => {
      this.#isWatching = false
      for (const [region, hole] of this.#holes) {
        if (hole.untilMs <= atMs) this.#end(region, hole, brokenPage(this.#here(), hole.from))
      }
      this.#watch(atMs)
    })
  }

  #read(region: string, hole: Hole): void {
    if (this.#holes.get(region) !== hole) return
    const here = this.#here()
    const { throughSeq, sinceMs } = hole
    const owed = owedBefore(here, 'messages')
    const held = heldAfter(here, owed, throughSeq)
    if (held !== undefined) {
      this.#tell(region, hole, firstPage(here, { startsAfter: throughSeq, publications: held }))
      return
    }
    const { archiving } = this.#ports
    const { partition } = archiving
    const shelf = { partition, channel: this.#channel, of: 'messages' as const }
    const endSeq = owed[0]?.seq ?? here.tail.trimmedThrough + 1
    const firstSeq = Math.max(throughSeq + 1, firstKept(here))
    if (firstSeq >= endSeq) {
      this.#onRead(region, hole, [], endSeq)
      return
    }
    const { lineage } = here.standing
    const bounds = { lineage, afterSeq: throughSeq, sinceMs, firstSeq, endSeq }
    const isBegun = archiving.readHole(this.#keyOf(region), shelf, bounds, (part) => {
      this.#onRead(region, hole, part, endSeq)
    })
    if (!isBegun) archiving.whenRoom(() => this.#read(region, hole))
  }

  #onRead(region: string, hole: Hole, part: HolePart, endSeq: number): void {
    if (part === 'unread') {
      this.#ports.later(this.#channel, RETRY_MS, () => this.#read(region, hole))
      return
    }
    const here = this.#here()
    const isGone = part === 'gone' || !hasAwaited(here, hole.throughSeq, endSeq, part)
    if (isGone) {
      this.#end(region, hole, brokenPage(here, hole.from))
      return
    }
    const last = part.at(-1)
    if (last === undefined) {
      hole.throughSeq = endSeq - 1
      this.#read(region, hole)
      return
    }
    const { lineage } = here.standing
    const standing = { lineage, seq: last.seq, epoch: here.epoch, entry: last.entry }
    this.#tell(region, hole, {
      standing, startsAfter: hole.throughSeq, publications: part, isContinuation: true,
      isWhole: false
    })
  }

  #tell(region: string, hole: Hole, page: Page): void {
    const { from, throughSeq } = hole
    const isOurs = follow(page.publications, from, throughSeq)
    const told = isOurs ? { ...page, isFilled: true } : brokenPage(this.#here(), from)
    this.#end(region, hole, told)
  }

  #end(region: string, hole: Hole, page: Page): void {
    if (this.#holes.get(region) !== hole) return
    this.forget(region)
    hole.onPage(page)
  }

  #keyOf(region: string): string {
    return `${this.#channel} for ${region}`
  }
}

/** Before all that was said on the channel, as far as it is remembered. */
function beginningOf({ standing: { lineage }, birth, epoch }: Here): Standing {
  return { lineage, seq: beginSeqOf(birth), epoch, entry: 0 }
}

function isSame(one: Standing, other: Standing): boolean {
  return one.lineage === other.lineage && one.seq === other.seq && one.entry === other.entry
}

/** Nothing that is kept stands before this seq, since something was not. */
function firstKept({ keptSince = { after: 0, from: 1 } }: Here): number {
  const { after, from } = keptSince
  return from > after ? from : Infinity
}

/**
 * False if something is left out that waits to be written in another region, as what outlasts
 * nothing is: it would count as written there.
 */
function hasAwaited(
  { uncopied = [] }: Here, after: number, end: number, part: readonly Publication[]
): boolean {
  const through = part.at(-1)?.seq ?? end - 1
  const told = new Set(part.map(({ seq }) => seq))
  return uncopied.every(({ seq }) => seq <= after || seq > through || told.has(seq))
}

/** What was born here after this seq, if all of it that the archive may lack is held. */
function heldAfter(
  { tail }: Here, owed: readonly Publication[], seq: number
): Publication[] | undefined {
  const [first] = owed
  if (first === undefined) return tail.bornAfter(seq)
  if (first.seq > seq + 1) return undefined
  const born = tail.after(tail.trimmedThrough)!.filter(isBornHere)
  return [...owed, ...born].filter((each) => each.seq > seq)
}
