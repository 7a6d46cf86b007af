/**
 * A simulated socket between a client and a worker: in order and whole in each direction until it
 * breaks. It may be cut (nothing arrives, nobody is told), or read slowly by its client.
 */

import type { CometRequest, CometResponder } from '../../src/node/comet-ports.ts'
import { DeltaReader } from './delta-reader.ts'
import type { FrameSequence, Socket } from '../../src/node/outbox.ts'
import { limits } from '../../src/base/limits.ts'
import type { Random } from '../../src/base/random.ts'
import type { World } from './world.ts'
import { readFrames, type Wire, type WireFormat, writeFrame } from './wire.ts'

/** Clients here say little: a byte that waits counts for so many, or none would ever be slow. */
const WAITING_SCALE = 2_000

/** The worker at the other end, as the socket sees it. */
export interface SocketServer {
  readonly life: string
  readonly machine: string
  readonly isAlive: boolean
  /** False while it stands still. */
  readonly isTurning: boolean
  onOpened(socket: SimWebSocket, query: ReadonlyMap<string, string>): void
  onFrame(socket: SimWebSocket, data: string | Uint8Array): void
  onHeard(socket: SimWebSocket): void
  onClosed(socket: SimWebSocket): void
}

/** The same for requests of comet connections. */
export interface CometServer {
  readonly life: string
  readonly machine: string
  readonly isAlive: boolean
  /** False while it stands still. */
  readonly isTurning: boolean
  onCometRequest(request: CometRequest, responder: CometResponder & Breakable): void
  onCometGone(responder: CometResponder & Breakable): void
  /** It was answered, and the answer was read. */
  onCometOver(responder: CometResponder & Breakable): void
}

/** What breaks when its worker dies. */
export interface Breakable {
  onServerDied(): void
}

/** What clients hold, and checks watch: one transport of one connection. */
export interface SimSocket {
  readonly id: string
  readonly format: WireFormat
  readonly echo: boolean
  readonly server: Pick<SocketServer, 'life' | 'machine' | 'isAlive' | 'isTurning'>
  readonly client: SocketClient
  /** True: when the server knows of what becomes of it nobody can see. */
  readonly isComet?: boolean
  /** Told by CONNECTED. */
  connectionId: string
  /** When the server got it. */
  readonly openedAtMs: number
  /** The earlier connection that its client asked to go on with, if it did. */
  readonly resumesId: string | undefined
  /** The tokens that its client has shown on it, oldest first. */
  readonly tokens: readonly string[]
  /** Nothing arrives any more at either end, and neither is told. */
  isCut: boolean
  /** The client reads nothing for now. */
  isStalled: boolean
  /** Both ends believe that the other is there. */
  readonly isOpen: boolean
  /** It was written more than there was room for, and was not closed. */
  readonly isOverfull: boolean
  open(query: ReadonlyMap<string, string>): void
  send(message: Wire): void
  /** Sends what may be no frame at all; `message` is what it says, if it is one. */
  sendData(data: string | Uint8Array, message?: Wire): void
  /** The client's end goes away; the server hears of it unless the way is cut. */
  drop(): void
  /** The client reads again. */
  resume(): void
  /** The way is whole again; by now both ends have been told that it broke. */
  mend(): void
}

/** The client's end. */
export interface SocketClient {
  readonly name: string
  /** Nothing is promised to it: what it is told is not judged. */
  readonly isRough?: boolean
  onSocketOpen(socket: SimSocket): void
  onSocketMessage(socket: SimSocket, message: Wire | undefined): void
  onSocketGone(socket: SimSocket): void
}

/** Who reads along what sockets carry, at the server's end. */
export interface SocketWitness {
  onServerSays(socket: SimSocket, message: Wire): void
  onClientSays(socket: SimSocket, message: Wire): void
  onSocketGone(socket: SimSocket): void
}

export interface SocketOptions {
  readonly id: string
  readonly format: WireFormat
  readonly echo: boolean
  readonly random: Random
}

export class SimWebSocket implements Socket, SimSocket {
  readonly id: string
  readonly format: WireFormat
  readonly echo: boolean
  readonly server: SocketServer
  readonly client: SocketClient
  /** Told by CONNECTED. */
  connectionId = ''
  /** When the server got it. */
  openedAtMs = 0
  /** The earlier connection that its client asked to go on with, if it did. */
  resumesId: string | undefined
  readonly tokens: string[] = []
  /** Nothing arrives any more at either end, whatever becomes of the way. */
  isCut = false
  /** The client reads nothing for now. */
  isStalled = false
  #isServerOpen = true
  #isClientOpen = true
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #isEndWaiting = false
  /** What it was written at once when it had taken everything. */
  #burstBytes = 0
  #isOverfull = false
  /** Deltas as they leave the server, and as they reach the client. */
  readonly #told = new DeltaReader()
  readonly #read = new DeltaReader()
  readonly #world: World
  readonly #witness: SocketWitness
  readonly #random: Random
  #toClientAtMs = 0
  #toServerAtMs = 0

  constructor(
    world: World,
    witness: SocketWitness,
    server: SocketServer,
    client: SocketClient,
    options: SocketOptions
  ) {
    this.id = options.id
    this.format = options.format
    this.echo = options.echo
    this.#random = options.random
    this.#world = world
    this.#witness = witness
    this.server = server
    this.client = client
  }

  /** Both ends believe that the other is there. */
  get isOpen(): boolean {
    return this.#isServerOpen && this.#isClientOpen
  }

  get isOverfull(): boolean {
    return this.#isOverfull && this.isOpen
  }

  // -- the server's end ------------------------------------------------------------------------

  get queuedBytes(): number {
    return this.#waitingBytes * WAITING_SCALE
  }

  write(batch: FrameSequence): void {
    if (!this.#isServerOpen) return
    const bytes = batch.bytes().slice()
    this.#world.mixBytes(bytes)
    const { queuedBytes } = this
    if (queuedBytes === 0) this.#burstBytes = bytes.length
    else if (queuedBytes + bytes.length > limits.socketQueueBytesMax + this.#burstBytes) {
      this.#isOverfull = true
    }
    for (const message of readFrames(bytes)) {
      if (message === undefined) continue
      this.#witness.onServerSays(this, this.#told.read(message))
    }
    this.#toClient(bytes)
  }

  ping(): void {
    if (this.#isServerOpen) this.#toClient(Uint8Array.of(0x89, 0))
  }

  close(): void {
    if (!this.#isServerOpen) return
    this.#isServerOpen = false
    this.#witness.onSocketGone(this)
    this.#arriveAtClient(() => this.#endClient())
    this.#arriveAtServer(() => this.server.onClosed(this))
  }

  /** The worker is gone: the kernel closes what it had open. */
  onServerDied(): void {
    if (!this.#isServerOpen) return
    this.#isServerOpen = false
    this.#witness.onSocketGone(this)
    this.#arriveAtClient(() => this.#endClient())
  }

  // -- the client's end ------------------------------------------------------------------------

  open(query: ReadonlyMap<string, string>): void {
    noteToken(query.get('access_token'), this.tokens)
    this.#arriveAtServer(() => {
      if (!this.server.isAlive) {
        this.#isServerOpen = false
        this.#arriveAtClient(() => this.#endClient())
        return
      }
      this.openedAtMs = this.#world.nowMs
      this.resumesId = (query.get('resume') ?? query.get('recover'))?.split('!')[0]
      this.server.onOpened(this, query)
      this.#arriveAtClient(() => this.client.onSocketOpen(this))
    })
  }

  send(message: Wire): void {
    noteToken(message.auth?.accessToken, this.tokens)
    this.sendData(writeFrame(message, this.format), message)
  }

  /** Sends what may be no frame at all; `message` is what it says, if it is one. */
  sendData(data: string | Uint8Array, message?: Wire): void {
    if (!this.#isClientOpen) return
    this.#arriveAtServer(() => {
      if (!this.#isServerOpen) return
      if (message !== undefined) this.#witness.onClientSays(this, message)
      this.server.onFrame(this, data)
    })
  }

  /** The client's end goes away; the server hears of it unless the way is cut. */
  drop(): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    this.#arriveAtServer(() => this.#endServer())
  }

  /** The client reads again. */
  resume(): void {
    this.isStalled = false
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const bytes of waiting) this.#toClient(bytes)
    if (!this.#isEndWaiting) return
    if (this.isCut) this.#world.after(1, () => this.#endClient())
    else this.#arriveAtClient(() => this.#endClient())
  }

  /**
   * The way is whole again; by now both ends have been told that the socket broke. What was on its
   * way when it was cut is lost, so nothing that was written later may come either: no socket has
   * a hole.
   */
  mend(): void {
    if (!this.isCut) return
    this.#world.after(1, () => {
      this.#endServer()
      this.#endClient()
    })
  }

  #endServer(): void {
    if (!this.#isServerOpen) return
    this.#isServerOpen = false
    this.#witness.onSocketGone(this)
    this.server.onClosed(this)
  }

  #endClient(): void {
    if (!this.#isClientOpen) return
    if (this.isStalled) {
      // What was sent before the end is read before it.
      this.#isEndWaiting = true
      return
    }
    this.#isClientOpen = false
    this.client.onSocketGone(this)
  }

  #toClient(bytes: Uint8Array): void {
    if (this.isStalled || this.isCut) {
      if (!this.isCut) this.#waiting.push(bytes)
      this.#waitingBytes += bytes.length
      return
    }
    this.#arriveAtClient(() => {
      for (const message of readFrames(bytes)) {
        if (!this.#isClientOpen) return
        if (message === undefined) this.#arriveAtServer(() => this.#heard())
        this.client.onSocketMessage(this, message && this.#read.read(message))
      }
    })
  }

  #heard(): void {
    if (this.#isServerOpen) this.server.onHeard(this)
  }

  #arriveAtClient(run: () => void): void {
    const atMs = this.#world.nowMs + this.#random.jitter(2, 0.8)
    this.#toClientAtMs = Math.max(this.#toClientAtMs, atMs)
    this.#world.at(this.#toClientAtMs, () => {
      if (!this.isCut) run()
    })
  }

  #arriveAtServer(run: () => void): void {
    const atMs = this.#world.nowMs + this.#random.jitter(2, 0.8)
    this.#toServerAtMs = Math.max(this.#toServerAtMs, atMs)
    this.#world.at(this.#toServerAtMs, () => {
      if (!this.isCut) run()
    })
  }
}

/** Adds a token that a client shows, if it shows one. */
export function noteToken(token: string | undefined, tokens: string[]): void {
  if (token !== undefined) tokens.push(token)
}
