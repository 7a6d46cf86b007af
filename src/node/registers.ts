/**
 * The way between this worker's sessions and requests and the registers of connections (rule 20)
 * and nonces, wherever those are: with the master of the partition that the name falls into; and
 * to the homes of connections.
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import type { Fate } from '../channel/claims.ts'
import type { PartitionMaster } from '../channel/partition.ts'
import type { ClaimMessage, FromRegister, ToRegister } from '../peer/claim-message.ts'
import type { NonceMessage, Spend, Spent } from '../peer/nonce-message.ts'
import type { Place } from '../peer/place.ts'
import type { View } from '../ring/view.ts'
import { Holders } from './holders.ts'
import { Lives } from './lives.ts'
import type { Mastership } from './mastership.ts'

export interface RegistersPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  send(to: Place, message: ClaimMessage | NonceMessage): void
  /** The partition's master, which is this worker's. */
  partition(partitionNo: number): PartitionMaster
  /** A register says something to this worker's sessions. */
  onClaimMessage(from: Place, message: FromRegister): void
  /** A nonce of this worker's requests is judged. */
  onSpent(message: Spent): void
}

export class Registers {
  /** What requests ask of the homes of connections. */
  readonly holders: Holders
  readonly #mastership: Mastership
  readonly #ports: RegistersPorts
  readonly #lives = new Lives()

  constructor(mastership: Mastership, ports: RegistersPorts) {
    this.#mastership = mastership
    this.#ports = ports
    this.holders = new Holders({
      ...ports,
      viewVersion: () => mastership.viewVersion,
      isMember: (incarnation) => this.#lives.isMember(incarnation),
      isListed: (incarnation) => this.fateOf(incarnation) === 'listed'
    })
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

  /** Asks whoever judges the nonce, if anybody is known to. */
  spend(message: Spend): void {
    const master = this.#mastership.masterPlace(message.digest)
    if (master !== undefined) this.#ports.send(master, message)
  }

  onNonceMessage(from: Place, message: NonceMessage): void {
    if (message.kind === 'spent') this.#ports.onSpent(message)
    else this.#toMine(from, message.digest, message)
  }

  onMessage(from: Place, message: ClaimMessage): void {
    if (message.kind !== 'claim' && message.kind !== 'prove' && message.kind !== 'holding') {
      this.#ports.onClaimMessage(from, message)
      return
    }
    if (message.kind === 'holding' && this.holders.onHolding(message)) return
    this.#toMine(from, message.connectionId, message)
  }

  /** Whoever asks one that is not the register asks again, and knows by then who is. */
  #toMine(from: Place, name: string, message: ToRegister | Spend): void {
    const partitionNo = this.#mastership.partitionOf(name)
    if (!this.#mastership.isMine(partitionNo)) return
    this.#ports.partition(partitionNo).onRegisterMessage(from, message)
  }
}
