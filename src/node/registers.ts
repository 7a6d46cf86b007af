/**
 * The way between this worker's sessions and the registers of connections (rule 20), wherever
 * those are: a register lives with the master of the partition that the connectionId falls into.
 */

import type { Now } from '../base/clock.ts'
import type { Fate } from '../channel/claims.ts'
import type { PartitionMaster } from '../channel/partition.ts'
import type { ClaimMessage, FromRegister, ToRegister } from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'
import type { View } from '../ring/view.ts'
import { Lives } from './lives.ts'
import type { Mastership } from './mastership.ts'

export interface RegistersPorts {
  now(): Now
  send(to: Place, message: ClaimMessage): void
  /** The partition's master, which is this worker's. */
  partition(partitionNo: number): PartitionMaster
  /** A register says something to this worker's sessions. */
  onClaimMessage(from: Place, message: FromRegister): void
}

export class Registers {
  readonly #mastership: Mastership
  readonly #ports: RegistersPorts
  readonly #lives = new Lives()

  constructor(mastership: Mastership, ports: RegistersPorts) {
    this.#mastership = mastership
    this.#ports = ports
  }

  /** To be told before anybody who may ask for a fate. */
  learn(view: View, gone: ReadonlySet<string>): void {
    this.#lives.learn(view, gone, this.#ports.now().monoMs)
  }

  fateOf(incarnation: string): Fate {
    return this.#lives.fateOf(incarnation, this.#ports.now())
  }

  /** Sends to the connection's register, if anybody is known to be it. */
  ask(connectionId: string, message: ToRegister): void {
    const master = this.#mastership.masterPlace(connectionId)
    if (master !== undefined) this.#ports.send(master, message)
  }

  /** Answers a register. */
  answer(to: Place, message: ToRegister): void {
    this.#ports.send(to, message)
  }

  onMessage(from: Place, message: ClaimMessage): void {
    if (message.kind !== 'claim' && message.kind !== 'prove' && message.kind !== 'holding') {
      this.#ports.onClaimMessage(from, message)
      return
    }
    const partitionNo = this.#mastership.partitionOf(message.connectionId)
    // Whoever asks one that is not the register asks again, and knows by then who is.
    if (!this.#mastership.isMine(partitionNo)) return
    this.#ports.partition(partitionNo).onClaimMessage(from, message)
  }
}
