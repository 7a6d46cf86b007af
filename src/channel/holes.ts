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
import type { Shelf } from '../log/archive.ts'
import type { Publication, Standing } from '../peer/message.ts'
import { isBornHere } from './transplant.ts'
import type { Keeping } from './channel-archive.ts'
import type { HoleBounds, HolePart } from './hole-reading.ts'
import { brokenPage, firstPage, follow, type Here, type Page, startAfter } from './page.ts'
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
  later(channel: string, afterMs: number, run: () => void): void
}

interface Hole {
  readonly from: Standing
  /** It is told up to here that nothing of it was published. */
  throughSeq: number
  onPage: (page: Page) => void
}

export class Holes {
  readonly #channel: string
  readonly #ports: HolePorts
  readonly #here: () => Here
  /** By region. */
  readonly #holes = new Map<string, Hole>()

  constructor(channel: string, ports: HolePorts, here: () => Here) {
    this.#channel = channel
    this.#ports = ports
    this.#here = here
  }

  /**
   * Tells a region what comes behind its place, once; who asks again for the same is told instead.
   * False: the archive cannot have it.
   */
  fill(region: string, from: Standing, onPage: (page: Page) => void): boolean {
    const here = this.#here()
    const throughSeq = startAfter(here, from)
    const isKept = this.#ports.keeping.kept(this.#channel).keptMs !== undefined
    const { keptSince } = here
    if (!isKept || throughSeq === undefined || keptSince === undefined) return false
    if (throughSeq < keptSince.after) return false
    const former = this.#holes.get(region)
    if (former !== undefined && isSame(former.from, from)) {
      former.onPage = onPage
      return true
    }
    this.forget(region)
    const hole = { from, throughSeq, onPage }
    this.#holes.set(region, hole)
    this.#ports.later(this.#channel, archiveLimits.archiveHoleMs, () => {
      this.#end(region, hole, brokenPage(this.#here(), from))
    })
    this.#read(region, hole)
    return true
  }

  /** The region's relay waits for nothing any more. */
  forget(region: string): void {
    if (this.#holes.delete(region)) this.#ports.archiving.cease(this.#keyOf(region))
  }

  #read(region: string, hole: Hole): void {
    if (this.#holes.get(region) !== hole) return
    const here = this.#here()
    const { throughSeq } = hole
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
    const firstSeq = Math.max(throughSeq + 1, here.keptSince?.from ?? 0)
    const bounds = { lineage: here.standing.lineage, afterSeq: throughSeq, firstSeq, endSeq }
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

function isSame(one: Standing, other: Standing): boolean {
  return one.lineage === other.lineage && one.seq === other.seq && one.entry === other.entry
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
