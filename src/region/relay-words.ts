/**
 * What the nodes of a region have told their globalmaster of their relays to one other ring. It is
 * said again and again; who says nothing any more counts no more.
 */

import type { RelayWord, RelayWordsOfNode } from './globalmaster-message.ts'
import { globalmasterLimits } from './globalmaster-ports.ts'

/** Of all nodes together. */
export interface RelaysOfAll extends Pick<RelayWord, 'channels' | 'behind' | 'behindMs'> {
  readonly isFull: boolean
  /** When the other ring last said anything to one of them. */
  readonly heardAtMs: number
  /** Since when the first node tells, whoever that is; Infinity: it does not. */
  readonly firstSinceMs: number
}

export class RelayWords {
  /** By incarnation of the node. */
  readonly #words = new Map<string, { readonly word: RelayWord, readonly atMs: number }>()
  #first: string | undefined
  #firstSinceMs = Infinity
  #heardAtMs = -Infinity

  take(
    { incarnation, isFirst = false }: Pick<RelayWordsOfNode, 'incarnation' | 'isFirst'>,
    word: RelayWord, nowMs: number
  ): void {
    const { tellingNodesMax } = globalmasterLimits
    if (isFirst || this.#words.size >= tellingNodesMax) this.#forgetSilent(nowMs)
    if (this.#words.size >= tellingNodesMax && !this.#words.has(incarnation)) return
    this.#words.set(incarnation, { word, atMs: nowMs })
    const { heardAgoMs = Infinity } = word
    this.#heardAtMs = Math.max(this.#heardAtMs, nowMs - heardAgoMs)
    if (isFirst) {
      if (this.#first === undefined) this.#firstSinceMs = nowMs
      this.#first = incarnation
    } else if (this.#first === incarnation) this.#forgetFirst()
  }

  /** Undefined where no node tells anything: all of them may be of former releases. */
  all(nowMs: number): RelaysOfAll | undefined {
    this.#forgetSilent(nowMs)
    if (this.#words.size === 0) return undefined
    const words = [...this.#words.values()].map(({ word }) => word)
    const sum = (pick: (word: RelayWord) => number): number =>
      words.reduce((total, word) => total + pick(word), 0)
    const behindMs = Math.max(...words.map((word) => word.behindMs))
    return {
      channels: sum((word) => word.channels),
      behind: sum((word) => word.behind),
      behindMs,
      isFull: words.some((word) => word.isFull && word.behindMs === behindMs),
      heardAtMs: this.#heardAtMs,
      firstSinceMs: this.#firstSinceMs
    }
  }

  #forgetSilent(nowMs: number): void {
    for (const [incarnation, { atMs }] of this.#words) {
      if (nowMs < atMs + globalmasterLimits.relayWordsKeptMs) continue
      this.#words.delete(incarnation)
      if (this.#first === incarnation) this.#forgetFirst()
    }
  }

  #forgetFirst(): void {
    this.#first = undefined
    this.#firstSinceMs = Infinity
  }
}
