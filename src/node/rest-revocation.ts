/**
 * Requests to revoke tokens (protocol 11.6). One is answered once it is stored, which every worker
 * of the region learns at once; what cannot be stored was not revoked, or nobody knows.
 */

import { judgeRevocation, revokerRefusal } from '../auth/revocation-request.ts'
import { errors, inScope } from '../wire/errors.ts'
import { answerFlat, COUNTED_VERSION_MIN, counts } from './batch-results.ts'
import type { Call } from './call.ts'
import type { RequestPorts } from './request-ports.ts'

/**
 * `POST /keys/{keyName}/revokeTokens`. Errors: 40162, 40133, 40163 for who asks; 40000, 40003 for
 * what is asked; 42911 where there is no room, 50003 where it cannot be stored.
 */
export function revokeTokens(call: Call, ports: RequestPorts): void {
  const [keyName] = call.params as [string]
  const { caller: { credentials } } = call
  const key = ports.gate.directory?.key(keyName)?.key
  const refusal = revokerRefusal(keyName, credentials, key)
  if (refusal !== undefined) {
    call.refuse(refusal.info)
    return
  }
  const body = call.body()
  const judged = body.ok ? judgeRevocation(keyName, body.value, ports.now().wallMs) : body
  if (!judged.ok) {
    call.refuse(inScope(judged.error, 'request').info)
    return
  }
  const { revocations, results } = judged.asked
  ports.revocations.revoke(keyName, revocations, (outcome) => {
    if (outcome === 'stored' && call.version < COUNTED_VERSION_MIN) answerFlat(call, 201, results)
    else if (outcome === 'stored') call.answer(201, counts(results))
    else if (outcome === 'full') call.refuse(errors.rateLimited(FULL).info)
    else call.refuse(errors.timeout('The revocation could not be stored').info)
  })
}

const FULL = 'Too many tokens are revoked; revoke fewer at a time, or later'
