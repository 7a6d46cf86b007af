/**
 * What a worker asks the masters of channels (peer/question-message.ts). A question goes to the
 * master that the view names, and is asked again, for it changes nothing: when another one may be
 * the master, when the link to it was reset, and after a while in any case. It ends with its
 * answer, or when nobody waits for that any more. What one worker is asked, whatever it masters,
 * ends with that worker too; what the channel's master in another region is asked, after a second,
 * or with that region.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { firstNumberOf, isSamePlace, type Place } from '../peer/place.ts'
import type {
  Answer, AnswerTo, Enumerate, Enumerated, Question, QuestionMessage
} from '../peer/question-message.ts'

/** Who waits for an answer. */
export interface Asker {
  /** True: it does not any more. */
  readonly isOver: boolean
}

export interface QuestionsPorts {
  /** The life of the worker that asks. */
  readonly generation: number
  /** The name of the own region. */
  readonly region: string
  readonly deadlines: Deadlines
  readonly random: Random
  nowMs(): number
  /** Where the channel's master is, in another region or our own, if anybody is known to be it. */
  masterPlace(channel: string, region?: string): Place | undefined
  /** The names of the other regions of the world. */
  regions(): readonly string[]
  /** The names of those that cannot be asked, for nothing is heard of them. */
  absent(): readonly string[]
  /** Every worker of the region, or of another one. */
  places(region?: string): readonly Place[]
  /** True for one of them. */
  isListed(place: Place, region?: string): boolean
  send(to: Place, message: QuestionMessage): void
}

interface Open {
  readonly asker: Asker
  readonly message: QuestionMessage & { readonly kind: 'ask' | 'enumerate' }
  /** The place that is asked whatever the view says; undefined: the channel's master. */
  readonly place: Place | undefined
  /** Another region, of whose master or worker it is asked. */
  readonly region: string | undefined
  askedPlace: Place | undefined
  retryMs: number
  retry: Deadline | undefined
  end: Deadline | undefined
  onAnswer(answer: Answer | Enumerated | undefined): void
}

export class Questions {
  readonly #ports: QuestionsPorts
  readonly #open = new Map<number, Open>()
  #askNo: number

  constructor(ports: QuestionsPorts) {
    this.#ports = ports
    this.#askNo = firstNumberOf(ports.generation)
  }

  get count(): number {
    return this.#open.size
  }

  /** The name of the own region. */
  get region(): string {
    return this.#ports.region
  }

  /** The names of the other regions: whom `askAbroad` can ask. */
  get regions(): readonly string[] {
    return this.#ports.regions()
  }

  /** The names of those that cannot be asked, for nothing is heard of them. */
  get absent(): readonly string[] {
    return this.#ports.absent()
  }

  /** Every worker of our region, or of another one: whom `enumerate` can ask. */
  places(region?: string): readonly Place[] {
    return this.#ports.places(region)
  }

  /** Asks the channel's master; `onAnswer` is called at most once, with an answer of that kind. */
  ask<Q extends Question>(
    asker: Asker,
    channel: string,
    question: Q,
    onAnswer: (answer: AnswerTo<Q>) => void
  ): void {
    const askNo = ++this.#askNo
    const message = { kind: 'ask' as const, channel, askNo, question }
    const take = onAnswer as Open['onAnswer']
    this.#begin({ asker, message, place: undefined, region: undefined, onAnswer: take })
  }

  /**
   * Asks the channel's masters in other regions, each its own question; `onAnswers` is called once,
   * with the answers of those that gave one within a second.
   */
  askAbroad<Q extends Question>(
    asker: Asker,
    channel: string,
    questions: ReadonlyMap<string, Q>,
    onAnswers: (answers: ReadonlyMap<string, AnswerTo<Q>>) => void
  ): void {
    const answers = new Map<string, AnswerTo<Q>>()
    let waitingCount = questions.size
    if (waitingCount === 0) onAnswers(answers)
    for (const [region, question] of questions) {
      const onAnswer = (answer: Answer | Enumerated | undefined): void => {
        if (answer !== undefined) answers.set(region, answer as AnswerTo<Q>)
        if (--waitingCount === 0) onAnswers(answers)
      }
      const message = { kind: 'ask' as const, channel, askNo: ++this.#askNo, question }
      this.#begin({ asker, message, place: undefined, region, onAnswer })
    }
  }

  /**
   * Asks one worker what it has, of our region or another one; `onAnswer` is told undefined if it
   * leaves the region before, and abroad after a second.
   */
  enumerate(
    asker: Asker,
    place: Place,
    question: Omit<Enumerate, 'kind' | 'askNo'>,
    onAnswer: (answer: Enumerated | undefined) => void,
    region?: string
  ): void {
    const askNo = ++this.#askNo
    const message = { kind: 'enumerate' as const, askNo, ...question }
    const take = onAnswer as Open['onAnswer']
    this.#begin({ asker, message, place, region, onAnswer: take })
  }

  onAnswer(answered: QuestionMessage & { readonly kind: 'answered' | 'enumerated' }): void {
    const open = this.#open.get(answered.askNo)
    if (open === undefined) return
    this.#end(open)
    if (!open.asker.isOver) open.onAnswer('answer' in answered ? answered.answer : answered)
  }

  /** There is another view: whose master is another one is asked of that one. */
  onView(): void {
    for (const open of [...this.#open.values()]) {
      const place = this.#placeOf(open)
      const isSame = place !== undefined && open.askedPlace !== undefined &&
        isSamePlace(place, open.askedPlace)
      if (!isSame || this.#isLost(open)) this.#say(open)
    }
  }

  /** What was said to `place`, or by it, may be lost. */
  onLinkReset(place: Place): void {
    for (const open of this.#open.values()) {
      if (open.askedPlace !== undefined && isSamePlace(open.askedPlace, place)) this.#say(open)
    }
  }

  #begin(begun: Pick<Open, 'asker' | 'message' | 'place' | 'region' | 'onAnswer'>): void {
    const open: Open = {
      ...begun, askedPlace: undefined, retryMs: limits.askRetryMs, retry: undefined, end: undefined
    }
    this.#open.set(open.message.askNo, open)
    if (open.region !== undefined) {
      const { deadlines, nowMs } = this.#ports
      open.end = deadlines.at(nowMs() + limits.regionAnswerMs, () => this.#lose(open))
    }
    this.#say(open)
  }

  #say(open: Open): void {
    const { deadlines, random, nowMs } = this.#ports
    deadlines.cancel(open.retry)
    if (open.asker.isOver || this.#isLost(open)) {
      this.#lose(open)
      return
    }
    const pauseMs = random.jitter(open.retryMs, 0.3)
    open.retryMs = Math.min(2 * open.retryMs, limits.askRetryMaxMs)
    open.retry = deadlines.at(nowMs() + pauseMs, () => this.#say(open))
    open.askedPlace = this.#placeOf(open)
    if (open.askedPlace !== undefined) this.#ports.send(open.askedPlace, open.message)
  }

  /** There will be no answer. */
  #lose(open: Open): void {
    this.#end(open)
    if (!open.asker.isOver) open.onAnswer(undefined)
  }

  #isLost({ place, region }: Open): boolean {
    if (region !== undefined && !this.#ports.regions().includes(region)) return true
    return place !== undefined && !this.#ports.isListed(place, region)
  }

  #placeOf({ place, region, message }: Open): Place | undefined {
    if (place !== undefined || message.kind !== 'ask') return place
    return this.#ports.masterPlace(message.channel, region)
  }

  #end({ message, retry, end }: Open): void {
    const { deadlines } = this.#ports
    deadlines.cancel(retry)
    deadlines.cancel(end)
    this.#open.delete(message.askNo)
  }
}
