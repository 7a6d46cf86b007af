/**
 * Seats whose sockets have much to take before they are given what can wait: the rest of what they
 * missed, or the set of members (rule 25). Nobody is told when a socket has been read: while a
 * seat waits it is looked again and again, and otherwise never.
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Seat } from './seat.ts'

export interface LookoutPorts {
  readonly deadlines: Deadlines
  nowMs(): number
}

export class Lookout {
  readonly #ports: LookoutPorts
  readonly #onRoom: (seat: Seat) => void

  constructor(ports: LookoutPorts, onRoom: (seat: Seat) => void) {
    this.#ports = ports
    this.#onRoom = onRoom
  }

  /** `onRoom` is called once the seat's socket has room, not at once. */
  wait(seat: Seat): void {
    const atMs = this.#ports.nowMs() + limits.socketLookMs
    seat.look ??= this.#ports.deadlines.at(atMs, () => {
      seat.look = undefined
      if (seat.member.hasRoom) this.#onRoom(seat)
      else this.wait(seat)
    })
  }

  /** The seat waits no more. */
  forget(seat: Seat): void {
    this.#ports.deadlines.cancel(seat.look)
    seat.look = undefined
  }
}
