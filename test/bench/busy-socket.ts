/** A client that is attached to many channels and publishes on each of them. */

import { WebSocket } from 'ws'
import { Action } from '../../src/wire/actions.ts'
import type { LogServer } from './acked-socket.ts'

export class BusySocket {
  readonly #socket: WebSocket
  readonly #channels: readonly string[]
  #msgSerial = 0
  #awaited: { readonly action: number; left: number; resolve(): void } | undefined
  #fail: (error: Error) => void = () => undefined

  private constructor({ port, key }: LogServer, channels: readonly string[]) {
    this.#channels = channels
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/?v=5&key=${key}&format=json`)
    this.#socket.on('message', (data: Buffer) => this.#onMessage(data.toString()))
    this.#socket.on('close', () => this.#fail(new Error('a client was cut off')))
  }

  /** Resolves once it is attached to all of them. */
  static async attach(server: LogServer, channels: readonly string[]): Promise<BusySocket> {
    const busy = new BusySocket(server, channels)
    await busy.#hear(Action.CONNECTED, 1)
    const attached = busy.#hear(Action.ATTACHED, channels.length)
    for (const channel of channels) busy.#say({ action: Action.ATTACH, channel })
    await attached
    return busy
  }

  /** Publishes once on each; resolves when it has heard all of that. */
  async publish(data: string): Promise<void> {
    const heard = this.#hear(Action.MESSAGE, this.#channels.length)
    for (const channel of this.#channels) {
      const msgSerial = this.#msgSerial++
      this.#say({ action: Action.MESSAGE, channel, msgSerial, messages: [{ name: 'tick', data }] })
    }
    await heard
  }

  close(): void {
    this.#fail = () => undefined
    this.#socket.terminate()
  }

  #say(message: object): void {
    this.#socket.send(JSON.stringify(message))
  }

  #hear(action: number, left: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject
      this.#awaited = { action, left, resolve }
    })
  }

  #onMessage(text: string): void {
    const { action, channel } = JSON.parse(text) as { action: number; channel?: string }
    if (action === Action.NACK || action === Action.ERROR) {
      this.#fail(new Error(`a client was told: ${text}`))
    }
    // It took too long, on a machine with too much to do.
    if (action === Action.DETACHED) this.#say({ action: Action.ATTACH, channel })
    const awaited = this.#awaited
    if (awaited?.action !== action || --awaited.left > 0) return
    this.#awaited = undefined
    awaited.resolve()
  }
}
