/**
 * What a channel's master shows of the past: a stretch of its tail, in either order, as much of it
 * as one message takes. All of it is committed (rule 3), and was born here: each region tells what
 * was born in it. Serials only grow along that, so that a place in it is found by halving, and a
 * page ends where the next begins whatever is published meanwhile.
 *
 * Cost: two or three searches, and one look at each publication of the page and at those between
 * that are of another kind; one at all that are held, where some were born elsewhere.
 */

import { limits } from '../base/limits.ts'
import type { Publication, Standing } from '../peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import { elsewhereAt, nowhereElse } from './elsewhere.ts'
import { type Here, isOfThis } from './page.ts'
import { lastingCount } from './tail.ts'

/** Publications of a channel, in order; their places are counted from the oldest. */
export interface Past {
  readonly length: number
  at(index: number): Publication | undefined
}

/** Where nothing is, nothing was lost after a place in the same lineage. */
export function emptyHistory(
  { until, isOfWorld }: HistoryQuestion, lineage: string
): HistoryAnswer {
  const isKnown = until === undefined || until.lineage === lineage
  if (!isKnown) return { kind: 'history', publications: undefined, lineage, isWhole: true }
  const answer: HistoryAnswer = { kind: 'history', publications: [], lineage, isWhole: true }
  return isOfWorld === true && until !== undefined ? { ...answer, elsewhere: nowhereElse } : answer
}

/** A page of what is asked for, of what is held. */
export function historyPage(
  at: Here, question: HistoryQuestion, past: Past = at.tail.born()
): HistoryAnswer {
  const { until, isOfWorld } = question
  const { lineage } = at.standing
  if (until !== undefined && !isKnown(at, until)) {
    return { kind: 'history', publications: undefined, lineage, isWhole: true }
  }
  const page = pageOf(past, question, lineage)
  if (until === undefined || isOfWorld !== true) return page
  const end = firstSuch(past, ({ seq }) => seq > until.seq)
  const nextMs = end < past.length ? past.at(end)!.timestamp : undefined
  return { ...page, elsewhere: elsewhereAt(at, until, nextMs) }
}

function pageOf(past: Past, question: HistoryQuestion, lineage: string): HistoryAnswer {
  const { isBackwards, of, countMax } = question
  const [first, end] = stretchOf(past, question)
  const publications: Publication[] = []
  let bytes = 0
  for (let step = 0; step < end - first; step++) {
    const publication = past.at(isBackwards ? end - 1 - step : first + step)!
    const isWanted = of === 'presence' ? publication.owner !== undefined
      : lastingCount(publication) > 0
    if (!isWanted) continue
    bytes += publication.payload.byteLength
    const isFull = publications.length >= countMax || bytes > limits.backlogPageBytesMax
    if (isFull && publications.length > 0) {
      return { kind: 'history', publications, lineage, isWhole: false }
    }
    publications.push(publication)
  }
  return { kind: 'history', publications, lineage, isWhole: true }
}

/** True if the channel was ever there, as far as anybody knows. */
function isKnown(at: Here, until: Standing): boolean {
  const { lineage, seq } = at.standing
  return until.lineage === lineage && until.seq <= seq && isOfThis(at, until)
}

/** The indexes between which it lies. */
function stretchOf(past: Past, question: HistoryQuestion): readonly [first: number, end: number] {
  const { startMs = 0, endMs, from, until, isBackwards } = question
  let first = firstFrom(past, startMs, 0)
  let end = endMs === undefined ? past.length : firstFrom(past, endMs + 1, 0)
  if (until !== undefined) end = Math.min(end, firstSuch(past, ({ seq }) => seq > until.seq))
  if (from !== undefined) {
    const { ms, counter, isIncluded } = from
    // Behind the publication there, in the order of reading, or before it.
    const isAfter = isBackwards === isIncluded
    const place = firstFrom(past, ms, isAfter ? counter + 1 : counter)
    if (isBackwards) end = Math.min(end, place)
    else first = Math.max(first, place)
  }
  return [first, end]
}

/** The index of the first publication at this time and counter, or later. */
function firstFrom(past: Past, ms: number, counter: number): number {
  return firstSuch(past, ({ timestamp, counter: there }) =>
    timestamp > ms || (timestamp === ms && there >= counter))
}

/** The index of the first publication of which `isSo`, which holds for all behind it. */
function firstSuch(past: Past, isSo: (publication: Publication) => boolean): number {
  let low = 0
  let high = past.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isSo(past.at(middle)!)) high = middle
    else low = middle + 1
  }
  return low
}
