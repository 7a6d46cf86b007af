/**
 * Who is asked to connect elsewhere, and how fast: everybody within a time where the node leaves
 * its ring; so many a second where the whole region sends its clients to others, so that these are
 * not overrun. Newcomers are refused meanwhile, in the same way.
 *
 *   staying ◀──evacuate──▶ evacuating
 *      └────────┬───────────────┘
 *             leave ──▶ leaving, for good
 *
 * A client that goes to another region has another connection there: what it published and was not
 * answered it publishes anew, under another id. So it goes when nothing is owed to it, or when it
 * has been waited for long enough. One that stays in the region keeps its connection, and its ids.
 */

import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Tally } from '../base/tally.ts'
import type { Session } from '../session/session.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'

const STEP_MS = 100

const LEAVING = 'The node is leaving; connect again'
const DRAINING = 'The region is draining; connect to another one'

/** Where clients come in. */
export interface Door {
  /** Nobody is let in any more, and those who wait are refused. */
  close(because: ErrorInfo): void
  open(): void
}

export interface DeparturesPorts {
  readonly deadlines: Deadlines
  readonly tally: Tally
  now(): Now
  /** How many are there; and all of them, who came first first. */
  count(): number
  sessions(): Iterable<Session>
}

type State =
  | { readonly kind: 'staying' }
  /** `credit`: how many may go by now, with a fraction; counted up to `countedAtMs`. */
  | { readonly kind: 'evacuating'; perSecond: number; credit: number; countedAtMs: number }
  | { readonly kind: 'leaving'; readonly perStep: number }

export class Departures {
  readonly #door: Door
  readonly #ports: DeparturesPorts
  #state: State = { kind: 'staying' }
  #step: Deadline | undefined
  /** Since when somebody's turn was passed over, for what is owed to it. */
  #owedSinceMs = new WeakMap<Session, number>()

  constructor(door: Door, ports: DeparturesPorts) {
    this.#door = door
    this.#ports = ports
  }

  /** Everybody goes, evenly over `withinMs`. */
  leave(withinMs: number): void {
    if (this.#state.kind === 'leaving') return
    const stepCount = Math.max(1, Math.floor(withinMs / STEP_MS))
    const perStep = Math.max(1, Math.ceil(this.#ports.count() / stepCount))
    this.#state = { kind: 'leaving', perStep }
    this.#door.close(errors.unavailable(LEAVING).info)
    this.#goOn()
  }

  /** So many go a second from now on; undefined: nobody goes, and all may come again. */
  evacuate(perSecond: number | undefined): void {
    const state = this.#state
    if (state.kind === 'leaving') return
    if (perSecond === undefined) {
      if (state.kind === 'staying') return
      this.#state = { kind: 'staying' }
      this.#ports.deadlines.cancel(this.#step)
      this.#door.open()
    } else if (state.kind === 'evacuating') {
      state.perSecond = perSecond
    } else {
      const countedAtMs = this.#ports.now().monoMs
      this.#state = { kind: 'evacuating', perSecond, credit: 0, countedAtMs }
      this.#owedSinceMs = new WeakMap()
      this.#door.close(errors.unavailable(DRAINING).info)
      this.#later()
    }
  }

  #goOn(): void {
    this.#ports.deadlines.cancel(this.#step)
    const state = this.#state
    if (state.kind === 'staying') return
    if (state.kind === 'leaving') this.#letGo(state.perStep)
    else this.#sendAway(state)
    if (this.#ports.count() > 0) this.#later()
  }

  #later(): void {
    const atMs = this.#ports.now().monoMs + STEP_MS
    this.#step = this.#ports.deadlines.at(atMs, () => this.#goOn())
  }

  #letGo(countMax: number): void {
    const error = errors.unavailable(LEAVING).info
    let count = 0
    for (const session of this.#ports.sessions()) {
      if (count++ >= countMax) break
      session.disconnect(error)
    }
  }

  /** Fractions count, so that any rate is kept; but a loop that stood still makes no rush of it. */
  #sendAway(state: State & { kind: 'evacuating' }): void {
    const nowMs = this.#ports.now().monoMs
    const creditMax = 1 + (STEP_MS * state.perSecond) / 1_000
    const gained = ((nowMs - state.countedAtMs) * state.perSecond) / 1_000
    state.credit = Math.min(creditMax, state.credit + gained)
    state.countedAtMs = nowMs
    const error = errors.unavailable(DRAINING).info
    for (const session of this.#ports.sessions()) {
      if (state.credit < 1) break
      if (!this.#mayGo(session, nowMs)) continue
      state.credit--
      this.#ports.tally.sentAwayCount++
      session.disconnect(error)
    }
  }

  #mayGo(session: Session, nowMs: number): boolean {
    if (session.owedCount === 0) return true
    const sinceMs = this.#owedSinceMs.get(session) ?? nowMs
    this.#owedSinceMs.set(session, sinceMs)
    return nowMs >= sinceMs + limits.departureWaitMs
  }
}
