/**
 * Questions and answers as the fields that the mesh carries (see peer/codec.ts).
 */

import { exhaustive } from '../base/assert.ts'
import { countFields, countFrom } from './census-codec.ts'
import {
  type Fields,
  memberFields,
  memberFrom,
  originFields,
  originFrom,
  publicationFields,
  publicationFrom,
  standingFields,
  standingFrom
} from './fields.ts'
import type {
  Answer, Elsewhere, HistoryAnswer, HistoryQuestion, Question, QuestionMessage, StatsInterval
} from './question-message.ts'

const QUESTIONS =
  ['history', 'presence', 'status', 'stats'] as const satisfies readonly Question['kind'][]

function questionFields(question: Question): Fields {
  const code = QUESTIONS.indexOf(question.kind)
  switch (question.kind) {
    case 'history':
      return [code, ...historyFields(question)]
    case 'presence':
      return [code, question.clientId ?? null, question.connectionId ?? null,
        question.after ?? null, question.countMax, question.isExact, ...worldFlag(question)]
    case 'status':
      return [code, ...worldFlag(question)]
    case 'stats':
      return [code, question.unit, question.startMs, question.endMs, question.isBackwards,
        question.after ?? null, question.limit]
    default:
      return exhaustive(question, 'question')
  }
}

function worldFlag({ isOfWorld }: { readonly isOfWorld?: true }): Fields {
  return isOfWorld === true ? [isOfWorld] : []
}

function flagFrom(field: boolean | undefined): { readonly isOfWorld?: true } {
  return field === true ? { isOfWorld: true } : {}
}

function historyFields(question: HistoryQuestion): Fields {
  const { of, isBackwards, startMs, endMs, from, until, countMax } = question
  const { isOfWorld, wantsLast } = question
  const place = from === undefined ? null : [from.ms, from.counter, from.isIncluded,
    from.mark ?? null]
  const fields = [of === 'presence', isBackwards, startMs ?? null, endMs ?? null, place,
    standingFields(until), countMax]
  if (wantsLast === true) return [...fields, isOfWorld === true, wantsLast]
  return isOfWorld === true ? [...fields, isOfWorld] : fields
}

function historyFrom(f: readonly never[]): HistoryQuestion {
  const place = f[4] as unknown as [number, number, boolean, (number | null)?] | null
  const from = place === null ? undefined
    : { ms: place[0], counter: place[1], isIncluded: place[2], mark: place[3] ?? undefined }
  return {
    kind: 'history', of: f[0]! ? 'presence' : 'messages', isBackwards: f[1]!,
    startMs: f[2] ?? undefined, endMs: f[3] ?? undefined, from,
    until: f[5] === null ? undefined : standingFrom(f[5]), countMax: f[6]!,
    ...flagFrom(f[7]), ...(f[8] === true && { wantsLast: true })
  }
}

function questionFrom(value: unknown): Question {
  const [code, ...f] = value as [number, ...never[]]
  const kind = QUESTIONS[code]
  switch (kind) {
    case 'history':
      return historyFrom(f)
    case 'presence':
      return { kind, clientId: f[0] ?? undefined, connectionId: f[1] ?? undefined,
        after: f[2] ?? undefined, countMax: f[3]!, isExact: f[4] ?? false, ...flagFrom(f[5]) }
    case 'status':
      return { kind, ...flagFrom(f[0]) }
    case 'stats':
      return { kind, unit: f[0]!, startMs: f[1]!, endMs: f[2]!, isBackwards: f[3]!,
        after: f[4] ?? undefined, limit: f[5]! }
    default:
      throw new RangeError(`unknown question ${code}`)
  }
}

function answerFields(answer: Answer): Fields {
  const code = QUESTIONS.indexOf(answer.kind)
  switch (answer.kind) {
    case 'history': {
      const { publications, lineage, isWhole, marks } = answer
      const fields = [code, publications?.map(publicationFields) ?? null, lineage, isWhole]
      const world = worldFields(answer)
      if (world !== undefined) return [...fields, marks ?? null, ...world]
      return marks === undefined ? fields : [...fields, marks]
    }
    case 'presence':
      return [code, answer.members.map(memberFields), answer.isWhole]
    case 'status':
      return [code, answer.occupancy.presenceMembers, countFields(answer.occupancy),
        ...(answer.elsewhere === undefined ? [] : [Object.entries(answer.elsewhere)])]
    case 'stats': {
      const intervals = answer.intervals?.map(({ id, entries }) => [id, entries]) ?? null
      return [code, intervals, answer.hasMore, answer.lastMinuteMs ?? null]
    }
    default:
      return exhaustive(answer, 'answer')
  }
}

/** What is said where several regions are asked; undefined: nothing. */
function worldFields({ elsewhere, isOfLast }: HistoryAnswer): Fields | undefined {
  if (elsewhere === undefined) return isOfLast === true ? [null, isOfLast] : undefined
  const { origins, isExact, nextMs } = elsewhere
  return [[origins.map(originFields), isExact, nextMs ?? null], isOfLast === true]
}

function worldFrom(
  elsewhere: readonly [unknown[], boolean, number | null] | null | undefined,
  isOfLast: boolean | undefined
): Pick<HistoryAnswer, 'elsewhere' | 'isOfLast'> {
  const said = isOfLast === true ? { isOfLast } : {}
  if (elsewhere === undefined || elsewhere === null) return said
  const [origins, isExact, nextMs] = elsewhere
  const found: Elsewhere =
    { origins: origins.map(originFrom), isExact, nextMs: nextMs ?? undefined }
  return { elsewhere: found, ...said }
}

function answerFrom(value: unknown): Answer {
  const [code, ...f] = value as [number, ...never[]]
  const kind = QUESTIONS[code]
  switch (kind) {
    case 'history': {
      const publications = (f[0] as unknown as unknown[] | null)?.map(publicationFrom)
      const marks = f[3] === undefined || f[3] === null ? {} : { marks: f[3] }
      const world = worldFrom(f[4], f[5])
      return { kind, publications, lineage: f[1]!, isWhole: f[2]!, ...marks, ...world }
    }
    case 'presence':
      return { kind, members: (f[0]! as unknown[]).map(memberFrom), isWhole: f[1]! }
    case 'status':
      return { kind, occupancy: { ...countFrom(f[1]), presenceMembers: f[0]! },
        ...(f[2] !== undefined && { elsewhere: Object.fromEntries(f[2]) }) }
    case 'stats': {
      const rows = f[0] as unknown as [string, StatsInterval['entries']][] | null
      const intervals = rows?.map(([id, entries]) => ({ id, entries }))
      return { kind, intervals, hasMore: f[1]!, lastMinuteMs: f[2] ?? undefined }
    }
    default:
      throw new RangeError(`unknown answer ${code}`)
  }
}

/** The message's fields behind its code. */
export function questionMessageFields(m: QuestionMessage): Fields {
  switch (m.kind) {
    case 'ask':
      return [m.channel, m.askNo, questionFields(m.question)]
    case 'answered':
      return [m.channel, m.askNo, answerFields(m.answer)]
    case 'enumerate':
      return [m.askNo, m.prefix, m.after, m.countMax]
    case 'enumerated':
      return [m.askNo, m.channels, m.isWhole]
    default:
      return exhaustive(m, 'question message')
  }
}

/** The inverse of `questionMessageFields`. */
export function questionMessageFrom(kind: QuestionMessage['kind'], fields: Fields)
  : QuestionMessage {
  const f = fields as never[]
  switch (kind) {
    case 'ask':
      return { kind, channel: f[0]!, askNo: f[1]!, question: questionFrom(f[2]) }
    case 'answered':
      return { kind, channel: f[0]!, askNo: f[1]!, answer: answerFrom(f[2]) }
    case 'enumerate':
      return { kind, askNo: f[0]!, prefix: f[1]!, after: f[2]!, countMax: f[3]! }
    case 'enumerated':
      return { kind, askNo: f[0]!, channels: f[1]!, isWhole: f[2]! }
    default:
      return exhaustive(kind, 'question message')
  }
}
