/**
 * `ringcast publish`, `subscribe` and `check`: a small client of the protocol, for hands and for
 * tests of an installation. It uses the platform's WebSocket and JSON frames.
 */

import { randomUUID } from 'node:crypto'
import { Action } from '../wire/actions.ts'
import type { Message, ProtocolMessage } from '../wire/protocol-message.ts'

export interface ClientOptions {
  readonly url: string
  readonly key: string
  readonly channel: string
  /** Seconds; 0: no bound. */
  readonly timeout: number
}

interface Waiting {
  wants(message: ProtocolMessage): boolean
  resolve(message: ProtocolMessage): void
  reject(error: Error): void
}

/** One connection; every request is answered or fails with the server's words. */
class Connection {
  readonly #socket: WebSocket
  readonly #waiting: Waiting[] = []
  readonly #ending = Promise.withResolvers<never>()
  #msgSerial = 0
  onMessage: (message: Message) => void = () => undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    // Nobody need be waiting when the connection ends.
    this.#ending.promise.catch(() => undefined)
    socket.addEventListener('message', (event) => this.#onFrame(String(event.data)))
    socket.addEventListener('close', () => {
      this.#fail(new Error('the server closed the connection'))
    })
  }

  static async open({ url, key }: ClientOptions): Promise<Connection> {
    const address = addressOf(url)
    address.search = new URLSearchParams({ key, format: 'json', v: '6' }).toString()
    const socket = new WebSocket(address)
    const connection = new Connection(socket)
    const connected = connection.#next((m) => m.action === Action.CONNECTED)
    const onError = (): void => connection.#fail(new Error(`cannot connect to ${url}`))
    socket.addEventListener('error', onError)
    await connected
    socket.removeEventListener('error', onError)
    return connection
  }

  /** Never resolves; rejects with the cause when the connection has ended. */
  get ended(): Promise<never> {
    return this.#ending.promise
  }

  async attach(channel: string): Promise<void> {
    this.#send({ action: Action.ATTACH, channel })
    await this.#next((m) => m.action === Action.ATTACHED && m.channel === channel)
  }

  async publish(channel: string, messages: Message[]): Promise<void> {
    const msgSerial = this.#msgSerial++
    this.#send({ action: Action.MESSAGE, channel, msgSerial, messages })
    await this.#next((m) => {
      const isAnswer = m.action === Action.ACK || m.action === Action.NACK
      return isAnswer && msgSerial >= m.msgSerial! && msgSerial < m.msgSerial! + m.count!
    })
  }

  close(): void {
    this.#send({ action: Action.CLOSE })
    this.#socket.close()
  }

  #send(message: ProtocolMessage): void {
    this.#socket.send(JSON.stringify(message))
  }

  #next(wants: (message: ProtocolMessage) => boolean): Promise<ProtocolMessage> {
    return new Promise((resolve, reject) => this.#waiting.push({ wants, resolve, reject }))
  }

  #onFrame(text: string): void {
    const message = JSON.parse(text) as ProtocolMessage
    if (message.error !== undefined && message.action !== Action.ATTACHED) {
      const { code, message: cause } = message.error
      this.#fail(new Error(`${cause} (${code})`))
      return
    }
    for (const [at, item] of (message.messages ?? []).entries()) {
      if (message.action === Action.MESSAGE) this.onMessage({ id: `${message.id}:${at}`, ...item })
    }
    const at = this.#waiting.findIndex(({ wants }) => wants(message))
    if (at >= 0) this.#waiting.splice(at, 1)[0]!.resolve(message)
  }

  #fail(error: Error): void {
    this.#ending.reject(error)
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** Where the WebSocket of `url` is. Throws an Error that quotes a `url` that is none. */
function addressOf(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined
  const protocol = address?.protocol.replace('http', 'ws')
  if (address === undefined || (protocol !== 'ws:' && protocol !== 'wss:')) {
    throw new Error(`${url} is no URL of a node: expected http://… or https://…`)
  }
  address.protocol = protocol
  return address
}

/** Publishes `count` messages and ends when all are acknowledged. */
export async function publishCommand(
  options: ClientOptions & { name: string; data: string; count: number }
): Promise<void> {
  await bounded(options.timeout, async () => {
    const connection = await Connection.open(options)
    const { channel, name, data, count } = options
    for (let number = 1; number <= count; number++) {
      const text = count > 1 ? `${data}${number}` : data
      await connection.publish(channel, [{ name, data: text }])
    }
    connection.close()
  })
}

/** Prints messages until `count` have come. */
export async function subscribeCommand(options: ClientOptions & { count: number }): Promise<void> {
  await bounded(options.timeout, async () => {
    const connection = await Connection.open(options)
    let count = 0
    const received = new Promise<void>((resolve) => {
      connection.onMessage = ({ name, data, id, serial }) => {
        if (options.count > 0 && count === options.count) return
        process.stdout.write(`${JSON.stringify({ name, data, id, serial })}\n`)
        if (++count === options.count) resolve()
      }
    })
    await connection.attach(options.channel)
    await Promise.race([received, connection.ended])
    connection.close()
  })
}

/** Publishes a message and waits to receive it. */
export async function checkCommand(options: ClientOptions): Promise<void> {
  await bounded(options.timeout, async () => {
    const connection = await Connection.open(options)
    const token = randomUUID()
    const received = new Promise<void>((resolve) => {
      connection.onMessage = ({ data }) => {
        if (data === token) resolve()
      }
    })
    await connection.attach(options.channel)
    const startMs = performance.now()
    await connection.publish(options.channel, [{ name: 'check', data: token }])
    await Promise.race([received, connection.ended])
    const tookMs = Math.round(performance.now() - startMs)
    process.stdout.write(`published and received on ${options.channel} in ${tookMs} ms\n`)
    connection.close()
  })
}

async function bounded(seconds: number, run: () => Promise<void>): Promise<void> {
  const running = run()
  if (seconds === 0) return running
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${seconds} s`)), seconds * 1_000)
  })
  try {
    await Promise.race([running, late])
  } finally {
    clearTimeout(timer)
  }
  process.exit(0)
}
