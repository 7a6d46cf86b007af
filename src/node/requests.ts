/**
 * A worker's HTTP requests: each is read, its route found, its caller proven, and it is answered
 * once, by its handler or at its deadline. The rules that hold for all of them are here (protocol
 * 12): versions, formats, the shape of errors, 404 and 405, the envelope.
 *
 *   raw ──read──▶ routed ──version, credentials──▶ handled ──answer, or deadline──▶ responded
 *
 * Requests under way are bounded, in number and in the bytes of their bodies; more are answered
 * with 50004, which sends an SDK to another host.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import { Call, type Caller, errorHeaders, type Reply, responseOf } from './call.ts'
import {
  headerText,
  queryOf,
  type RawRequest,
  readRequest,
  type Request,
  type Responder,
  wantedFormat
} from './request.ts'
import { appShownBy, authenticateRequest } from './request-credentials.ts'
import type { RequestPorts } from './request-ports.ts'
import { type Match, matchesOf, type Route, ROUTES } from './routes.ts'

const VERSION_MIN = 2
const VERSION_MAX = 6
/** What an error quotes of a path. */
const SHOWN_LENGTH_MAX = 200
/** A name in the DNS has no more, with a port. */
const HOST_LENGTH_MAX = 260

type Admitted =
  | { readonly ok: true; readonly match: Match; readonly version: number; readonly caller?: Caller }
  | { readonly ok: false; readonly error: ProtocolError; readonly headers?: Reply['headers'] }

export class Requests {
  readonly #serverId: string
  readonly #ports: RequestPorts
  readonly #routes: readonly Route[]
  #count = 0
  #bytes = 0

  /** `serverId` is told with every answer, for people who debug. */
  constructor(serverId: string, ports: RequestPorts, routes: readonly Route[] = ROUTES) {
    this.#serverId = serverId
    this.#ports = ports
    this.#routes = routes
  }

  /** Requests that have no answer yet. */
  get count(): number {
    return this.#count
  }

  *sizes(): Generator<Size> {
    yield ['requestsPerWorkerMax', this.#count]
    yield ['requestBytesPerWorkerMax', this.#bytes]
  }

  /** Takes a request; `responder` is given its answer by the outbox. */
  onRequest(raw: RawRequest, responder: Responder): void {
    const respond = (reply: Reply): void => this.#respond(raw, responder, reply)
    const size = raw.body?.byteLength ?? 0
    if (
      this.#count >= limits.requestsPerWorkerMax ||
      this.#bytes + size > limits.requestBytesPerWorkerMax
    ) {
      respond(replyOf(errors.capacity()))
      return
    }
    const read = readRequest(raw)
    if (!read.ok) {
      respond(replyOf(read.error))
      return
    }
    const admitted = this.#admit(read.request)
    if (admitted.ok) {
      this.#begin(read.request, admitted, size, respond)
      return
    }
    const { error, headers } = admitted
    this.#countUnproven(appShownBy(read.request), error.info.statusCode, false)
    respond(replyOf(error, headers))
  }

  /** For statistics, where the app that it is about is one of ours. */
  #countUnproven(appId: string | undefined, statusCode: number, isForToken: boolean): void {
    const { gate, events } = this.#ports
    if (appId === undefined || gate.directory?.app(appId) === undefined) return
    events.onUnproven(appId, statusCode, isForToken)
  }

  #begin(
    request: Request,
    { match: { route, params }, version, caller }: Admitted & { ok: true },
    size: number,
    respond: (reply: Reply) => void
  ): void {
    const { deadlines, now } = this.#ports
    const beganAtMs = now().monoMs
    this.#count++
    this.#bytes += size
    const call = new Call(request, { params, version, caller }, (reply) => {
      this.#count--
      this.#bytes -= size
      deadlines.cancel(deadline)
      respond(reply)
      if (caller !== undefined) this.#tell(request, caller, reply, now().monoMs - beganAtMs)
      else this.#countUnproven(route.appOf?.(params), reply.statusCode, true)
    })
    const atMs = beganAtMs + limits.requestAnswerMs
    const deadline = deadlines.at(atMs, () => call.refuse(errors.timeout().info))
    route.handle(call, this.#ports)
  }

  #tell(
    { method, path, headers }: Request,
    { credentials }: Caller,
    { statusCode, value }: Reply,
    durationMs: number
  ): void {
    const { error } = (value ?? {}) as { readonly error?: ErrorInfo }
    this.#ports.events.onRequest({ credentials }, {
      method, path: `/${path.join('/')}`, host: headers['host']?.slice(0, HOST_LENGTH_MAX),
      statusCode, durationMs,
      error: statusCode < 400 ? undefined : error
    })
  }

  #admit(request: Request): Admitted {
    const { method, path } = request
    const { gate, now } = this.#ports
    const { directory } = gate
    const matches = matchesOf(path, this.#routes).filter(({ route, params }) => {
      // Without apps nobody knows what is there; those that serve the path say so.
      return route.method === method || directory === undefined ||
        route.isThere?.(params, directory) !== false
    })
    if (matches.length === 0) {
      const shown = `/${path.join('/')}`.slice(0, SHOWN_LENGTH_MAX)
      return { ok: false, error: errors.notFound(`${method} ${shown}`) }
    }
    const match = matches.find(({ route }) => route.method === method)
    if (match === undefined) {
      const allow = matches.map(({ route }) => route.method).join(', ')
      return { ok: false, error: errors.methodNotAllowed(method), headers: { allow } }
    }
    const version = versionOf(request)
    if (typeof version !== 'number') return { ok: false, error: version }
    if (match.route.isOpen === true) return { ok: true, match, version }
    if (directory === undefined) return { ok: false, error: errors.unavailable() }
    const authenticated = gate.judge(authenticateRequest(request, directory, now().wallMs))
    if (!authenticated.ok) return authenticated
    const { credentials } = authenticated
    const app = directory.app(credentials.appId)
    if (app === undefined) return { ok: false, error: errors.unknownApp(credentials.appId) }
    return { ok: true, match, version, caller: { credentials, app, isTls: request.isTls } }
  }

  #respond({ headers, target }: RawRequest, responder: Responder, reply: Reply): void {
    const query = queryOf(target)
    const format = wantedFormat(headers, query)
    const response = responseOf(reply, format, query.get('envelope') === 'json')
    const version = headers['x-ably-version'] ?? query.get('v')
    const told: Record<string, string> = { 'x-ably-serverid': this.#serverId }
    if (version !== undefined) told['x-ably-version'] = headerText(version)
    this.#ports.outbox.respond(responder, {
      ...response,
      headers: { ...response.headers, ...told }
    })
  }
}

function replyOf({ info }: ProtocolError, headers: Reply['headers'] = {}): Reply {
  const { statusCode } = info
  return { statusCode, value: { error: info }, headers: { ...errorHeaders(info), ...headers } }
}

/** The version that the caller speaks; one who says none is taken for the oldest. */
function versionOf({ headers, query }: Request): number | ProtocolError {
  const text = headers['x-ably-version'] ?? query.get('v')
  if (text === undefined || text === '') return VERSION_MIN
  const version = /^\d{1,3}$/.test(text) ? Number(text) : 0
  const isSpoken = version >= VERSION_MIN && version <= VERSION_MAX
  return isSpoken ? version : errors.unsupportedVersion(text)
}
