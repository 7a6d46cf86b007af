/**
 * A stretch of a channel, as much of it as one message takes: what a ChannelClient or an
 * attachment of its node is told that it missed.
 */

import { limits } from '../base/limits.ts'
import type {
  Backfill, Backfilled, Joined, OlderPart, Origin, Publication, Standing
} from '../peer/message.ts'
import type { Rewind } from '../wire/params.ts'
import type { ChannelArchive } from './channel-archive.ts'
import { beginSeqOf, type Birth, type KeptSince } from './partition-state.ts'
import { lastingCount, type Tail } from './tail.ts'

/** A stretch of the channel. */
export interface Page {
  readonly isContinuation: boolean
  readonly startsAfter: number
  readonly publications: readonly Publication[]
  /** Where the last of them leads. */
  readonly standing: Standing
  readonly isWhole: boolean
  /** What the archive has of a rewind, or another region's log of what was missed, before them. */
  readonly older?: readonly OlderPart[]
  /** Of what is not held here any more it has the messages alone: who is present is to be told. */
  readonly isFilled?: boolean
  /** `standing` is a place in that region's log. */
  readonly isElsewhere?: boolean
}

/** Where a channel stands, and what it has to show for it. */
export interface Here {
  readonly standing: Standing
  readonly birth: Birth
  readonly tail: Tail
  readonly epoch: number
  /** What is kept of it for long, if anything is. */
  readonly archive?: ChannelArchive | undefined
  readonly keptSince?: KeptSince | undefined
  /** How far what was born in other regions is written here. */
  readonly origins?: readonly Origin[] | undefined
  /** True: others may have said something while the channel was let go here. */
  readonly hasOthers?: boolean
  /** The mastership that the channel was born with, if nobody knew of it then. */
  readonly bornEpoch?: number | undefined
  /** Whether nothing of theirs is missing to who stands before the channel was let go. */
  goesOn?(from: Standing): boolean
  /** What waits to be written in another region, in order of seq. */
  readonly uncopied?: readonly Pick<Publication, 'seq'>[] | undefined
  /** False for a standing whose epoch is forgotten, or did not reach so far (rule 4). */
  isKnown(standing: Standing): boolean
  /** True for a standing whose epoch is forgotten, and may have reached so far. */
  isForgotten(standing: Standing): boolean
}

/**
 * False for a standing that is not of this history (rule 4). Of an epoch whose end is forgotten the
 * channel itself says it, for nobody is refused for age (rule 19): what was shown last must be what
 * stands there, of that epoch or told in it later. Before the channel's birth, and where the tail
 * has let go, nothing can gainsay it but what comes next.
 */
export function isOfThis(at: Here, from: Standing): boolean {
  if (at.isKnown(from)) return true
  if (!at.isForgotten(from)) return false
  const { standing, birth, tail } = at
  if (from.seq <= birth.seq) return true
  if (from.seq === standing.seq) {
    return from.entry === standing.entry && from.epoch >= standing.epoch
  }
  return from.entry === (tail.entryOf(from.seq) ?? from.entry)
}

/**
 * What came after `from`; nothing for one that begins here. Where something of another region may
 * be missing between, nobody continues: nor who comes from before the channel was let go, unless it
 * is known that what was said elsewhere from then on is told here (comeback.ts).
 */
export function pageAfter(at: Here, from: Standing | undefined): Page {
  if (from === undefined) return nothingHere(at, true)
  const found = at.hasOthers === true && isOfFormerLife(at, from) ? afterBirth(at, from)
    : after(at, from)
  const isBroken = found?.publications.some(({ isBreak }) => isBreak === true)
  return found === undefined || isBroken ? nothingHere(at, false) : firstPage(at, found)
}

/** What was born here after `from`, for another region. */
export function pageBornAfter(at: Here, from: Standing): Page {
  const found = after(at, from, true)
  return found === undefined ? brokenPage(at, from) : firstPage(at, found)
}

/** What was born here since a time, for a region that was never told anything of the channel. */
export function pageBornSince(at: Here, sinceMs: number, lastMs: number): Page {
  const beginSeq = beginSeqOf(at.birth)
  // What was said before it was let go may be newer than anything that is held.
  const newestMs = beginSeq < at.birth.seq ? Infinity : lastMs
  const found = at.tail.since(sinceMs, beginSeq, newestMs)
  if (found === undefined) return brokenPage(at)
  const startsAfter = found[0] === undefined ? at.standing.seq : found[0].seq - 1
  return firstPage(at, { startsAfter, publications: found })
}

/**
 * For another region that cannot go on from where it stood: it goes on where the channel stands, or
 * before what waits to be written in another region and still can be told.
 */
export function brokenPage(at: Here, from?: Standing): Page {
  const standing = beforeUncopied(at)
  if (standing === undefined) return nothingHere(at, false)
  const { lineage, seq } = standing
  // Where it has come further in a log of this lineage, it would pass over what follows.
  const isFurther = from?.lineage === lineage && from.seq > seq
  if (isFurther || after(at, standing, true) === undefined) return nothingHere(at, false)
  return { standing, startsAfter: seq, publications: [], isWhole: false, isContinuation: false }
}

/** The page for a region that was never told anything; with what waits to be written in one. */
export function withUncopied(at: Here, page: Page): Page {
  const standing = beforeUncopied(at)
  if (!page.isContinuation || standing === undefined) return page
  const found = standing.seq < page.startsAfter ? after(at, standing, true) : undefined
  return found === undefined ? page : firstPage(at, found)
}

/** Before the first that waits to be written in another region, of those that can be told. */
function beforeUncopied({ tail, epoch, uncopied = [], standing: { lineage } }: Here):
Standing | undefined {
  const first = uncopied.find(({ seq }) => seq > tail.trimmedThrough)
  if (first === undefined) return undefined
  const seq = first.seq - 1
  return { lineage, seq, epoch, entry: tail.entryOf(seq) ?? 0 }
}

function nothingHere({ standing }: Here, isContinuation: boolean): Page {
  return { standing, startsAfter: standing.seq, publications: [], isWhole: true, isContinuation }
}

/**
 * The last messages that outlast their delivery; how old one is goes by the clocks of those who
 * wrote it and who looks, which may differ, so that it is asked only where a time was named (7.5).
 */
export function pageRewound(at: Here, { count, forMs = Infinity }: Rewind, wallMs: number): Page {
  const startsAfter = at.tail.rewound(count, wallMs - forMs)
  const publications = at.tail.after(startsAfter) ?? []
  const isLasting = (each: Publication): boolean => lastingCount(each) > 0
  return firstPage(at, { startsAfter, publications: publications.filter(isLasting) })
}

/** As much of it as one message takes. */
export function firstPage(
  { standing, epoch }: Here,
  { startsAfter, publications }: Pick<Page, 'startsAfter' | 'publications'>
): Page {
  let bytes = 0
  let count = 0
  for (const { payload } of publications) {
    bytes += payload.byteLength
    if (count > 0 && bytes > limits.backlogPageBytesMax) break
    count++
  }
  const isContinuation = true
  if (count === publications.length) {
    return { standing, startsAfter, publications, isContinuation, isWhole: true }
  }
  const { seq, entry } = publications[count - 1]!
  return {
    standing: { lineage: standing.lineage, seq, epoch, entry },
    startsAfter,
    publications: publications.slice(0, count),
    isContinuation,
    isWhole: false
  }
}

/**
 * Everything after `from`, or all of it that was born here, or undefined where continuity cannot be
 * shown (rule 19).
 */
function after(
  at: Here, from: Standing, isBornOnly = false
): Pick<Page, 'startsAfter' | 'publications'> | undefined {
  const { tail } = at
  const startsAfter = startAfter(at, from)
  if (startsAfter === undefined) return undefined
  const publications = isBornOnly ? tail.bornAfter(startsAfter) : tail.after(startsAfter)
  if (publications === undefined || !follow(publications, from, startsAfter)) return undefined
  return { startsAfter, publications }
}

/**
 * True for who was there before the channel was let go; or before a master ended who alone knew of
 * it, for nothing had been said on it.
 */
function isOfFormerLife({ standing, birth, bornEpoch = 0 }: Here, from: Standing): boolean {
  if (from.lineage !== standing.lineage) return false
  return from.seq < birth.seq || (from.seq === birth.seq && from.epoch < bornEpoch)
}

/** Everything since the channel was born again, for who stood at its end before. */
function afterBirth(at: Here, from: Standing): ReturnType<typeof after> {
  if (!isOfThis(at, from) || at.goesOn?.(from) !== true) return undefined
  const startsAfter = at.birth.seq
  const publications = at.tail.after(startsAfter)
  return publications && { startsAfter, publications }
}

/** The seq after which somebody goes on who stands there; undefined for a place of no use here. */
export function startAfter(at: Here, from: Standing): number | undefined {
  const { standing, birth } = at
  if (from.lineage !== standing.lineage || from.seq > standing.seq) return undefined
  if (!isOfThis(at, from)) return undefined
  // Before the channel was let go, and so late that nothing of it was there to be missed.
  const isBornSince = from.seq < birth.seq && from.entry >= birth.entry
  return isBornSince ? birth.seq : from.seq
}

/**
 * False for what cannot come after the place. A log that was rolled back may have begun an epoch of
 * the same number again, and have come as far: then what follows on the place stands no later than
 * what was shown there.
 */
export function follow(
  publications: readonly Publication[], from: Standing, startsAfter: number
): boolean {
  const [first] = publications
  return first === undefined || startsAfter !== from.seq || first.entry > from.entry
}

/** The page as the answer to who asked for it. */
export function backfilled(
  channel: string, { clientId, requestNo }: Backfill, epoch: number, page: Page
): Backfilled {
  const { isContinuation, standing, publications, older, isElsewhere } = page
  return {
    kind: 'backfilled', channel, clientId, requestNo, epoch, isContinuation, standing, publications,
    ...(older === undefined ? {} : { older }),
    ...(isElsewhere === true ? { isElsewhere } : {})
  }
}

/** True if the backlog leads from `had` to where the master says, without a hole. */
export function isUnbroken(had: Standing, { startsAfter, backlog, standing }: Joined): boolean {
  if (startsAfter < had.seq || startsAfter + backlog.length !== standing.seq) return false
  return backlog.every(({ seq }, at) => seq === startsAfter + at + 1)
}

/** What of them follows on `seq`, repeats left out, up to the first hole. */
export function inOrder(
  seq: number, publications: readonly Publication[]
): { readonly next: readonly Publication[]; readonly isHole: boolean } {
  const next: Publication[] = []
  for (const publication of publications) {
    const wanted = seq + next.length + 1
    if (publication.seq > wanted) return { next, isHole: true }
    if (publication.seq === wanted) next.push(publication)
  }
  return { next, isHole: false }
}

/** Stretches that can be told at once: a break stands alone. */
export function* stretchesOf(publications: readonly Publication[]): Generator<{
  readonly stretch: readonly Publication[]; readonly last: Publication
}> {
  let from = 0
  for (const [at, publication] of publications.entries()) {
    const isNextBreak = publications[at + 1]?.isBreak === true
    if (at + 1 < publications.length && publication.isBreak !== true && !isNextBreak) continue
    yield { stretch: publications.slice(from, at + 1), last: publication }
    from = at + 1
  }
}
