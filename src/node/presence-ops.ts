/**
 * Presence as one life of a worker says it: in its own name, for it speaks for the members of its
 * connections (rule 21), and with names for what it says of itself, never given twice.
 */

import { encodeItems } from '../channel/presence.ts'
import type { MemberOwner, PublishOp } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import type { AdmittedPresence } from '../session/door.ts'
import { publishSize } from '../wire/message.ts'

export class PresenceOps {
  readonly #self: Place
  readonly #generation: number
  #count = 0

  constructor({ self, generation }: { readonly self: Place; readonly generation: number }) {
    this.#self = self
    this.#generation = generation
  }

  /** A name that no other life of a worker gives. */
  name(): string {
    return `${placeKey(this.#self)}/${this.#generation}:${++this.#count}`
  }

  /** This life, as the owner of members by a claim. */
  ownerBy(claim: number): MemberOwner {
    return { ...this.#self, generation: this.#generation, claim }
  }

  /** What a session admitted, as an op. */
  opOf({ claim, items, ...rest }: AdmittedPresence): PublishOp {
    const owner = this.ownerBy(claim)
    const said = { count: items.length, bytes: publishSize(items), isRest: false }
    const payload = encodeItems(items)
    return { ...rest, idSpace: 'connection', messageCount: 0, owner, payload, said }
  }
}
