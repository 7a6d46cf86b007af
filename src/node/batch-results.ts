/** How results of many things that one request asked for are told (protocol 14.6, 11.6). */

import { type ErrorInfo, errors } from '../wire/errors.ts'
import { type Call, errorHeaders } from './call.ts'

/** Versions below are told a flat list, and an error if anything went wrong. */
export const COUNTED_VERSION_MIN = 3

interface Result {
  readonly error?: ErrorInfo | undefined
}

/** Results with how many of them are good. */
export function counts(results: readonly Result[]): object {
  const failureCount = results.filter(({ error }) => error !== undefined).length
  return { successCount: results.length - failureCount, failureCount, results }
}

/** The list alone; 40020 with the list if anything went wrong. */
export function answerFlat(
  call: Call, statusCode: number, results: readonly Result[],
  headers: Readonly<Record<string, string>> = {}
): void {
  if (results.every(({ error }) => error === undefined)) {
    call.answer(statusCode, results, headers)
    return
  }
  const error = errors.batchFailed().info
  const all = { ...headers, ...errorHeaders(error) }
  call.answer(error.statusCode, { error, batchResponse: results }, all)
}
