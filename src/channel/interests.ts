/**
 * The ChannelClients of one channel as its master knows them: where they are, what they want, and
 * where they are in the count of their ops. It is what they said to this very mastership; nothing
 * of it is inherited (rule 12).
 */

import type { Join, PeerMessage } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'

/** A ChannelClient as its master knows it. */
export interface Interest {
  readonly place: Place
  readonly clientId: string
  wantsDeliveries: boolean
  nextOpNo: number
  /** Outcomes of refused ops that the client may not have heard: a repeat is refused again. */
  readonly refused: Map<number, ErrorInfo>
}

export class Interests {
  readonly #byPlace = new Map<string, Interest>()
  readonly #send: (place: Place, message: PeerMessage) => void

  constructor(send: (place: Place, message: PeerMessage) => void) {
    this.#send = send
  }

  get size(): number {
    return this.#byPlace.size
  }

  /** True if some client wants deliveries. */
  get isWatched(): boolean {
    for (const { wantsDeliveries } of this.#byPlace.values()) if (wantsDeliveries) return true
    return false
  }

  /** Where the clients are. */
  *places(): Generator<Place> {
    for (const { place } of this.#byPlace.values()) yield place
  }

  /** The client at a place, by the place's key. */
  get(key: string): Interest | undefined {
    return this.#byPlace.get(key)
  }

  /**
   * A client joins, or joins again; one born anew counts its ops from the beginning. `isWhole`: it
   * has been told everything up to here, so that deliveries can follow.
   */
  join(place: Place, { clientId, wantsDeliveries }: Join, isWhole: boolean): Interest {
    const key = placeKey(place)
    let interest = this.#byPlace.get(key)
    if (interest?.clientId !== clientId) {
      const refused = new Map<number, ErrorInfo>()
      interest = { place, clientId, wantsDeliveries: false, nextOpNo: 1, refused }
      this.#byPlace.set(key, interest)
    }
    interest.wantsDeliveries = wantsDeliveries && isWhole
    return interest
  }

  part(place: Place, clientId: string): void {
    const key = placeKey(place)
    if (this.#byPlace.get(key)?.clientId === clientId) this.#byPlace.delete(key)
  }

  /** A node or worker is gone: so is the interest of the client that lived there. */
  forget(isGone: (place: Place) => boolean): void {
    for (const [key, { place }] of this.#byPlace) if (isGone(place)) this.#byPlace.delete(key)
  }

  /** The link was reset: who is there Joins again, and who is not says once more that it left. */
  askAgain(channel: string, place: Place): void {
    const interest = this.#byPlace.get(placeKey(place))
    if (interest === undefined) return
    const { clientId } = interest
    this.#send(place, { kind: 'joinAgain', channel, clientId })
  }

  /** Sends the same object to all, or to those that want deliveries. */
  tell(message: PeerMessage, isDelivery: boolean): void {
    for (const { place, wantsDeliveries } of this.#byPlace.values()) {
      if (wantsDeliveries || !isDelivery) this.#send(place, message)
    }
  }

  describe(): string {
    return [...this.#byPlace.keys()].join(' ') || 'nobody'
  }
}
