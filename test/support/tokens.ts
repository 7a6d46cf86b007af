/** Tokens as a server of an application makes them: Ably JWTs, signed with its key. */

import type * as Ably from 'ably'
import { createHmac } from 'node:crypto'

export interface JwtOptions {
  readonly lifeS?: number
  /** When it began, before now. */
  readonly ageS?: number
  readonly clientId?: string
  readonly capability?: Record<string, readonly string[]>
  readonly claims?: object
  readonly header?: object
}

/** A JWT of `key`, `appId.keyId:secret`. */
export function jwtOf(key: string, options: JwtOptions = {}): string {
  const { lifeS = 3_600, ageS = 0, clientId, capability, claims, header } = options
  const [kid, secret] = key.split(':') as [string, string]
  const iat = Math.floor(Date.now() / 1_000) - ageS
  const body = {
    iat,
    exp: iat + lifeS,
    'x-ably-clientId': clientId,
    'x-ably-capability': capability === undefined ? undefined : JSON.stringify(capability),
    ...claims
  }
  const signed = [{ alg: 'HS256', typ: 'JWT', kid, ...header }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** Gives an SDK the token that `next` makes, each time it asks. */
export function callbackOf(next: () => string): NonNullable<Ably.AuthOptions['authCallback']> {
  return (_params, callback) => callback(null, next())
}
