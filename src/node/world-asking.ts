/**
 * What one request asks of the masters of channels in all regions of the world: each tells what it
 * has by its own word, and whoever asks puts that together. A region that does not answer within a
 * second is left out, and the answer to the request names it (regions-missing.ts); it is not asked
 * again for that, or a request about many channels would wait a second for each.
 */

import type { PresenceMember } from '../peer/message.ts'
import type { Occupancy } from '../peer/census-message.ts'
import type {
  AnswerTo, PresenceAnswer, PresenceQuestion, Question, StatusQuestion
} from '../peer/question-message.ts'
import { memberKey } from '../channel/presence.ts'
import { sumOf } from '../channel/occupancy.ts'
import { regionOf } from '../peer/relay-message.ts'
import type { Asker, Questions } from './questions.ts'

export class WorldAsking {
  readonly #questions: Questions
  readonly #asker: Asker
  readonly #silent = new Set<string>()

  constructor(questions: Questions, asker: Asker) {
    this.#questions = questions
    this.#asker = asker
  }

  /** The names of the other regions that may answer. */
  get regions(): string[] {
    return this.#questions.regions.filter((region) => !this.#silent.has(region))
  }

  /** A region has left a question unanswered. */
  leaveOut(region: string): void {
    this.#silent.add(region)
  }

  /** The names of the regions that are left out, or of which nothing is heard; in order. */
  get missing(): string[] {
    return [...new Set([...this.#silent, ...this.#questions.absent])].sort()
  }

  /** Who is present in any region, in order of member keys: as one master would tell it. */
  readonly members = (
    channel: string, question: PresenceQuestion, onAnswer: (answer: PresenceAnswer) => void
  ): void => {
    const far: PresenceQuestion = { ...question, isOfWorld: true }
    this.#ask(channel, question, far, this.regions, (own, answers) => {
      const { members, horizon } = mergeMembers(own, answers)
      if (members.length > 0 || horizon === undefined) {
        onAnswer({ kind: 'presence', members, isWhole: horizon === undefined })
      } else this.members(channel, { ...question, after: horizon }, onAnswer)
    })
  }

  /**
   * How the channel is used in all regions; `isUsed`: false for those that are not to be asked. A
   * master of a former release tells the sum of all regions, and so nothing of its own.
   */
  status(
    channel: string, onAnswer: (occupancy: Occupancy) => void,
    isUsed: (region: string) => boolean = () => true
  ): void {
    const question: StatusQuestion = { kind: 'status', isOfWorld: true }
    const regions = this.regions.filter(isUsed)
    this.#ask(channel, question, question, regions, (own, all) => {
      if (own.elsewhere === undefined && isOfAnybody(own.occupancy)) {
        onAnswer(own.occupancy)
        return
      }
      const answers = new Map([...all].filter(([, { elsewhere }]) => elsewhere !== undefined))
      for (const region of all.keys()) if (!answers.has(region)) this.leaveOut(region)
      const occupancies = [own, ...answers.values()].map(({ occupancy }) => occupancy)
      let presenceMembers = 0
      for (const each of occupancies) presenceMembers += each.presenceMembers
      for (const [region, count] of Object.entries(own.elsewhere ?? {})) {
        const isCounted = answers.has(region) || this.regions.includes(region)
        if (!isCounted) presenceMembers += count
      }
      onAnswer({ ...sumOf(occupancies), presenceMembers })
    })
  }

  /** Asks our master and those of `regions`; our own is waited for as long as the request. */
  #ask<Q extends Question>(
    channel: string, own: Q, far: Q, regions: readonly string[],
    onAnswers: (own: AnswerTo<Q>, answers: ReadonlyMap<string, AnswerTo<Q>>) => void
  ): void {
    let ours: AnswerTo<Q> | undefined
    let theirs: ReadonlyMap<string, AnswerTo<Q>> | undefined
    const onAnswer = (): void => {
      if (ours !== undefined && theirs !== undefined) onAnswers(ours, theirs)
    }
    this.#questions.ask(this.#asker, channel, own, (answer) => {
      ours = answer
      onAnswer()
    })
    const asked = new Map(regions.map((region) => [region, far]))
    this.#questions.askAbroad(this.#asker, channel, asked, (answers) => {
      for (const region of regions) if (!answers.has(region)) this.leaveOut(region)
      theirs = answers
      onAnswer()
    })
  }
}

function isOfAnybody(occupancy: Occupancy): boolean {
  return Object.values(occupancy).some((count) => count > 0)
}

/**
 * Puts together what was told, up to where all have told it (`horizon`; undefined: to the end). A
 * region's own word counts more than what we have heard of its members.
 */
function mergeMembers(
  own: PresenceAnswer, answers: ReadonlyMap<string, PresenceAnswer>
): { members: PresenceMember[]; horizon: string | undefined } {
  const all = new Map<string, PresenceMember>()
  let horizon: string | undefined
  for (const answer of [...answers.values(), own]) {
    let last: string | undefined
    for (const member of answer.members) {
      last = memberKey(member.connectionId, member.clientId)
      const region = regionOf(member.owner)
      const isTold = answer === own && region !== undefined && answers.has(region)
      if (!isTold) all.set(last, member)
    }
    const isShort = !answer.isWhole && last !== undefined
    if (isShort && (horizon === undefined || last! < horizon)) horizon = last
  }
  const keys = [...all.keys()].filter((key) => horizon === undefined || key <= horizon).sort()
  return { members: keys.map((key) => all.get(key)!), horizon }
}
