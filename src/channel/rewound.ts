/**
 * What one that rewinds is told before it is live (protocol 7.5): the last messages before its
 * place, oldest first, exactly as many as it asked for where there are so many; of those that its
 * filter lets through, if it has one. Presence and ephemeral messages are none of them. A publish
 * of which only the end is wanted is told in part. An attachment that wants deltas is told the
 * first whole, and each one after it as what differs from the one before.
 *
 * The last of them carries the place where the attachment begins: from there on its client goes on
 * when it comes again, and not from a message that may be long gone by then. A client that goes
 * on from any message of a frame is told the frame's own place, and that one after them all.
 */

import type { Attach, BroadcastItem, Publication, Standing } from '../peer/message.ts'
import type { DeltaFrame } from '../peer/variant.ts'
import type { Frame } from '../wire/frame.ts'
import type { DeltaBase } from '../wire/delta-message.ts'
import { asDeltas } from './delta-chain.ts'
import type { EncodedPublication, Shown } from './encoding.ts'

interface Chosen {
  readonly encoded: EncodedPublication
  readonly messages: readonly Shown[]
}

/** The frames of these, of which the attachment's variant is told the last ones. */
export function rewoundItems(
  { attach: { rewind, variant, variantId }, missed }: {
    readonly attach: Attach
    readonly missed: readonly Publication[]
  },
  here: Standing,
  encode: (publication: Publication) => EncodedPublication
): BroadcastItem[] {
  const chosen: Chosen[] = []
  let wantedCount = rewind?.count ?? 0
  for (let at = missed.length - 1; at >= 0 && wantedCount > 0; at--) {
    const encoded = encode(missed[at]!)
    const messages = encoded.shown(variant.filter).filter(isLasting).slice(-wantedCount)
    if (messages.length === 0) continue
    wantedCount -= messages.length
    chosen.push({ encoded, messages })
  }
  let former: { readonly seq: number; readonly base: DeltaBase | undefined } | undefined
  return chosen.reverse().map(({ encoded, messages }, at) => {
    const { seq, connectionId } = encoded.publication
    const isLast = at === chosen.length - 1
    const standing = isLast && rewind?.isPlaced !== true ? here : undefined
    const frames: Frame[] = []
    frames[variantId] = encoded.part(variant, messages, standing)
    // The next delta builds on what it would have been shown last, in the same lineage: seqs of
    // another one are others'.
    const isCut = messages.at(-1) !== encoded.shown(variant.filter).at(-1) ||
      encoded.lineage !== here.lineage
    const item: BroadcastItem = isCut ? { seq, connectionId, frames, isCut }
      : { seq, connectionId, frames }
    if (variant.delta !== true || encoded.lineage !== here.lineage) return item
    const told = asDeltas(messages, former?.base)
    const buildsOn = former?.seq
    former = { seq, base: told.base }
    if (buildsOn === undefined || told.messages[0] === messages[0]) return item
    const deltas: DeltaFrame[] = []
    deltas[variantId] = { frame: encoded.part(variant, told.messages, standing), buildsOn }
    return { ...item, deltas }
  })
}

function isLasting({ message: { extras } }: Shown): boolean {
  return extras?.['ephemeral'] !== true
}
