/**
 * One of many clients that are attached to a channel and, when their node ends, go on at another:
 * a raw socket, since thousands of the published SDK would be what is measured.
 */

import { RawSocket } from './raw-socket.ts'

const CONNECTED = 4
const DISCONNECTED = 6
const ATTACHED = 11
const RESUMED = 4
const RETRY_MS = 500

interface Told {
  readonly action: number
  readonly connectionId?: string
  readonly connectionDetails?: { readonly connectionKey: string }
  readonly channelSerial?: string
  readonly flags?: number
}

/** What became of one resume. */
export interface Outcome {
  readonly connectedMs: number
  readonly attachedMs: number
  /** The connection and its channel went on. */
  readonly isSame: boolean
  readonly isContinued: boolean
  /** How often it was asked to come again. */
  readonly retries: number
}

export class ResumingClient {
  readonly #channel: string
  readonly #key: string
  readonly #buffer: Buffer
  #socket: RawSocket | undefined
  #connectionId = ''
  #connectionKey = ''
  #channelSerial: string | undefined
  #onTold: (told: Told) => void = () => undefined
  #onLost: () => void = () => undefined

  constructor(channel: string, key: string, buffer: Buffer) {
    this.#channel = channel
    this.#key = key
    this.#buffer = buffer
  }

  /** Connects and attaches. */
  async begin(port: number): Promise<void> {
    const { connectionId } = await this.#dial(port)
    this.#connectionId = connectionId!
    await this.#attach()
  }

  /** Goes on at the node at `port`, again and again until it is let in. */
  async resume(port: number): Promise<Outcome> {
    const startedAtMs = performance.now()
    this.#socket?.close()
    for (let retries = 0; ; retries++) {
      const told = await this.#dial(port, this.#connectionKey)
      if (told.action !== CONNECTED) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
        continue
      }
      const connectedMs = performance.now() - startedAtMs
      const isSame = told.connectionId === this.#connectionId
      const { flags = 0 } = await this.#attach()
      const attachedMs = performance.now() - startedAtMs
      return { connectedMs, attachedMs, isSame, isContinued: (flags & RESUMED) !== 0, retries }
    }
  }

  close(): void {
    this.#socket?.close()
  }

  /** Resolves with CONNECTED, or with what was said instead. */
  #dial(port: number, resume?: string): Promise<Told> {
    const query = new URLSearchParams({ key: this.#key, v: '6', format: 'json' })
    if (resume !== undefined) query.set('resume', resume)
    return new Promise((resolve) => {
      const lost = (): void => resolve({ action: DISCONNECTED })
      this.#onLost = lost
      this.#onTold = (told) => {
        if (told.action === CONNECTED) this.#connectionKey = told.connectionDetails!.connectionKey
        if (told.action === CONNECTED || told.action === DISCONNECTED) resolve(told)
      }
      this.#socket = new RawSocket({
        port,
        path: `/?${query}`,
        buffer: this.#buffer,
        onOpen: () => undefined,
        onMessage: (bytes, start, end) => {
          this.#onTold(JSON.parse(bytes.toString('utf8', start, end)) as Told)
        },
        onClosed: () => this.#onLost()
      })
    })
  }

  #attach(): Promise<Told> {
    const channelSerial = this.#channelSerial
    this.#socket!.send(JSON.stringify({ action: 10, channel: this.#channel, channelSerial }))
    return new Promise((resolve) => {
      this.#onLost = () => resolve({ action: DISCONNECTED })
      this.#onTold = (told) => {
        this.#channelSerial = told.channelSerial ?? this.#channelSerial
        if (told.action === ATTACHED) resolve(told)
      }
    })
  }
}
