/**
 * One of those who enter, or who watch, in `make bench-presence`: a raw socket, since what is
 * measured is the region and not the client.
 */

import { RawSocket } from './raw-socket.ts'

const ACK = 1
const NACK = 2
const CONNECTED = 4
const ATTACH = 10
const ATTACHED = 11
const PRESENCE = 14
const SYNC = 16
const ENTER = 2
const HAS_PRESENCE = 1
const MODES = { speaks: 1 << 16, watches: 1 << 19 }

interface Told {
  readonly action: number
  readonly flags?: number
  readonly channelSerial?: string
  readonly presence?: readonly { readonly action: number; readonly clientId?: string }[]
}

/** What a SYNC came to. */
export interface Synced {
  readonly bytes: number
  readonly memberCount: number
  /** From sending ATTACH to the end of the last page. */
  readonly wholeMs: number
}

export interface Meeting {
  readonly port: number
  readonly key: string
  readonly channel: string
  readonly buffer: Buffer
}

export class PresentClient {
  readonly #channel: string
  readonly #socket: RawSocket
  #serial = 0
  #onTold: (told: Told, byteCount: number) => void = () => undefined
  #onFailed: (error: Error) => void = () => undefined
  /** Called with the clientId of each ENTER. */
  onEnter: (clientId: string) => void = () => undefined

  private constructor({ port, key, channel, buffer }: Meeting, onFailed: (error: Error) => void) {
    this.#channel = channel
    this.#onFailed = onFailed
    const query = new URLSearchParams({ key, v: '6', format: 'json' })
    this.#socket = new RawSocket({
      port,
      path: `/?${query}`,
      buffer,
      onOpen: () => undefined,
      onMessage: (bytes, start, end) => {
        this.#onMessage(JSON.parse(bytes.toString('utf8', start, end)) as Told, end - start)
      },
      onClosed: (reason) => this.#onFailed(new Error(reason))
    })
  }

  /** Resolves once it is connected. */
  static connected(meeting: Meeting): Promise<PresentClient> {
    return new Promise((resolve, reject) => {
      const client = new PresentClient(meeting, reject)
      client.#onTold = ({ action }) => {
        if (action === CONNECTED) resolve(client)
      }
    })
  }

  /** Attaches to speak; resolves with ATTACHED. */
  speaks(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#attach('speaks', reject)
      this.#onTold = ({ action }) => {
        if (action === ATTACHED) resolve()
      }
    })
  }

  /** Attaches to watch; resolves once it knows who is present: at ATTACHED when nobody is. */
  watches(): Promise<Synced> {
    const startedAtMs = performance.now()
    let [bytes, memberCount] = [0, 0]
    return new Promise((resolve, reject) => {
      this.#attach('watches', reject)
      const end = (): void => {
        resolve({ bytes, memberCount, wholeMs: performance.now() - startedAtMs })
      }
      this.#onTold = ({ action, flags = 0, channelSerial, presence = [] }, byteCount) => {
        if (action === ATTACHED && (flags & HAS_PRESENCE) === 0) end()
        if (action !== SYNC) return
        bytes += byteCount
        memberCount += presence.length
        if (channelSerial === undefined || channelSerial.endsWith(':')) end()
      }
    })
  }

  /** Enters these in one frame; resolves with the ACK. */
  enter(clientIds: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onFailed = reject
      this.#onTold = ({ action }) => {
        if (action === ACK) resolve()
        else if (action === NACK) reject(new Error('an enter was refused'))
      }
      this.say(clientIds)
    })
  }

  /** Enters these in one frame, and waits for nothing. */
  say(clientIds: readonly string[]): void {
    const presence = clientIds.map((clientId) => ({ action: ENTER, clientId, data: 'here' }))
    const msgSerial = this.#serial++
    const said = { action: PRESENCE, channel: this.#channel, msgSerial, presence }
    this.#socket.send(JSON.stringify(said))
  }

  close(): void {
    this.#socket.close()
  }

  #attach(how: keyof typeof MODES, onFailed: (error: Error) => void): void {
    this.#onFailed = onFailed
    this.#socket.send(JSON.stringify({
      action: ATTACH, channel: this.#channel, flags: MODES[how]
    }))
  }

  #onMessage(told: Told, byteCount: number): void {
    if (told.action === PRESENCE) {
      for (const { action, clientId } of told.presence ?? []) {
        if (action === ENTER) this.onEnter(clientId!)
      }
    }
    this.#onTold(told, byteCount)
  }
}
