/**
 * Asks for Ably tokens by signed requests, and sends each of them to several workers at once, as
 * somebody would who has overheard it.
 */

import { createHash, createHmac } from 'node:crypto'
import type { Random } from '../../src/base/random.ts'
import { EPOCH_MS } from './clock.ts'
import { KEY } from './app.ts'
import type { Region } from './region.ts'
import type { RestWitness } from './rest-client.ts'

const REPEAT_MS = 3_000

export class TokenSeeker {
  readonly #region: Region
  readonly #random: Random
  readonly #witness: RestWitness
  #count = 0

  constructor(region: Region, random: Random, witness: RestWitness) {
    this.#region = region
    this.#random = random
    this.#witness = witness
  }

  /** Asks for one token, once or more often. */
  seek(): void {
    const request = this.#signed()
    const target = `/keys/${request.keyName}/requestToken`
    const body = new TextEncoder().encode(JSON.stringify(request))
    const headers = { 'content-type': 'application/json' }
    const digest = createHash('sha256').update(`${request.keyName}\n${request.nonce}`)
      .digest('base64url')
    const ask = (): void => {
      const raw = { method: 'POST', target, headers, body, isTls: false }
      this.#region.ask(raw, (answer) => {
        if (answer !== undefined && answer.status < 500) this.#witness.onTokenAnswer(digest, answer)
      })
    }
    ask()
    for (let more = this.#random.below(3); more > 0; more--) {
      this.#region.world.after(this.#random.below(REPEAT_MS), ask)
    }
  }

  #signed() {
    const [keyName, secret] = KEY.split(':') as [string, string]
    const timestamp = Math.floor(EPOCH_MS + this.#region.world.nowMs)
    const nonce = `of the simulator ${++this.#count}`
    const ttl = 60_000
    const text = [keyName, ttl, '', '', timestamp, nonce].map((each) => `${each}\n`).join('')
    const mac = createHmac('sha256', secret).update(text).digest('base64')
    return { keyName, ttl, timestamp, nonce, mac }
  }
}
