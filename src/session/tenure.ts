/**
 * How long a session's credentials last (ably-protocol 4.6). A key has no end. A token has: half a
 * minute before it the client is asked for another one, and at its end the socket is, while what
 * the client needs to be resumed is kept. One that lives shorter than that is not asked for: its
 * client would be asked again at once, and again.
 *
 * Tokens end by the wall clock and deadlines by the monotonic one, so the end is looked at again
 * when its deadline comes.
 */

import type { Credentials } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'

export interface TenureOwner {
  /** The credentials end soon. */
  onExpiring(): void
  /** They have ended. */
  onExpired(): void
}

export interface TenurePorts {
  readonly deadlines: Deadlines
  now(): Now
}

export class Tenure {
  readonly #owner: TenureOwner
  readonly #ports: TenurePorts
  #deadline: Deadline | undefined

  constructor(owner: TenureOwner, ports: TenurePorts) {
    this.#owner = owner
    this.#ports = ports
  }

  /** Begins anew with these. */
  begin({ token }: Credentials): void {
    this.stop()
    if (token === undefined) return
    const { expiresAtMs } = token
    const askAtMs = expiresAtMs - limits.renewalLeadMs
    if (askAtMs > this.#ports.now().wallMs) {
      this.#at(askAtMs, () => {
        this.#at(expiresAtMs, () => this.#owner.onExpired())
        this.#owner.onExpiring()
      })
    } else {
      this.#at(expiresAtMs, () => this.#owner.onExpired())
    }
  }

  stop(): void {
    this.#ports.deadlines.cancel(this.#deadline)
    this.#deadline = undefined
  }

  #at(wallMs: number, run: () => void): void {
    const { deadlines, now } = this.#ports
    const { monoMs, wallMs: nowMs } = now()
    this.#deadline = deadlines.at(monoMs + Math.max(0, wallMs - nowMs), () => {
      this.#deadline = undefined
      if (now().wallMs < wallMs) this.#at(wallMs, run)
      else run()
    })
  }
}
