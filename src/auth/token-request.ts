/**
 * Token requests: somebody asks for an Ably token of a key, and shows that who has the key wants
 * it (ably-protocol 11.3). Either the request is signed with the key's secret, so that it may come
 * from anybody, once; or it comes with the key itself, or with a token of it, for no more than that
 * is good for.
 *
 * What may be said of a request without memory is said here. That a signed one is used once is
 * judged elsewhere, by its `nonce`: a digest, so that what must be remembered has one size, which
 * counts until the request's timestamp is refused everywhere anyway.
 */

import { limits } from '../base/limits.ts'
import { errors, inScope, type ProtocolError } from '../wire/errors.ts'
import { type Fields, isMap } from '../wire/fields.ts'
import { issueAblyToken, isTooMuch, type TokenGrant } from './ably-token.ts'
import type { AppDirectory, FoundKey, KeyConfig } from './app.ts'
import { type Capability, capabilityText, intersect, parseCapability } from './capability.ts'
import type { Credentials } from './key.ts'
import { digestOf, isSameText, macOf } from './proof.ts'

const DIGITS = /^\d{1,16}$/

/** What may be used once. */
export interface Nonce {
  /** Names the nonce and its key. */
  readonly digest: string
  /** Afterwards every node refuses the request by its timestamp; wall time. */
  readonly untilMs: number
}

/** A token that may be given out, once `nonce` is known to be new, if there is one. */
export interface GrantedRequest {
  readonly keyName: string
  readonly grant: TokenGrant
  readonly nonce: Nonce | undefined
}

export type JudgedRequest =
  | { readonly ok: true; readonly granted: GrantedRequest }
  | { readonly ok: false; readonly error: ProtocolError }

/** What a client is told of its token (11.3). */
export interface TokenDetails {
  readonly token: string
  readonly keyName: string
  readonly issued: number
  readonly expires: number
  readonly capability: string
  readonly clientId?: string
}

/** A request is read one field after the other; the first that makes no sense ends that. */
class Refusal {
  readonly error: ProtocolError

  constructor(error: ProtocolError) {
    this.error = error
  }
}

const refusal = (error: ProtocolError): Refusal => new Refusal(inScope(error, 'request'))

/**
 * Judges a request for a token of `keyName`, the one of the path. `prover` has proven the key, or a
 * token of it, which gives no more than it has; undefined: the request must be signed. Errors:
 * 40400 for keys that are not
 * ours, 40101 for a wrong or missing mac, 40102 for another key, 40104, 40003, 40000, 40160.
 */
export function judgeTokenRequest(
  keyName: string,
  body: unknown,
  prover: Credentials | undefined,
  directory: AppDirectory,
  nowMs: number
): JudgedRequest {
  const found = directory.key(keyName)
  if (found === undefined) return { ok: false, error: errors.notFound('no such key') }
  if (!isMap(body)) {
    return { ok: false, error: inScope(errors.badRequest('A token request is a map'), 'request') }
  }
  const granted = judged(keyName, body, prover, found, nowMs)
  return granted instanceof Refusal ? { ok: false, error: granted.error } : { ok: true, granted }
}

function judged(
  keyName: string, body: Fields, prover: Credentials | undefined, { key }: FoundKey, nowMs: number
): GrantedRequest | Refusal {
  const named = body['keyName'] ?? (prover === undefined ? undefined : keyName)
  if (named !== keyName) {
    return refusal(errors.incompatibleCredentials('The token request is for another key'))
  }
  const isSigned = isThere(body['mac'])
  const proof = isSigned ? macProblem(body, key) : proverProblem(keyName, prover, key)
  if (proof !== undefined) return proof
  const timestamp = timestampOf(body['timestamp'], isSigned, nowMs)
  if (timestamp instanceof Refusal) return timestamp
  const nonce = nonceOf(body['nonce'], keyName, isSigned, timestamp)
  if (nonce instanceof Refusal) return nonce
  const wantedMs = lifeOf(body['ttl'], key)
  if (wantedMs instanceof Refusal) return wantedMs
  const rights = isSigned ? key : prover ?? key
  const capability = capabilityOf(body['capability'], rights)
  if (capability instanceof Refusal) return capability
  const former = isSigned || prover?.token === undefined ? undefined : prover
  const clientId = clientIdOf(body['clientId'], former)
  if (clientId instanceof Refusal) return clientId
  const endsAtMs = former?.token?.expiresAtMs ?? Infinity
  const expiresAtMs = Math.min(nowMs + wantedMs, endsAtMs)
  const grant = { issuedAtMs: nowMs, expiresAtMs, capability, clientId }
  if (isTooMuch(key.id, grant)) return refusal(errors.badRequest('The token would be too long'))
  return { keyName, grant, nonce }
}

/** Who the token is for; with a token of somebody, for nobody else. */
function clientIdOf(value: unknown, former: Credentials | undefined): string | undefined | Refusal {
  const asked = isThere(value) ? value : former?.clientId
  if (asked !== undefined && (typeof asked !== 'string' || !asked.isWellFormed())) {
    return refusal(errors.invalidClientId('The clientId must be a string'))
  }
  const isOther = former !== undefined && former.clientId !== '*' && asked !== former.clientId
  if (!isOther) return asked
  return refusal(errors.incompatibleCredentials('The token is not for this clientId'))
}

/** Null, absent and empty are the same thing (11.3). */
function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function macProblem(body: Fields, key: KeyConfig): Refusal | undefined {
  const values: string[] = []
  for (const name of ['keyName', 'ttl', 'capability', 'clientId', 'timestamp', 'nonce']) {
    const value = body[name] ?? ''
    if (typeof value !== 'string' && typeof value !== 'number') {
      return refusal(errors.invalidParam(name, 'not what was signed'))
    }
    values.push(`${value}\n`)
  }
  const { mac } = body
  const expected = Buffer.from(macOf(key.secret, values.join(''))).toString('base64')
  if (typeof mac === 'string' && isSameText(mac, expected)) return undefined
  return refusal(errors.invalidCredentials('The mac of the token request is wrong'))
}

function proverProblem(
  keyName: string, prover: Credentials | undefined, key: KeyConfig
): Refusal | undefined {
  if (prover === undefined) {
    const detail = 'A token request is signed, or comes with the key'
    return refusal(errors.invalidCredentials(detail))
  }
  // What the token says of messages would not be said of the other one, nor be revoked with it.
  const { token } = prover
  const isBound = (token?.userClaims ?? token?.publishRates) !== undefined || key.revocableTokens
  if (token !== undefined && isBound) return refusal(errors.basicAuthRequired())
  if (prover.keyName === keyName) return undefined
  return refusal(errors.incompatibleCredentials('The key is not the one of the path'))
}

function timestampOf(value: unknown, isSigned: boolean, nowMs: number): number | Refusal {
  if (!isThere(value)) {
    return isSigned ? refusal(errors.invalidParam('timestamp', 'it is missing')) : nowMs
  }
  const timestamp = wholeOf(value)
  if (timestamp === undefined) {
    return refusal(errors.invalidParam('timestamp', 'it must be whole milliseconds'))
  }
  const isNear = Math.abs(timestamp - nowMs) <= limits.clockSkewMs
  return isNear ? timestamp : refusal(errors.tokenRequestTimestamp())
}

/** A whole number; requests that came through a form or a query hold it as its digits. */
function wholeOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined
}

function nonceOf(
  value: unknown, keyName: string, isSigned: boolean, timestamp: number
): Nonce | undefined | Refusal {
  // Who has the key may ask as often as it likes.
  if (!isSigned) return undefined
  const length = typeof value === 'string' ? value.length : 0
  if (length < limits.nonceLengthMin || length > limits.nonceLengthMax) {
    const range = `${limits.nonceLengthMin} to ${limits.nonceLengthMax}`
    return refusal(errors.invalidParam('nonce', `it must have ${range} characters`))
  }
  const digest = Buffer.from(digestOf(`${keyName}\n${value}`)).toString('base64url')
  // Clocks differ: another node may be behind ours by as much as a client may.
  return { digest, untilMs: timestamp + 2 * limits.clockSkewMs }
}

function lifeOf(value: unknown, key: KeyConfig): number | Refusal {
  if (!isThere(value)) return limits.tokenDefaultLifeMs
  const lifeMaxMs = key.revocableTokens ? limits.revocableTokenLifeMs : limits.tokenLifeMs
  const lifeMs = wholeOf(value)
  if (lifeMs !== undefined && lifeMs > 0 && lifeMs <= lifeMaxMs) return lifeMs
  return refusal(errors.invalidParam('ttl', `it must be 1 to ${lifeMaxMs} milliseconds`))
}

function capabilityOf(
  value: unknown, rights: Pick<Credentials, 'capability'>
): Capability | Refusal {
  if (!isThere(value)) return rights.capability
  const parsed = parseCapability(value)
  if (!parsed.ok) return refusal(parsed.error)
  const capability = intersect(parsed.capability, rights.capability)
  return capability.size > 0 ? capability : refusal(errors.emptyCapability())
}

/** The token that was granted; undefined if its key is gone meanwhile. */
export function tokenOf(
  { keyName, grant }: GrantedRequest, directory: AppDirectory
): TokenDetails | undefined {
  const found = directory.key(keyName)
  if (found === undefined) return undefined
  const { issuedAtMs, expiresAtMs, capability, clientId } = grant
  return {
    token: issueAblyToken(found, grant),
    keyName,
    issued: issuedAtMs,
    expires: expiresAtMs,
    capability: capabilityText(capability),
    clientId
  }
}
