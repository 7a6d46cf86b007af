/**
 * Sessions that have lost their socket and may be resumed (rule 20). All that is kept of one is
 * who it is: its client brings its msgSerial and its channelSerials along, and what it published
 * is known to the channels' masters. The oldest go first: by time, and at the bound.
 *
 * A session that was ended for good is remembered for a while by its connectionId alone, so that
 * its resume is told the right reason.
 */

import type { Credentials } from '../auth/key.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { Past } from './past.ts'
import type { Account } from './session-ports.ts'

/** A session without a socket. */
export interface Parked {
  readonly connectionId: string
  readonly claim: number
  /** Its client was heard on the socket of this claim, so it has that claim's key. */
  readonly isProven: boolean
  readonly past: Past
  /** Whose it is, where that is known. */
  readonly credentials?: Credentials
  /** Of the socket that it lost. */
  readonly account?: Account
}

export interface ParkingPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** Nobody came for it in time, or it had to make room. */
  onLetGo?(parked: Parked): void
}

export class Parking {
  readonly #ports: ParkingPorts
  readonly #countMax: number
  /** In the order in which they were parked. */
  readonly #parked = new Map<string, { parked: Parked; untilMs: number }>()
  readonly #closed = new Set<string>()
  #oldest: Deadline | undefined

  constructor(ports: ParkingPorts, countMax: number = limits.parkedPerWorkerMax) {
    this.#ports = ports
    this.#countMax = countMax
  }

  get size(): number {
    return this.#parked.size
  }

  *sizes(): Generator<Size> {
    yield ['parkedPerWorkerMax', this.size]
    yield ['endedKnownMax', this.#closed.size]
  }

  /** Keeps a session for connectionStateTtl. */
  park(parked: Parked): void {
    const { connectionId } = parked
    this.#parked.delete(connectionId)
    const untilMs = this.#ports.nowMs() + limits.connectionStateTtlMs
    this.#parked.set(connectionId, { parked, untilMs })
    if (this.#parked.size > this.#countMax) this.#forgetOldest()
    this.#watch()
  }

  find(connectionId: string): Parked | undefined {
    return this.#parked.get(connectionId)?.parked
  }

  /** Gives a session up without telling: somebody else goes on with it. */
  remove(connectionId: string): void {
    this.#parked.delete(connectionId)
  }

  /** The session is over for good. */
  close(connectionId: string): void {
    this.#parked.delete(connectionId)
    this.#closed.add(connectionId)
    if (this.#closed.size <= limits.endedKnownMax) return
    for (const oldest of this.#closed) {
      this.#closed.delete(oldest)
      return
    }
  }

  /** Why a session that is not here cannot be resumed. */
  endOf(connectionId: string): ErrorInfo {
    const isClosed = this.#closed.has(connectionId)
    return isClosed ? errors.connectionClosed().info : errors.connectionExpired().info
  }

  #forgetOldest(): void {
    for (const [connectionId, { parked }] of this.#parked) {
      this.#parked.delete(connectionId)
      this.#ports.onLetGo?.(parked)
      return
    }
  }

  /** One deadline for all: it looks at the oldest. */
  #watch(): void {
    if (this.#oldest !== undefined) return
    for (const { untilMs } of this.#parked.values()) {
      this.#oldest = this.#ports.deadlines.at(untilMs, (nowMs) => {
        this.#oldest = undefined
        this.#expire(nowMs)
        this.#watch()
      })
      return
    }
  }

  #expire(nowMs: number): void {
    for (const { untilMs } of [...this.#parked.values()]) {
      if (untilMs > nowMs) return
      this.#forgetOldest()
    }
  }
}
