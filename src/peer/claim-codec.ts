/**
 * Claim messages and records as the fields that meshes and logs keep (see peer/codec.ts).
 */

import { exhaustive } from '../base/assert.ts'
import type { ClaimMessage, ClaimRecord, Holding, Life, Past } from './claim-message.ts'

type Fields = readonly unknown[]

function lifeFields({ incarnation, worker, generation }: Life): Fields {
  return [incarnation, worker, generation]
}

function lifeFrom(value: unknown): Life {
  const [incarnation, worker, generation] = value as [string, number, number]
  return { incarnation, worker, generation }
}

/** A record as the fields that logs keep. */
export function claimRecordFields(record: ClaimRecord): Fields {
  const { connectionId, claim, claimId, holder, proven, formers, formerClaimIds, heldAtMs } = record
  const places = formers.map(({ incarnation, worker }) => [incarnation, worker])
  const life = lifeFields(holder)
  return [connectionId, claim, claimId, life, proven, places, formerClaimIds, heldAtMs]
}

/** The inverse of `claimRecordFields`. */
export function claimRecordFrom(fields: Fields): ClaimRecord {
  const [connectionId, claim, claimId, life, proven, places, ...later] = fields as [
    string, number, string, unknown, number, [string, number][], string[]?, number?
  ]
  const [formerClaimIds = [], heldAtMs = 0] = later
  const holder = lifeFrom(life)
  const formers = places.map(([incarnation, worker]) => ({ incarnation, worker }))
  return { connectionId, claim, claimId, holder, proven, formers, formerClaimIds, heldAtMs }
}

function pastFields({ doubtfulThrough, saidThrough }: Past): Fields {
  return [doubtfulThrough, saidThrough ?? null]
}

function pastFrom([doubtfulThrough, saidThrough]: readonly [number, number?]): Past {
  return { doubtfulThrough, saidThrough: saidThrough ?? undefined }
}

function holdingFields(holding: Holding): Fields {
  if (holding.kind === 'held') {
    return [0, holding.claim, holding.isProven, ...pastFields(holding.past)]
  }
  return holding.kind === 'ended' ? [1, holding.error] : [2, holding.livedMs]
}

function holdingFrom(value: unknown): Holding {
  const [kind, first, second, ...past] = value as [number, never, never, number, number?]
  if (kind === 0) return { kind: 'held', claim: first, isProven: second, past: pastFrom(past) }
  return kind === 1 ? { kind: 'ended', error: first } : { kind: 'formerLife', livedMs: first }
}

/** The message's fields behind its code. */
export function claimMessageFields(m: ClaimMessage): Fields {
  const { connectionId } = m
  switch (m.kind) {
    case 'claim':
      return [connectionId, m.claimId, m.generation, m.keyClaim, lifeFields(m.home),
        m.lineage ?? null, m.viewVersion]
    case 'claimGranted':
      return [connectionId, m.claimId, m.claim, m.lineage, ...pastFields(m.past)]
    case 'claimRefused':
      return [connectionId, m.claimId, m.error]
    case 'stillHeld':
      return [connectionId, m.claimId, m.generation, m.heldAs ?? null, m.mustEnd]
    case 'holding':
      return [connectionId, m.claimId, holdingFields(m.holding)]
    case 'superseded':
    case 'prove':
    case 'proved':
      return [connectionId, m.claim]
    default:
      return exhaustive(m, 'claim message')
  }
}

/** The inverse of `claimMessageFields`, for a message of this kind. */
export function claimMessageFrom(kind: ClaimMessage['kind'], fields: Fields): ClaimMessage {
  const [connectionId, ...f] = fields as [string, ...never[]]
  switch (kind) {
    case 'claim':
      return { kind, connectionId, claimId: f[0]!, generation: f[1]!, keyClaim: f[2]!,
        home: lifeFrom(f[3]), lineage: f[4] ?? undefined, viewVersion: f[5]! }
    case 'claimGranted':
      return { kind, connectionId, claimId: f[0]!, claim: f[1]!, lineage: f[2]!,
        past: pastFrom([f[3]!, f[4]]) }
    case 'claimRefused':
      return { kind, connectionId, claimId: f[0]!, error: f[1]! }
    case 'stillHeld':
      return { kind, connectionId, claimId: f[0]!, generation: f[1]!,
        heldAs: f[2] ?? undefined, mustEnd: f[3]! }
    case 'holding':
      return { kind, connectionId, claimId: f[0]!, holding: holdingFrom(f[1]) }
    case 'superseded':
    case 'prove':
    case 'proved':
      return { kind, connectionId, claim: f[0]! }
    default:
      return exhaustive(kind, 'claim message')
  }
}
