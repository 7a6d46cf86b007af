/** The channel that a request is about, and whether its caller may do there what it asks. */

import { namespaceOf } from '../auth/app.ts'
import { allows, type Operation } from '../auth/capability.ts'
import { namespaceRefusal } from '../auth/namespace.ts'
import { errors, type ProtocolError } from '../wire/errors.ts'
import { type ChannelName, parseChannelName } from '../wire/params.ts'
import type { Caller } from './call.ts'

export interface AskedChannel {
  readonly ok: true
  readonly name: ChannelName
  /** `appId/name`, by which channels are known among nodes. */
  readonly key: string
}

/**
 * The channel of this wire name, for one of `operations`. Errors: no channel's name, or that of a
 * derived or metachannel, which only attachments can have (40010); not permitted (40160), or not
 * by the rules of its namespace (40161, 40311).
 */
export function askedChannel(
  wireName: string, operations: readonly Operation[], { credentials, app, isTls }: Caller
): AskedChannel | { readonly ok: false; readonly error: ProtocolError } {
  const parsed = parseChannelName(wireName)
  if (!parsed.ok) return parsed
  const { name } = parsed
  if (name.qualifier?.meta === true || name.qualifier?.filter !== undefined) {
    const detail = 'derived and metachannels can only be attached to'
    return { ok: false, error: errors.invalidChannelName(wireName, detail) }
  }
  if (!operations.some((operation) => allows(credentials.capability, operation, name))) {
    return { ok: false, error: errors.capabilityDenied(operations.join(' or '), wireName) }
  }
  const refusal = namespaceRefusal(namespaceOf(app, name.base), credentials, isTls)
  if (refusal !== undefined) return { ok: false, error: refusal }
  return { ok: true, name, key: `${credentials.appId}/${name.base}` }
}
