/**
 * Attachments that hear nothing of a channel that moves: those behind a filter, without echo,
 * without the SUBSCRIBE mode. A client goes on from the place that it was told last, so that one
 * that is told nothing for as long as a tail lasts could not show any more that it has missed
 * nothing. So such a one is told from time to time where it stands: ATTACHED with RESUMED, upon
 * which SDKs keep the place and do nothing else (protocol 7.4).
 *
 * Cost: per publication and row, not per attachment, a note of whose it was; per attachment a look
 * in each `quietMs` in which the channel moved, and a frame only if it was told nothing meanwhile.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Row, Seat } from './seat.ts'

/** Whose the messages are that a row was given since the last look. */
export type Told = 'nothing' | 'something' | { readonly by: string }

/** What it is after another one of `connectionId`; undefined: of none, so that all hear it. */
export function toldAfter(told: Told, connectionId: string | undefined): Told {
  if (told === 'something' || connectionId === undefined) return 'something'
  if (told === 'nothing') return { by: connectionId }
  return told.by === connectionId ? told : 'something'
}

export interface QuietPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** The seat is live, and is to be told where it stands. */
  tell(seat: Seat): void
}

export class Quiet {
  readonly #rows: readonly Row[]
  readonly #ports: QuietPorts
  #look: Deadline | undefined
  #waiting: Seat[] = []

  constructor(rows: readonly Row[], ports: QuietPorts) {
    this.#rows = rows
    this.#ports = ports
  }

  /** The channel has moved: it is looked later who did not hear of it. */
  onMoved(): void {
    this.#look ??= this.#later(limits.quietMs, () => this.#onLook())
  }

  #onLook(): void {
    for (const row of this.#rows) {
      for (const seat of row.live) if (isQuiet(seat)) this.#waiting.push(seat)
      row.messagesTold = 'nothing'
      row.isPresenceTold = false
    }
    this.#tellSome()
  }

  /** Many at once would hold up everything else. */
  #tellSome(): void {
    this.#look = undefined
    for (const seat of this.#waiting.splice(0, limits.quietToldAtOnce)) {
      // Who has much to take hears something anyway.
      if (seat.state === 'live' && seat.member.hasRoom) this.#ports.tell(seat)
    }
    if (this.#waiting.length === 0) return
    this.#look = this.#later(limits.socketLookMs, () => this.#tellSome())
  }

  #later(ms: number, run: () => void): Deadline {
    return this.#ports.deadlines.at(this.#ports.nowMs() + ms, run)
  }
}

/** True if its client was told no place since the last look, as far as a row knows. */
function isQuiet({ member, row: { messagesTold, isPresenceTold } }: Seat): boolean {
  if (member.hearsNothing || (member.hearsPresence && isPresenceTold)) return false
  if (!member.subscribes || messagesTold === 'nothing') return true
  if (messagesTold === 'something' || member.hearsItself) return false
  return messagesTold.by === member.connectionId
}
