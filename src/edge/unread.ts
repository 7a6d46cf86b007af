/**
 * Requests that cannot be read at all: a head that is too large, that does not come, or that makes
 * no sense. No route has them, so that their answer is written as it goes over the wire; it has the
 * shape of all others, and browsers may read it. And requests whose bodies nobody wants to read to
 * their end.
 */

import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../base/limits.ts'
import { errorHeaders } from '../node/call.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'

/** What Node's parser says, and what it means. */
function errorOf(code: string | undefined): ErrorInfo {
  const { info } = errors.badRequest(code === 'HPE_HEADER_OVERFLOW'
    ? `the head of a request has at most ${limits.requestHeadBytesMax} bytes`
    : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'the request did not come in time'
      : 'this is no HTTP request')
  const statusCode = code === 'HPE_HEADER_OVERFLOW' ? 431
    : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  return { ...info, statusCode }
}

/** Those of requests that have their answer, and are still being sent. */
const answered = new WeakSet<Socket>()

/**
 * Takes in the rest of a request that is refused before it is whole, and keeps nothing of it: who
 * is still sending does not hear an answer that comes with the end of its connection. It may last
 * as long as any request.
 */
export function hearOut(request: IncomingMessage): void {
  const { socket } = request
  answered.add(socket)
  request.once('end', () => answered.delete(socket))
  request.resume()
}

/** Answers what Node's parser gave up, and closes the connection. */
export function refuseUnread({ code }: Error & { code?: string }, socket: Socket): void {
  // Who has gone hears nothing; and what was answered already must not be answered twice.
  if (code === 'ECONNRESET' || !socket.writable || answered.has(socket)) {
    socket.destroy()
    return
  }
  const error = errorOf(code)
  const body = Buffer.from(JSON.stringify({ error }))
  const headers = {
    ...errorHeaders(error),
    'content-type': 'application/json',
    'content-length': String(body.byteLength),
    'access-control-allow-origin': '*',
    connection: 'close'
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const { statusCode } = error
  socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${head}\r\n${body}`)
}
