/**
 * Requests to NATS and their answers, on one inbox for all of them. An answer may be several
 * messages. Each request ends exactly once: whole, or with the reason why not, which also says
 * whether it can have arrived; a connection that is lost ends what is open at once, since the
 * answers went with it.
 */

import { createInbox, Events, type Msg, type MsgHdrs, type NatsConnection } from 'nats'

/** Bytes of requests without an answer; above: not sent. */
const OPEN_BYTES_MAX = 64 * 1024 * 1024
const OPEN_COUNT_MAX = 8_192
const NO_RESPONDERS = 503

/** Why a request has no answer. */
export interface Failure {
  /** False if it surely reached nobody. */
  readonly mayHaveArrived: boolean
  readonly reason: string
}

export interface Request {
  readonly subject: string
  readonly bytes: Uint8Array
  readonly headers?: MsgHdrs
  readonly timeoutMs: number
}

interface Open {
  readonly subject: string
  readonly byteLength: number
  readonly timer: NodeJS.Timeout
  onReply(reply: Msg): boolean
  end(failure: Failure): void
}

export class Requests {
  readonly #connection: NatsConnection
  readonly #inbox = createInbox()
  readonly #open = new Map<string, Open>()
  #openBytes = 0
  #isUp = true
  #ticket = 0

  constructor(connection: NatsConnection) {
    this.#connection = connection
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, reply) => {
        if (error === null) this.#onReply(reply)
        else this.#endAll('the inbox is refused', false)
      }
    })
    void this.#watch()
    void connection.closed().then(() => this.#endAll('the connection to NATS was closed', true))
  }

  /** The server's version, as it says; undefined while it is not connected. */
  get serverVersion(): string | undefined {
    return this.#connection.info?.version
  }

  /** One request with one answer; never rejects. */
  ask(request: Request): Promise<{ reply: Msg } | { failure: Failure }> {
    return new Promise((resolve) => {
      this.send(request, (reply) => {
        resolve({ reply })
        return true
      }, (failure) => resolve({ failure }))
    })
  }

  /** One request; `onReply` returns true for the last message of its answer. */
  send(
    { subject, bytes, headers, timeoutMs }: Request,
    onReply: (reply: Msg) => boolean,
    onFailure: (failure: Failure) => void
  ): void {
    const reason = this.#whyNot(bytes.byteLength)
    if (reason !== undefined) {
      onFailure({ mayHaveArrived: false, reason })
      return
    }
    const ticket = (++this.#ticket).toString(36)
    const end = (failure: Failure): void => {
      this.#forget(ticket)
      onFailure(failure)
    }
    const timer = setTimeout(() => {
      end({ mayHaveArrived: true, reason: `no answer within ${timeoutMs} ms` })
    }, timeoutMs)
    this.#open.set(ticket, { subject, byteLength: bytes.byteLength, timer, onReply, end })
    this.#openBytes += bytes.byteLength
    try {
      this.#connection.publish(subject, bytes, { reply: `${this.#inbox}.${ticket}`, headers })
    } catch (error) {
      // Thrown before anything is written: too large for the server, or closed.
      end({ mayHaveArrived: false, reason: (error as Error).message })
    }
  }

  #whyNot(byteLength: number): string | undefined {
    if (!this.#isUp || this.#connection.isClosed()) return 'not connected to NATS'
    if (this.#open.size >= OPEN_COUNT_MAX) return 'too many requests without an answer'
    const isFull = this.#open.size > 0 && this.#openBytes + byteLength > OPEN_BYTES_MAX
    return isFull ? 'too many bytes without an answer' : undefined
  }

  #onReply(reply: Msg): void {
    const ticket = reply.subject.slice(this.#inbox.length + 1)
    const open = this.#open.get(ticket)
    if (open === undefined) return
    if (reply.headers?.code === NO_RESPONDERS && reply.data.length === 0) {
      open.end({ mayHaveArrived: false, reason: 'nobody serves it' })
    } else if (open.onReply(reply)) {
      this.#forget(ticket)
    }
  }

  #forget(ticket: string): void {
    const open = this.#open.get(ticket)
    if (open === undefined) return
    clearTimeout(open.timer)
    this.#open.delete(ticket)
    this.#openBytes -= open.byteLength
  }

  #endAll(reason: string, mayHaveArrived: boolean, subject?: string): void {
    for (const open of [...this.#open.values()]) {
      if (subject === undefined || open.subject === subject) open.end({ mayHaveArrived, reason })
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === Events.Disconnect) {
        this.#isUp = false
        this.#endAll('the connection to NATS was lost', true)
      } else if (status.type === Events.Reconnect) {
        this.#isUp = true
      } else if (status.type === Events.Error && status.permissionContext !== undefined) {
        const { operation, subject } = status.permissionContext
        const reason = `no right to publish to ${subject}`
        if (operation === 'publish') this.#endAll(reason, false, subject)
      }
    }
  }
}
