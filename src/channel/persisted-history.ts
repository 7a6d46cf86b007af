/**
 * History of a persisted channel: what the archive has, joined with what stands in the log and is
 * not known to be there, or is still held here, at one position. Held is everything from some seq
 * on, without a hole; the archive tells what was before it.
 */

import { limits } from '../base/limits.ts'
import type { Shelf, ShelfKind } from '../log/archive.ts'
import type { Publication } from '../peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../peer/question-message.ts'
import type { ArchivePart } from './archive-reading.ts'
import type { Kept } from './channel-archive.ts'
import { withNext } from './elsewhere.ts'
import { emptyHistory, historyPage, type Past } from './history.ts'
import type { Here } from './page.ts'
import type { PartitionArchiving } from './partition-archiving.ts'
import { bytesOf } from './tail.ts'

/** The channel as it is asked for. */
export interface Persisted {
  readonly partition: number
  readonly channel: string
  /** Undefined: it was let go, and is in the archive only. */
  readonly here: Here | undefined
  readonly lineage: string
  /** By the rules of now. */
  readonly kept: Kept
  readonly wallMs: number
}

type OnAnswer = (answer: HistoryAnswer) => void

/** Answers, now or later; `key` names the question among all that are under way. */
export function tellPersisted(
  key: string, asked: Persisted, question: HistoryQuestion, archiving: PartitionArchiving,
  onAnswer: OnAnswer
): void {
  const { here, lineage, kept: { keptMs, isLastKept } } = asked
  const answer: OnAnswer = isLastKept !== true || !wantsLast(question) ? onAnswer : (told) => {
    if (told.publications?.length !== 0) onAnswer(told)
    else tellLast(key, asked, question, archiving, onAnswer)
  }
  if (keptMs !== undefined) {
    tellKept(key, { ...asked, keptMs }, question, archiving, answer)
  } else {
    answer(here === undefined ? emptyHistory(question, lineage) : historyPage(here, question))
  }
}

/** True if it is asked what was said last (protocol 7.11): the page has one more than is told. */
function wantsLast(question: HistoryQuestion): boolean {
  const { of, isBackwards, countMax, startMs, endMs, from, until } = question
  if (question.wantsLast === true) return true
  return of === 'messages' && isBackwards && countMax <= 2 &&
    [startMs, endMs, from, until].every((bound) => bound === undefined)
}

/** What was said last, where nothing else is left. */
function tellLast(
  key: string, { partition, channel, here, lineage, wallMs }: Persisted,
  question: HistoryQuestion, archiving: PartitionArchiving, onAnswer: OnAnswer
): void {
  const { until, endMs = Infinity } = question
  const owed = here?.archive?.waitingOf('last').at(-1)
  const isLater = owed !== undefined &&
    (owed.timestamp > endMs || owed.seq > (until?.seq ?? Infinity))
  if (owed !== undefined && !isLater) {
    const isOfLast = question.isOfWorld === true
    onAnswer({
      kind: 'history', publications: [owed], lineage, isWhole: true, ...(isOfLast && { isOfLast })
    })
    return
  }
  const shelf = { partition, channel, of: 'last' as const }
  const sinceMs = wallMs - limits.retentionMaxMs
  const bounds = { lineage, endSeq: Infinity, sinceMs, toldCount: 0, toldBytes: 0 }
  archiving.read(key, shelf, question, bounds, (part) => {
    if (part === undefined) return
    const isOfLast = question.isOfWorld === true && part.publications.length > 0
    onAnswer({ ...after([], part, lineage), isWhole: true, ...(isOfLast && { isOfLast }) })
  })
}

function tellKept(
  key: string, asked: Persisted & { readonly keptMs: number }, question: HistoryQuestion,
  archiving: PartitionArchiving, onAnswer: OnAnswer
): void {
  const { partition, channel, here, lineage, wallMs, keptMs } = asked
  const shelf = { partition, channel, of: question.of }
  const sinceMs = wallMs - keptMs
  const past = here === undefined ? [] : heldOf(here, shelf)
  const held = here === undefined ? emptyHistory(question, lineage)
    : historyPage(here, question, past)
  const first = past.length === 0 ? undefined : past.at(0)
  if (held.publications === undefined || beginsIn(first, question)) {
    onAnswer(held)
    return
  }
  const { isBackwards, countMax } = question
  const told = held.publications
  if (isBackwards && (!held.isWhole || told.length >= countMax)) {
    onAnswer({ ...held, isWhole: false })
    return
  }
  const endSeq = first?.seq ?? (here === undefined ? Infinity : here.standing.seq + 1)
  const [toldCount, toldBytes] = isBackwards ? [told.length, bytesOf(told)] : [0, 0]
  const bounds = { lineage, endSeq, sinceMs, toldCount, toldBytes }
  archiving.read(key, shelf, question, bounds, (part) => {
    if (part === undefined) return
    const answer = isBackwards ? after(told, part, lineage) : before(part, held, told, question)
    const elsewhere = withNext(held.elsewhere, part.nextMs)
    onAnswer(elsewhere === undefined ? answer : { ...answer, elsewhere })
  })
}

/** What is not known to be in the archive, and has left the tail. */
export function owedBefore(
  { tail, archive }: Pick<Here, 'tail' | 'archive'>, of: ShelfKind
): Publication[] {
  return archive?.waitingOf(of).filter(({ seq }) => seq <= tail.trimmedThrough) ?? []
}

/** What is not let go here of what was born here, in order: what the archive owes, and the tail. */
function heldOf({ tail, archive }: Here, { of }: Shelf): Past {
  const owed = owedBefore({ tail, archive }, of)
  const born = tail.born()
  if (owed.length === 0) return born
  return {
    length: owed.length + born.length,
    at: (index) => (index < owed.length ? owed[index] : born.at(index - owed.length))
  }
}

/** True if nothing is asked for that came before what is held. */
function beginsIn(
  first: Publication | undefined, { isBackwards, from, startMs }: HistoryQuestion
): boolean {
  if (first === undefined) return false
  const { timestamp, counter } = first
  if (startMs !== undefined && startMs > timestamp) return true
  if (isBackwards || from === undefined) return false
  return from.ms > timestamp || (from.ms === timestamp && from.counter >= counter)
}

/** Backwards: the archive's part follows. */
function after(
  told: readonly Publication[], { publications, marks, ...part }: ArchivePart, lineage: string
): HistoryAnswer {
  return {
    kind: 'history',
    publications: [...told, ...publications],
    marks: [...told.map(() => 0), ...marks],
    lineage: part.lineage ?? lineage,
    isWhole: part.isWhole
  }
}

/** Forwards: what is held follows, as much of it as there is room for. */
function before(
  part: ArchivePart, held: HistoryAnswer, told: readonly Publication[],
  { countMax }: HistoryQuestion
): HistoryAnswer {
  const { publications, marks } = part
  const lineage = part.lineage ?? held.lineage
  const isAnothers = told.length > 0 && lineage !== held.lineage
  if (!part.isWhole || isAnothers) {
    return { kind: 'history', publications, marks, lineage, isWhole: false }
  }
  const all = [...publications]
  let bytes = bytesOf(all)
  for (const publication of told) {
    bytes += publication.payload.byteLength
    const isFull = all.length >= countMax || bytes > limits.backlogPageBytesMax
    if (isFull && all.length > 0) {
      return { kind: 'history', publications: all, marks, lineage, isWhole: false }
    }
    all.push(publication)
  }
  return { kind: 'history', publications: all, marks, lineage, isWhole: held.isWhole }
}
