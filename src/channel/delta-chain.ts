/**
 * Deltas as a ChannelClient makes them: each publication once, on the one before, whatever the
 * number of attachments (protocol 7.6). Attachments that are shown the same messages share a
 * chain: all of a channel's, or those that a filter lets through.
 *
 * Who may be given a delta is not decided here: it says which publication it builds on, and an
 * attachment whose last one that was not is given the whole.
 *
 * Cost of one publication per chain: one copy of its text, and the difference of two bodies.
 */

import type { Deltas } from '../base/meter.ts'
import type { Variant } from '../peer/message.ts'
import { type DeltaBase, deltaBaseOf, deltaOf } from '../wire/delta-message.ts'
import type { EncodedPublication, Shown } from './encoding.ts'

/** A publication as what differs from the one before. */
export interface DeltaPart {
  /** The seq of that one. */
  readonly buildsOn: number
  readonly messages: readonly Shown[]
}

/** What is told one after the other, each as a delta on the one before where that is possible. */
export function asDeltas(
  shown: readonly Shown[], base: DeltaBase | undefined
): { readonly messages: readonly Shown[]; readonly base: DeltaBase | undefined } {
  const messages: Shown[] = []
  for (const whole of shown) {
    const { message, id } = whole
    const own = deltaBaseOf(message, id)
    const delta = own && base && deltaOf(message, own, base)
    messages.push(delta === undefined ? whole : { message: delta, id })
    base = own
  }
  return { messages, base }
}

class DeltaChain {
  readonly filter: string | undefined
  readonly #counts: Deltas | undefined
  #last: { readonly seq: number; readonly base: DeltaBase | undefined } | undefined

  constructor(filter: string | undefined, counts: Deltas | undefined) {
    this.filter = filter
    this.#counts = counts
  }

  /** Takes the next publication; undefined where nobody can be given it as a delta. */
  next(encoded: EncodedPublication): DeltaPart | undefined {
    const shown = encoded.shown(this.filter)
    if (shown.length === 0) return undefined
    const former = this.#last
    const { messages, base } = asDeltas(shown, former?.base)
    this.#last = { seq: encoded.publication.seq, base }
    this.#count(shown, messages)
    // If the first is whole nothing is built on; those after it alone are not worth a frame.
    const isDelta = messages[0] !== shown[0]
    return former !== undefined && isDelta ? { buildsOn: former.seq, messages } : undefined
  }

  #count(shown: readonly Shown[], told: readonly Shown[]): void {
    if (this.#counts === undefined) return
    for (const [at, each] of told.entries()) {
      if (each === shown[at]) this.#counts.skipped++
      else this.#counts.succeeded++
    }
  }

  /** Begins where `other` is, if it has no beginning yet. */
  goOnFrom(other: DeltaChain): void {
    this.#last ??= other.#last
  }

  /** What comes next does not follow on what came last. */
  forget(): void {
    this.#last = undefined
  }
}

/** The chains that the attachments of a node want, by filter. */
export class DeltaChains {
  readonly #chains = new Map<string | undefined, DeltaChain>()
  readonly #counts: Deltas | undefined

  /** `counts`: of those that are told to all. */
  constructor(counts?: Deltas) {
    this.#counts = counts
  }

  get size(): number {
    return this.#chains.size
  }

  /** Somebody wants deltas of what `filter` lets through. */
  want({ delta, filter }: Variant): void {
    if (delta !== true || this.#chains.has(filter)) return
    this.#chains.set(filter, new DeltaChain(filter, this.#counts))
  }

  /** Only these variants are wanted any more. */
  keep(variants: Iterable<Variant | undefined>): void {
    if (this.#chains.size === 0) return
    const wanted = new Set<string | undefined>()
    for (const each of variants) if (each?.delta === true) wanted.add(each.filter)
    for (const filter of this.#chains.keys()) if (!wanted.has(filter)) this.#chains.delete(filter)
  }

  /** Takes the next publication, once; its deltas by filter, if it has any. */
  next(encoded: EncodedPublication): ReadonlyMap<string | undefined, DeltaPart> | undefined {
    if (this.#chains.size === 0 || encoded.publication.owner !== undefined) return undefined
    const parts = new Map<string | undefined, DeltaPart>()
    for (const chain of this.#chains.values()) {
      const part = chain.next(encoded)
      if (part !== undefined) parts.set(chain.filter, part)
    }
    return parts.size === 0 ? undefined : parts
  }

  /** Chains without a beginning begin where those of `others` are, which is the last broadcast. */
  goOnFrom(others: DeltaChains): void {
    for (const [filter, chain] of others.#chains) this.#chains.get(filter)?.goOnFrom(chain)
  }

  forget(): void {
    for (const chain of this.#chains.values()) chain.forget()
  }
}
