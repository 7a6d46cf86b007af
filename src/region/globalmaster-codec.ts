/**
 * What globalmasters say as bytes: a MessagePack map with names, like membership messages. Others
 * speak on the subject too, of other releases and other clusters: what is read is checked field by
 * field, and what is not understood is nothing.
 */

import { decode, encode } from '@msgpack/msgpack'
import {
  type Echo, GLOBALMASTER_FORMAT_VERSION, type GlobalmasterHello, type RelayWord,
  type RelayWordsOfNode
} from './globalmaster-message.ts'

/** More is not sent, and not listened to: it stays below NATS's max_payload of 1 MB. */
export const GLOBALMASTER_BYTES_MAX = 1_000_000
const TEXT_LENGTH_MAX = 512
/** Regions of one world, with what is said of those that were made anew. */
export const GLOBALMASTER_REGIONS_MAX = 64

/** The message as bytes for the mesh; undefined for what is too large to be sent. */
export function encodeGlobalmaster(hello: GlobalmasterHello): Uint8Array | undefined {
  const bytes = encode({
    ...hello,
    echoes: hello.echoes.map(({ instance, sentAtMs, heldMs }) => [instance, sentAtMs, heldMs]),
    apps: [...hello.apps]
  })
  return bytes.length <= GLOBALMASTER_BYTES_MAX ? bytes : undefined
}

/** The message in `bytes`; undefined for what is none of a format that we speak. */
export function decodeGlobalmaster(bytes: Uint8Array): GlobalmasterHello | undefined {
  return decodeAs(bytes, helloFrom)
}

/** What a node tells its globalmaster, as bytes for the mesh. */
export function encodeRelayWords(words: RelayWordsOfNode): Uint8Array {
  return encode(words, { ignoreUndefined: true })
}

/** The inverse; undefined for what is none of a format that we speak. */
export function decodeRelayWords(bytes: Uint8Array): RelayWordsOfNode | undefined {
  return decodeAs(bytes, relayWordsFrom)
}

function decodeAs<T>(
  bytes: Uint8Array, read: (value: Record<string, unknown>) => T | undefined
): T | undefined {
  if (bytes.length > GLOBALMASTER_BYTES_MAX) return undefined
  try {
    const value = decode(bytes)
    return isRecord(value) ? read(value) : undefined
  } catch {
    return undefined // Not MessagePack: nobody of any mesh wrote it.
  }
}

function helloFrom(value: Record<string, unknown>): GlobalmasterHello | undefined {
  const { kind, formatVersion, world, region, ringUid, madeAtMs, instance, term } = value
  const { sentAtMs, echoes, roster, apps, areAppsUnknown } = value
  if (kind !== 'globalmaster' || formatVersion !== GLOBALMASTER_FORMAT_VERSION) return undefined
  if (!isText(world) || !isText(region) || !isText(ringUid) || !isText(instance)) return undefined
  if (!isAmount(madeAtMs) || !isAmount(term) || !isAmount(sentAtMs)) return undefined
  if (!isListOf(echoes, isEcho) || !isListOf(roster, isText)) return undefined
  if (!Array.isArray(apps) || !apps.every(isPair)) return undefined
  if (areAppsUnknown !== undefined && typeof areAppsUnknown !== 'boolean') return undefined
  return {
    kind, formatVersion, world, region, ringUid, madeAtMs, instance, term, sentAtMs,
    echoes: echoes.map(([whose, sent, heldMs]): Echo =>
      ({ instance: whose, sentAtMs: sent, heldMs })),
    roster,
    apps: new Map(apps),
    ...areAppsUnknown !== undefined && { areAppsUnknown }
  }
}

function relayWordsFrom(value: Record<string, unknown>): RelayWordsOfNode | undefined {
  const { kind, formatVersion, incarnation, isFirst, relays } = value
  if (kind !== 'relays' || formatVersion !== GLOBALMASTER_FORMAT_VERSION) return undefined
  if (!isText(incarnation) || !isListOf(relays, isRelayWord)) return undefined
  if (isFirst !== undefined && typeof isFirst !== 'boolean') return undefined
  return { kind, formatVersion, incarnation, ...isFirst !== undefined && { isFirst }, relays }
}

function isRelayWord(value: unknown): value is RelayWord {
  if (!isRecord(value)) return false
  const { uid, heardAgoMs = 0, channels, behind, behindMs, isFull } = value
  return isText(uid) && isAmount(heardAgoMs) && isAmount(channels) && isAmount(behind) &&
    isAmount(behindMs) && typeof isFull === 'boolean'
}

function isListOf<T>(value: unknown, isOne: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.length <= GLOBALMASTER_REGIONS_MAX && value.every(isOne)
}

function isEcho(value: unknown): value is [string, number, number] {
  return Array.isArray(value) && value.length === 3 && isText(value[0]) && isAmount(value[1]) &&
    isAmount(value[2])
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every(isText)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
