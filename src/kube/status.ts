/*
What the server says of a request: a body, a `Status`, or remarks in a header.
*/
import { KubeError } from './kube-error.ts'
import type { Answer } from './transport.ts'

/** The server's own description of a failure, as the object of an `ERROR` line or a body. */
export interface Status {
  kind?: string
  code?: number
  reason?: string
  message?: string
  details?: { retryAfterSeconds?: number }
}

/** The server's answer as an error. `retryAfter` is the header's value. */
export function errorOfStatus (
  status: Status, code: number, retryAfter: string | undefined
): KubeError {
  const seconds = retryAfter === undefined ? status.details?.retryAfterSeconds : Number(retryAfter)
  return new KubeError({
    status: code,
    reason: status.reason ?? 'Unknown',
    message: status.message ?? `the API server answered ${code}`,
    retryAfterMs: seconds !== undefined && seconds >= 0 ? seconds * 1000 : undefined
  })
}

/** Throws `KubeError` with reason `BadAnswer`. */
export function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new KubeError({
      status: 0, reason: 'BadAnswer', message: 'the API server\'s answer is not JSON', cause: error
    })
  }
}

/**
 * A refusal, whatever its body: proxies and dying servers answer in plain text, whose beginning
 * is then the message.
 */
export function errorOf (answer: Answer, text: string): KubeError {
  let status: Status
  try {
    const body: unknown = JSON.parse(text)
    status = typeof body === 'object' && body !== null ? body : {}
  } catch {
    status = { message: `the API server answered ${answer.status}: ${text.trim().slice(0, 200)}` }
  }
  return errorOfStatus(status, answer.status, answer.headers['retry-after'])
}

/** The server's remarks on a request it granted: `299 - "text"`, joined by commas. */
export function warningsOf (answer: Answer): string[] {
  const header = answer.headers.warning
  if (header === undefined) return []
  return [...String(header).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text)
}
