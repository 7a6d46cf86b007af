/** The channel that a request is about, and whether its caller may do there what it asks. */

import { allows, type Operation } from '../auth/capability.ts'
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
 * derived or metachannel, which only attachments can have (40010); not permitted (40160).
 */
export function askedChannel(
  wireName: string, operations: readonly Operation[], { credentials }: Caller
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
  return { ok: true, name, key: `${credentials.appId}/${name.base}` }
}
