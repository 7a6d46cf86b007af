/** Questions to the JetStream API: JSON there and back, and every failure in words. */

import type { Requests } from './requests.ts'

const ANSWER_MS = 5_000

export type ApiAnswer<T> =
  | { readonly kind: 'answered'; readonly value: T }
  /** The server's own word for it; surely nothing was done. */
  | { readonly kind: 'error'; readonly code: number; readonly description: string }
  | { readonly kind: 'none'; readonly reason: string }

interface ErrorAnswer {
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/** Asks `method`, such as `STREAM.INFO.name`; never rejects. */
export async function askApi<T>(
  requests: Requests, method: string, request: object = {}
): Promise<ApiAnswer<T>> {
  const answer = await requests.ask({
    subject: `$JS.API.${method}`, bytes: encodedJson(request), timeoutMs: ANSWER_MS
  })
  if ('failure' in answer) return { kind: 'none', reason: answer.failure.reason }
  try {
    const value = answer.reply.json<T & ErrorAnswer>()
    const { error } = value
    if (error === undefined) return { kind: 'answered', value }
    return {
      kind: 'error', code: error.err_code ?? 0, description: error.description ?? 'unnamed error'
    }
  } catch {
    return { kind: 'none', reason: 'the answer is no JSON' } // Not from JetStream.
  }
}

/** Why there is no value. */
export function wordsOf(answer: ApiAnswer<unknown>): string {
  if (answer.kind === 'none') return answer.reason
  return answer.kind === 'error' ? `${answer.description} (${answer.code})` : ''
}

export function encodedJson(request: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(request))
}
