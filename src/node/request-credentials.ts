/**
 * Who asks: the credentials of a request, in its headers or its query (protocol 11.1, 11.2, 12).
 * The header counts more than the query, and there a key more than a token.
 */

import { authenticate, keyNameShown, type Shown } from '../auth/connect.ts'
import type { AppDirectory } from '../auth/app.ts'
import type { Authenticated } from '../auth/key.ts'
import { bearerToken } from '../auth/token.ts'
import { errors, inScope } from '../wire/errors.ts'
import { bytesOfBase64 } from '../wire/payload.ts'
import type { Request } from './request.ts'

const AUTHORIZATION = /^\s*(\S+)\s+(\S+)\s*$/

/**
 * Proves who asks, at this wall time. Errors: none given, malformed or wrong keys (40101); tokens
 * that are none, or over (40142 to 40145); a clientId that is none (40012), or not the token's
 * (40102); a JWT of an unknown app or key (40400); an app that wants TLS (40311).
 */
export function authenticateRequest(
  request: Request, directory: AppDirectory, nowMs: number
): Authenticated {
  const shown = shownBy(request)
  if (shown === undefined) return { ok: false, error: errors.malformedKey() }
  const identity = identityOf(request)
  if (!identity.ok) return identity
  const { isTls } = request
  const proven = authenticate({ ...shown, clientId: identity.clientId, isTls }, directory, nowMs)
  if (proven.ok) return proven
  const { missing, error } = proven
  return {
    ok: false,
    error: missing === undefined ? inScope(error, 'request') : errors.tokenOfNobody(missing)
  }
}

/** True if the caller shows something, whatever it is worth. */
export function showsCredentials(request: Request): boolean {
  const shown = shownBy(request)
  return shown === undefined || shown.key !== undefined || shown.accessToken !== undefined
}

/** The app of what is shown, whatever that is worth. */
export function appShownBy(request: Request): string | undefined {
  return keyNameShown(shownBy(request) ?? {})?.split('.', 1)[0]
}

/** Undefined: a header that cannot be read. */
export function shownBy({ headers, query }: Pick<Request, 'headers' | 'query'>): Shown | undefined {
  const [, scheme, value = ''] = AUTHORIZATION.exec(headers['authorization'] ?? '') ?? []
  switch (scheme?.toLowerCase()) {
    case 'basic': {
      const key = textOfBase64(value)
      return key === undefined ? undefined : { key }
    }
    case 'bearer':
      return { accessToken: bearerToken(value) }
    default: {
      const key = query.get('key') || undefined
      const accessToken = query.get('access_token') || query.get('accessToken') || undefined
      return { key, accessToken }
    }
  }
}

/** The identity that the caller wants for this request; undefined: any. */
export function identityOf(
  { headers }: Pick<Request, 'headers'>
): { readonly ok: true; readonly clientId: string | undefined } | (Authenticated & { ok: false }) {
  const encoded = headers['x-ably-clientid']
  if (encoded === undefined || encoded === '') return { ok: true, clientId: undefined }
  const clientId = textOfBase64(encoded)
  if (clientId === undefined || clientId === '' || clientId === '*') {
    const error = errors.invalidClientId('X-Ably-ClientId must be the base64 of one clientId')
    return { ok: false, error }
  }
  return { ok: true, clientId }
}

/** Both alphabets are taken: what a caller chose says nothing. */
function textOfBase64(text: string): string | undefined {
  const bytes = bytesOfBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
}
