/** What a request says by its URL and headers when it opens a connection over HTTP. */

import type { FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { queryOf } from '../node/request.ts'

const AUTHORIZATION = /^\s*(\S+)\s+(\S+)\s*$/
const SECURE_SCHEMES: ReadonlySet<string> = new Set(['https', 'wss'])
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/**
 * The params of the query, each once, with the credentials of an Authorization header beside them
 * as those params by which sockets show them (protocol 11, 16, 18).
 */
export function openingParams(request: FastifyRequest): Map<string, string> {
  const params = queryOf(request.raw.url ?? '/')
  const [, scheme, value] = AUTHORIZATION.exec(request.headers.authorization ?? '') ?? []
  if (scheme === undefined || value === undefined) return params
  if (scheme.toLowerCase() === 'basic') params.set('key', textOf(value))
  else if (scheme.toLowerCase() === 'bearer') params.set('access_token', textOf(value))
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

/** Tokens come as they are or as base64; neither a JWT nor an Ably token can be taken for that. */
function textOf(value: string): string {
  return BASE64.test(value) ? Buffer.from(value, 'base64').toString('utf8') : value
}
