/**
 * Whether a worker has more to do than it can. The shell measures, now and then, how late its
 * event loop is and how much of its memory is used; what follows from that is decided here.
 *
 *   calm ──late, look after look; or short of memory──▶ strained
 *     ▲                                                   │ newcomers are sent elsewhere, with a
 *     └──in time and with memory to spare for a while─────┘ code that makes SDKs back off
 *
 * Connections that go on are still let in while there is memory: sent away, they would come again.
 * Who is behind with reading is cut off when memory is nearly gone.
 */

import { limits } from '../base/limits.ts'

/** What the shell measured. */
export interface Strain {
  /** How much later than due the event loop came to it. */
  readonly lagMs: number
  /** Of what may be used, from 0 to 1. */
  readonly memoryShare: number
}

export class Overload {
  #strain: Strain = { lagMs: 0, memoryShare: 0 }
  #isStrained = false
  #lateLooks = 0
  #calmLooks = 0

  /** The shell has looked. */
  onStrain(strain: Strain): void {
    this.#strain = strain
    const { lagMs, memoryShare } = strain
    this.#lateLooks = lagMs >= limits.strainedLagMs ? this.#lateLooks + 1 : 0
    const isShort = memoryShare >= limits.strainedMemoryShare
    const isCalm = lagMs < limits.calmLagMs && memoryShare < limits.calmMemoryShare
    this.#calmLooks = isCalm ? this.#calmLooks + 1 : 0
    if (isShort || this.#lateLooks >= limits.strainedLooks) this.#isStrained = true
    else if (this.#calmLooks >= limits.calmLooks) this.#isStrained = false
  }

  get lagMs(): number {
    return this.#strain.lagMs
  }

  /** True: newcomers are not let in. */
  get isStrained(): boolean {
    return this.#isStrained
  }

  /** True: nobody is let in, and who is behind with reading has to go. */
  get isDire(): boolean {
    return this.#strain.memoryShare >= limits.direMemoryShare
  }
}
