/**
 * Attachments of a ChannelClient's groups that are not answered yet: those that wait for the
 * client to be live, and those whose missed publications are being asked for, page by page.
 */

import { limits } from '../base/limits.ts'
import type { Attach, Publication, Standing } from '../peer/message.ts'

/** One attachment on its way. */
export interface Arrival {
  readonly worker: number
  readonly attach: Attach
  /** How far `missed` leads; undefined for one that begins wherever the client is. */
  readonly from: Standing | undefined
  /** What it missed, as far as that is known, oldest first. */
  readonly missed: readonly Publication[]
}

export class CatchUp {
  #waiting: Arrival[] = []
  /** Those whose turn to ask has not come: what is missed is held here until all of it came. */
  #queued: Arrival[] = []
  readonly #asked = new Map<number, Arrival>()
  #requestNo = 0

  get size(): number {
    return this.#waiting.length + this.#queued.length + this.#asked.size
  }

  /** It waits for the client to be live. */
  wait(arrival: Arrival): void {
    this.#waiting.push(arrival)
  }

  /** Its backfill is asked for: the number of the request; undefined: when its turn comes. */
  ask(arrival: Arrival): number | undefined {
    if (this.#asked.size >= limits.backfillsPerClientMax) {
      this.#queued.push(arrival)
      return undefined
    }
    this.#asked.set(++this.#requestNo, arrival)
    return this.#requestNo
  }

  /** Whose request was answered, once. */
  answered(requestNo: number): Arrival | undefined {
    const arrival = this.#asked.get(requestNo)
    this.#asked.delete(requestNo)
    return arrival
  }

  /** Who may ask now, if anybody waits for that. */
  next(): Arrival | undefined {
    return this.#asked.size < limits.backfillsPerClientMax ? this.#queued.shift() : undefined
  }

  /** Everybody, to be handled anew: what was asked of a former master is asked again. */
  takeAll(): Arrival[] {
    const all = [...this.#asked.values(), ...this.#queued, ...this.#waiting]
    this.#asked.clear()
    this.#queued = []
    this.#waiting = []
    return all
  }

  /** One seat has left, or, without `attachId`, all seats of that worker's group. */
  forget(worker: number, attachId?: number): void {
    const stays = (arrival: Arrival): boolean => arrival.worker !== worker ||
      (attachId !== undefined && arrival.attach.attachId !== attachId)
    this.#waiting = this.#waiting.filter(stays)
    this.#queued = this.#queued.filter(stays)
    for (const [no, arrival] of this.#asked) if (!stays(arrival)) this.#asked.delete(no)
  }
}
