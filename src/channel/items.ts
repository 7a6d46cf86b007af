/**
 * What a group is given of publications: a frame for each of its variants, and a delta where that
 * can be given.
 */

import type { Meter } from '../base/meter.ts'
import type { BroadcastItem, DeltaFrame, Variant } from '../peer/message.ts'
import type { Batch } from './batching.ts'
import type { DeltaChains, DeltaPart } from './delta-chain.ts'
import { type Allocate, EncodedBatch, type EncodedPublication } from './encoding.ts'

type Variants = readonly (Variant | undefined)[]
type Parts = ReadonlyMap<string | undefined, DeltaPart> | undefined

/** One publication, for these variants. */
export function itemFor(
  variants: Variants, encoded: EncodedPublication, parts?: Parts
): BroadcastItem {
  const { seq, connectionId, owner } = encoded.publication
  const frames = variants.map((variant) => variant && encoded.frame(variant))
  const item = { seq, connectionId, frames }
  if (owner !== undefined) return { ...item, isPresence: true }
  return parts === undefined ? item : { ...item, deltas: deltasFor(variants, encoded, parts) }
}

function deltasFor(
  variants: Variants, encoded: EncodedPublication, parts: NonNullable<Parts>
): (DeltaFrame | undefined)[] {
  return variants.map((variant) => {
    const part = variant?.delta === true ? parts.get(variant.filter) : undefined
    if (variant === undefined || part === undefined) return undefined
    return { frame: encoded.deltaFrame(variant, part), buildsOn: part.buildsOn }
  })
}

/** A batch on its way to the groups of one node: encoded once for all of them. */
export class Telling {
  readonly #singly: readonly { readonly encoded: EncodedPublication; readonly parts: Parts }[]
  readonly #together: EncodedBatch | undefined
  readonly #encoded: readonly EncodedPublication[]
  readonly #how: Batch['how']

  /** Takes it into the chains. */
  constructor(
    encoded: readonly EncodedPublication[], how: Batch['how'], chains: DeltaChains,
    allocate: Allocate
  ) {
    const told = how === 'conflated' ? conflated(encoded) : encoded
    this.#singly = told.map((each) => ({ encoded: each, parts: chains.next(each) }))
    this.#encoded = encoded
    this.#how = how
    const isBatch = how !== 'singly' && told.length > 1
    this.#together = isBatch ? new EncodedBatch(told, allocate) : undefined
  }

  /** Counts it, if it is a batch. */
  count({ simpleBatches, conflatingBatches }: Meter): void {
    if (this.#how === 'singly') return
    const counts = this.#how === 'together' ? simpleBatches : conflatingBatches
    const messageCount = shownCountOf(this.#encoded)
    const toldCount = shownCountOf(this.#singly.map(({ encoded }) => encoded))
    counts.add(messageCount, messageCount - toldCount)
  }

  /** What a group with these variants is given. */
  items(variants: Variants): BroadcastItem[] {
    const batch = this.#together
    if (batch === undefined) return this.#each(variants)
    const frames = variants.map((each) => (each && !isSingle(each) ? batch.frame(each) : undefined))
    const single = variants.map((each) => (each && isSingle(each) ? each : undefined))
    const items = single.some((each) => each !== undefined) ? this.#each(single) : []
    // Nobody among them minds whose it is.
    return [{ seq: batch.seq, connectionId: undefined, frames }, ...items]
  }

  #each(variants: Variants): BroadcastItem[] {
    return this.#singly.map(({ encoded, parts }) => itemFor(variants, encoded, parts))
  }
}

function shownCountOf(encoded: readonly EncodedPublication[]): number {
  return encoded.reduce((sum, each) => sum + each.shown(undefined).length, 0)
}

/** True of attachments that are told each message in a frame of its own. */
function isSingle({ delta, isWithoutEcho }: Variant): boolean {
  return delta === true || isWithoutEcho === true
}

/** Of the messages of each name the last; those without a name are as of one. */
function conflated(encoded: readonly EncodedPublication[]): EncodedPublication[] {
  const names = new Set<string>()
  const told: EncodedPublication[] = []
  for (const each of encoded.toReversed()) {
    const lasts = each.shown(undefined).toReversed().filter(({ message: { name = '' } }) => {
      return !names.has(name) && names.add(name)
    })
    if (lasts.length > 0) told.push(each.only(lasts.reverse()))
  }
  return told.reverse()
}
