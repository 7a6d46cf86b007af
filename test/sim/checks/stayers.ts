/**
 * A check of one region, for clients that stay there: it hears nothing of the sockets of others,
 * whose history another region's log has.
 */

import type { SimSocket } from '../sockets.ts'
import type { Wire } from '../wire.ts'
import type { Check } from './check.ts'

export class Stayers implements Check {
  readonly #check: Check
  readonly #isMover: (client: object) => boolean

  constructor(check: Check, isMover: (client: object) => boolean) {
    this.#check = check
    this.#isMover = isMover
  }

  onAppended(...taken: Parameters<NonNullable<Check['onAppended']>>): void {
    this.#check.onAppended?.(...taken)
  }

  onRolledBack(partition: number, keptSeq: number): void {
    this.#check.onRolledBack?.(partition, keptSeq)
  }

  onClientSays(socket: SimSocket, message: Wire): void {
    if (!this.#isMover(socket.client)) this.#check.onClientSays?.(socket, message)
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    if (!this.#isMover(socket.client)) this.#check.onServerSays?.(socket, message)
  }

  onSocketGone(socket: SimSocket): void {
    if (!this.#isMover(socket.client)) this.#check.onSocketGone?.(socket)
  }

  missing(): string[] {
    return this.#check.missing?.() ?? []
  }
}
