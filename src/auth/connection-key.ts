/**
 * Connection keys: what a client shows to have its connection continued elsewhere. A key is
 * `<connectionId>!<proof>`; the proof is an HMAC with a secret of the region over what the key
 * stands for, so that nobody can make one up from the public connectionId.
 */

import { createHmac } from 'node:crypto'
import type { Credentials } from './key.ts'

const PROOF_LENGTH = 22

/** Issues connection keys; the secret stays inside. */
export class ConnectionKeys {
  readonly #secret: Uint8Array
  readonly #home: string

  /** `secret`: at least 32 random bytes; `home` names the place and life that issues. */
  constructor(secret: Uint8Array, home: string) {
    this.#secret = secret
    this.#home = home
  }

  /** The key of a new connection with these credentials. */
  issue(connectionId: string, credentials: Credentials): string {
    const { appId, keyName, clientId } = credentials
    const claim = JSON.stringify([connectionId, appId, keyName, clientId ?? null, this.#home])
    const proof = createHmac('sha256', this.#secret).update(claim).digest('base64url')
    return `${connectionId}!${proof.slice(0, PROOF_LENGTH)}`
  }
}
