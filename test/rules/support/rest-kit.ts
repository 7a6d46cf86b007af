/** Plain HTTP for rules: what the SDK would never send, and a look at what it would not show. */

import { decode, encode } from '@msgpack/msgpack'
import type { Stage } from './rule.ts'

export const TYPES = { json: 'application/json', msgpack: 'application/x-msgpack' } as const

export function basic(key: string): string {
  return `Basic ${Buffer.from(key).toString('base64')}`
}

export interface AskOptions extends RequestInit {
  readonly node?: number
  readonly headers?: Record<string, string>
  /** Sent as the body, in the format of the stage. */
  readonly value?: unknown
}

/** Asks with the region's key, in the format of the stage. */
export async function ask(
  on: Stage, path: string, { node = 1, headers, value, ...init }: AskOptions = {}
): Promise<Response> {
  const type = TYPES[on.format]
  const all: Record<string, string> = {
    accept: type, authorization: basic(on.key), 'x-ably-version': '6', ...headers
  }
  if (value === undefined) return fetch(`${on.url(node)}${path}`, { ...init, headers: all })
  const body = on.format === 'msgpack' ? encode(value, { ignoreUndefined: true })
    : JSON.stringify(value)
  return fetch(`${on.url(node)}${path}`, {
    method: 'POST', ...init, body, headers: { 'content-type': type, ...all }
  })
}

/** What the answer says, whatever its format. */
export async function valueOf(response: Response): Promise<any> {
  const isPacked = response.headers.get('content-type') === TYPES.msgpack
  return isPacked ? decode(new Uint8Array(await response.arrayBuffer())) : response.json()
}

/** Status and error code of an answer, or 0 where there is none. */
export async function refusalOf(asked: Promise<Response>): Promise<[number, number]> {
  const response = await asked
  const { error } = await valueOf(response) as { error?: { code: number } }
  return [response.status, error?.code ?? 0]
}

export function pathOf(channel: string, rest = ''): string {
  return `/channels/${encodeURIComponent(channel)}${rest}`
}
