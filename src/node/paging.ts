/**
 * Pages of lists (protocol 12.1): what a client may ask of one, and the links that lead on. A link
 * is relative to the request's directory and holds everything that the next request needs but its
 * credentials; an opaque cursor says where the page begins.
 */

import { limits } from '../base/limits.ts'
import { errors, type ProtocolError } from '../wire/errors.ts'
import type { Request } from './request.ts'

const DEFAULT_LIMIT = 100
/** What links do not hand on: credentials, and what belongs to one request alone. */
const OWN_PARAMS: ReadonlySet<string> = new Set([
  'key', 'access_token', 'accessToken', 'request_id', 'envelope', 'cursor', 'limit'
])

type Query = Request['query']

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: ProtocolError }

/** How many items a page may have: 1 to 1,000, or 40003. */
export function limitOf(query: Query): Parsed<number> {
  const limit = countOf(query, 'limit')
  if (!limit.ok) return limit
  const { value = DEFAULT_LIMIT } = limit
  if (value >= 1 && value <= limits.pageItemsMax) return { ok: true, value }
  return { ok: false, error: errors.invalidParam('limit', `1 to ${limits.pageItemsMax}`) }
}

/** A whole number, where one is given; another value is 40003. */
export function countOf(query: Query, name: string): Parsed<number | undefined> {
  const text = query.get(name)
  if (text === undefined || text === '') return { ok: true, value: undefined }
  if (/^\d{1,15}$/.test(text)) return { ok: true, value: Number(text) }
  return { ok: false, error: errors.invalidParam(name, 'a whole number is needed') }
}

/** The Link header of a page: to the first one, to itself, and to the next if there is one. */
export function linksOf(
  { path, query }: Request,
  resolved: Readonly<Record<string, string>>,
  next: string | undefined
): Record<string, string> {
  const params = new Map<string, string>()
  for (const [name, value] of query) if (!OWN_PARAMS.has(name)) params.set(name, value)
  for (const [name, value] of Object.entries(resolved)) params.set(name, value)
  const link = (rel: string, cursor: string | undefined): string => {
    const all = cursor === undefined ? [...params] : [...params, ['cursor', cursor] as const]
    const text = all.map(([name, value]) =>
      `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
    return `<./${path.at(-1)}?${text}>; rel="${rel}"`
  }
  const links = [link('first', undefined), link('current', query.get('cursor'))]
  if (next !== undefined) links.push(link('next', next))
  return { link: links.join(', ') }
}

/** A place in a list as a cursor, which clients only hand back. */
export function cursorText(place: string): string {
  return new TextEncoder().encode(place).toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** The place that the query's cursor names, if it has one; 40011 for what is no cursor. */
export function cursorOf(query: Query): Parsed<string | undefined> {
  const text = query.get('cursor') || undefined
  if (text === undefined) return { ok: true, value: undefined }
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
    return { ok: true, value: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      return { ok: false, error: errors.staleCursor() }
    }
    throw error
  }
}
