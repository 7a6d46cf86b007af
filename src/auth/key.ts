/**
 * API keys: `<appId>.<keyId>:<secret>` (ably-protocol 11.1). A key is public up to its colon, so
 * an unknown app or key may be told from a wrong secret; the secret is compared in time that does
 * not depend on it, and appears in no error and no log.
 */

import type { ProtocolError } from '../wire/errors.ts'
import { errors } from '../wire/errors.ts'
import type { AppDirectory, KeyConfig } from './app.ts'
import { type Capability, intersect, type Pattern } from './capability.ts'
import { isSameText } from './proof.ts'

/** The parts of a key; keyName is the public half, `<appId>.<keyId>`. */
export interface ApiKey {
  readonly appId: string
  readonly keyId: string
  readonly keyName: string
  readonly secret: string
}

/** Who somebody is and what they may do, once that was proven. */
export interface Credentials {
  readonly appId: string
  readonly keyName: string
  /** One client; `'*'` for one who may assume any; undefined for one who may assume none. */
  readonly clientId?: string
  readonly capability: Capability
  /** Of the token that proved it; undefined: the key itself did. */
  readonly token?: TokenFacts
}

/** What a token says besides who has it. */
export interface TokenFacts {
  readonly kind: 'ably' | 'jwt'
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  /** Its clientId, which is not that of the credentials where any may be assumed. */
  readonly issuedTo?: string
  /** What it may be revoked by, besides its clientId and its channels. */
  readonly revocationKey?: string
  /** What a JWT claims of its key's capability; undefined: all of it. */
  readonly claimed?: Capability
  /** What messages on these channels are stamped with (`extras.userClaim`). */
  readonly userClaims?: readonly ChannelClaim<string>[]
  /** How many messages a second may be published on these channels, per attachment. */
  readonly publishRates?: readonly ChannelClaim<number>[]
}

/** Something that a token says of the channels of a pattern. */
export interface ChannelClaim<T> {
  readonly pattern: Pattern
  readonly value: T
}

export type Authenticated =
  | { readonly ok: true; readonly credentials: Credentials }
  | {
      readonly ok: false
      readonly error: ProtocolError
      /** The token names a key, or an app, that is not there: requests are told so (11.5). */
      readonly missing?: 'app' | 'key'
    }

const API_KEY = /^([^\s:.]+)\.([^\s:.]+):([^\s:.]+)$/

/** The parts of an API key; undefined when the text has not the form of one. */
export function parseApiKey(text: string): ApiKey | undefined {
  const match = API_KEY.exec(text)
  if (match === null) return undefined
  const [, appId, keyId, secret] = match as unknown as [string, string, string, string]
  return { appId, keyId, keyName: `${appId}.${keyId}`, secret }
}

/**
 * Proves a key. Who has a key may assume any identity; `clientId` is the one it wants to have for
 * this connection. Errors: malformed, unknown app, unknown key, wrong secret, each 40101 (4.5).
 */
export function authenticateKey(
  text: string, directory: AppDirectory, clientId?: string
): Authenticated {
  const given = parseApiKey(text)
  if (given === undefined) return { ok: false, error: errors.malformedKey() }
  const { appId, keyName } = given
  if (directory.app(appId) === undefined) return { ok: false, error: errors.unknownApp(appId) }
  const found = directory.key(keyName)
  if (found === undefined) return { ok: false, error: errors.unknownKey(keyName) }
  if (!isSameText(given.secret, found.key.secret)) {
    return { ok: false, error: errors.keySecretWrong() }
  }
  const { capability } = found.key
  return { ok: true, credentials: { appId, keyName, clientId: clientId ?? '*', capability } }
}

/**
 * The same credentials when the capability of their key has changed: a key may what it may now,
 * a JWT no more than its key, and an Ably token what it was granted.
 */
export function withKey(credentials: Credentials, key: KeyConfig): Credentials {
  const { token } = credentials
  if (token?.kind === 'ably') return credentials
  const claimed = token?.claimed
  const capability = claimed === undefined ? key.capability : intersect(claimed, key.capability)
  return { ...credentials, capability }
}
