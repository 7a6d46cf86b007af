/**
 * What one that rewinds is told before it is live (protocol 7.5): the last messages before its
 * place, oldest first, exactly as many as it asked for where there are so many. Presence and
 * ephemeral messages are none of them. A publish of which only the end is wanted is told in part.
 *
 * The last of them carries the place where the attachment begins: from there on its client goes on
 * when it comes again, and not from a message that may be long gone by then.
 */

import type { Attach, BroadcastItem, Publication, Standing } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import type { Message } from '../wire/protocol-message.ts'
import type { EncodedPublication } from './encoding.ts'

interface Chosen {
  readonly encoded: EncodedPublication
  readonly indexes: readonly number[]
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
    const publication = missed[at]!
    if (publication.owner !== undefined) continue
    const encoded = encode(publication)
    const indexes = lastingIndexes(encoded.messages).slice(-wantedCount)
    if (indexes.length === 0) continue
    wantedCount -= indexes.length
    chosen.push({ encoded, indexes })
  }
  return chosen.reverse().map(({ encoded, indexes }, at) => {
    const { seq, connectionId } = encoded.publication
    const frames: Frame[] = []
    frames[variantId] = encoded.part(variant, indexes, at === chosen.length - 1 ? here : undefined)
    return { seq, connectionId, frames }
  })
}

function lastingIndexes(messages: readonly Message[]): number[] {
  const indexes: number[] = []
  for (const [index, { extras }] of messages.entries()) {
    if (extras?.['ephemeral'] !== true) indexes.push(index)
  }
  return indexes
}
