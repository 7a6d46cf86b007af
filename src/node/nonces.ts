/**
 * A worker's questions for nonces, each asked again under the same spendId until it is answered,
 * of whoever masters the nonce's partition by then; whoever waits longer than a request may take
 * is told that nobody knows.
 */

import type { Nonce } from '../auth/token-request.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { NonceVerdict, Spend, Spent } from '../peer/nonce-message.ts'

export interface NonceDeskPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  /** Sends to the master of the nonce's partition, if anybody is known to be it. */
  askMaster(message: Spend): void
}

/** Unknown: nobody has answered in time. */
type Outcome = NonceVerdict | 'unknown'

interface Asking {
  readonly message: Spend
  readonly untilMs: number
  retryMs: number
  retry: Deadline | undefined
  readonly onOutcome: (outcome: Outcome) => void
}

export class NonceDesk {
  readonly #ports: NonceDeskPorts
  readonly #asking = new Map<string, Asking>()

  constructor(ports: NonceDeskPorts) {
    this.#ports = ports
  }

  /** Nonces that are asked for. */
  get count(): number {
    return this.#asking.size
  }

  /** Uses a nonce, if nobody has; `onOutcome` is called once, later. */
  spend({ digest, untilMs }: Nonce, onOutcome: (outcome: Outcome) => void): void {
    const spendId = this.#ports.random.id(12)
    const asking: Asking = {
      message: { kind: 'spend', digest, spendId, untilMs },
      untilMs: this.#ports.now().monoMs + limits.requestAnswerMs,
      retryMs: limits.joinRetryMs,
      retry: undefined,
      onOutcome
    }
    this.#asking.set(spendId, asking)
    this.#ask(asking)
  }

  /** Somebody else may be the master now. */
  onView(): void {
    for (const asking of this.#asking.values()) {
      this.#ports.deadlines.cancel(asking.retry)
      asking.retryMs = limits.joinRetryMs
      this.#ask(asking)
    }
  }

  onSpent({ spendId, verdict }: Spent): void {
    this.#settle(spendId, verdict)
  }

  #ask(asking: Asking): void {
    const { message, untilMs } = asking
    const pauseMs = this.#ports.random.jitter(asking.retryMs, 0.3)
    asking.retryMs = Math.min(asking.retryMs * 2, limits.joinRetryMaxMs)
    const atMs = Math.min(this.#ports.now().monoMs + pauseMs, untilMs)
    asking.retry = this.#ports.deadlines.at(atMs, () => {
      if (atMs === untilMs) this.#settle(message.spendId, 'unknown')
      else this.#ask(asking)
    })
    this.#ports.askMaster(message)
  }

  #settle(spendId: string, outcome: Outcome): void {
    const asking = this.#asking.get(spendId)
    if (asking === undefined) return
    this.#asking.delete(spendId)
    this.#ports.deadlines.cancel(asking.retry)
    asking.onOutcome(outcome)
  }
}
