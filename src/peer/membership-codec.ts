/**
 * Membership messages as bytes: plain MessagePack maps with names, since they are rare, small and
 * the first thing that nodes of different releases must understand of each other.
 */

import { decode, encode } from '@msgpack/msgpack'
import { MEMBERSHIP_FORMAT_VERSION, type MembershipMessage } from './membership.ts'

/** A message as bytes for the mesh. */
export function encodeMembership(message: MembershipMessage): Uint8Array {
  return encode(message, { ignoreUndefined: true })
}

/** The message in `bytes`; undefined for what is none of a format that we speak. */
export function decodeMembership(bytes: Uint8Array): MembershipMessage | undefined {
  try {
    const value = decode(bytes) as MembershipMessage | null
    if (typeof value !== 'object' || typeof value?.kind !== 'string') return undefined
    return value.formatVersion === MEMBERSHIP_FORMAT_VERSION ? value : undefined
  } catch {
    return undefined // Not MessagePack: nobody of this mesh wrote it.
  }
}
