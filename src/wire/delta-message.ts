/**
 * Messages as deltas on the one before (ably-protocol 7.6). A client keeps the payload of the last
 * message as it was before the steps of its encoding were undone: text as UTF-8, bytes as they
 * are. That is the base of the next delta, and only that.
 *
 * An SDK that cannot undo some step keeps nothing, and nobody here can know which steps it can. So
 * only payloads that every client reads to their end are bases or deltas: text, bytes, and JSON
 * that is JSON. Whatever else is in between (a cipher, somebody's own words) is sent whole, and so
 * is what follows it.
 */

import { limits } from '../base/limits.ts'
import { encodeDelta } from './delta.ts'
import { readJson } from './json.ts'
import type { Message } from './protocol-message.ts'

/** A payload as clients keep it. */
export interface DeltaBase {
  /** The id of its message. */
  readonly id: string
  readonly bytes: Uint8Array
}

/** What clients keep of a message; undefined where some may keep nothing. */
export function deltaBaseOf({ data, encoding }: Message, id: string): DeltaBase | undefined {
  if (data === undefined || data.length > limits.deltaBytesMax) return undefined
  if (typeof data === 'string') {
    const isRead = encoding === undefined || (encoding === 'json' && readJson(data).ok)
    return isRead ? { id, bytes: Buffer.from(data, 'utf8') } : undefined
  }
  const isRead = encoding === undefined || encoding === 'utf-8' ||
    (encoding === 'json/utf-8' && readJson(data).ok)
  return isRead ? { id, bytes: data } : undefined
}

/** The message as a delta on `base`; undefined when it is better sent whole. */
export function deltaOf(message: Message, own: DeltaBase, base: DeltaBase): Message | undefined {
  const data = encodeDelta(base.bytes, own.bytes)
  if (data === undefined) return undefined
  const { encoding, extras } = message
  const steps = encoding === undefined ? [] : [encoding]
  if (typeof message.data === 'string') steps.push('utf-8')
  steps.push('vcdiff')
  const delta = { from: base.id, format: 'vcdiff' }
  return { ...message, data, encoding: steps.join('/'), extras: { ...extras, delta } }
}
