/**
 * A message whose body is nothing but its data (`enveloped=false`, protocol 14.2): what else there
 * is to say of it stands in headers, or in params of the same names.
 */

import type { Request } from './request.ts'

/** The message as if it had come in an envelope. */
export function rawMessageOf(request: Request): Record<string, unknown> {
  const field = (name: string): string | undefined => fieldOf(request, `x-ably-message${name}`)
  const { data, encoding } = dataOf(request)
  return {
    id: field('id'),
    name: field('name'),
    clientId: field('clientid'),
    connectionKey: field('connectionkey'),
    encoding: field('encoding') ?? encoding,
    data
  }
}

function dataOf({ headers, body }: Request): { data?: string | Uint8Array; encoding?: string } {
  if (body === undefined || body.byteLength === 0) return {}
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'application/json') return { data: textOf(body), encoding: 'json' }
  return type.startsWith('text/') ? { data: textOf(body) } : { data: body }
}

/** Header or param; what is in a header are the bytes of UTF-8, whatever HTTP makes of them. */
function fieldOf({ headers, query }: Request, name: string): string | undefined {
  const header = headers[name]
  if (header !== undefined) return Buffer.from(header, 'latin1').toString('utf8')
  for (const [param, value] of query) if (param.toLowerCase() === name) return value
  return undefined
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
