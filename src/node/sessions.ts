/**
 * A worker's sockets and the sessions behind them: who may open one, who is silent too long, and
 * how everybody is asked to go when the node leaves.
 *
 * Idle sockets are beaten in turns: sockets sit in as many rows as there are seconds in a beat
 * interval, and one deadline a second serves one row, so that neither a deadline per socket is
 * held nor everybody served at once.
 */

import type { AppDirectory } from '../auth/app.ts'
import type { ConnectionKeys } from '../auth/connection-key.ts'
import { authenticateKey, type Credentials } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { Tally } from '../base/tally.ts'
import type { ChannelDoor } from '../session/door.ts'
import { Session, type SessionOptions, type SessionPorts, type Transport }
  from '../session/session.ts'
import { Action } from '../wire/actions.ts'
import { errors, type ProtocolError } from '../wire/errors.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import { type ConnectParams, parseConnectParams } from '../wire/params.ts'
import type { Format } from '../wire/protocol-message.ts'
import { type Outbox, type Socket, SocketSlot } from './outbox.ts'
import type { SocketOpening } from './ports.ts'

const BEAT_ROWS = 12
const BEAT_STEP_MS = 1_000
const DRAIN_STEP_MS = 100

const HEARTBEATS = {
  json: encodeFrame({ action: Action.HEARTBEAT }, 'json'),
  msgpack: encodeFrame({ action: Action.HEARTBEAT }, 'msgpack')
}

export interface SessionsOptions {
  readonly serverId: string
  readonly siteCode: string
}

export interface SessionsPorts {
  readonly channels: ChannelDoor
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly random: Random
  readonly connectionKeys: ConnectionKeys
  readonly tally: Tally
  now(): Now
}

/** A socket that is open, and the session behind it. */
class Connected implements Transport {
  readonly slot: SocketSlot
  readonly row: Set<Connected>
  readonly session: Session
  readonly #sessions: Sessions

  constructor(slot: SocketSlot, row: Set<Connected>, sessions: Sessions, options: SessionOptions) {
    this.slot = slot
    this.row = row
    this.#sessions = sessions
    this.session = new Session(options, this, sessions.sessionPorts)
  }

  write(frame: Frame): void {
    this.slot.write(frame)
  }

  close(): void {
    this.slot.close()
    this.#sessions.forget(this.slot.socket)
  }
}

export class Sessions {
  /** What every session is given. */
  readonly sessionPorts: SessionPorts
  readonly #options: SessionsOptions
  readonly #ports: SessionsPorts
  readonly #connected = new Map<Socket, Connected>()
  readonly #rows: Set<Connected>[] = []
  readonly #ready = new Set<Session>()
  #directory: AppDirectory | undefined
  #nextRow = 0
  #isBeating = false
  #isDraining = false

  constructor(options: SessionsOptions, ports: SessionsPorts) {
    this.#options = options
    this.#ports = ports
    const { channels, deadlines, tally, outbox, now } = ports
    this.sessionPorts = {
      channels,
      deadlines,
      tally,
      now,
      answersReady: (session) => void this.#ready.add(session),
      note: (text) => outbox.note(text)
    }
    for (let row = 0; row < BEAT_ROWS; row++) this.#rows.push(new Set())
  }

  get count(): number {
    return this.#connected.size
  }

  /** New apps and keys: sessions whose key is gone are ended. */
  onApps(directory: AppDirectory): void {
    this.#directory = directory
    for (const { session } of this.#connected.values()) {
      if (directory.key(session.keyName) === undefined) session.end(errors.unknownKey())
    }
  }

  onOpened(opening: SocketOpening): void {
    const slot = new SocketSlot(opening.socket, this.#ports.outbox)
    const format: Format = opening.query.get('format') === 'msgpack' ? 'msgpack' : 'json'
    const parsed = parseConnectParams(opening.query)
    if (!parsed.ok) {
      this.#turnAway(slot, format, parsed.error)
      return
    }
    const admitted = this.#admit(parsed.params)
    if ('error' in admitted) this.#turnAway(slot, format, admitted.error)
    else this.#open(slot, parsed.params, admitted.credentials)
  }

  onFrame(socket: Socket, data: Uint8Array | string, isBinary: boolean): void {
    const connected = this.#connected.get(socket)
    if (connected === undefined) return
    connected.session.onFrame(data, isBinary)
    if (!connected.session.isOpen) this.forget(socket)
  }

  onHeard(socket: Socket): void {
    const connected = this.#connected.get(socket)
    if (connected !== undefined) connected.session.heardAtMs = this.#ports.now().monoMs
  }

  onClosed(socket: Socket): void {
    this.#connected.get(socket)?.session.onSocketClosed()
    this.forget(socket)
  }

  /** Asks everybody to go elsewhere, evenly over `withinMs`; newcomers are refused. */
  drain(withinMs: number): void {
    if (this.#isDraining) return
    this.#isDraining = true
    const stepCount = Math.max(1, Math.floor(withinMs / DRAIN_STEP_MS))
    const perStep = Math.ceil(this.#connected.size / stepCount)
    this.#drainStep(Math.max(1, perStep))
  }

  /** End of a turn: sends the answers that have become ready. */
  flush(): void {
    for (const session of this.#ready) session.flushAnswers()
    this.#ready.clear()
  }

  describe(): string[] {
    return [...this.#connected.values()].map(({ session }) => session.describe())
  }

  #admit(params: ConnectParams): { credentials: Credentials } | { error: ProtocolError } {
    if (this.#isDraining) return { error: errors.unavailable('The node is leaving') }
    if (this.#connected.size >= limits.socketsPerWorkerMax) return { error: errors.capacity() }
    if (this.#directory === undefined) return { error: errors.unavailable() }
    if (params.key === undefined) {
      const hasToken = params.accessToken !== undefined
      return { error: hasToken ? errors.notSupported('tokens') : errors.noCredentials() }
    }
    const authenticated = authenticateKey(params.key, this.#directory, params.clientId)
    if (!authenticated.ok) return { error: authenticated.error }
    return { credentials: authenticated.credentials }
  }

  #open(slot: SocketSlot, params: ConnectParams, credentials: Credentials): void {
    const connectionId = this.#ports.random.id(10)
    const row = this.#rows[this.#nextRow++ % BEAT_ROWS]!
    const options = {
      connectionId,
      connectionKey: this.#ports.connectionKeys.issue(connectionId, credentials),
      credentials,
      format: params.format,
      echoes: params.echo,
      heartbeats: params.heartbeats,
      remainPresentForMs: Math.min(
        params.remainPresentForMs ?? limits.presenceGraceMs,
        limits.connectionStateTtlMs
      ),
      presenceMembersMax: this.#directory?.app(credentials.appId)?.limits.presenceMemberCountMax,
      ...this.#options
    }
    this.#ports.tally.openedCount++
    const connected = new Connected(slot, row, this, options)
    this.#connected.set(slot.socket, connected)
    row.add(connected)
    if (!this.#isBeating) this.#beatLater(0)
    // Whatever a connection was before is not kept across sockets yet: it begins anew, and its
    // channels continue by their channelSerials.
    const wantedMore = params.resume !== undefined || params.recover !== undefined
    connected.session.connected(wantedMore ? errors.connectionExpired().info : undefined)
  }

  #turnAway(slot: SocketSlot, format: Format, error: ProtocolError): void {
    this.#ports.tally.turnedAwayCount++
    const isRetriable = error.info.statusCode >= 500
    const action = isRetriable ? Action.DISCONNECTED : Action.ERROR
    slot.write(encodeFrame({ action, error: error.info }, format))
    slot.close()
  }

  /** The socket is closed, or about to be: nothing of it counts any more. */
  forget(socket: Socket): void {
    const connected = this.#connected.get(socket)
    if (connected === undefined) return
    connected.row.delete(connected)
    this.#connected.delete(socket)
  }

  #beatLater(rowNo: number): void {
    this.#isBeating = true
    this.#ports.deadlines.at(this.#ports.now().monoMs + BEAT_STEP_MS, (nowMs) => {
      this.#beat(this.#rows[rowNo]!, nowMs)
      if (this.#connected.size > 0) this.#beatLater((rowNo + 1) % BEAT_ROWS)
      else this.#isBeating = false
    })
  }

  /** Shows every socket of the row that we live; those that do not show it are dropped. */
  #beat(row: Set<Connected>, nowMs: number): void {
    for (const { slot, session } of row) {
      if (slot.queuedBytes > limits.socketQueueBytesMax) {
        session.disconnect(errors.disconnectedSlowConsumer().info)
      } else if (nowMs - session.heardAtMs > limits.socketSilenceMs) {
        session.disconnect(errors.idleTimeout().info)
      } else {
        if (session.wantsHeartbeats) slot.write(HEARTBEATS[session.format])
        slot.socket.ping()
      }
    }
  }

  #drainStep(perStep: number): void {
    const error = errors.unavailable('The node is leaving; connect again').info
    let count = 0
    for (const { session } of [...this.#connected.values()]) {
      if (count++ >= perStep) break
      session.disconnect(error)
    }
    if (this.#connected.size === 0) return
    const atMs = this.#ports.now().monoMs + DRAIN_STEP_MS
    this.#ports.deadlines.at(atMs, () => this.#drainStep(perStep))
  }
}
