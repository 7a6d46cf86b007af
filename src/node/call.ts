/**
 * One request under way: what was asked, by whom, and the one answer that it gets. Handlers begin
 * something and answer when they know; whoever is first answers, a handler or the deadline.
 */

import type { AppConfig } from '../auth/app.ts'
import type { Credentials } from '../auth/key.ts'
import { present } from '../base/assert.ts'
import { decodeBody, encodeBody } from '../wire/codec.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import type { Format } from '../wire/protocol-message.ts'
import { CONTENT_TYPES, headerText, type Request, type Response, wantedFormat } from './request.ts'

/** What a handler answers with. */
export interface Reply {
  readonly statusCode: number
  /** Undefined: no body. */
  readonly value?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Who asks, where that was proven. */
export interface Caller {
  readonly credentials: Credentials
  readonly app: AppConfig
  /** True: nobody on the way could read what was asked. */
  readonly isTls: boolean
}

/** What a call is made of, besides its request. */
export interface CallOptions {
  /** What stood where the route's pattern has a star. */
  readonly params: readonly string[]
  /** The protocol version that the caller speaks (section 1). */
  readonly version: number
  /** Undefined on routes that are open to everybody. */
  readonly caller: Caller | undefined
}

export class Call {
  readonly request: Request
  readonly params: readonly string[]
  readonly version: number
  /** In which the answer goes out. */
  readonly format: Format
  readonly #caller: Caller | undefined
  readonly #onReply: (reply: Reply) => void
  #onOver: (() => void) | undefined
  #isOver = false

  /** `onReply` is called once. */
  constructor(request: Request, options: CallOptions, onReply: (reply: Reply) => void) {
    this.request = request
    this.params = options.params
    this.version = options.version
    this.format = wantedFormat(request.headers, request.query)
    this.#caller = options.caller
    this.#onReply = onReply
  }

  /** True once there is an answer: nobody waits for anything any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** `run` is called when there is an answer, whosoever. */
  whenOver(run: () => void): void {
    this.#onOver = run
  }

  /** Who asks; only on routes that are not open. */
  get caller(): Caller {
    return present(this.#caller, 'a caller who was proven')
  }

  /** The answer, unless there is one. */
  answer(statusCode: number, value?: unknown, headers?: Reply['headers']): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onReply({ statusCode, value, headers })
    this.#onOver?.()
  }

  /** The same, of what went wrong. */
  refuse(error: ErrorInfo, headers?: Reply['headers']): void {
    this.answer(error.statusCode, { error }, { ...headers, ...errorHeaders(error) })
  }

  /** The body by its Content-Type: JSON, MessagePack or a form; absent or malformed: 40001. */
  body(): { readonly ok: true; readonly value: unknown } | {
    readonly ok: false; readonly error: ProtocolError
  } {
    const { body, headers } = this.request
    if (body === undefined || body.byteLength === 0) {
      return { ok: false, error: errors.malformedBody('it is empty') }
    }
    const type = (headers['content-type'] ?? '').toLowerCase()
    if (type.startsWith('application/x-www-form-urlencoded')) {
      const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')
      return { ok: true, value: Object.fromEntries(new URLSearchParams(text)) }
    }
    return decodeBody(body, type.includes('msgpack') ? 'msgpack' : 'json')
  }
}

/** The headers by which SDKs know an error whose body they cannot read (protocol 12). */
export function errorHeaders({ code, message }: ErrorInfo): Record<string, string> {
  return { 'x-ably-errorcode': String(code), 'x-ably-errormessage': headerText(message) }
}

/** A reply as bytes; in an envelope where the caller wants one (`envelope=json`, protocol 12). */
export function responseOf(
  { statusCode, value, headers = {} }: Reply, format: Format, isEnveloped: boolean
): Response {
  if (isEnveloped && format === 'json') {
    const envelope = { statusCode, response: value, headers }
    return withBody(200, envelope, 'json', {})
  }
  if (value === undefined) return { statusCode, headers, body: undefined }
  return withBody(statusCode, value, format, headers)
}

function withBody(
  statusCode: number, value: unknown, format: Format, headers: Readonly<Record<string, string>>
): Response {
  const body = encodeBody(value, format)
  return { statusCode, headers: { ...headers, 'content-type': CONTENT_TYPES[format] }, body }
}
