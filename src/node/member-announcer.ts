/**
 * What a node says of itself, again and again until it is answered by a view: a candidate and a
 * joining node say hello, a leaving one that it leaves and whether anything is left on it (rules
 * 7 and 8). A message may be lost; nobody counts on having been heard.
 */

import type { Member, WorkerState } from '../peer/membership.ts'
import type { Roster } from '../ring/roster.ts'
import type { Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
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
  /** Before this nothing is said again. */
  #nextAtMs = 0
  /** When `step` will have something to say; Infinity: not before something changes. */
  #dueMs = Infinity

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

  /** When `step` will have something to say, or Infinity. */
  nextDeadlineMs(): number {
    return this.#dueMs
  }

  /** Says what is due, `listed` being this node in `view`; call it with the mesh up. */
  step(
    view: View, listed: Member | undefined, isDraining: boolean,
    workers: readonly WorkerState[], nowMs: number
  ): void {
    const hasToSay = hasToSayAs(listed, isDraining, workers)
    if (hasToSay && nowMs >= this.#nextAtMs) {
      if (isDraining) this.#sayLeaving()
      else this.#sayHello(view, nowMs)
      this.#nextAtMs = nowMs + this.#parts.timing.helloMs
    }
    this.#dueMs = hasToSay ? this.#nextAtMs : Infinity
  }

  #sayLeaving(): void {
    const { identity, roster, send } = this.#parts
    roster.onLeaving(identity.incarnation, this.#isHandedOver)
    send('all', { kind: 'leaving', isHandedOver: this.#isHandedOver })
  }

  #sayHello(view: View, nowMs: number): void {
    const { identity, roster, generations, send } = this.#parts
    const member: Member = { ...identity, state: 'joining' }
    roster.onHello(member, view.version, nowMs)
    send('all', { kind: 'hello', member, generations: generations.own })
  }
}

function hasToSayAs(
  listed: Member | undefined, isDraining: boolean, workers: readonly WorkerState[]
): boolean {
  if (isDraining) return listed !== undefined
  // Who wants in must be able to serve: its workers speak to others by themselves.
  if (!workers.every(({ isMeshUp }) => isMeshUp)) return false
  return listed === undefined || listed.state === 'joining'
}
