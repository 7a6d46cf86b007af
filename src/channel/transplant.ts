/** What crosses from one region's log into another's. */

import type { Origin, Publication, PublishOp } from '../peer/message.ts'

/** Something that was born elsewhere, on its way into our log. */
export type Transplant = Omit<Publication, 'seq' | 'entry'> & { readonly origin: Origin }

/** An empty list of messages. */
const NOTHING = new Uint8Array([0x90])

/** What a break is published as. */
export const BREAK: PublishOp = {
  id: '', idSpace: 'master', connectionId: undefined, messageCount: 0, payload: NOTHING
}

/**
 * What of a publication is the same in every region. Where its connection stands with its frames
 * only the region knows that has it; and each region keeps what was born in it.
 */
export function transplantOf(publication: Publication): Omit<Publication, 'seq' | 'entry'> {
  const { id, idSpace, connectionId, timestamp, counter, messageCount, payload } = publication
  const { ephemeralCount } = publication
  const same = { id, idSpace, connectionId, timestamp, counter, messageCount, payload }
  return ephemeralCount === undefined ? same : { ...same, ephemeralCount }
}

/** False for what a relay has brought. */
export function isBornHere({ origin }: Publication): boolean {
  return origin === undefined
}
