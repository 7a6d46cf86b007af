/**
 * What a node does for the ring's log (rule 1): it plans one where the view has none, sees to its
 * streams when the plan says that it may, and writes into the view that they are made.
 *
 *   (no plan) ──proposed, with a maker──▶ being made ──made──▶ made ──other redundancy──▶ made
 *                                            │ the maker is gone: a plan of a new generation
 *
 * Only the maker makes streams, and only after the view that names it was surely written. Once
 * they are made, a stream that is missing was lost: nobody makes it again under its old name.
 */

import type { Random } from '../base/random.ts'
import { type LogPlan, memberOf, type View } from '../ring/view.ts'
import type { MemberOutbox } from './member-ports.ts'

const GENERATION_LENGTH = 8

/** What the log of this ring should be. */
export interface LogWish {
  readonly streamCount: number
  readonly redundancy: number
}

export class LogDesk {
  readonly #self: string
  readonly #wish: LogWish | undefined
  readonly #random: Random
  readonly #outbox: MemberOutbox
  /** Of the next plan; kept until a view has it, so that a write tried again is the same. */
  #generation: string
  #made: string | undefined
  /** The plan whose streams the shell was last asked to see to. */
  #asked = ''

  /** Without a wish the ring has no log in streams (dev mode). */
  constructor(self: string, wish: LogWish | undefined, random: Random, outbox: MemberOutbox) {
    this.#self = self
    this.#wish = wish
    this.#random = random
    this.#outbox = outbox
    this.#generation = random.id(GENERATION_LENGTH)
  }

  /** The streams of this generation have leaders, and all their copies are current. */
  onMade(generation: string): void {
    this.#made = generation
  }

  /** The plan that the next view should have, if another than `view` has. */
  wanted(view: View, rank: number): LogPlan | undefined {
    const wish = this.#wish
    const plan = view.log
    if (wish === undefined) return undefined
    if (plan === undefined) return this.#freshPlan(wish)
    const { maker, ...rest } = plan
    if (maker === this.#self) return this.#made === plan.generation ? rest : undefined
    if (maker !== undefined) {
      return memberOf(maker, view) === undefined ? this.#freshPlan(wish) : undefined
    }
    // While the nodes are given another redundancy one by one, it is the first in order that
    // decides, so the view changes once, and not back and forth.
    const isOther = rank === 0 && plan.redundancy !== wish.redundancy
    return isOther ? { ...plan, redundancy: wish.redundancy } : undefined
  }

  /** Asks the shell to see to the streams, if it is this node that has to; `view` is written. */
  step(view: View, rank: number): void {
    const { log } = view
    if (this.#wish === undefined || log === undefined) return
    if (log.generation === this.#generation) this.#generation = this.#random.id(GENERATION_LENGTH)
    const isOurs = log.maker === undefined ? rank === 0 : log.maker === this.#self
    const asked = isOurs ? JSON.stringify(log) : ''
    if (asked === this.#asked) return
    this.#asked = asked
    if (isOurs) this.#outbox.push({ kind: 'makeLog', plan: log })
  }

  #freshPlan({ streamCount, redundancy }: LogWish): LogPlan {
    return { generation: this.#generation, streamCount, redundancy, maker: this.#self }
  }
}
