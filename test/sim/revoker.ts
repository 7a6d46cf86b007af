/**
 * Revokes tokens of the region's revocable key now and then, by what clients' tokens have in
 * common; of any worker, which may be one that does not reach the log.
 */

import type { Random } from '../../src/base/random.ts'
import { REVOCABLE_KEY } from './app.ts'
import type { Region } from './region.ts'
import { basic } from './rest-nonsense.ts'
import { Violation } from './world.ts'

const PAUSE_MS = 3_000
/** How many revocation keys and rooms there are; tokens have one of each. */
export const GROUP_COUNT = 3

export interface RevokerWitness {
  /** Somebody asks; it may be done, or not. */
  onRevoking(targets: readonly string[]): void
  /** It is done. */
  onRevoked(target: string, issuedBeforeMs: number, hasMargin: boolean): void
}

export class Revoker {
  readonly #region: Region
  readonly #random: Random
  readonly #witness: RevokerWitness
  #isOn = true

  constructor(region: Region, witness: RevokerWitness) {
    this.#region = region
    this.#random = region.fork('revoker')
    this.#witness = witness
    this.#liveOn()
  }

  stop(): void {
    this.#isOn = false
  }

  #liveOn(): void {
    this.#region.world.after(this.#random.jitter(PAUSE_MS, 0.9), () => {
      if (!this.#isOn) return
      this.#revoke()
      this.#liveOn()
    })
  }

  #revoke(): void {
    const [keyName] = REVOCABLE_KEY.split(':') as [string]
    const targets = [this.#target(), ...(this.#random.below(3) === 0 ? [this.#target()] : [])]
    const allowReauthMargin = this.#random.below(3) === 0
    this.#witness.onRevoking(targets)
    this.#region.world.note(`tokens of ${targets.join(', ')} are to be revoked`)
    this.#region.ask({
      method: 'POST', target: `/keys/${keyName}/revokeTokens`, isTls: false,
      headers: {
        authorization: basic(REVOCABLE_KEY), 'content-type': 'application/json',
        'x-ably-version': '3'
      },
      body: new TextEncoder().encode(JSON.stringify({ targets, allowReauthMargin }))
    }, (answer) => {
      if (answer === undefined || answer.status >= 500) return
      if (answer.status !== 201 || answer.value.successCount !== targets.length) {
        throw new Violation('revocations', `refused: ${JSON.stringify(answer.value)}`)
      }
      for (const { target, issuedBefore } of answer.value.results) {
        this.#witness.onRevoked(target, issuedBefore, allowReauthMargin)
      }
    })
  }

  #target(): string {
    const no = this.#random.below(GROUP_COUNT)
    const kinds = [`clientId:c${no}`, `revocationKey:batch ${no}`, `channel:room:${no}`]
    return kinds[this.#random.below(kinds.length)]!
  }
}
