/**
 * How far what was born in other regions was here when somebody attached: what a client reads that
 * wants to know what was said before that (protocol 14.3, `untilAttach`). Each region is asked for
 * what was born in it up to there, in its own order (docs/decisions/0024-regions.md).
 *
 * Where the place is held, what came after it is held too: the first of a region's publications
 * behind it says how far that region's were written by then. Of an older place it is only known
 * what was there before what is held, and when the next one was born here; so more may be told than
 * was there, and never less.
 */

import type { Origin, Publication, Standing } from '../peer/message.ts'
import type { Elsewhere } from '../peer/question-message.ts'
import type { Here } from './page.ts'

/** As long as nothing of any other region was heard. */
export const nowhereElse: Elsewhere = { origins: [], isExact: false, nextMs: undefined }

/** `nextMs`: when the next one after the place was born here, of those that are held. */
export function elsewhereAt(
  { tail, origins = [], standing }: Here, { seq }: Standing, nextMs: number | undefined
): Elsewhere {
  const isExact = seq >= tail.trimmedThrough
  const later = tail.after(Math.max(seq, tail.trimmedThrough)) ?? []
  const isTheirs = ({ isBreak, idSpace, id }: Publication): boolean => isBreak !== true &&
    !(idSpace === 'master' && id.startsWith(`${standing.lineage}:`))
  const then = origins.map((written): Origin => {
    const next = later.find((each) => each.origin?.region === written.region && isTheirs(each))
    if (next?.origin === undefined) return written
    const { origin } = next
    return { ...origin, seq: origin.seq - 1, entry: origin.entry - 1 }
  })
  return { origins: then, isExact, nextMs }
}

/** The same where the archive shows one that was born here after the place, at this time. */
export function withNext(
  elsewhere: Elsewhere | undefined, nextMs: number | undefined
): Elsewhere | undefined {
  if (elsewhere === undefined || nextMs === undefined) return elsewhere
  return { ...elsewhere, nextMs: Math.min(elsewhere.nextMs ?? Infinity, nextMs) }
}
