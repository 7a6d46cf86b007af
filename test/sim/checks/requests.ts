/**
 * Requests (rules 3, 16 and 17): what a publish by request is told to have become, it has become:
 * acknowledged is in the log, under the serials that are told; refused is nowhere.
 */

import { channelKey } from '../clients.ts'
import type { Ledger } from '../ledger.ts'
import type { Region } from '../region.ts'
import type { RestWitness } from '../rest-client.ts'
import { Violation } from '../world.ts'
import { serialsOf } from './acks.ts'
import type { Check } from './check.ts'

export class Requests implements Check, RestWitness {
  readonly #ledger: Ledger
  readonly #refused: string[] = []
  publishedCount = 0

  constructor(region: Region) {
    this.#ledger = region.ledger
  }

  onPublished(channel: string, texts: readonly string[], serials: readonly string[]): void {
    this.publishedCount++
    const found = this.#ledger.withText(texts[0]!).filter((each) =>
      each.channel === channelKey(channel) && each.texts.join() === texts.join())
    if (found.some((each) => serialsOf(each) === serials.join(' '))) return
    throw new Violation('committed',
      `${texts} is acknowledged as ${serials}, the log has ${found.map(serialsOf)}`)
  }

  onRefused(_: string, texts: readonly string[]): void {
    this.#refused.push(texts[0]!)
  }

  onTick(): void {
    const published = this.#refused.find((text) => this.#ledger.withText(text).length > 0)
    if (published === undefined) return
    throw new Violation('refused', `${published} was refused by request, and is published`)
  }
}
