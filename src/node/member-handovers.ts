/**
 * The steps of planned moves as a node sees them (ring/handover.ts). A receiver says, to those who
 * may propose, that it is settled: it masters what the view has given it, and has read the logs of
 * what the view announces. Whoever proposes takes the next step when all receivers that live have
 * said so, or when they were waited for long enough: a handover that is not prepared is one that
 * takes longer, no more.
 */

import type { Timing } from '../ring/timing.ts'
import type { View } from '../ring/view.ts'
import type { Send } from './member-views.ts'

/** How many of those who may propose are told: the first, and whoever takes its place. */
const TOLD_MAX = 2

export class HandoverDesk {
  readonly #self: string
  readonly #timing: Timing
  readonly #send: Send
  /** Those of the present view. */
  #receivers: ReadonlySet<string> = new Set()
  readonly #settled = new Set<string>()
  #viewVersion = 0
  #isUnderWay = false
  #boundAtMs = Infinity
  /** The view with which this node's workers are settled. */
  #ownVersion = 0
  #sayAtMs = 0

  constructor(self: string, timing: Timing, send: Send) {
    this.#self = self
    this.#timing = timing
    this.#send = send
  }

  /** True while the present view announces handovers: other planned changes wait. */
  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** `view` takes the place of `former`. */
  onView(former: View | undefined, view: View, nowMs: number): void {
    const announced = [...(former?.handovers ?? []), ...(view.handovers ?? [])]
    this.#receivers = new Set(announced.map(({ to }) => to))
    this.#settled.clear()
    this.#viewVersion = view.version
    this.#isUnderWay = view.handovers !== undefined
    this.#boundAtMs = this.#isUnderWay ? nowMs + this.#timing.handoverMs : Infinity
    this.#sayAtMs = nowMs
  }

  /** `incarnation` is settled with the view of this version. */
  onSettled(incarnation: string, viewVersion: number): void {
    if (viewVersion === this.#viewVersion) this.#settled.add(incarnation)
  }

  /** All workers of this node are settled with the view of this version. */
  onOwnSettled(viewVersion: number): void {
    this.#ownVersion = viewVersion
  }

  /** True if the handovers that the view announces may be carried out. */
  isDue(gone: ReadonlyMap<string, string>, nowMs: number): boolean {
    if (!this.#isUnderWay) return false
    if (nowMs >= this.#boundAtMs) return true
    return [...this.#receivers].every((incarnation) =>
      this.#settled.has(incarnation) || gone.has(incarnation))
  }

  /** Says what is due to `proposers`, the first first; call it with the mesh up. */
  step(proposers: readonly string[], nowMs: number): void {
    if (!this.#isToldOfUs() || nowMs < this.#sayAtMs) return
    this.#sayAtMs = nowMs + this.#timing.helloMs
    for (const to of proposers.slice(0, TOLD_MAX)) {
      if (to === this.#self) this.#settled.add(to)
      else this.#send(to, { kind: 'settled' })
    }
  }

  /** When something is due again, or Infinity. */
  nextDeadlineMs(nowMs: number): number {
    const sayAtMs = this.#isToldOfUs() && nowMs < this.#sayAtMs ? this.#sayAtMs : Infinity
    const boundAtMs = nowMs < this.#boundAtMs ? this.#boundAtMs : Infinity
    return Math.min(sayAtMs, boundAtMs)
  }

  #isToldOfUs(): boolean {
    return this.#isUnderWay && this.#receivers.has(this.#self) &&
      this.#ownVersion === this.#viewVersion
  }
}
