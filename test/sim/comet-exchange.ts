/**
 * One HTTP request of a simulated comet client, with its response. It reaches a worker or nobody;
 * bytes arrive in order and late; it may break at either end, and the other end is told.
 */

import type { CometRequest, CometResponder } from '../../src/node/comet-ports.ts'
import type { Random } from '../../src/base/random.ts'
import type { CometServer } from './sockets.ts'
import type { World } from './world.ts'

/** What its client is told of it. */
export interface ExchangeEvents {
  /** It leaves the server, whatever becomes of it. */
  onLeaves(text: string): void
  onChunk(text: string): void
  /** The end; undefined: it broke. */
  onEnd(statusCode: number | undefined, text: string): void
}

export interface ExchangeOptions {
  readonly world: World
  readonly random: Random
  /** Nothing arrives any more at either end. */
  isCut(): boolean
  /** The client reads nothing for now. */
  isStalled(): boolean
}

export class Exchange implements CometResponder {
  readonly #options: ExchangeOptions
  readonly #server: CometServer
  readonly #events: ExchangeEvents
  #isServerOpen = false
  #isClientOpen = true
  #waiting: (() => void)[] = []
  #unreadBytes = 0
  #toClientAtMs = 0

  constructor(options: ExchangeOptions, server: CometServer, events: ExchangeEvents) {
    this.#options = options
    this.#server = server
    this.#events = events
  }

  get isOpen(): boolean {
    return this.#isClientOpen
  }

  // -- the client's end ------------------------------------------------------------------------

  begin(request: CometRequest): void {
    this.#later(() => {
      if (!this.#isClientOpen) return
      if (!this.#server.isAlive) {
        this.#toClient(0, () => this.#endClient(undefined, ''))
        return
      }
      this.#isServerOpen = true
      this.#server.onCometRequest(request, this)
    })
  }

  /** The client hangs up. */
  abort(): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    this.#later(() => this.breakServer())
  }

  /** What waited is read now. */
  resume(): void {
    for (const run of this.#waiting.splice(0)) run()
  }

  /** The way is gone: both are told. */
  break(): void {
    this.breakServer()
    this.#endClient(undefined, '')
  }

  breakServer(): void {
    if (!this.#isServerOpen) return
    this.#isServerOpen = false
    this.#server.onCometGone(this)
  }

  // -- the server's end ------------------------------------------------------------------------

  get queuedBytes(): number {
    return this.#unreadBytes
  }

  write(bytes: Uint8Array): void {
    if (!this.#isServerOpen) return
    const text = Buffer.from(bytes).toString('utf8')
    this.#options.world.mix(text)
    this.#events.onLeaves(text)
    this.#toClient(bytes.byteLength, () => {
      if (this.#isClientOpen) this.#events.onChunk(text)
    })
  }

  end(statusCode: number, body: Uint8Array | undefined): void {
    if (!this.#isServerOpen) return
    const text = Buffer.from(body ?? []).toString('utf8')
    this.#options.world.mix(`${statusCode} ${text}`)
    this.#events.onLeaves(text)
    this.#toClient(bytesOf(body), () => {
      if (this.#isServerOpen) this.#server.onCometOver(this)
      this.#isServerOpen = false
      this.#endClient(statusCode, text)
    })
  }

  /** The worker is gone: what is on its way still arrives. */
  onServerDied(): void {
    this.#isServerOpen = false
    this.#toClient(0, () => this.#endClient(undefined, ''))
  }

  #endClient(statusCode: number | undefined, text: string): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    this.#events.onEnd(statusCode, text)
  }

  #toClient(bytes: number, run: () => void): void {
    this.#unreadBytes += bytes
    const read = (): void => {
      this.#unreadBytes -= bytes
      run()
    }
    const { world, random } = this.#options
    const atMs = world.nowMs + random.jitter(2, 0.8)
    this.#toClientAtMs = Math.max(this.#toClientAtMs, atMs)
    world.at(this.#toClientAtMs, () => {
      if (this.#options.isCut()) return
      if (this.#options.isStalled()) this.#waiting.push(read)
      else read()
    })
  }

  #later(run: () => void): void {
    const { world, random } = this.#options
    world.after(random.jitter(2, 0.8), () => {
      if (!this.#options.isCut()) run()
    })
  }
}

function bytesOf(body: Uint8Array | undefined): number {
  return body?.byteLength ?? 0
}
