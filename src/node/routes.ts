/**
 * What clients can ask over HTTP (protocol 13): method, path and who handles it, as a table. A
 * pattern is a path whose stars stand for one segment each; the handler finds what stood there in
 * `call.params`, in order.
 */

import type { AppDirectory } from '../auth/app.ts'
import type { Call } from './call.ts'
import type { RequestPorts } from './request-ports.ts'
import { publishBatch, readPresenceBatch } from './rest-batch.ts'
import { listChannels, readChannel } from './rest-channels.ts'
import { readMessage, readMessages, readPresenceHistory } from './rest-history.ts'
import { publish } from './rest-publish.ts'
import { readPresence } from './rest-presence.ts'
import { tellRegions } from './rest-regions.ts'
import { revokeTokens } from './rest-revocation.ts'
import { tellStats } from './rest-stats.ts'
import { tellTime } from './rest-time.ts'
import { requestToken } from './rest-tokens.ts'

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly pattern: string
  /** True: nobody has to say who they are. */
  readonly isOpen?: boolean
  /** False: what the path names is not there, by whatever method it is asked for. */
  isThere?(params: readonly string[], directory: AppDirectory): boolean
  /** Of an open one that is about an app: which, by what stood where the stars are. */
  appOf?(params: readonly string[]): string
  handle(call: Call, ports: RequestPorts): void
}

export const ROUTES: readonly Route[] = [
  { method: 'GET', pattern: '/time', isOpen: true, handle: tellTime },
  { method: 'GET', pattern: '/.well-known/ringcast/regions', isOpen: true, handle: tellRegions },
  { method: 'POST', pattern: '/keys/*/requestToken', isOpen: true, isThere: isKey,
    appOf: ofKey, handle: requestToken },
  { method: 'POST', pattern: '/messages', handle: publishBatch },
  { method: 'GET', pattern: '/presence', handle: readPresenceBatch },
  { method: 'GET', pattern: '/channels', handle: listChannels },
  { method: 'GET', pattern: '/channels/*', handle: readChannel },
  { method: 'POST', pattern: '/keys/*/revokeTokens', isThere: isKey, handle: revokeTokens },
  { method: 'POST', pattern: '/channels/*/messages', handle: publish },
  { method: 'GET', pattern: '/channels/*/messages', handle: readMessages },
  { method: 'GET', pattern: '/channels/*/history', handle: readMessages },
  { method: 'GET', pattern: '/channels/*/messages/*', handle: readMessage },
  { method: 'GET', pattern: '/channels/*/presence', handle: readPresence },
  { method: 'GET', pattern: '/channels/*/presence/history', handle: readPresenceHistory },
  { method: 'GET', pattern: '/stats', handle: tellStats }
]

function isKey([keyName]: readonly string[], directory: AppDirectory): boolean {
  return directory.key(keyName!) !== undefined
}

function ofKey([keyName]: readonly string[]): string {
  return keyName!.split('.', 1)[0]!
}

/** A route with what stood where its stars are. */
export interface Match {
  readonly route: Route
  readonly params: readonly string[]
}

/** Who handles the path: by method; none where the path is unknown. */
export function matchesOf(path: readonly string[], routes: readonly Route[]): Match[] {
  const matches: Match[] = []
  for (const route of routes) {
    const params = paramsOf(path, route.pattern.split('/').slice(1))
    if (params !== undefined) matches.push({ route, params })
  }
  return matches
}

function paramsOf(path: readonly string[], pattern: readonly string[]): string[] | undefined {
  if (path.length !== pattern.length) return undefined
  const params: string[] = []
  for (const [at, segment] of path.entries()) {
    if (pattern[at] === '*') params.push(segment)
    else if (pattern[at] !== segment) return undefined
  }
  return params
}
