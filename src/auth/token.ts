/**
 * Access tokens of every form, told apart by their dots (ably-protocol 11.2, 11.5): an Ably token
 * has one, a JWT two, an encrypted JWT four. A JWT may carry another token (`x-ably-token`): then
 * it is the envelope alone, signed by whom it pleases, and the one inside counts.
 */

import { errors } from '../wire/errors.ts'
import { authenticateAblyToken, isAblyToken } from './ably-token.ts'
import type { AppDirectory } from './app.ts'
import type { Authenticated, Credentials } from './key.ts'
import { authenticateJwt, jwtParts } from './jwt.ts'

/**
 * Proves a token. `clientId` is the one that its owner wants to have: it must be the token's,
 * unless that may assume any. Errors: 40101 for keys that are not ours, 40142 to 40145 for the
 * token, 40102 for the clientId (4.5, 11.2).
 */
export function authenticateToken(
  text: string, directory: AppDirectory, nowMs: number, clientId?: string
): Authenticated {
  const proven = prove(text, directory, nowMs, true)
  return proven.ok ? asClient(proven.credentials, clientId) : proven
}

function prove(
  text: string, directory: AppDirectory, nowMs: number, mayEnvelop: boolean
): Authenticated {
  if (isAblyToken(text)) return authenticateAblyToken(text, directory, nowMs)
  if (!text.includes('.')) {
    return { ok: false, error: errors.invalidToken('neither an Ably token nor a JWT') }
  }
  const parts = jwtParts(text)
  if (parts === undefined) return { ok: false, error: errors.invalidJwt('not the form of one') }
  const inner = parts.header['x-ably-token'] ?? parts.claims?.['x-ably-token']
  if (inner === undefined) return authenticateJwt(parts, directory, nowMs)
  if (typeof inner !== 'string' || !mayEnvelop) {
    return { ok: false, error: errors.invalidJwt('what it carries is no token') }
  }
  return prove(inner, directory, nowMs, false)
}

/**
 * The key that a token says it is of, whatever that is worth, or its app where it says no more;
 * undefined where it says nothing.
 */
export function keyNameIn(text: string, mayEnvelop = true): string | undefined {
  if (isAblyToken(text)) return text.split('.', 1)[0]
  const { header, claims } = jwtParts(text) ?? {}
  const inner = header?.['x-ably-token'] ?? claims?.['x-ably-token']
  if (typeof inner === 'string') return mayEnvelop ? keyNameIn(inner, false) : undefined
  const kid = header?.['kid']
  return typeof kid === 'string' ? kid : undefined
}

/** The same credentials as one client, where they may be that one. */
function asClient(credentials: Credentials, clientId: string | undefined): Authenticated {
  if (clientId === undefined || clientId === credentials.clientId) return { ok: true, credentials }
  if (credentials.clientId === '*') return { ok: true, credentials: { ...credentials, clientId } }
  const detail = 'The token is not for this clientId'
  return { ok: false, error: errors.incompatibleCredentials(detail) }
}

/** What `Bearer` was given: base64 of a token has no dot, and every token has one. */
export function bearerToken(value: string): string {
  return value.includes('.') ? value : Buffer.from(value, 'base64').toString('utf8')
}
