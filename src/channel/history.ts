/**
 * What a channel's master shows of the past: a stretch of its tail, in either order, as much of it
 * as one message takes. All of it is committed (rule 3). Serials only grow along the tail, so that
 * a place in it is found by halving, and a page ends where the next begins whatever is published
 * meanwhile.
 *
 * Cost: two or three searches, and one look at each publication of the page and at those between
 * that are of another kind.
 */

import { limits } from '../base/limits.ts'
import type { Publication, Standing } from '../peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import type { Here } from './page.ts'
import { lastingCount, type Tail } from './tail.ts'

/** A page of what is asked for. */
export function historyPage(at: Here, question: HistoryQuestion): HistoryAnswer {
  const { until, isBackwards, of, countMax } = question
  const { lineage } = at.standing
  if (until !== undefined && !isKnown(at, until)) {
    return { kind: 'history', publications: undefined, lineage, isWhole: true }
  }
  const [first, end] = stretchOf(at.tail, question)
  const publications: Publication[] = []
  let bytes = 0
  for (let step = 0; step < end - first; step++) {
    const publication = at.tail.at(isBackwards ? end - 1 - step : first + step)
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
function isKnown({ standing, isKnown }: Here, until: Standing): boolean {
  return until.lineage === standing.lineage && until.seq <= standing.seq && isKnown(until)
}

/** The indexes in the tail between which it lies. */
function stretchOf(tail: Tail, question: HistoryQuestion): readonly [first: number, end: number] {
  const { startMs = 0, endMs, from, until, isBackwards } = question
  let first = firstFrom(tail, startMs, 0)
  let end = endMs === undefined ? tail.length : firstFrom(tail, endMs + 1, 0)
  if (until !== undefined) end = Math.min(end, Math.max(0, until.seq - tail.trimmedThrough))
  if (from !== undefined) {
    const { ms, counter, isIncluded } = from
    // Behind the publication there, in the order of reading, or before it.
    const isAfter = isBackwards === isIncluded
    const place = firstFrom(tail, ms, isAfter ? counter + 1 : counter)
    if (isBackwards) end = Math.min(end, place)
    else first = Math.max(first, place)
  }
  return [first, end]
}

/** The index of the first publication at this time and counter, or later. */
function firstFrom(tail: Tail, ms: number, counter: number): number {
  let low = 0
  let high = tail.length
  while (low < high) {
    const middle = (low + high) >> 1
    const { timestamp, counter: there } = tail.at(middle)
    if (timestamp < ms || (timestamp === ms && there < counter)) low = middle + 1
    else high = middle
  }
  return low
}
