/**
 * The mesh over NATS. The client's defaults are not ours (scenario C6): it reconnects for ever,
 * notices a half-open connection in seconds, and what cannot be sent is dropped instead of being
 * buffered without bound and then silently lost. Links notice every loss and say things again.
 */

import {
  type Authenticator,
  connect,
  type ConnectionOptions,
  credsAuthenticator,
  Events,
  type NatsConnection
} from 'nats'
import type { Mesh } from './mesh.ts'

const PING_MS = 1_000
const PINGS_UNANSWERED_MAX = 2
const RECONNECT_WAIT_MS = 250
const RECONNECT_JITTER_MS = 500
/** The client dials the server that it lost first: one that hangs must not hold it for long. */
const CONNECT_TIMEOUT_MS = 1_500
const CONNECT_RETRY_MAX_MS = 5_000
/** What is said at once is less; NATS takes so much where its configuration does not say. */
const PAYLOAD_BYTES_MIN = 1024 * 1024

/** How NATS is reached and who we are there. */
export interface NatsSettings {
  readonly servers: readonly string[]
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** The text of a credentials file (JWT and seed). */
  readonly credentials?: string
  /** Named in NATS's own monitoring. */
  readonly name: string
}

/** What the mesh tells while it lives. */
export interface NatsEvents {
  onUp(): void
  onDown(): void
  /** Something worth a line in the log; never a secret. */
  note(text: string): void
}

export class NatsMesh implements Mesh {
  readonly #connection: NatsConnection
  #isUp = true

  private constructor(connection: NatsConnection, events: NatsEvents) {
    this.#connection = connection
    void this.#watch(events)
  }

  /**
   * Connects, for as long as it takes: a node that starts while NATS is away waits unready
   * (rule 10), and so does one whose NATS takes smaller messages than it has to say. Rejects only
   * when `signal` aborts.
   */
  static async connect(
    settings: NatsSettings,
    events: NatsEvents,
    signal: AbortSignal
  ): Promise<NatsMesh> {
    const { servers, user, password, token, credentials, name } = settings
    const options: ConnectionOptions = {
      servers: [...servers],
      name,
      user,
      pass: password,
      token,
      authenticator: credentials === undefined ? undefined : authenticatorOf(credentials),
      noEcho: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_MS,
      maxPingOut: PINGS_UNANSWERED_MAX,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_JITTER_MS
    }
    for (let attempt = 0; ; attempt++) {
      try {
        const mesh = new NatsMesh(await connected(options), events)
        events.onUp()
        return mesh
      } catch (error) {
        const cause = error instanceof Error ? error.message : String(error)
        events.note(`NATS at ${servers.join(', ')} cannot be used: ${cause}`)
        await pause(Math.min(CONNECT_RETRY_MAX_MS, 250 * 2 ** attempt), signal)
      }
    }
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** For what else goes over it than the mesh: the log. */
  get connection(): NatsConnection {
    return this.#connection
  }

  publish(subject: string, bytes: Uint8Array): void {
    if (this.#isUp && !this.#connection.isClosed()) this.#connection.publish(subject, bytes)
  }

  subscribe(subject: string, onBytes: (bytes: Uint8Array) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) onBytes(message.data)
      }
    })
  }

  async close(): Promise<void> {
    await this.#connection.drain()
  }

  async #watch(events: NatsEvents): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === Events.Disconnect) {
        this.#isUp = false
        events.onDown()
      } else if (status.type === Events.Reconnect) {
        this.#isUp = true
        events.onUp()
      } else if (status.type === Events.Error) {
        events.note(`NATS: ${String(status.data)}`)
      }
    }
  }
}

/** Throws an Error that says what is wrong with it. */
async function connected(options: ConnectionOptions): Promise<NatsConnection> {
  const connection = await connect(options)
  const takenMax = connection.info?.max_payload ?? PAYLOAD_BYTES_MIN
  if (takenMax >= PAYLOAD_BYTES_MIN) return connection
  await connection.close()
  throw new Error(
    `its max_payload is ${takenMax} bytes, and at least ${PAYLOAD_BYTES_MIN} are needed`)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(new Error('stopped while connecting to NATS'))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}

function authenticatorOf(credentials: string): Authenticator {
  return credsAuthenticator(new TextEncoder().encode(credentials))
}
