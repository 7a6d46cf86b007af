/**
 * HTTP requests on their way to the core and back. What they mean is decided there
 * (node/requests.ts); here they are handed over as they came, and what is answered goes out as it
 * is: with content types without a charset, since SDKs compare them letter by letter. Browsers are
 * told that they may read it (CORS).
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from '../base/limits.ts'
import { errorHeaders, responseOf } from '../node/call.ts'
import type { WorkerInput } from '../node/ports.ts'
import { REGIONS_MISSING } from '../node/regions-missing.ts'
import { queryOf, type RawRequest, type Response, wantedFormat } from '../node/request.ts'
import { isTls } from './opening.ts'
import { decodeBody } from '../wire/codec.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import { hearOut } from './unread.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Gives every request that nobody else here serves to the core. */
export function serveRequests(server: FastifyInstance, input: (input: WorkerInput) => void): void {
  server.route({
    method: METHODS,
    url: '/*',
    handler: (request, reply) => askCore(request, reply, input)
  })
}

/** Refuses every method but `method` at a path that is served here; HEAD too. */
export function refuseOthers(server: FastifyInstance, url: string, method: 'GET' | 'POST'): void {
  server.route({
    method: [...METHODS, 'HEAD'].filter((other) => other !== method),
    url,
    handler: (request, reply) => {
      return answerError(request, reply, errors.methodNotAllowed(request.method).info)
    }
  })
}

/** Has the core answer. */
export async function askCore(
  request: FastifyRequest, reply: FastifyReply, input: (input: WorkerInput) => void
): Promise<FastifyReply> {
  const response = await new Promise<Response>((respond) => {
    input({ kind: 'request', request: rawRequest(request), responder: { respond } })
  })
  return send(reply, response)
}

function rawRequest({ raw, body, method }: FastifyRequest): RawRequest {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(raw.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return {
    // Who asks for the headers alone is answered as if it had asked for all; the body stays here.
    method: method === 'HEAD' ? 'GET' : method,
    target: raw.url ?? '/',
    headers,
    body: body as Buffer | undefined,
    isTls: isTls(raw)
  }
}

function send(reply: FastifyReply, { statusCode, headers, body }: Response): FastifyReply {
  reply.code(statusCode)
  for (const [name, value] of Object.entries(headers)) reply.header(name, value)
  return reply.send(body)
}

/** Sends `value` with `statusCode` in the format that the caller wants. */
export function answer(
  request: FastifyRequest, reply: FastifyReply, statusCode: number, value: unknown
): FastifyReply {
  const target = request.raw.url ?? '/'
  const format = wantedFormat(rawRequest(request).headers, queryOf(target))
  return send(reply, responseOf({ statusCode, value }, format, false))
}

/** Sends an error of the catalogue. */
export function answerError(
  request: FastifyRequest, reply: FastifyReply, error: ErrorInfo
): FastifyReply {
  reply.headers(errorHeaders(error))
  return answer(request, reply, error.statusCode, { error })
}

/** The value in a request's body; an empty one is undefined. Malformed: 40001. */
export function bodyOf(
  request: FastifyRequest
): { readonly ok: true; readonly value: unknown } | {
  readonly ok: false; readonly error: ProtocolError
} {
  const bytes = request.body as Buffer | undefined
  if (bytes === undefined || bytes.byteLength === 0) return { ok: true, value: undefined }
  const isMsgpack = (request.headers['content-type'] ?? '').toLowerCase().includes('msgpack')
  return decodeBody(bytes, isMsgpack ? 'msgpack' : 'json')
}

/** Bodies are bytes on every route, errors have our shape, and browsers may read all of it. */
export function useRestConventions(server: FastifyInstance, note: (text: string) => void): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
  server.addHook('onSend', async (request, reply) => {
    reply.headers(crossOrigin(request))
    if (reply.hasHeader(REGIONS_MISSING)) {
      reply.header('access-control-expose-headers', `${EXPOSED_HEADERS}, ${REGIONS_MISSING}`)
    }
    reply.header('vary', 'Origin, Accept, X-Ably-Version')
  })
  server.setNotFoundHandler((request, reply) => {
    return answerError(request, reply, errors.notFound(`${request.method} ${pathOf(request)}`).info)
  })
  server.setErrorHandler((error, request, reply) => {
    const { statusCode } = error as { statusCode?: number }
    if (statusCode === 413) {
      // Not even for who asks for that: it may be sending still.
      reply.header('connection', 'keep-alive')
      hearOut(request.raw)
      return answerError(request, reply, errors.frameTooLarge(limits.requestBodyBytesMax).info)
    }
    if (statusCode !== undefined && statusCode < 500) {
      const detail = (error as Error).message
      return answerError(request, reply, { ...errors.badRequest(detail).info, statusCode })
    }
    note(`${request.method} ${pathOf(request)} failed: ${String(error)}`)
    return answerError(request, reply, errors.internal().info)
  })
  server.options('*', async ({ headers }, reply) => {
    reply.header('access-control-allow-methods', [...METHODS, 'OPTIONS'].join(', '))
    const asked = headers['access-control-request-headers']
    reply.header('access-control-allow-headers', asked ?? ALLOWED_HEADERS)
    reply.header('access-control-max-age', '86400')
    return reply.code(204).send()
  })
}

/**
 * Pages of every origin may call us: nothing that a browser adds of itself proves anything. SDKs
 * in browsers ask with credentials where they show a key or a token, and then only an answer that
 * names their origin is given to them.
 */
export function crossOrigin({ headers: { origin } }: FastifyRequest): Record<string, string> {
  const exposed = { 'access-control-expose-headers': EXPOSED_HEADERS }
  if (origin === undefined) return { ...exposed, 'access-control-allow-origin': '*' }
  return {
    ...exposed,
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true'
  }
}

const EXPOSED_HEADERS =
  'Link, X-Ably-Errorcode, X-Ably-Errormessage, X-Ably-Serverid, X-Ably-Version'
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Accept, X-Ably-Version, Ably-Agent, X-Ably-ClientId, ' +
  'X-Ably-MessageId, X-Ably-MessageName, X-Ably-MessageEncoding, X-Ably-MessageClientId, ' +
  'X-Ably-MessageConnectionKey, Last-Event-ID, Cache-Control'

/** The path without its query, which may hold credentials. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!
}
