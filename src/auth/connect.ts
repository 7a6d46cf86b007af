/**
 * Who may be who: the credentials that a client connects with, and what becomes of those who are
 * connected when apps and keys change (ably-protocol 4.5).
 */

import { errors, type ProtocolError } from '../wire/errors.ts'
import type { AppDirectory } from './app.ts'
import { capabilityText } from './capability.ts'
import { authenticateKey, type Authenticated, type Credentials } from './key.ts'
import { authenticateToken, keyNameIn } from './token.ts'

/** What a client shows; a key counts more than a token. */
export interface Shown {
  readonly key?: string | undefined
  readonly accessToken?: string | undefined
  /** Who it wants to be. */
  readonly clientId?: string | undefined
  /** False: others could read what it shows. */
  readonly isTls?: boolean | undefined
}

/**
 * Proves what was shown. Errors: those of keys and of tokens; 40101 for nothing; 40311 for an app
 * that wants TLS.
 */
export function authenticate(shown: Shown, directory: AppDirectory, nowMs: number): Authenticated {
  const proven = proof(shown, directory, nowMs)
  const refusal = proven.ok ? tlsRefusal(proven.credentials, shown.isTls, directory) : undefined
  return refusal === undefined ? proven : { ok: false, error: refusal }
}

/** Why an app is closed to who comes without TLS: 40311; undefined: it is not. */
export function tlsRefusal(
  { appId }: Pick<Credentials, 'appId'>, isTls: boolean | undefined, directory: AppDirectory
): ProtocolError | undefined {
  const isClosed = isTls === false && directory.app(appId)?.tlsOnly === true
  return isClosed ? errors.tlsRequired() : undefined
}

/**
 * The key, `appId.keyId`, that somebody shows or has a token of, whatever that is worth; or its app
 * alone, where no more is said.
 */
export function keyNameShown({ key, accessToken }: Shown): string | undefined {
  if (key !== undefined) return key.split(':', 1)[0]
  return accessToken === undefined ? undefined : keyNameIn(accessToken)
}

function proof(
  { key, accessToken, clientId }: Shown, directory: AppDirectory, nowMs: number
): Authenticated {
  if (key !== undefined) return authenticateKey(key, directory, clientId)
  if (accessToken !== undefined) return authenticateToken(accessToken, directory, nowMs, clientId)
  return { ok: false, error: errors.noCredentials() }
}

/** What became of a key: it is gone, it has another secret, or it may more or less. */
export type KeyChange = 'removed' | 'replaced' | 'rights'

/** The keys of `former` that are not the same in `next`, by name. */
export function changedKeys(former: AppDirectory, next: AppDirectory): Map<string, KeyChange> {
  const changes = new Map<string, KeyChange>()
  for (const { appId, keys } of former.apps) {
    for (const key of keys) {
      const keyName = `${appId}.${key.id}`
      const now = next.key(keyName)?.key
      if (now === undefined) changes.set(keyName, 'removed')
      else if (now.secret !== key.secret) changes.set(keyName, 'replaced')
      else if (capabilityText(now.capability) !== capabilityText(key.capability)) {
        changes.set(keyName, 'rights')
      }
    }
  }
  return changes
}

/** Whose a connection is. */
export type Identified = Pick<Credentials, 'appId' | 'keyName' | 'clientId'>

/**
 * Whether a connection may go on with new credentials (4.7). App and key stay; a clientId that
 * names one client does, too. Who was nobody, or might be anybody, may be somebody from now on.
 */
export function isSuccessor(former: Identified, next: Credentials): boolean {
  if (former.appId !== next.appId || former.keyName !== next.keyName) return false
  return namedClient(former) === undefined || former.clientId === next.clientId
}

/** The one client that these credentials are for, if they are for one. */
export function namedClient({ clientId }: Pick<Credentials, 'clientId'>): string | undefined {
  return clientId === '*' ? undefined : clientId
}
