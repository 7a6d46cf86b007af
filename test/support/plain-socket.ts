/**
 * A WebSocket client that speaks the protocol and keeps to none of its rules: for what the
 * published SDK would never send, and for looking at what it is sent.
 */

import { decode, encode } from '@msgpack/msgpack'
import WebSocket from 'ws'
import { type Closing, until } from './ably-clients.ts'

/** A protocol message, with whatever fields it has. */
export interface Told {
  readonly action: number
  readonly channel?: string
  readonly channelSerial?: string
  readonly connectionId?: string
  readonly connectionKey?: string
  readonly connectionDetails?: Record<string, unknown>
  readonly msgSerial?: number
  readonly count?: number
  readonly flags?: number
  readonly id?: string
  readonly res?: { serials: (string | null)[] }[]
  readonly messages?: Record<string, unknown>[]
  readonly presence?: Record<string, unknown>[]
  readonly params?: Record<string, string>
  readonly error?: { code: number; statusCode: number; message: string }
}

export interface PlainSocketOptions {
  readonly format?: 'json' | 'msgpack'
  /** Beside `format` and `v`. */
  readonly params?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export class PlainSocket {
  readonly #socket: WebSocket
  readonly #format: 'json' | 'msgpack'
  readonly #told: Told[] = []
  /** Everything it was told, in order. */
  readonly all: Told[] = []
  readonly ended: Promise<void>
  isEnded = false
  #failure = 'without an error'
  /** Pings of the transport. */
  pingCount = 0

  private constructor(socket: WebSocket, format: 'json' | 'msgpack') {
    this.#socket = socket
    this.#format = format
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const told = (isBinary ? decode(data) : JSON.parse(data.toString())) as Told
      this.#told.push(told)
      this.all.push(told)
    })
    socket.on('ping', () => void this.pingCount++)
    socket.on('error', ({ message }) => void (this.#failure = message))
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.isEnded = true
        resolve()
      })
    })
  }

  /** Opens a socket to the node at `url`; it is cut when `t` ends. What it is told comes later. */
  static open(t: Closing, url: string, options: PlainSocketOptions = {}): PlainSocket {
    const { format = 'json', params = {}, headers = {} } = options
    const query = new URLSearchParams({ v: '6', format, ...params })
    const socket = new WebSocket(`${url.replace('http', 'ws')}/?${query}`, { headers })
    t.teardown(() => socket.terminate())
    return new PlainSocket(socket, format)
  }

  /** The same, once it is told CONNECTED. */
  static async connected(
    t: Closing, url: string, options: PlainSocketOptions = {}
  ): Promise<PlainSocket> {
    const socket = PlainSocket.open(t, url, options)
    await socket.next(({ action }) => action === 4)
    return socket
  }

  /** Sends a protocol message, or bytes and text as they are. */
  send(data: object | string): void {
    if (typeof data === 'string' || Buffer.isBuffer(data)) this.#socket.send(data)
    else this.#socket.send(this.#format === 'json' ? JSON.stringify(data) : encode(data))
  }

  /** The next message that `wants` says is the one; rejects when none comes. */
  async next(wants: (told: Told) => boolean, boundMs?: number): Promise<Told> {
    await until('an answer', () => this.#told.some(wants), boundMs).catch((error: Error) => {
      const how = this.isEnded ? `ended (${this.#failure})` : 'open'
      throw new Error(`${error.message}: told ${JSON.stringify(this.all)}, ${how}`)
    })
    return this.#told.splice(this.#told.findIndex(wants), 1)[0]!
  }

  /** Reads nothing more until `resume`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends a ping of the transport; resolves with what its pong says. */
  ping(data: string): Promise<string> {
    return new Promise((resolve) => {
      this.#socket.once('pong', (answer) => resolve(answer.toString()))
      this.#socket.ping(data)
    })
  }

  /** Goes without a word, as a network does it. */
  cut(): void {
    this.#socket.terminate()
  }
}
