/**
 * A rewind that goes back further than what is held here, where other regions keep what was born in
 * them: what our archive has and what theirs have, in the order of serials, as parts of one lineage
 * each. It goes back as far as nobody can have said anything between that is not told.
 *
 * Another region is asked for what had come here before what is held: the rest is held, or is told
 * when it comes. One that nothing was ever heard of may have something on its way; of that one,
 * what is too old for that.
 */

import { limits } from '../base/limits.ts'
import type { OlderPart, Publication } from '../peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import { serialBase } from '../wire/serial.ts'
import { elsewhereAt } from './elsewhere.ts'
import type { Here } from './page.ts'
import { lastingCount } from './tail.ts'

/** What our own region has, oldest first. */
export interface OwnPast {
  readonly parts: readonly OlderPart[]
  /** False: there is more before that, or may be. */
  readonly isWhole: boolean
  /** It is kept only as long as nothing else is said. */
  readonly isOfLast: boolean
}

export interface PastWanted {
  /** Of all that is told, what is still missing; and the bytes that there are for it. */
  readonly count: number
  readonly bytesMax: number
  readonly sinceMs: number
  /** Nothing at all is held here. */
  readonly wantsLast: boolean
}

interface Piece {
  readonly lineage: string
  readonly publication: Publication
  readonly serial: string
  readonly isOfLast: boolean
}

/** What another region is asked for the last `count` before what is held here. */
export function questionTo(
  region: string, count: number, here: Here, wallMs: number
): HistoryQuestion {
  const begins = { ...here.standing, seq: here.tail.trimmedThrough }
  const { origins } = elsewhereAt(here, begins, undefined)
  const until = origins.find((origin) => origin.region === region)
  const endMs = until === undefined ? wallMs - limits.tailMs : undefined
  return {
    kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs,
    from: undefined, until, countMax: Math.max(1, count), isOfWorld: true, wantsLast: true
  }
}

/** What all of them have, newest first where they have told it. */
export function joinedPasts(
  own: OwnPast, answers: readonly HistoryAnswer[], wanted: PastWanted
): readonly OlderPart[] {
  const pieces = own.parts.flatMap(({ lineage, publications }) =>
    publications.map((publication) => pieceOf(publication, lineage, own.isOfLast)))
  const ends = own.isWhole ? [] : [pieces[0]?.serial ?? BEHIND_ALL]
  for (const { publications = [], lineage, isWhole, isOfLast } of answers) {
    const all = publications.map((each) => pieceOf(each, lineage, isOfLast === true))
    const last = all.at(-1)
    if (!isWhole && last !== undefined) ends.push(last.serial)
    pieces.push(...all)
  }
  const known = pieces.filter(({ serial }) => ends.every((end) => serial >= end))
  known.sort((a, b) => (a.serial < b.serial ? 1 : -1))
  return partsOf(lastOf(withoutOldLasts(known, wanted), wanted))
}

/** Sorts behind every serial. */
const BEHIND_ALL = '~'

function pieceOf(publication: Publication, lineage: string, isOfLast: boolean): Piece {
  const { timestamp: ms, counter } = publication
  return { publication, lineage, isOfLast, serial: serialBase({ ms, counter, site: lineage }) }
}

/** Newest first. */
function withoutOldLasts(pieces: readonly Piece[], { wantsLast }: PastWanted): Piece[] {
  return pieces.filter(({ isOfLast }, at) => !isOfLast || (wantsLast && at === 0))
}

/** As many of them as are missing, newest first. */
function lastOf(
  pieces: readonly Piece[], { count, bytesMax, sinceMs }: PastWanted
): readonly Piece[] {
  const chosen: Piece[] = []
  let [missing, bytes] = [count, 0]
  for (const piece of pieces) {
    const { timestamp, payload } = piece.publication
    bytes += payload.byteLength
    if (missing <= 0 || timestamp < sinceMs || bytes > bytesMax) break
    missing -= lastingCount(piece.publication)
    chosen.push(piece)
  }
  return chosen
}

function partsOf(newestFirst: readonly Piece[]): OlderPart[] {
  const parts: { lineage: string; publications: Publication[] }[] = []
  for (const { lineage, publication } of newestFirst.toReversed()) {
    const part = parts.at(-1)
    if (part?.lineage === lineage) part.publications.push(publication)
    else parts.push({ lineage, publications: [publication] })
  }
  return parts
}
