/**
 * API keys: `<appId>.<keyId>:<secret>` (ably-protocol 11.1). A key is public up to its colon, so
 * an unknown app or key may be told from a wrong secret; the secret is compared in time that does
 * not depend on it, and appears in no error and no log.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { ProtocolError } from '../wire/errors.ts'
import { errors } from '../wire/errors.ts'
import type { AppDirectory } from './app.ts'
import type { Capability } from './capability.ts'

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
}

export type Authenticated =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false; readonly error: ProtocolError }

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
  if (!isSameSecret(given.secret, found.key.secret)) {
    return { ok: false, error: errors.keySecretWrong() }
  }
  const { capability } = found.key
  return { ok: true, credentials: { appId, keyName, clientId: clientId ?? '*', capability } }
}

/** Digests are compared, for those have one length; equal digests mean equal secrets. */
function isSameSecret(given: string, known: string): boolean {
  return timingSafeEqual(digest(given), digest(known))
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
