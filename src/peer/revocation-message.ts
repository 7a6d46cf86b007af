/**
 * What workers say to each other of revoked tokens, in a region and from region to region.
 */

/** A revocation as it is kept (auth/revocation.ts). */
export interface RevokedTokens {
  readonly keyName: string
  readonly target: string
  readonly issuedBeforeMs: number
  readonly appliesAtMs: number
}

/**
 * What a worker says to all others of a region when it has stored something in the log of
 * revocations: where the log goes to by now. Who has not read so far reads on.
 */
export interface Revoked {
  readonly kind: 'revoked'
  /** Of the record that was stored. */
  readonly seq: number
}

/** Speaker → speaker of another region: all that is revoked here has this digest, and is new. */
export interface RevokedAbroad {
  readonly kind: 'revokedAbroad'
  readonly digest: number
  /** What is new of it; none in what is said now and then. */
  readonly revocations: readonly RevokedTokens[]
}

/** The answer, where something else is revoked: tell me all. */
export interface RevokedDiffers {
  readonly kind: 'revokedDiffers'
}

/** A page of all that is revoked here. */
export interface RevokedAll {
  readonly kind: 'revokedAll'
  readonly revocations: readonly RevokedTokens[]
}

export type RevocationMessage = Revoked | RevokedAbroad | RevokedDiffers | RevokedAll

/** Their kinds, in the order in which bytes name them; new ones come last. */
export const REVOCATION_KINDS = [
  'revokedAbroad', 'revokedDiffers', 'revokedAll'
] as const satisfies readonly RevocationMessage['kind'][]

export function isRevocationMessage(message: { readonly kind: string }):
message is RevocationMessage {
  return message.kind === 'revoked' || isRevocationKind(message.kind)
}

/** True for what is said from region to region. */
export function isRevocationKind(kind: string | undefined):
kind is (typeof REVOCATION_KINDS)[number] {
  return (REVOCATION_KINDS as readonly (string | undefined)[]).includes(kind)
}

/** The fields of what is said from region to region, without its kind. */
export function revocationMessageFields(m: Exclude<RevocationMessage, Revoked>): unknown[] {
  switch (m.kind) {
    case 'revokedAbroad':
      return [m.digest, m.revocations.map(rowOf)]
    case 'revokedDiffers':
      return []
    case 'revokedAll':
      return [m.revocations.map(rowOf)]
  }
}

/** The inverse of `revocationMessageFields`. */
export function revocationMessageFrom(
  kind: (typeof REVOCATION_KINDS)[number], fields: readonly unknown[]
): RevocationMessage {
  const f = fields as never[]
  switch (kind) {
    case 'revokedAbroad':
      return { kind, digest: f[0]!, revocations: (f[1]! as Row[]).map(tokensOf) }
    case 'revokedDiffers':
      return { kind }
    case 'revokedAll':
      return { kind, revocations: (f[0]! as Row[]).map(tokensOf) }
  }
}

type Row = readonly [string, string, number, number]

function rowOf({ keyName, target, issuedBeforeMs, appliesAtMs }: RevokedTokens): Row {
  return [keyName, target, issuedBeforeMs, appliesAtMs]
}

function tokensOf([keyName, target, issuedBeforeMs, appliesAtMs]: Row): RevokedTokens {
  return { keyName, target, issuedBeforeMs, appliesAtMs }
}
