/**
 * Who asks: the credentials of a request, in its headers or its query (protocol 11.1, 11.2, 12).
 */

import type { AppDirectory } from '../auth/app.ts'
import { authenticateKey, type Authenticated } from '../auth/key.ts'
import { errors } from '../wire/errors.ts'
import { bytesOfBase64 } from '../wire/payload.ts'
import type { Request } from './request.ts'

const AUTHORIZATION = /^\s*(\S+)\s+(\S+)\s*$/

/**
 * Proves who asks. Errors: none given, malformed or wrong ones (40101), a clientId that is none
 * (40012).
 */
export function authenticateRequest(request: Request, directory: AppDirectory): Authenticated {
  const { headers, query } = request
  const [, scheme, value = ''] = AUTHORIZATION.exec(headers['authorization'] ?? '') ?? []
  const isBasic = scheme?.toLowerCase() === 'basic'
  const key = isBasic ? textOfBase64(value) : query.get('key')
  if (key === undefined) {
    const hasToken = scheme?.toLowerCase() === 'bearer' || query.has('access_token') ||
      query.has('accessToken')
    const error = isBasic ? errors.malformedKey()
      : hasToken ? errors.notSupported('tokens') : errors.noCredentials()
    return { ok: false, error }
  }
  const identity = identityOf(request)
  if (!identity.ok) return identity
  return authenticateKey(key, directory, identity.clientId)
}

/** The identity that the caller wants for this request; undefined: any. */
function identityOf(
  { headers }: Request
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
