/**
 * An HTTP answer that is written past the framework, because it goes on for long, or because it
 * matters whether it arrived. What its reader has not taken is bounded by whoever writes; one that
 * is over and still not taken after a while is cut off.
 */

import type { FastifyReply } from 'fastify'
import type { ServerResponse } from 'node:http'
import { crossOrigin } from './rest.ts'

const UNREAD_MS = 30_000
const KEEP_ALIVE_MS = 30_000

/** Nobody on the way may keep an answer, or hold it back until there is more. */
const UNKEPT = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

export class RawAnswer {
  readonly #raw: ServerResponse
  readonly #contentType: string
  readonly #crossOrigin: Readonly<Record<string, string>>

  /** `onLost`: it ended before all of it was handed to the network. */
  constructor(reply: FastifyReply, contentType: string, onLost: () => void) {
    reply.hijack()
    this.#crossOrigin = { ...crossOrigin(reply.request), vary: 'Origin' }
    this.#raw = reply.raw
    this.#contentType = contentType
    this.#raw.on('error', () => this.#raw.destroy())
    this.#raw.on('close', () => {
      if (!this.#raw.writableFinished) onLost()
    })
  }

  /** True once something of it was written. */
  get isBegun(): boolean {
    return this.#raw.headersSent
  }

  /** What its reader has not taken yet. */
  get waitingBytes(): number {
    return this.#raw.writableLength
  }

  write(bytes: Uint8Array | string): void {
    if (this.#raw.destroyed || this.#raw.writableEnded) return
    if (!this.isBegun) {
      this.#head(200, { 'content-type': this.#contentType })
      this.#raw.socket?.setKeepAlive(true, KEEP_ALIVE_MS)
    }
    this.#raw.write(bytes)
  }

  /** The whole of it, JSON; or the end of what was begun, whose status is out. */
  end(statusCode: number, body: Uint8Array | undefined): void {
    if (this.#raw.destroyed || this.#raw.writableEnded) return
    if (!this.isBegun) {
      const about: Record<string, string | number> = body === undefined ? {}
        : { 'content-type': 'application/json', 'content-length': body.byteLength }
      this.#head(statusCode, about)
    }
    this.#raw.end(body)
    const timer = setTimeout(() => this.#raw.destroy(), UNREAD_MS)
    this.#raw.on('close', () => clearTimeout(timer))
  }

  /** Cuts it off. */
  destroy(): void {
    this.#raw.destroy()
  }

  #head(statusCode: number, about: Readonly<Record<string, string | number>>): void {
    this.#raw.writeHead(statusCode, { ...this.#crossOrigin, ...UNKEPT, ...about })
  }
}
