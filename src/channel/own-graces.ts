/**
 * The graces of connections whose members live at one group and whose socket is lost: they leave
 * when it is over. Meanwhile a higher claim on the connection may be granted to somebody else, who
 * knows from then on what becomes of its members.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'

/** A connection's members leave when it is over. */
export interface Grace {
  readonly claim: number
  readonly forMs: number
  readonly deadline: Deadline
  /** The highest claim that was granted to somebody else. */
  higherClaim: number
}

export interface GracePorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** The connection's members are about to leave, or are not any more. */
  onGrace(connectionId: string, isBegun: boolean): void
}

export class OwnGraces {
  readonly #ports: GracePorts
  readonly #graces = new Map<string, Grace>()

  constructor(ports: GracePorts) {
    this.#ports = ports
  }

  get(connectionId: string): Grace | undefined {
    return this.#graces.get(connectionId)
  }

  /** The highest claim of somebody else on the connection, where that is known; 0: none is. */
  higherClaimOn(connectionId: string): number {
    return this.#graces.get(connectionId)?.higherClaim ?? 0
  }

  /** Begins anew. `onOver` is called once, unless it ends before. */
  begin(connectionId: string, claim: number, forMs: number, onOver: () => void): void {
    const higherClaim = this.higherClaimOn(connectionId)
    this.end(connectionId)
    const deadline = this.#ports.deadlines.at(this.#ports.nowMs() + forMs, () => {
      this.end(connectionId)
      onOver()
    })
    this.#graces.set(connectionId, { claim, forMs, deadline, higherClaim })
    this.#ports.onGrace(connectionId, true)
  }

  end(connectionId: string): void {
    const grace = this.#graces.get(connectionId)
    if (grace === undefined) return
    this.#ports.deadlines.cancel(grace.deadline)
    this.#graces.delete(connectionId)
    this.#ports.onGrace(connectionId, false)
  }

  /** Somebody else has the connection by this claim. */
  overrule(connectionId: string, claim: number): void {
    const grace = this.#graces.get(connectionId)
    if (grace !== undefined) grace.higherClaim = Math.max(grace.higherClaim, claim)
  }
}
