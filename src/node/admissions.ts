/**
 * Who is let in next. After a death thousands of clients come at once, and letting one in costs
 * much more than carrying it: so many are let in at a time, the others wait, and what is under way
 * goes on in between. Connections that go on come before new ones, for somebody waits for them.
 *
 *   arrived ──its turn──▶ let in
 *      │ └──no turn in time, or too many wait──▶ sent elsewhere, retriable (50004)
 *      └ gone
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { EarlyFrame, Newcomer } from './newcomer.ts'
import type { Socket } from './outbox.ts'
import type { Overload } from './overload.ts'

export interface AdmissionsOwner {
  letIn(newcomer: Newcomer): void
  /** Asks the client to come again. */
  turnAway(newcomer: Newcomer, error: ErrorInfo): void
}

export interface AdmissionsPorts {
  readonly deadlines: Deadlines
  readonly overload: Overload
  now(): Now
}

interface Waiting {
  readonly newcomer: Newcomer
  readonly untilMs: number
}

export class Admissions {
  readonly #owner: AdmissionsOwner
  readonly #ports: AdmissionsPorts
  /** In the order in which they came. */
  readonly #resuming = new Map<Socket, Waiting>()
  readonly #fresh = new Map<Socket, Waiting>()
  #stepEndsMs = 0
  #leftInStep = 0
  #isStepping = false

  constructor(owner: AdmissionsOwner, ports: AdmissionsPorts) {
    this.#owner = owner
    this.#ports = ports
  }

  get count(): number {
    return this.#resuming.size + this.#fresh.size
  }

  *sizes(): Generator<Size> {
    yield ['admissionsWaitingMax', this.count]
  }

  /** Somebody comes: lets it in, keeps it waiting, or turns it away. */
  arrive(newcomer: Newcomer): void {
    // Anybody can say that it resumes; a key of the region cannot be made up.
    const isFresh = newcomer.facts === undefined
    const { isStrained, isDire } = this.#ports.overload
    if (isDire || (isFresh && isStrained)) {
      this.#owner.turnAway(newcomer, errors.capacity().info)
    } else if (this.count === 0 && this.#takeTurn()) {
      this.#owner.letIn(newcomer)
    } else {
      this.#wait(newcomer, isFresh)
    }
  }

  onFrame(socket: Socket, frame: EarlyFrame): void {
    const waiting = this.#resuming.get(socket) ?? this.#fresh.get(socket)
    if (waiting === undefined || waiting.newcomer.early.add(frame)) return
    this.onClosed(socket)
    this.#owner.turnAway(waiting.newcomer, errors.tooEarly().info)
  }

  /** It has gone. */
  onClosed(socket: Socket): void {
    if (!this.#resuming.delete(socket)) this.#fresh.delete(socket)
  }

  /** Nobody can be let in here any more. */
  turnAwayAll(error: ErrorInfo): void {
    for (const queue of [this.#resuming, this.#fresh]) {
      for (const { newcomer } of queue.values()) this.#owner.turnAway(newcomer, error)
      queue.clear()
    }
  }

  #wait(newcomer: Newcomer, isFresh: boolean): void {
    const { socket } = newcomer.slot
    const untilMs = this.#ports.now().monoMs + limits.admissionWaitMs
    if (this.count >= limits.admissionsWaitingMax) {
      const [oldest] = this.#fresh.values()
      const leaves = isFresh ? newcomer : oldest?.newcomer ?? newcomer
      this.#fresh.delete(leaves.slot.socket)
      this.#owner.turnAway(leaves, errors.capacity().info)
      if (leaves === newcomer) return
    }
    const queue = isFresh ? this.#fresh : this.#resuming
    queue.set(socket, { newcomer, untilMs })
    this.#stepLater()
  }

  /** A step of time has so many turns. */
  #takeTurn(): boolean {
    const { monoMs } = this.#ports.now()
    if (monoMs >= this.#stepEndsMs) {
      this.#stepEndsMs = monoMs + limits.admissionStepMs
      this.#leftInStep = limits.admissionsPerStep
    }
    if (this.#leftInStep === 0) return false
    this.#leftInStep--
    return true
  }

  #stepLater(): void {
    if (this.#isStepping) return
    this.#isStepping = true
    this.#ports.deadlines.at(this.#stepEndsMs, (nowMs) => {
      this.#isStepping = false
      this.#step(nowMs)
      if (this.count > 0) this.#stepLater()
    })
  }

  #step(nowMs: number): void {
    for (const queue of [this.#resuming, this.#fresh]) {
      for (const [socket, { newcomer, untilMs }] of queue) {
        const isLate = untilMs <= nowMs
        if (!isLate && !this.#takeTurn()) break
        queue.delete(socket)
        if (isLate) this.#owner.turnAway(newcomer, errors.capacity().info)
        else this.#owner.letIn(newcomer)
      }
    }
  }
}
