/**
 * HTTP answers in the shape that SDKs expect (protocol 12): JSON or MessagePack by Accept or
 * `format`, errors as `{error}` with their headers, and content types without a charset, since
 * SDKs compare them letter by letter.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { decodeBody, encodeBody } from '../wire/codec.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import type { Format } from '../wire/protocol-message.ts'

const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  msgpack: 'application/x-msgpack'
}

/** The format the caller wants: Accept wins, then `?format=`, then JSON. */
export function wantedFormat(request: FastifyRequest): Format {
  const accept = request.headers.accept ?? ''
  if (accept.includes('application/x-msgpack')) return 'msgpack'
  if (accept.includes('application/json')) return 'json'
  const query = request.query as Record<string, unknown>
  return query.format === 'msgpack' ? 'msgpack' : 'json'
}

/** Sends `value` with `statusCode` in the format that the caller wants. */
export function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  statusCode: number,
  value: unknown
): FastifyReply {
  const format = wantedFormat(request)
  const body = encodeBody(value, format)
  return reply.code(statusCode).header('content-type', CONTENT_TYPES[format]).send(body)
}

/** Sends an error of the catalogue. */
export function answerError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: ErrorInfo
): FastifyReply {
  reply.header('x-ably-errorcode', String(error.code))
  reply.header('x-ably-errormessage', headerText(error.message))
  return answer(request, reply, error.statusCode, { error })
}

/** Teaches the server both body formats, and our shape of errors, for every route. */
export function useRestConventions(server: FastifyInstance, note: (text: string) => void): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    const isMsgpack = (request.headers['content-type'] ?? '').includes('msgpack')
    const bytes = body as Buffer
    if (bytes.byteLength === 0) {
      done(null, undefined)
      return
    }
    const decoded = decodeBody(bytes, isMsgpack ? 'msgpack' : 'json')
    if (decoded.ok) done(null, decoded.value)
    else done(new RefusedBody(decoded.error))
  })
  server.addHook('onSend', async (request, reply) => {
    reply.header('access-control-allow-origin', '*')
    reply.header('access-control-expose-headers', EXPOSED_HEADERS)
    const version = request.headers['x-ably-version']
    if (typeof version === 'string') reply.header('x-ably-version', headerText(version))
  })
  server.setNotFoundHandler((request, reply) => {
    const { error } = { error: errors.notFound(`${request.method} ${pathOf(request)}`) }
    return answerError(request, reply, error.info)
  })
  server.setErrorHandler((error, request, reply) => {
    if (error instanceof RefusedBody) return answerError(request, reply, error.refusal.info)
    const { statusCode } = error as { statusCode?: number }
    if (statusCode !== undefined && statusCode < 500) {
      const detail = (error as Error).message
      return answerError(request, reply, { ...errors.badRequest(detail).info, statusCode })
    }
    note(`${request.method} ${pathOf(request)} failed: ${String(error)}`)
    return answerError(request, reply, errors.internal().info)
  })
  server.options('*', async (_request, reply) => {
    reply.header('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE, OPTIONS')
    reply.header('access-control-allow-headers', ALLOWED_HEADERS)
    reply.header('access-control-max-age', '86400')
    return reply.code(204).send()
  })
}

const EXPOSED_HEADERS = 'Link, X-Ably-Errorcode, X-Ably-Errormessage, X-Ably-Version'
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Accept, X-Ably-Version, Ably-Agent, X-Ably-ClientId'

class RefusedBody extends Error {
  readonly refusal: ProtocolError

  constructor(refusal: ProtocolError) {
    super(refusal.info.message)
    this.refusal = refusal
  }
}

/** The path without its query, which may hold credentials. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!
}

function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?')
}
