/**
 * Requests for Ably tokens (protocol 11.3). A signed one comes from anybody, once in the region:
 * its nonce is used before its token is given out. One that comes with the key is not remembered.
 */

import { tlsRefusal } from '../auth/connect.ts'
import { judgeTokenRequest, tokenOf } from '../auth/token-request.ts'
import { errors } from '../wire/errors.ts'
import { isMap } from '../wire/fields.ts'
import type { Call } from './call.ts'
import { authenticateRequest, showsCredentials } from './request-credentials.ts'
import type { RequestPorts } from './request-ports.ts'

/** `POST /keys/{keyName}/requestToken`. */
export function requestToken(call: Call, ports: RequestPorts): void {
  const { directory } = ports.gate
  if (directory === undefined) {
    call.refuse(errors.unavailable().info)
    return
  }
  const { wallMs } = ports.now()
  // Who shows its key need not say more.
  const isEmpty = (call.request.body?.byteLength ?? 0) === 0
  const body = isEmpty ? { ok: true as const, value: {} } : call.body()
  if (!body.ok) {
    call.refuse(body.error.info)
    return
  }
  const isSigned = isSignedBody(body.value)
  const proven = !isSigned && showsCredentials(call.request)
    ? ports.gate.judge(authenticateRequest(call.request, directory, wallMs)) : undefined
  if (proven?.ok === false) {
    call.refuse(proven.error.info)
    return
  }
  const [keyName] = call.params
  const judged = judgeTokenRequest(keyName!, body.value, proven?.credentials, directory, wallMs)
  if (!judged.ok) {
    call.refuse(judged.error.info)
    return
  }
  const { granted } = judged
  const [appId] = granted.keyName.split('.', 1) as [string]
  const closed = tlsRefusal({ appId }, call.request.isTls, directory)
  if (closed !== undefined) {
    call.refuse(closed.info)
    return
  }
  const give = (): void => {
    const details = ports.gate.directory && tokenOf(granted, ports.gate.directory)
    if (details === undefined) call.refuse(errors.notFound('no such key').info)
    else call.answer(201, details)
  }
  if (granted.nonce === undefined) {
    give()
    return
  }
  ports.nonces.spend(granted.nonce, (outcome) => {
    if (outcome === 'fresh') give()
    else if (outcome === 'used') call.refuse(errors.nonceReplayed().info)
    else if (outcome === 'full') call.refuse(errors.capacity().info)
    else call.refuse(errors.timeout().info)
  })
}

function isSignedBody(body: unknown): boolean {
  const { mac } = isMap(body) ? body : {}
  return mac !== undefined && mac !== null && mac !== ''
}
