/** What a request says by its URL and headers when it opens a connection over HTTP. */

import type { FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { queryOf } from '../node/request.ts'
import { identityOf, shownBy } from '../node/request-credentials.ts'

const SECURE_SCHEMES: ReadonlySet<string> = new Set(['https', 'wss'])
/** By which params a socket shows them. */
const CREDENTIALS = ['key', 'access_token', 'accessToken']

/**
 * The params of the query, each once; in their place, where headers say the same as they do with
 * other requests, what those say: credentials, and who the client is (protocol 11, 16, 18).
 */
export function openingParams(request: FastifyRequest): Map<string, string> {
  const params = queryOf(request.raw.url ?? '/')
  const { authorization, 'x-ably-clientid': named } = request.headers
  const headers = { authorization, 'x-ably-clientid': named?.toString() }
  const shown = shownBy({ headers, query: new Map() })
  if (shown === undefined || shown.key !== undefined || shown.accessToken !== undefined) {
    for (const name of CREDENTIALS) params.delete(name)
    if (shown?.accessToken !== undefined) params.set('access_token', shown.accessToken)
    // What cannot be read is no key.
    else params.set('key', shown?.key ?? 'unreadable')
  }
  const identity = identityOf({ headers })
  // No connection is everybody's: that is refused with the same error.
  if (!identity.ok) params.set('clientId', '*')
  else if (identity.clientId !== undefined) params.set('clientId', identity.clientId)
  return params
}

/**
 * True for a request that came over TLS: to us, or to a proxy before us that ends TLS and says so
 * (`X-Forwarded-Proto`; of several proxies the first is the one that the client spoke to). It is
 * believed from anybody, since a client that lies about it breaks a rule that protects itself.
 */
export function isTls({ socket, headers }: IncomingMessage): boolean {
  const forwarded = headers['x-forwarded-proto']
  const [first = ''] = (typeof forwarded === 'string' ? forwarded : '').split(',', 1)
  return 'encrypted' in socket || SECURE_SCHEMES.has(first.trim().toLowerCase())
}
