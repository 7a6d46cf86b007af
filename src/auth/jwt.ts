/**
 * Ably JWTs (ably-protocol 11.5): signed by who has a key, with the key's secret, and never seen
 * here before they are used.
 *
 * The key is the one that `kid` names, and the algorithm is HS256, whatever else the header says:
 * a header is written by who sends the token, so it may choose among our keys and nothing more. A
 * header that asks for what we do not do (`crit`, another algorithm) is refused, as is one whose
 * key is no key of ours.
 */

import { limits } from '../base/limits.ts'
import { errors, type ProtocolError } from '../wire/errors.ts'
import { type Fields, isMap } from '../wire/fields.ts'
import type { AppDirectory, KeyConfig } from './app.ts'
import { intersect, type Pattern, parseCapability, patternOf } from './capability.ts'
import type { Authenticated, ChannelClaim, Credentials } from './key.ts'
import { bytesOfBase64Url, isSameProof, macOf } from './proof.ts'

const KEY_NAME = /^([^\s:.]+)\.([^\s:.]+)$/
const USER_CLAIM = 'ably.channel.'
const RATE_CLAIM = 'ably.limits.publish.perAttachment.maxRate.'
/** A claim is copied into every message that it is about. */
const claimLengthMax = 1_024
const claimsMax = 100

/** The parts of a JWT, or of an encrypted one, whose claims nobody but its maker can read. */
export interface JwtParts {
  readonly header: Fields
  readonly claims: Fields | undefined
  readonly signed: string
  readonly signature: Uint8Array
}

/** Takes a JWT apart; undefined for what is none. */
export function jwtParts(text: string): JwtParts | undefined {
  const segments = text.split('.', 6)
  const isEncrypted = segments.length === 5
  if (text.length > limits.tokenLengthMax || (segments.length !== 3 && !isEncrypted)) {
    return undefined
  }
  const [head, body, tail] = segments as [string, string, string]
  const header = mapOf(head)
  if (header === undefined) return undefined
  if (isEncrypted) return { header, claims: undefined, signed: '', signature: new Uint8Array() }
  const claims = mapOf(body)
  const signature = tail === '' ? new Uint8Array() : bytesOfBase64Url(tail)
  if (claims === undefined || signature === undefined) return undefined
  return { header, claims, signed: `${head}.${body}`, signature }
}

function mapOf(segment: string): Fields | undefined {
  const bytes = bytesOfBase64Url(segment)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return isMap(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * Proves a JWT. Errors: no key of ours 40101; not signed by it, or claims that make no sense,
 * 40144; over, 40142 (4.5, 11.5).
 */
export function authenticateJwt(
  { header, claims, signed, signature }: JwtParts, directory: AppDirectory, nowMs: number
): Authenticated {
  if (claims === undefined) return refused('it is encrypted')
  if (header['alg'] !== 'HS256') return refused('its algorithm must be HS256')
  if (header['crit'] !== undefined) return refused('its header has critical extensions')
  const kid = header['kid']
  const [, appId] = (typeof kid === 'string' ? KEY_NAME.exec(kid) : null) ?? []
  if (typeof kid !== 'string' || appId === undefined) return refused('its kid is no key name')
  if (directory.app(appId) === undefined) {
    return { ok: false, error: errors.unknownApp(appId), missing: 'app' }
  }
  const key = directory.key(kid)?.key
  if (key === undefined) return { ok: false, error: errors.unknownKey(kid), missing: 'key' }
  if (!isSameProof(signature, macOf(key.secret, signed))) return refused('its signature is wrong')
  return judged(claims, { appId, keyName: kid }, key, nowMs)
}

/** What the claims say, now that it is known who wrote them. */
function judged(
  claims: Fields, owner: Pick<Credentials, 'appId' | 'keyName'>, key: KeyConfig, nowMs: number
): Authenticated {
  const { iat, exp, nbf } = claims
  if (!isTime(iat) || !isTime(exp)) return refused('it must have iat and exp')
  const [issuedAtMs, expiresAtMs] = [iat * 1000, exp * 1000]
  const lifeMaxMs = key.revocableTokens ? limits.revocableTokenLifeMs : limits.tokenLifeMs
  if (expiresAtMs <= issuedAtMs) return refused('it ends before it begins')
  if (expiresAtMs - issuedAtMs > lifeMaxMs) return refused('it lives too long')
  if (expiresAtMs <= nowMs) return { ok: false, error: errors.tokenExpired() }
  const beginsAtMs = Math.max(issuedAtMs, isTime(nbf) ? nbf * 1000 : 0)
  if (beginsAtMs > nowMs + limits.clockSkewMs) return refused('it is not valid yet')
  const clientId = textOf(claims['x-ably-clientId'])
  if (clientId === null) return refused('x-ably-clientId must be a string')
  const revocationKey = textOf(claims['x-ably-revocation-key'])
  if (revocationKey === null) return refused('x-ably-revocation-key must be a string')
  const claimed = claimedBy(claims['x-ably-capability'])
  if (!claimed.ok) return { ok: false, error: capabilityError(claimed.error) }
  const said = channelClaims(claims)
  if (said === undefined) return refused('its claims about channels make no sense')
  const { capability: asked } = claimed
  const capability = asked === undefined ? key.capability : intersect(asked, key.capability)
  return {
    ok: true,
    credentials: {
      ...owner,
      clientId,
      capability,
      token: {
        kind: 'jwt', issuedAtMs, expiresAtMs, issuedTo: clientId, revocationKey, claimed: asked,
        ...said
      }
    }
  }
}

function refused(detail: string): Authenticated {
  return { ok: false, error: errors.invalidJwt(detail) }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 1e12
}

/** Undefined for what is not there, null for what is no text. */
function textOf(value: unknown): string | undefined | null {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' && value.isWellFormed() ? value : null
}

function claimedBy(source: unknown): ReturnType<typeof parseCapability> | {
  readonly ok: true
  readonly capability: undefined
} {
  if (source === undefined || source === null || source === '') {
    return { ok: true, capability: undefined }
  }
  return parseCapability(source)
}

/** A token that cannot be used is a token's error, so that its client asks for another one. */
function capabilityError({ info }: ProtocolError): ProtocolError {
  return errors.invalidJwt(info.message)
}

interface ChannelClaims {
  readonly userClaims?: readonly ChannelClaim<string>[]
  readonly publishRates?: readonly ChannelClaim<number>[]
}

/** The claims about channels, the narrowest pattern first; undefined if one makes no sense. */
function channelClaims(claims: Fields): ChannelClaims | undefined {
  const userClaims: ChannelClaim<string>[] = []
  const publishRates: ChannelClaim<number>[] = []
  for (const [name, value] of Object.entries(claims)) {
    if (name.startsWith(USER_CLAIM)) {
      const pattern = patternOf(name.slice(USER_CLAIM.length))
      if (pattern === undefined || typeof value !== 'string') return undefined
      if (value.length > claimLengthMax) return undefined
      userClaims.push({ pattern, value })
    } else if (name.startsWith(RATE_CLAIM)) {
      const pattern = patternOf(name.slice(RATE_CLAIM.length))
      const isRate = typeof value === 'number' && Number.isFinite(value) && value > 0
      if (pattern === undefined || !isRate) return undefined
      publishRates.push({ pattern, value })
    }
  }
  if (userClaims.length > claimsMax || publishRates.length > claimsMax) return undefined
  return {
    userClaims: userClaims.length === 0 ? undefined : narrowestFirst(userClaims),
    publishRates: publishRates.length === 0 ? undefined : narrowestFirst(publishRates)
  }
}

function narrowestFirst<T>(claims: ChannelClaim<T>[]): readonly ChannelClaim<T>[] {
  return claims.sort((one, other) => narrowness(other.pattern) - narrowness(one.pattern))
}

/** Every segment that is spelled out counts more than any number of stars. */
function narrowness({ segments }: Pattern): number {
  const spelled = segments.filter((segment) => segment !== '*').length
  return spelled * 4_096 + segments.length
}
