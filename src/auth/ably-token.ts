/**
 * Ably tokens: `<appId>.<opaque>` (ably-protocol 11.2). The opaque part holds everything that a
 * node must know, and a proof by the secret of the key that it was issued for. So any node proves
 * any token, nobody keeps a list of them, and a token ends with its key, or its key's secret.
 *
 * The secret also signs TokenRequests and JWTs, whose texts others choose: tokens are proven by a
 * secret that is derived from it, so that nothing of one kind is ever something of another.
 */

import { limits } from '../base/limits.ts'
import { errors } from '../wire/errors.ts'
import type { AppDirectory, FoundKey } from './app.ts'
import {
  type Capability, capabilityText, grantCountMax, parseCapability
} from './capability.ts'
import type { Authenticated } from './key.ts'
import { bytesOfBase64Url, isSameProof, macOf } from './proof.ts'

const ABLY_TOKEN = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]+)$/
const FORMAT_VERSION = 1
const PROOF_BYTES = 32
const APP_ID_LENGTH_MAX = 64

/** What a token grants. */
export interface TokenGrant {
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly capability: Capability
  readonly clientId: string | undefined
}

type Fields = [
  version: number, keyId: string, issuedAtMs: number, lifeMs: number, capability: string,
  clientId: string | null
]

/** True for a text that has the form of an Ably token; a JWT has two dots more. */
export function isAblyToken(text: string): boolean {
  return ABLY_TOKEN.test(text)
}

/** A token of this key. */
export function issueAblyToken({ app, key }: FoundKey, grant: TokenGrant): string {
  const facts = factsOf(key.id, grant)
  const proof = proofOf(key.secret, app.appId, facts)
  return `${app.appId}.${Buffer.concat([proof, Buffer.from(facts)]).toString('base64url')}`
}

/** True where nobody would take the token: it says too much. */
export function isTooMuch(keyId: string, grant: TokenGrant): boolean {
  const factsLengthMax = Math.floor(limits.tokenLengthMax / 4) * 3 - APP_ID_LENGTH_MAX - PROOF_BYTES
  return grant.capability.size > grantCountMax ||
    Buffer.byteLength(factsOf(keyId, grant)) > factsLengthMax
}

function factsOf(
  keyId: string, { issuedAtMs, expiresAtMs, capability, clientId }: TokenGrant
): string {
  return JSON.stringify([
    FORMAT_VERSION, keyId, issuedAtMs, expiresAtMs - issuedAtMs, capabilityText(capability),
    clientId ?? null
  ] satisfies Fields)
}

/**
 * Proves a token. Errors: not the form of one 40145; of no key of ours, or not proven by it,
 * 40143; over, 40142 (4.5).
 */
export function authenticateAblyToken(
  text: string, directory: AppDirectory, nowMs: number
): Authenticated {
  const [, appId, opaque] = ABLY_TOKEN.exec(text) ?? []
  if (appId === undefined || opaque === undefined || text.length > limits.tokenLengthMax) {
    return { ok: false, error: errors.invalidToken('not the form of one') }
  }
  const bytes = bytesOfBase64Url(opaque)
  const facts = bytes?.subarray(PROOF_BYTES).toString('utf8')
  const fields = facts === undefined ? undefined : fieldsOf(facts)
  if (bytes === undefined || facts === undefined || fields === undefined) return unrecognised
  const [, keyId, issuedAtMs, lifeMs, capabilitySource, clientId] = fields
  const keyName = `${appId}.${keyId}`
  const found = directory.key(keyName)
  if (found === undefined) return unrecognised
  const expected = proofOf(found.key.secret, appId, facts)
  if (!isSameProof(bytes.subarray(0, PROOF_BYTES), expected)) return unrecognised
  const parsed = parseCapability(capabilitySource)
  // Proven but not understood: a later release knows operations that this one does not.
  if (!parsed.ok) return unrecognised
  // It may be older than its key's being revocable; then it ends with what could revoke it.
  const lifeMaxMs = found.key.revocableTokens ? limits.revocableTokenLifeMs : limits.tokenLifeMs
  const expiresAtMs = issuedAtMs + Math.min(lifeMs, lifeMaxMs)
  if (expiresAtMs <= nowMs) return { ok: false, error: errors.tokenExpired() }
  return {
    ok: true,
    credentials: {
      appId,
      keyName,
      clientId: clientId ?? undefined,
      capability: parsed.capability,
      token: { kind: 'ably', issuedAtMs, expiresAtMs, issuedTo: clientId ?? undefined }
    }
  }
}

const unrecognised: Authenticated = { ok: false, error: errors.tokenUnrecognised() }

/** Anybody may have written these, and nothing of them counts before the proof is judged. */
function fieldsOf(facts: string): Fields | undefined {
  let value: unknown
  try {
    value = JSON.parse(facts)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (!Array.isArray(value) || value[0] !== FORMAT_VERSION) return undefined
  return typeof value[1] === 'string' ? value as Fields : undefined
}

function proofOf(secret: string, appId: string, facts: string): Uint8Array {
  return macOf(macOf(secret, 'ably token'), `${appId}.${facts}`)
}
