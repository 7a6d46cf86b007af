/**
 * A rewind of a persisted channel that goes back further than what is held (protocol 7.5): the page
 * with which it begins is preceded by what the archive owes, and that by what the archive has, from
 * lineages that are over, too. In a world other regions are asked what they have of that.
 *
 * One that rewinds waits for the archive a while and no longer: where that cannot be read, it is
 * told what is held; and for other regions a second.
 *
 * Cost: one reading of the archive, backwards, for all attachments of a node that come together,
 * and one question to each other region.
 */

import { archiveLimits } from '../base/archive-limits.ts'
import { limits } from '../base/limits.ts'
import type { OlderPart, Publication } from '../peer/message.ts'
import type { HistoryAnswer, HistoryPlace, HistoryQuestion } from '../peer/question-message.ts'
import type { Rewind } from '../wire/params.ts'
import type { ArchivePart } from './archive-reading.ts'
import type { Here, Page } from './page.ts'
import type { PartitionArchiving } from './partition-archiving.ts'
import type { PartitionPorts } from './partition-ports.ts'
import { owedBefore, type Persisted } from './persisted-history.ts'
import { joinedPasts, type OwnPast, questionTo } from './rewound-abroad.ts'
import { bytesOf, lastingCount } from './tail.ts'

const RETRY_MS = 100

export interface RewindPorts extends Pick<PartitionPorts, 'askAbroad'> {
  readonly archiving: PartitionArchiving
  /** Calls back, unless the channel or its mastership is over by then. */
  later(afterMs: number, run: () => void): void
}

/** Where it is rewound, with what is held there. */
export type Rewound = Persisted & { readonly here: Here }

/** Completes `page`, now or later; `key` names the reading among all that are under way. */
export function rewindPersisted(
  key: string, place: Rewound, rewind: Rewind, page: Page, ports: RewindPorts,
  onPage: (page: Page) => void
): void {
  const { channel, here, lineage, kept, wallMs } = place
  const sinceMs = wallMs - (rewind.forMs ?? Infinity)
  const owed = owedBefore(here, kept.keptMs === undefined ? 'last' : 'messages')
  // With the page it is one message, of a page and a half and one publication at most.
  const bytes = bytesOf(page.publications) - limits.backlogPageBytesMax / 2
  const count = rewind.count - heldCount(here, rewind.count)
  const held = takeLast(owed, count, sinceMs, bytes)
  const older = held.publications.length === 0 ? []
    : [{ lineage, publications: held.publications }]
  const tell = (all: readonly OlderPart[]): void => {
    onPage(all.length === 0 ? page : { ...page, older: all })
  }
  // Where something may be missing in what is held, nobody goes back beyond that.
  const isBroken = page.startsAfter > here.tail.trimmedThrough
  if (held.missing <= 0 || held.isCut || isBroken || reachesBack(here, sinceMs)) {
    tell(older)
    return
  }
  const endSeq = owed[0]?.seq ?? here.tail.trimmedThrough + 1
  const { missing } = held
  const wantsLast = kept.isLastKept === true && missing === rewind.count
  const wanted = { sinceMs, endSeq, missing, wantsLast, bytes: held.bytes }
  const asked = { count, bytesMax: limits.backlogPageBytesMax - bytes, sinceMs, wantsLast }
  let own: OwnPast | undefined
  let far: ReadonlyMap<string, HistoryAnswer> | undefined
  const join = (): void => {
    if (own === undefined || far === undefined) return
    tell(far.size === 0 ? own.parts : joinedPasts(own, [...far.values()], asked))
  }
  new Rewinding(key, place, wanted, ports).begin((past) => {
    own = { ...past, parts: [...past.parts, ...older] }
    join()
  })
  ports.askAbroad(channel, (region) => questionTo(region, count, here, wallMs), (answers) => {
    far = answers
    join()
  })
}

interface Wanted {
  readonly sinceMs: number
  /** From this seq of our lineage on, what is held tells. */
  readonly endSeq: number
  /** Messages. */
  readonly missing: number
  /** What was said last, where nothing else is found. */
  readonly wantsLast: boolean
  /** What is told besides, of the page's bytes that there are. */
  readonly bytes: number
}

/** The reading of one: a part of each lineage, until there is enough. */
class Rewinding {
  readonly #key: string
  readonly #place: Rewound
  readonly #wanted: Wanted
  readonly #ports: RewindPorts
  #parts: OlderPart[] = []
  #of: 'messages' | 'last' = 'messages'
  #missing: number
  #bytes: number
  #isWhole = true
  #onDone: ((past: OwnPast) => void) | undefined

  constructor(key: string, place: Rewound, wanted: Wanted, ports: RewindPorts) {
    this.#key = key
    this.#place = place
    this.#wanted = wanted
    this.#ports = ports
    this.#missing = wanted.missing
    this.#bytes = wanted.bytes
  }

  begin(onDone: (past: OwnPast) => void): void {
    this.#onDone = onDone
    this.#ports.later(archiveLimits.archiveSilentMs, () => {
      this.#isWhole = false
      this.#end()
    })
    if (this.#place.kept.keptMs === undefined) this.#endShelf()
    else this.#read(undefined)
  }

  #read(from: HistoryPlace | undefined): void {
    if (this.#onDone === undefined) return
    const { partition, channel, lineage, kept, wallMs } = this.#place
    const shelf = { partition, channel, of: this.#of }
    const { keptMs = limits.retentionMaxMs } = this.#of === 'last' ? {} : kept
    const sinceMs = wallMs - keptMs
    const { sinceMs: startMs, endSeq } = this.#wanted
    const question: HistoryQuestion = {
      kind: 'history', of: 'messages', isBackwards: true, startMs: Math.max(startMs, 0),
      endMs: undefined, from, until: undefined, countMax: this.#missing
    }
    const bounds = { lineage, endSeq, sinceMs, toldCount: 0, toldBytes: this.#bytes }
    const again = (): void => this.#ports.later(RETRY_MS, () => this.#read(from))
    const isBegun = this.#ports.archiving.read(this.#key, shelf, question, bounds, (part) => {
      if (part === undefined) again()
      else this.#take(part)
    })
    if (!isBegun) this.#ports.archiving.whenRoom(() => this.#read(from))
  }

  #take({ publications, marks, lineage, isWhole }: ArchivePart): void {
    const last = publications.at(-1)
    if (lineage !== undefined && last !== undefined) {
      this.#parts.unshift({ lineage, publications: publications.toReversed() })
    }
    for (const publication of publications) {
      this.#missing -= lastingCount(publication)
      this.#bytes += publication.payload.byteLength
    }
    const isOver = isWhole || last === undefined || this.#missing <= 0 ||
      this.#bytes > limits.backlogPageBytesMax
    if (isOver) {
      this.#isWhole = isWhole
      this.#endShelf()
    } else {
      const { timestamp: ms, counter } = last
      this.#read({ ms, counter, isIncluded: false, mark: marks.at(-1)! })
    }
  }

  #endShelf(): void {
    const isNothing = this.#parts.length === 0 && this.#of !== 'last'
    if (!isNothing || !this.#wanted.wantsLast) {
      this.#end()
      return
    }
    this.#of = 'last'
    this.#read(undefined)
  }

  #end(): void {
    const isOfLast = this.#of === 'last'
    this.#onDone?.({ parts: this.#parts, isWhole: this.#isWhole, isOfLast })
    this.#onDone = undefined
    this.#parts = []
    this.#ports.archiving.cease(this.#key)
  }
}

/** Messages in the tail, up to `countMax`. */
function heldCount({ tail }: Here, countMax: number): number {
  let count = 0
  for (let at = tail.length - 1; at >= 0 && count < countMax; at--) {
    count += lastingCount(tail.at(at))
  }
  return count
}

/** True if what is held begins before the time that is gone back to. */
function reachesBack({ tail }: Here, sinceMs: number): boolean {
  return tail.length > 0 && tail.at(0).timestamp < sinceMs
}

interface Taken {
  readonly publications: Publication[]
  /** Messages that they lack. */
  readonly missing: number
  readonly bytes: number
  /** There was no room for more. */
  readonly isCut: boolean
}

/** The last of them with `count` messages since then, behind `told` bytes of the page. */
function takeLast(
  owed: readonly Publication[], count: number, sinceMs: number, told: number
): Taken {
  const publications: Publication[] = []
  let [missing, bytes] = [count, told]
  for (const publication of owed.toReversed()) {
    if (missing <= 0 || publication.timestamp < sinceMs) break
    const { byteLength } = publication.payload
    if (bytes + byteLength > limits.backlogPageBytesMax) {
      return { publications, missing, bytes, isCut: true }
    }
    bytes += byteLength
    publications.unshift(publication)
    missing -= lastingCount(publication)
  }
  return { publications, missing, bytes, isCut: bytes >= limits.backlogPageBytesMax }
}
