/**
 * What a partition keeps besides channels: who holds which connection (rule 20), and which nonces
 * were used. Both are entries of its log, and both are judged by its master alone.
 */

import type { Size } from '../base/sizes.ts'
import type { Entry } from '../log/entry.ts'
import type { RecoveredLog } from '../log/replay.ts'
import type { ToRegister } from '../peer/claim-message.ts'
import type { Spend } from '../peer/nonce-message.ts'
import type { Place } from '../peer/place.ts'
import { ClaimRegister, type RegisterPorts } from './claims.ts'
import { NonceRegister, type NoncesPorts } from './nonces.ts'
import type { PartitionState } from './partition-state.ts'

export type PartitionRegistersPorts = RegisterPorts & NoncesPorts

export class PartitionRegisters {
  readonly #claims: ClaimRegister
  readonly #nonces: NonceRegister

  constructor(ports: PartitionRegistersPorts) {
    this.#claims = new ClaimRegister(ports)
    this.#nonces = new NonceRegister(ports)
  }

  /** True while time alone will let something go. */
  get isShrinking(): boolean {
    return this.#claims.isShrinking || this.#nonces.size > 0
  }

  /** Connections and nonces that are kept. */
  get size(): number {
    return this.#claims.size + this.#nonces.size
  }

  *sizes(): Generator<Size> {
    yield* this.#claims.sizes()
    yield* this.#nonces.sizes()
  }

  /** For a snapshot. */
  state(): Pick<PartitionState, 'claims' | 'nonces'> {
    return { claims: this.#claims.state(), nonces: this.#nonces.state() }
  }

  /** Takes what the log has, of its snapshot and after it, oldest first. */
  restore({ claims, nonces }: PartitionState, found: RecoveredLog): void {
    for (const record of claims) this.#claims.restore(record)
    for (const record of nonces) this.#nonces.restore(record)
    for (const { entry, number } of found.entries) {
      if (number <= found.asOf) continue
      if (entry.kind === 'claim') this.#claims.restore(entry.record)
      else if (entry.kind === 'nonce') this.#nonces.restore(entry.record)
    }
  }

  /** The partition is ours, in this lineage and epoch, and everything is restored. */
  begin(lineage: string, epoch: number): void {
    this.#claims.begin(lineage, epoch)
    this.#nonces.begin()
  }

  end(): void {
    this.#claims.end()
    this.#nonces.end()
  }

  onMessage(from: Place, message: ToRegister | Spend): void {
    if (message.kind === 'spend') this.#nonces.onSpend(from, message)
    else this.#claims.onMessage(from, message)
  }

  /** An entry is in the log. */
  onCommitted(entry: Entry, number: number): void {
    this.#claims.onCommitted(entry, number)
    this.#nonces.onCommitted(entry)
  }

  /** A place is gone, or has a new life. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    this.#claims.onPlaceGone(isGone)
  }

  /** What was said to `place` may be lost; who asked for a nonce asks again. */
  onLinkReset(place: Place): void {
    this.#claims.onLinkReset(place)
  }

  expire(nowMs: number): void {
    this.#claims.expire(nowMs)
    this.#nonces.expire()
  }
}
