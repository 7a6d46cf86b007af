/**
 * Questions about channels, and their answers: what requests read (history, who is present, what
 * there is). Whoever asks is a worker, and asks the channel's master; nobody joins anything for
 * it. A question changes nothing, so it is asked again until it is answered: of another master, or
 * when it may be lost. Part of the union in peer/message.ts.
 *
 * An answer is a page, bounded in bytes and in number; where there is more, whoever asks asks on
 * from its end.
 */

import type { Occupancy } from './census-message.ts'
import type { PresenceMember } from './presence-message.ts'
import type { Origin, Publication, Standing } from './message.ts'

/** Where a stretch of a channel's history begins, in the order in which it is read. */
export interface HistoryPlace {
  /** The time and counter of a publication's serials. */
  readonly ms: number
  readonly counter: number
  /** False: it begins behind that publication. */
  readonly isIncluded: boolean
  /** The record of the archive that it stands in, where it was read there. */
  readonly mark?: number | undefined
}

/** Publications of a channel, newest first or oldest first. */
export interface HistoryQuestion {
  readonly kind: 'history'
  readonly of: 'messages' | 'presence'
  readonly isBackwards: boolean
  /** Times of publications, both included. */
  readonly startMs: number | undefined
  readonly endMs: number | undefined
  readonly from: HistoryPlace | undefined
  /** Nothing after it. */
  readonly until: Standing | undefined
  /** Publications, at most. */
  readonly countMax: number
  /** Other regions are asked, too: each tells what was born in it. */
  readonly isOfWorld?: true
  /** What was said last and is kept for that, where nothing else is left. */
  readonly wantsLast?: true
}

/** Who is present, in order of member keys. */
export interface PresenceQuestion {
  readonly kind: 'presence'
  readonly clientId: string | undefined
  readonly connectionId: string | undefined
  /** Only members whose keys are greater. */
  readonly after: string | undefined
  readonly countMax: number
  /** True: all that was acknowledged to anybody before, whatever that takes. */
  readonly isExact: boolean
  /** Other regions are asked, too: each tells who is present by its own word. */
  readonly isOfWorld?: true
}

/** How the channel is used. */
export interface StatusQuestion {
  readonly kind: 'status'
  /** Other regions are asked, too: each counts its own. */
  readonly isOfWorld?: true
}

/** What was counted of an app in the whole region, whichever worker is asked. */
export interface StatsQuestion {
  readonly kind: 'stats'
  readonly unit: 'minute' | 'hour' | 'day' | 'month'
  readonly startMs: number
  readonly endMs: number
  readonly isBackwards: boolean
  /** Only intervals that come after the one of this id. */
  readonly after: string | undefined
  readonly limit: number
}

/** What a channel's master is asked. */
export type MasterQuestion = HistoryQuestion | PresenceQuestion | StatusQuestion

export type Question = MasterQuestion | StatsQuestion

/** What of other regions was there where somebody attached (`until`). */
export interface Elsewhere {
  /** Of each region nothing behind this; where one is not named, nothing of it was ever heard. */
  readonly origins: readonly Origin[]
  /** False: so much may have been there later only. */
  readonly isExact: boolean
  /** When the next one was born here, as far as that was seen. */
  readonly nextMs: number | undefined
}

export interface HistoryAnswer {
  readonly kind: 'history'
  /** Undefined: nobody knows the place `until` any more. */
  readonly publications: readonly Publication[] | undefined
  /** The archive's record of each that was read there, 0 or nothing for the others. */
  readonly marks?: readonly number[]
  /** Of the serials. */
  readonly lineage: string
  /** False: there may be more behind the last of them. */
  readonly isWhole: boolean
  /** Of one that is asked in a world, with `until`. */
  readonly elsewhere?: Elsewhere | undefined
  /** Of one that is asked in a world: it is kept only as long as nothing else is said. */
  readonly isOfLast?: true | undefined
}

export interface PresenceAnswer {
  readonly kind: 'presence'
  readonly members: readonly PresenceMember[]
  readonly isWhole: boolean
}

export interface StatusAnswer {
  readonly kind: 'status'
  readonly occupancy: Occupancy
  /**
   * To one that asks the other regions, too: how many are present of those, as was heard here.
   * Undefined from a master of a former release: then the occupancy is that of all regions.
   */
  readonly elsewhere?: Readonly<Record<string, number>>
}

export interface StatsAnswer {
  readonly kind: 'stats'
  /** In the order that was asked for; undefined: they cannot be read. */
  readonly intervals: readonly StatsInterval[] | undefined
  readonly hasMore: boolean
  /** The last minute of which anything was counted, if it may still be. */
  readonly lastMinuteMs: number | undefined
}

export interface StatsInterval {
  readonly id: string
  /** Counts by name. */
  readonly entries: Readonly<Record<string, number>>
}

export type MasterAnswer = HistoryAnswer | PresenceAnswer | StatusAnswer

export type Answer = MasterAnswer | StatsAnswer

/** The answer to a question. */
export type AnswerTo<Q extends Question> = Answer & { readonly kind: Q['kind'] }

/** Worker → master. */
export interface Ask {
  readonly kind: 'ask'
  /** `appId/name`. */
  readonly channel: string
  /** The asker's own number; asked again under the same. */
  readonly askNo: number
  readonly question: Question
}

/** Master → worker. */
export interface Answered {
  readonly kind: 'answered'
  readonly channel: string
  readonly askNo: number
  readonly answer: Answer
}

/** Worker → every worker that may be a master: which channels have you, in order of names? */
export interface Enumerate {
  readonly kind: 'enumerate'
  readonly askNo: number
  /** How the keys of the channels begin. */
  readonly prefix: string
  /** Only channels whose keys are greater. */
  readonly after: string
  readonly countMax: number
}

/** Back. */
export interface Enumerated {
  readonly kind: 'enumerated'
  readonly askNo: number
  /** Keys of channels, in order. */
  readonly channels: readonly string[]
  readonly isWhole: boolean
}

export type QuestionMessage = Ask | Answered | Enumerate | Enumerated

export const QUESTION_KINDS = [
  'ask', 'answered', 'enumerate', 'enumerated'
] as const satisfies readonly QuestionMessage['kind'][]

const questionKinds: ReadonlySet<string | undefined> = new Set(QUESTION_KINDS)

/** True for the name of one of these messages. */
export function isQuestionKind(kind: string | undefined): kind is QuestionMessage['kind'] {
  return questionKinds.has(kind)
}

/** True for one of these messages among all others. */
export function isQuestionMessage<T extends { readonly kind: string }>(
  message: T | QuestionMessage
): message is QuestionMessage {
  return questionKinds.has(message.kind)
}

/** About how many bytes the intervals take. */
export function statsWeight(intervals: readonly StatsInterval[]): number {
  let bytes = 160
  for (const { entries } of intervals) bytes += 40 + 50 * Object.keys(entries).length
  return bytes
}
