/**
 * What regions say of themselves as bytes: MessagePack maps with names, like membership messages.
 * Others speak on these subjects too, of other releases, and of other clusters whose makers we do
 * not know: what is read is checked field by field, and what is not understood is nothing.
 */

import { decode, encode } from '@msgpack/msgpack'
import { limits } from '../base/limits.ts'
import type { ViewRecord } from '../peer/membership.ts'
import {
  type Announcement, type RegionIdentity, type SilentRegion, WORLD_FORMAT_VERSION,
  type WorldMessage
} from './world-message.ts'

/** Three words of letters that mean nothing to NATS, the first of which is ours. */
const PREFIX = /^ringcast\.[^\s.*>]+\.[^\s.*>]+$/

/** A message as bytes for the mesh; undefined for what is too large to be sent. */
export function encodeWorldMessage(message: WorldMessage): Uint8Array | undefined {
  const bytes = encode(message, { ignoreUndefined: true })
  return bytes.length <= limits.announcementBytesMax ? bytes : undefined
}

/** The message in `bytes`; undefined for what is none of a format that we speak. */
export function decodeWorldMessage(bytes: Uint8Array): WorldMessage | undefined {
  if (bytes.length > limits.announcementBytesMax) return undefined
  try {
    const value = decode(bytes)
    if (!isRecord(value) || value['formatVersion'] !== WORLD_FORMAT_VERSION) return undefined
    switch (value['kind']) {
      case 'region': return announcementFrom(value)
      case 'still': return stillFrom(value)
      case 'ask': return askFrom(value)
      case 'roster': return rosterFrom(value)
      default: return undefined
    }
  } catch {
    return undefined // Not MessagePack: nobody of any mesh wrote it.
  }
}

function announcementFrom(value: Record<string, unknown>): WorldMessage | undefined {
  const identity = saidFrom(value)
  const { view, generations } = value
  if (identity === undefined || !isRecord(view) || !Array.isArray(generations)) return undefined
  if (!generations.every(isGenerations)) return undefined
  return {
    kind: 'region', formatVersion: WORLD_FORMAT_VERSION, ...identity,
    view: view as unknown as ViewRecord, generations
  }
}

function stillFrom(value: Record<string, unknown>): WorldMessage | undefined {
  const identity = saidFrom(value)
  const { viewVersion, digest } = value
  if (identity === undefined || !isCount(viewVersion) || !isCount(digest)) return undefined
  return { kind: 'still', formatVersion: WORLD_FORMAT_VERSION, ...identity, viewVersion, digest }
}

function saidFrom(
  value: Record<string, unknown>
): (RegionIdentity & Pick<Announcement, 'absent'>) | undefined {
  const identity = identityFrom(value)
  const { absent } = value
  if (identity === undefined || absent === undefined) return identity
  const isWhole = Array.isArray(absent) && absent.length <= limits.worldRegionsMax &&
    absent.every(isSilentRegion)
  return isWhole ? { ...identity, absent } : undefined
}

function identityFrom(value: Record<string, unknown>): RegionIdentity | undefined {
  const { name, ownName, uid, madeAtMs, prefix, endpoint, world, isToDrain } = value
  if (!isName(name) || !isName(ownName) || !isName(uid) || !isCount(madeAtMs)) return undefined
  if (!isName(prefix) || !PREFIX.test(prefix) || !isText(endpoint)) return undefined
  if (world !== undefined && !isName(world)) return undefined
  return {
    name, ownName, uid, madeAtMs, prefix, endpoint, ...(world !== undefined && { world }),
    ...(isToDrain === true && { isToDrain })
  }
}

function askFrom({ uid }: Record<string, unknown>): WorldMessage | undefined {
  return isName(uid) ? { kind: 'ask', formatVersion: WORLD_FORMAT_VERSION, uid } : undefined
}

function rosterFrom({ madeAtMs, uids, names }: Record<string, unknown>): WorldMessage | undefined {
  if (!isCount(madeAtMs) || !Array.isArray(uids) || !uids.every(isName)) return undefined
  // All others that are listened to, and the own one.
  if (uids.length > limits.worldRegionsMax + 1) return undefined
  const roster = { kind: 'roster' as const, formatVersion: WORLD_FORMAT_VERSION, madeAtMs, uids }
  if (names === undefined) return roster
  const isOfAll = Array.isArray(names) && names.length === uids.length && names.every(isName)
  return isOfAll ? { ...roster, names } : undefined
}

function isGenerations(value: unknown): value is [string, number[]] {
  return Array.isArray(value) && value.length === 2 && isName(value[0]) &&
    Array.isArray(value[1]) && value[1].every(isCount)
}

function isSilentRegion(value: unknown): value is SilentRegion {
  return Array.isArray(value) && value.length === 3 && isName(value[0]) && isName(value[1]) &&
    isCount(value[2])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= limits.announcementTextMax
}

function isName(value: unknown): value is string {
  return isText(value) && value !== ''
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
