/**
 * What a node says of itself, again and again until it is answered by a view: a candidate and a
 * joining node say hello, a leaving one that it leaves and whether anything is left on it (rules
 * 7 and 8). A message may be lost; nobody counts on having been heard.
 */

import type { Member, WorkerState } from '../peer/membership.ts'
import type { Roster } from '../ring/roster.ts'
import type { Timing } from '../ring/timing.ts'
import { memberOf, type View } from '../ring/view.ts'
import type { GenerationsDesk } from './member-generations.ts'
import type { MemberIdentity } from './member-ports.ts'
import type { Send } from './member-views.ts'

/** What the announcer works with. */
export interface AnnouncerParts {
  readonly identity: MemberIdentity
  readonly timing: Timing
  readonly roster: Roster
  readonly generations: GenerationsDesk
  readonly send: Send
}

export class Announcer {
  readonly #parts: AnnouncerParts
  #isHandedOver = false
  #nextAtMs = 0

  constructor(parts: AnnouncerParts) {
    this.#parts = parts
  }

  /** Something changed: what is to be said is said at once. */
  hurry(nowMs: number): void {
    this.#nextAtMs = nowMs
  }

  /** Nothing is left on this node. */
  onHandedOver(nowMs: number): void {
    this.#isHandedOver = true
    this.hurry(nowMs)
  }

  /** When `step` may have something to say, or Infinity once it serves. */
  nextDeadlineMs(isServing: boolean, nowMs: number): number {
    return isServing ? Infinity : Math.max(this.#nextAtMs, nowMs + 1)
  }

  /** Says what is due; call it with the mesh up. */
  step(
    view: View, isDraining: boolean, workers: readonly WorkerState[], nowMs: number
  ): void {
    if (nowMs < this.#nextAtMs) return
    // Who wants in must be able to serve: its workers speak to others by themselves.
    if (!isDraining && !workers.every(({ isMeshUp }) => isMeshUp)) return
    const { identity, timing, roster, generations, send } = this.#parts
    const self = identity.incarnation
    const listed = memberOf(self, view)
    if (isDraining) {
      if (listed === undefined) return
      roster.onLeaving(self, this.#isHandedOver)
      send('all', { kind: 'leaving', isHandedOver: this.#isHandedOver })
    } else if (listed === undefined || listed.state === 'joining') {
      const member: Member = { ...identity, state: 'joining' }
      roster.onHello(member, view.version, nowMs)
      send('all', { kind: 'hello', member, generations: generations.own })
    } else {
      return
    }
    this.#nextAtMs = nowMs + timing.helloMs
  }
}
