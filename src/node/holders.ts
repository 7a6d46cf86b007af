/**
 * A worker's questions to the homes of connections that others speak for (protocol 6.1): is the
 * connection there, and is the key that names it its own? A home answers as it answers a register
 * (rule 20), and is asked again until it does. What a home that is gone had is over: whoever goes
 * on with it has another key.
 *
 *   asked ──held under this key, or its client has no newer one──▶ held
 *     ├──closed, expired, gone elsewhere, of a former life; the home removed──▶ over
 *     └──no answer in time──▶ unknown
 */

import type { ConnectionFacts } from '../auth/connection-key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { Holding, HoldingTold, StillHeld } from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'

export type Held = 'held' | 'over' | 'unknown'

export interface HoldersPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  viewVersion(): number
  /** True for a node of the view. */
  isMember(incarnation: string): boolean
  /** The same, unless it is thought to be gone although the view does not say so (rule 10). */
  isListed(incarnation: string): boolean
  send(to: Place, message: StillHeld): void
}

interface Asking {
  readonly askId: string
  readonly facts: ConnectionFacts
  readonly untilMs: number
  retryMs: number
  retry: Deadline | undefined
  readonly onHeld: (held: Held) => void
}

export class Holders {
  readonly #ports: HoldersPorts
  /** As many as requests that wait for it, at most. */
  readonly #asking = new Map<string, Asking>()

  constructor(ports: HoldersPorts) {
    this.#ports = ports
  }

  /** Questions without an answer. */
  get count(): number {
    return this.#asking.size
  }

  /** Asks the home of a key that was proven; `onHeld` is called once. */
  ask(facts: ConnectionFacts, onHeld: (held: Held) => void): void {
    const askId = this.#ports.random.id(12)
    const untilMs = this.#ports.now().monoMs + limits.behalfAnswerMs
    const retryMs = limits.askRetryMs
    const asking: Asking = { askId, facts, untilMs, retryMs, retry: undefined, onHeld }
    this.#asking.set(askId, asking)
    this.#say(asking)
  }

  /** False: nobody here has asked for that. */
  onHolding({ claimId: askId, holding }: HoldingTold): boolean {
    const asking = this.#asking.get(askId)
    if (asking === undefined) return false
    this.#settle(asking, isHeld(holding, asking.facts) ? 'held' : 'over')
    return true
  }

  #say(asking: Asking): void {
    const { askId, facts: { connectionId, home, viewVersion }, untilMs } = asking
    const { deadlines, random, now, send } = this.#ports
    const { generation, ...place } = home
    const { isMember, isListed } = this.#ports
    // Behind the view of the key we may not know of its home yet.
    if (!isMember(home.incarnation) && viewVersion <= this.#ports.viewVersion()) {
      this.#settle(asking, 'over')
      return
    }
    const pauseMs = random.jitter(asking.retryMs, 0.3)
    asking.retryMs = Math.min(2 * asking.retryMs, limits.askRetryMaxMs)
    const atMs = Math.min(now().monoMs + pauseMs, untilMs)
    asking.retry = deadlines.at(atMs, () => {
      if (atMs === untilMs) this.#settle(asking, 'unknown')
      else this.#say(asking)
    })
    const ask = { connectionId, claimId: askId, generation, heldAs: undefined, mustEnd: false }
    if (isListed(home.incarnation)) send(place, { kind: 'stillHeld', ...ask })
  }

  #settle({ askId, retry, onHeld }: Asking, held: Held): void {
    this.#asking.delete(askId)
    this.#ports.deadlines.cancel(retry)
    onHeld(held)
  }
}

/** A key is retired once its client was heard with a newer one. */
function isHeld(holding: Holding, { claim }: ConnectionFacts): boolean {
  return holding.kind === 'held' && !(holding.isProven && holding.claim > claim)
}
