/*
HTTP to one API server, over one keep-alive agent.

Node's own agent is used rather than a further HTTP library: it is already in the process for the
public listener, so it costs a data node nothing, and the sockets it keeps are shared by every
caller of the client. Connections are told apart by client certificate, so a rotated certificate
gets a new connection by itself.

Every way an exchange can fail leaves here as a `KubeError`: with the server's status and reason
when it answered, with status 0 when it did not.
*/
import * as http from 'node:http'
import * as https from 'node:https'
import type { Authorization, Credentials } from './credentials.ts'
import { KubeError } from './kube-error.ts'
import type { Timers } from './timers.ts'

export interface Exchange {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query. */
  path: string
  headers: Record<string, string>
  body?: string
  timeoutMs: number
  signal?: AbortSignal
}

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
}

/** An answer whose body is still to be read. `abort` ends the exchange wherever it stands. */
export interface OpenAnswer extends Answer {
  body: AsyncIterable<Buffer>
  abort: () => void
}

/** A page of 500 large objects fits well within; more is a server gone wrong. */
const bodyBytesMax = 64 * 1024 * 1024

/** The server closes idle connections after minutes; ours go first, so none is used stale. */
const idleConnectionMs = 45_000
const idleConnectionCountMax = 4

export class Transport {
  readonly #base: URL
  readonly #credentials: Credentials
  readonly #timers: Timers
  readonly #agent: http.Agent

  constructor (credentials: Credentials, timers: Timers) {
    this.#base = new URL(credentials.server)
    this.#credentials = credentials
    this.#timers = timers
    const options = {
      keepAlive: true,
      keepAliveMsecs: 30_000,
      maxFreeSockets: idleConnectionCountMax,
      timeout: idleConnectionMs
    }
    this.#agent = this.#base.protocol === 'https:'
      ? new https.Agent(options)
      : new http.Agent(options)
  }

  /** One exchange, whole; the time bound covers the body. */
  async call (
    exchange: Exchange, authorization: Authorization
  ): Promise<Answer & { text: string }> {
    const abort = this.#abortOf(exchange)
    try {
      const answer = await this.#send(exchange, authorization, abort.signal)
      const text = await this.#readAll(answer)
      return { status: answer.statusCode ?? 0, headers: answer.headers, text }
    } catch (error) {
      throw this.#asKubeError(error, abort.signal)
    } finally {
      abort.settle()
    }
  }

  /**
   * Resolves at the head of a granted answer; the time bound ends there, `signal` stays in force.
   * A refusal is read whole within the bound.
   */
  async open (
    exchange: Exchange, authorization: Authorization
  ): Promise<OpenAnswer | Answer & { text: string }> {
    const abort = this.#abortOf(exchange)
    try {
      const answer = await this.#send(exchange, authorization, abort.signal)
      const head = { status: answer.statusCode ?? 0, headers: answer.headers }
      if (head.status !== 200) {
        const text = await this.#readAll(answer)
        abort.settle()
        return { ...head, text }
      }
      abort.disarm()
      return {
        ...head,
        body: this.#bodyOf(answer, abort),
        abort: () => {
          abort.now(new KubeError({
            status: 0, reason: 'Aborted', message: 'the watch was closed'
          }))
          abort.settle()
        }
      }
    } catch (error) {
      abort.settle()
      throw this.#asKubeError(error, abort.signal)
    }
  }

  /** Drops the idle connections; those in use end with their exchanges. */
  close (): void {
    this.#agent.destroy()
  }

  async #send (
    exchange: Exchange, authorization: Authorization, signal: AbortSignal
  ): Promise<http.IncomingMessage> {
    const options = this.#requestOptions(exchange, authorization, signal)
    const protocol = this.#base.protocol === 'https:' ? https : http
    for (;;) {
      const request = protocol.request(this.#base, options)
      try {
        return await new Promise((resolve, reject) => {
          request.on('response', resolve)
          request.on('error', reject)
          request.end(exchange.body)
        })
      } catch (error) {
        // A kept connection that the server closed as we wrote: on a new one it is answered.
        // Only for reads: of a write nobody can say here whether it was done.
        const isRepeatable = request.reusedSocket && exchange.method === 'GET'
        if (!isRepeatable || signal.aborted) throw error
      }
    }
  }

  #requestOptions (
    exchange: Exchange, authorization: Authorization, signal: AbortSignal
  ): https.RequestOptions {
    const { method, path, body } = exchange
    const headers: Record<string, string | number> = {
      ...exchange.headers, ...authorization.headers, accept: 'application/json'
    }
    if (body !== undefined) headers['content-length'] = Buffer.byteLength(body)
    const base = this.#base.pathname === '/' ? '' : this.#base.pathname.replace(/\/$/, '')
    const options: https.RequestOptions = {
      agent: this.#agent, method, headers, signal, path: base + path
    }
    if (this.#base.protocol === 'https:') {
      options.ca = this.#credentials.ca
      options.cert = authorization.cert
      options.key = authorization.key
      options.servername = this.#credentials.serverName
      if (this.#credentials.skipTlsVerify === true) options.rejectUnauthorized = false
    }
    return options
  }

  async #readAll (answer: http.IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    let byteCount = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      byteCount += chunk.length
      if (byteCount > bodyBytesMax) {
        throw new KubeError({
          status: 0,
          reason: 'BadAnswer',
          message: `an answer of ${this.#base.origin} is larger than ${bodyBytesMax} bytes`
        })
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  async * #bodyOf (answer: http.IncomingMessage, abort: Abort): AsyncIterable<Buffer> {
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) yield chunk
    } catch (error) {
      throw this.#asKubeError(error, abort.signal)
    } finally {
      abort.settle()
    }
  }

  #abortOf (exchange: Exchange): Abort {
    const { timeoutMs, signal } = exchange
    return new Abort(this.#timers, timeoutMs, signal, () => new KubeError({
      status: 0,
      reason: 'Timeout',
      message: `the API server at ${this.#base.origin} did not answer ` +
        `${exchange.method} ${pathOnly(exchange.path)} within ${timeoutMs} ms`
    }))
  }

  #asKubeError (error: unknown, signal: AbortSignal): KubeError {
    if (signal.aborted && signal.reason instanceof KubeError) return signal.reason
    if (error instanceof KubeError) return error
    return new KubeError({
      status: 0,
      reason: 'Unreachable',
      message: `the API server at ${this.#base.origin} cannot be reached: ${causeOf(error)}`,
      cause: error
    })
  }
}

/** One exchange's end by time or by the caller, whichever comes first. */
class Abort {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #onOuter: () => void
  #cancelTimer: () => void

  constructor (
    timers: Timers, timeoutMs: number, outer: AbortSignal | undefined, timedOut: () => KubeError
  ) {
    this.#outer = outer
    this.#onOuter = () => this.now(new KubeError({
      status: 0, reason: 'Aborted', message: 'the call was aborted', cause: outer?.reason
    }))
    this.#cancelTimer = timers.after(timeoutMs, () => this.now(timedOut()))
    if (outer?.aborted === true) this.#onOuter()
    else outer?.addEventListener('abort', this.#onOuter, { once: true })
  }

  get signal (): AbortSignal { return this.#controller.signal }

  now (reason: KubeError): void { this.#controller.abort(reason) }

  /** No time bound from here on. */
  disarm (): void { this.#cancelTimer() }

  /** The exchange is over: nothing is left behind. */
  settle (): void {
    this.#cancelTimer()
    this.#outer?.removeEventListener('abort', this.#onOuter)
  }
}

const explanations: Readonly<Record<string, string>> = Object.freeze({
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection cut',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ETIMEDOUT: 'no answer to the connection attempt',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed, and no authority for it is known',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by a known authority',
  CERT_HAS_EXPIRED: 'its certificate has expired'
})

/** One line for a person: a connection attempt over several addresses has several causes. */
function causeOf (error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return causeOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  const code = (error as NodeJS.ErrnoException).code
  const explanation = code === undefined ? undefined : explanations[code]
  return explanation === undefined ? error.message : `${explanation} (${code})`
}

function pathOnly (path: string): string {
  const mark = path.indexOf('?')
  return mark < 0 ? path : path.slice(0, mark)
}
