/**
 * The first clients of a channel that is new here: they are let in once relays have been to the
 * other regions, and what these brought stands in the log. What is published elsewhere from then on
 * they are told. Where the mastership ends before, they Join again.
 */

import type { Join } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'

type LetIn = (place: Place, join: Join) => void

interface Waiting {
  readonly clients: Map<string, { readonly place: Place; readonly join: Join }>
  readonly letIn: LetIn
  /** Until the log has come so far. */
  untilSeq: number
}

export class FirstClients {
  #waiting: Waiting | undefined
  readonly #seq: () => number

  /** `seq` tells how far the log has come. */
  constructor(seq: () => number) {
    this.#seq = seq
  }

  /**
   * From now on clients wait; `letIn` takes them. What is returned ends that, once the log has come
   * to the seq that is given to it.
   */
  wait(letIn: LetIn): (untilSeq: number) => void {
    this.#waiting = { clients: new Map(), letIn, untilSeq: Infinity }
    return (untilSeq) => {
      if (this.#waiting === undefined) return
      this.#waiting.untilSeq = untilSeq
      this.onProgress()
    }
  }

  /** Nobody is let in here any more. */
  clear(): void { this.#waiting = undefined }

  /** True if a client has to wait to be let in. */
  holds(place: Place, join: Join): boolean {
    this.#waiting?.clients.set(placeKey(place), { place, join })
    return this.#waiting !== undefined
  }

  /** A client that waited has left. */
  forget(place: Place): void {
    this.#waiting?.clients.delete(placeKey(place))
  }

  /** Places are gone: so are their clients. */
  forgetAll(isGone: (place: Place) => boolean): void {
    const clients = this.#waiting?.clients
    for (const [key, { place }] of clients ?? []) if (isGone(place)) clients!.delete(key)
  }

  /** The log has come further. */
  onProgress(): void {
    const waiting = this.#waiting
    if (waiting === undefined || this.#seq() < waiting.untilSeq) return
    this.#waiting = undefined
    for (const { place, join } of waiting.clients.values()) waiting.letIn(place, join)
  }
}
