/**
 * What workers say to each other about nonces of token requests, which may be used once in the
 * region. A nonce is judged by the master of the partition that its digest falls into; that it
 * was used is an entry in that partition's log.
 *
 *   node → master   spend    sent again, under the same spendId, until it is answered
 *   master → node   spent
 */

/** A nonce that was used, as the log keeps it. */
export interface NonceRecord {
  readonly digest: string
  /** By which request: one that is sent again is not a second one. */
  readonly spendId: string
  /** Wall time; later everybody refuses the nonce for its age. */
  readonly untilMs: number
}

/** Node → master: a token request with this nonce is to be granted. */
export interface Spend extends NonceRecord {
  readonly kind: 'spend'
}

/** Nobody had used it; somebody had; or it cannot be said now, for there is no room. */
export type NonceVerdict = 'fresh' | 'used' | 'full'

/** Master → node: the answer to `spend`. */
export interface Spent {
  readonly kind: 'spent'
  readonly spendId: string
  readonly verdict: NonceVerdict
}

export type NonceMessage = Spend | Spent

export const NONCE_KINDS = ['spend', 'spent'] as const satisfies readonly NonceMessage['kind'][]

const VERDICTS = ['fresh', 'used', 'full'] as const

/** True for one of these messages among all others. */
export function isNonceMessage<T extends { readonly kind: string }>(
  message: T | NonceMessage
): message is NonceMessage {
  return message.kind === 'spend' || message.kind === 'spent'
}

type Fields = readonly unknown[]

/** A record as the fields that logs keep. */
export function nonceRecordFields({ digest, spendId, untilMs }: NonceRecord): Fields {
  return [digest, spendId, untilMs]
}

/** The inverse of `nonceRecordFields`. */
export function nonceRecordFrom(fields: Fields): NonceRecord {
  const [digest, spendId, untilMs] = fields as [string, string, number]
  return { digest, spendId, untilMs }
}

/** The message's fields behind its code. */
export function nonceMessageFields(message: NonceMessage): Fields {
  if (message.kind === 'spend') return nonceRecordFields(message)
  return [message.spendId, VERDICTS.indexOf(message.verdict)]
}

/** The inverse of `nonceMessageFields`, for a message of this kind. */
export function nonceMessageFrom(kind: NonceMessage['kind'], fields: Fields): NonceMessage {
  if (kind === 'spend') return { kind, ...nonceRecordFrom(fields) }
  const [spendId, verdictNo] = fields as [string, number]
  return { kind, spendId, verdict: VERDICTS[verdictNo]! }
}
