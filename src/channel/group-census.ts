/**
 * A LocalGroup's part in the census: it counts its live attachments while its ChannelClient wants
 * to know, when that is first said and then after changes, at most once in `headcountMs`; and it
 * gives the occupancy to those who want to be told.
 *
 * Cost of a count: one walk over the attachments of the channel on this worker. Cost of telling:
 * that of a message, to the rows that want it.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { CensusToGroup } from '../peer/census-message.ts'
import type { PeerMessage } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import { countSeats } from './occupancy.ts'
import { giveOccupancy, type Row } from './seat.ts'

/** What it needs from its worker. */
export interface GroupCensusPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  toClient(channel: string, message: PeerMessage): void
}

export class GroupCensus {
  readonly #channel: string
  readonly #rows: readonly Row[]
  readonly #ports: GroupCensusPorts
  #isWanted = false
  #deadline: Deadline | undefined

  constructor(channel: string, rows: readonly Row[], ports: GroupCensusPorts) {
    this.#channel = channel
    this.#rows = rows
    this.#ports = ports
  }

  onMessage(message: CensusToGroup): void {
    if (message.kind === 'occupied') {
      this.#tell(message.frames)
      return
    }
    this.#isWanted = message.isWanted
    this.#ports.deadlines.cancel(this.#deadline)
    this.#deadline = undefined
    if (message.isWanted) this.#say()
  }

  /** Somebody is attached, or no longer. */
  onChanged(): void {
    if (this.#isWanted) this.#sayLater()
  }

  /** What was asked for, or said, may be lost: the client learns which by the next number. */
  onHomeLost(): void {
    this.#sayLater()
  }

  #sayLater(): void {
    if (this.#deadline !== undefined) return
    const atMs = this.#ports.nowMs() + limits.headcountMs
    this.#deadline = this.#ports.deadlines.at(atMs, () => {
      this.#deadline = undefined
      this.#say()
    })
  }

  #say(): void {
    const channel = this.#channel
    const count = countSeats(this.#rows)
    const goesOn = this.#isWanted
    this.#ports.toClient(channel, { kind: 'counted', channel, count, goesOn })
  }

  #tell(frames: readonly (Frame | undefined)[]): void {
    for (const { live, variantId } of this.#rows) {
      const frame = frames[variantId]
      if (frame === undefined) continue
      for (const seat of live) giveOccupancy(seat, frame)
    }
  }
}
