/**
 * What somebody asks who wants tokens revoked (ably-protocol 11.6): which targets, issued before
 * when, and whether their clients have time to get other tokens.
 */

import { limits } from '../base/limits.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import { isMap } from '../wire/fields.ts'
import type { KeyConfig } from './app.ts'
import type { Credentials } from './key.ts'
import { parseTarget, type Revocation } from './revocation.ts'

/** What becomes of one target, in the order of the request. */
export type TargetResult =
  | {
      readonly target: string
      readonly issuedBefore: number
      readonly appliesAt: number
      readonly error?: undefined
    }
  | { readonly target: unknown; readonly error: ErrorInfo }

export interface RevocationRequest {
  readonly revocations: readonly Revocation[]
  /** What is answered, once these are stored. */
  readonly results: readonly TargetResult[]
}

export type JudgedRevocation =
  | { readonly ok: true; readonly asked: RevocationRequest }
  | { readonly ok: false; readonly error: ProtocolError }

/**
 * Who may revoke tokens of `keyName`: who shows that very key, if it is one whose tokens can be
 * revoked. Errors: 40162, 40133, 40163.
 */
export function revokerRefusal(
  keyName: string, revoker: Credentials, key: KeyConfig | undefined
): ProtocolError | undefined {
  if (revoker.token !== undefined) return errors.basicAuthRequired()
  if (revoker.keyName !== keyName) return errors.wrongRevocationKey()
  return key?.revocableTokens === true ? undefined : errors.revocationNotEnabled()
}

/**
 * Judges the body of a request, at this wall time. Errors: 40000 where it is none, or has no
 * targets or too many; 40003 for a time that is not within the last hour, or a margin that is
 * neither true nor false.
 */
export function judgeRevocation(
  keyName: string, body: unknown, wallMs: number
): JudgedRevocation {
  const nowMs = Math.floor(wallMs)
  if (!isMap(body)) return refused('A request to revoke tokens is a map')
  const { targets, issuedBefore, allowReauthMargin } = body
  if (!Array.isArray(targets) || targets.length === 0) return refused('targets must be a list')
  if (targets.length > limits.revokeTargetsMax) {
    return refused(`There may be at most ${limits.revokeTargetsMax} targets`)
  }
  const issuedBeforeMs = isThere(issuedBefore) ? issuedBefore : nowMs
  if (!isRecent(issuedBeforeMs, nowMs)) {
    const detail = 'it must be milliseconds of the last hour'
    return { ok: false, error: errors.invalidParam('issuedBefore', detail) }
  }
  if (typeof allowReauthMargin !== 'boolean' && isThere(allowReauthMargin)) {
    const detail = 'it must be true or false'
    return { ok: false, error: errors.invalidParam('allowReauthMargin', detail) }
  }
  const hasMargin = allowReauthMargin === true
  const appliesAt = hasMargin ? nowMs + limits.reauthMarginMs : nowMs
  const revocations: Revocation[] = []
  const results = targets.map((text: unknown): TargetResult => {
    const target = typeof text === 'string' ? parseTarget(text) : undefined
    if (target === undefined) return { target: shown(text), error: INVALID_TARGET }
    revocations.push({ keyName, target, issuedBeforeMs, appliesAtMs: hasMargin ? appliesAt : 0 })
    return { target, issuedBefore: issuedBeforeMs, appliesAt }
  })
  return { ok: true, asked: { revocations, results } }
}

const SHOWN_LENGTH_MAX = 256
const INVALID_TARGET: ErrorInfo =
  errors.badRequest('A target is clientId:…, revocationKey:… or channel:…').info

function refused(detail: string): JudgedRevocation {
  return { ok: false, error: errors.badRequest(detail) }
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isRecent(value: unknown, nowMs: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value <= nowMs &&
    value >= nowMs - limits.revocableTokenLifeMs
}

/** What was no target comes back as it was, unless it is long. */
function shown(text: unknown): unknown {
  if (typeof text === 'string') return text.slice(0, SHOWN_LENGTH_MAX)
  return typeof text === 'number' || typeof text === 'boolean' ? text : null
}
