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
  /** Whose turn has come while something was owed to them, and when it came. */
  readonly #called = new Map<Session, number>()

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
    this.#called.clear()
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
      this.#called.clear()
      this.#ports.deadlines.cancel(this.#step)
      this.#door.open()
    } else if (state.kind === 'evacuating') {
      state.perSecond = perSecond
    } else {
      const countedAtMs = this.#ports.now().monoMs
      this.#state = { kind: 'evacuating', perSecond, credit: 0, countedAtMs }
      this.#door.close(errors.unavailable(DRAINING).info)
      this.#later()
    }
  }

  /** It was given its answers: whose turn has come goes before it says anything new. */
  onAnswered(session: Session): void {
    if (!this.#called.has(session) || session.owedCount > 0) return
    const { deadlines, now } = this.#ports
    deadlines.at(now().monoMs, () => {
      if (this.#called.has(session) && session.owedCount === 0) this.#part(session)
    })
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
    for (const [session, calledAtMs] of this.#called) {
      if (!session.isOpen) this.#called.delete(session)
      else if (nowMs >= calledAtMs + limits.departureWaitMs) this.#part(session)
    }
    const creditMax = 1 + (STEP_MS * state.perSecond) / 1_000
    const gained = ((nowMs - state.countedAtMs) * state.perSecond) / 1_000
    state.credit = Math.min(creditMax, state.credit + gained)
    state.countedAtMs = nowMs
    for (const session of this.#ports.sessions()) {
      if (state.credit < 1) break
      if (this.#called.has(session)) continue
      state.credit--
      if (session.owedCount === 0) this.#part(session)
      else this.#called.set(session, nowMs)
    }
  }

  #part(session: Session): void {
    this.#called.delete(session)
    this.#ports.tally.sentAwayCount++
    session.disconnect(errors.unavailable(DRAINING).info)
  }
}
