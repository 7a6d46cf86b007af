/**
 * An HTTP request of a client as the core sees it, and the answer to it: values, whoever carries
 * them. The shell hands over what came (`RawRequest`) and is handed what goes out (`Response`);
 * everything between is decided here, so that production, dev mode and the simulator answer alike.
 *
 * A path is split before it is decoded, and each segment is decoded exactly once: names of
 * channels hold slashes, percent signs, quotes and whatever else there is (protocol 12, 24).
 */

import { errors, type ProtocolError } from '../wire/errors.ts'
import type { Format } from '../wire/protocol-message.ts'

/** A request as it came. */
export interface RawRequest {
  readonly method: string
  /** Path and query as they stood in the request line, nothing decoded. */
  readonly target: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Undefined: there was none. */
  readonly body: Uint8Array | undefined
  readonly isTls: boolean
}

/** A request that was read. */
export interface Request {
  readonly method: string
  /** What stands between the slashes, decoded; a trailing slash counts for nothing. */
  readonly path: readonly string[]
  /** Decoded; of a param that is given twice, the first. */
  readonly query: ReadonlyMap<string, string>
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array | undefined
  readonly isTls: boolean
}

/** What goes out. */
export interface Response {
  readonly statusCode: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

/** Whoever waits for the answer to one request; called once, by the shell. */
export interface Responder {
  respond(response: Response): void
}

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  msgpack: 'application/x-msgpack'
}

/** Params whose values never hold a space, so that one is a plus sign that nobody escaped. */
const SPACELESS: ReadonlySet<string> = new Set(['key', 'access_token', 'accessToken'])

/** Some say with the path whom they ask, as if we were a proxy (RFC 9112, 3.2.2). */
const ORIGIN = /^https?:\/\/[^/?]*/i

/** Reads a request; one whose path is not percent-encoded as it should be is 40000. */
export function readRequest(
  { target, ...rest }: RawRequest
): { readonly ok: true; readonly request: Request } | {
  readonly ok: false; readonly error: ProtocolError
} {
  const path = pathOf(target)
  if (path === undefined) {
    return { ok: false, error: errors.badRequest('The path is not percent-encoded UTF-8') }
  }
  return { ok: true, request: { ...rest, path, query: queryOf(target) } }
}

function pathOf(target: string): string[] | undefined {
  const [path] = target.replace(ORIGIN, '').split('?', 1)
  const segments = path!.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  try {
    return segments.map((segment) => decodeURIComponent(segment))
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

/** The params of a target's query. */
export function queryOf(target: string): Map<string, string> {
  const at = target.indexOf('?')
  const query = new Map<string, string>()
  if (at === -1) return query
  for (const [name, value] of new URLSearchParams(target.slice(at + 1))) {
    if (query.has(name)) continue
    query.set(name, SPACELESS.has(name) ? value.replaceAll(' ', '+') : value)
  }
  return query
}

/**
 * The format the caller wants: Accept wins, of those that are known the one of the highest quality,
 * the first of equal ones (RFC 9110, 12.5.1); then `format`; then JSON.
 */
export function wantedFormat(
  headers: Request['headers'], query: ReadonlyMap<string, string>
): Format {
  let [wanted, highest]: [Format | undefined, number] = [undefined, 0]
  for (const part of (headers['accept'] ?? '').split(',')) {
    const [type, ...params] = part.toLowerCase().split(';').map((text) => text.trim())
    const format = type === CONTENT_TYPES.msgpack ? 'msgpack'
      : type === CONTENT_TYPES.json ? 'json' : undefined
    const quality = Number(params.find((text) => text.startsWith('q='))?.slice(2) ?? 1)
    if (format !== undefined && quality > highest) [wanted, highest] = [format, quality]
  }
  return wanted ?? (query.get('format') === 'msgpack' ? 'msgpack' : 'json')
}

/** Text as a header can carry it. */
export function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?')
}
