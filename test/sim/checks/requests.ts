/**
 * Requests (rules 3, 16 and 17): what a publish by request is told to have become, it has become:
 * acknowledged is in the log, under the serials that are told, of the connection that it was said
 * for; refused is nowhere. Of all answers
 * to one signed token request at most one gives a token, unless the log lost that it did; and it
 * is refused for nothing but that.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import type { Behalf } from '../behalf.ts'
import { channelKey } from '../app.ts'
import type { Answer } from '../exchanges.ts'
import type { Ledger } from '../ledger.ts'
import type { Region } from '../region.ts'
import type { RestWitness } from '../rest-client.ts'
import { Violation } from '../world.ts'
import { serialsOf } from './acks.ts'
import type { Check } from './check.ts'
import { History } from './history.ts'
import type { Survey } from './survey.ts'
import { Revocations } from './revocations.ts'

/** The code of a nonce that was used before. */
const USED = 40105

export class Requests implements Check, RestWitness {
  readonly history: History
  readonly survey: Survey
  readonly revocations: Revocations
  readonly #ledger: Ledger
  readonly #partitionCount: number
  readonly #refused: { readonly channel: string; readonly text: string }[] = []
  /** Partitions that may have forgotten what was used. */
  readonly #rolledBack = new Set<number>()
  readonly #given = new Set<string>()
  publishedCount = 0
  behalfCount = 0
  tokenCount = 0

  constructor(region: Region, survey: Survey) {
    this.survey = survey
    this.#ledger = region.ledger
    this.#partitionCount = region.options.partitionCount
    this.history = new History(region)
    this.revocations = new Revocations(region)
  }

  onPublished(
    channel: string, texts: readonly string[], serials: readonly string[] | undefined,
    behalf?: Behalf
  ): void {
    this.publishedCount++
    if (behalf !== undefined) this.behalfCount++
    const found = this.#ledger.withText(texts[0]!).filter((each) =>
      each.channel === channelKey(channel) && each.texts.join() === texts.join())
    const committed = found.find((each) => each.connectionId === behalf?.connectionId &&
      (serials === undefined || serialsOf(each) === serials.join(' ')))
    if (committed !== undefined) {
      this.history.onAcknowledged(committed)
      return
    }
    throw new Violation('committed',
      `${texts} is acknowledged as ${serials}, the log has ${found.map(serialsOf)}`)
  }

  onRefused(channel: string, texts: readonly string[]): void {
    this.#refused.push({ channel: channelKey(channel), text: texts[0]! })
  }

  onRolledBack(partition: number): void {
    this.#rolledBack.add(partition)
  }

  onTokenAnswer(nonce: string, answer: Answer): void {
    const isForgotten = this.#rolledBack.has(partitionOf(nonce, this.#partitionCount))
    const isGiven = answer.status === 201
    const isRight = isGiven ? isForgotten || !this.#given.has(nonce)
      : answer.status === 401 && answer.value.error.code === USED
    if (!isRight) {
      throw new Violation('nonces', `${nonce} is answered ${JSON.stringify(answer.value)}`)
    }
    if (isGiven) this.tokenCount++
    if (isGiven) this.#given.add(nonce)
  }

  onTick(): void {
    const published = this.#refused.find(({ channel, text }) =>
      this.#ledger.withText(text).some((each) => each.channel === channel))
    if (published === undefined) return
    throw new Violation('refused', `${published.text} was refused by request, and is published`)
  }
}
