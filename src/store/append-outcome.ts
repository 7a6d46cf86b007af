/**
 * What JetStream's answer to a publish means for an append (rule 1). *Refused* is a closed list of
 * errors that the server sends before it proposes or stores anything; whatever is not on a list is
 * *unknown*, "store failed" included: some copies may have stored it.
 */

import type { AppendOutcome } from '../log/port.ts'

/** Before it is taken in: the publish was not even queued for the stream, or not proposed. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [10002, 'the account\'s limits are reached'],
  [10023, 'the server\'s limits are reached'],
  [10028, 'no memory is left'],
  [10047, 'no storage is left'],
  [10120, 'the account has no limits for this many copies'],
  [10054, 'the record is too large for the stream'],
  [10167, 'too many requests wait for the stream']
])

const WRONG_LAST_SEQUENCE = 10071
/** An append of this subject is in process, or the last one is not known yet. */
const IN_PROCESS: ReadonlySet<number> = new Set([10163, 10164])

/** An outcome, or a conflict whose last sequence the answer did not name. */
export type AnsweredAppend = AppendOutcome | { readonly kind: 'conflictSomewhere' }

interface PublishAnswer {
  readonly stream?: unknown
  readonly seq?: unknown
  readonly error?: { readonly err_code?: unknown; readonly description?: unknown }
}

/** The outcome that the answer `bytes` of `stream` stands for. */
export function appendOutcome(bytes: Uint8Array, stream: string): AnsweredAppend {
  const answer = parsed(bytes)
  if (answer === undefined) return { kind: 'unknown', reason: 'JetStream did not answer this' }
  const { error, seq } = answer
  if (error === undefined) {
    if (answer.stream !== stream) {
      return { kind: 'unknown', reason: `stream ${String(answer.stream)} answered for ${stream}` }
    }
    const isStored = typeof seq === 'number' && seq > 0
    return isStored ? { kind: 'appended', seq } : { kind: 'unknown', reason: 'stored as nothing' }
  }
  const code = Number(error.err_code)
  const description = String(error.description)
  if (code === WRONG_LAST_SEQUENCE) {
    const named = /: (\d+)$/.exec(description)
    return named === null ? { kind: 'conflictSomewhere' }
      : { kind: 'conflict', lastSeq: Number(named[1]) }
  }
  if (IN_PROCESS.has(code)) return { kind: 'busy' }
  const refusal = REFUSED.get(code)
  if (refusal !== undefined) return { kind: 'refused', reason: `${refusal} (${code})` }
  return { kind: 'unknown', reason: `${description} (${code})` }
}

function parsed(bytes: Uint8Array): PublishAnswer | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // Somebody else answered on the subject.
  }
}
