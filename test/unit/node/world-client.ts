/**
 * A small client of a worker in a WorkerWorld, written from the protocol. It keeps what it was
 * told as a story and holds it against what every client may rely on: answers are contiguous and
 * in order, and on an attached channel each message is the next after the one before, unless an
 * ATTACHED says where it goes on.
 */

import type { FrameSequence, Socket } from '../../../src/node/outbox.ts'
import { Action, Flag } from '../../../src/wire/actions.ts'
import { decodeProtocolMessage, encodeProtocolMessage } from '../../../src/wire/codec.ts'
import { payloadOf } from '../../../src/wire/frame.ts'
import type { Format, PresenceMessage, ProtocolMessage }
  from '../../../src/wire/protocol-message.ts'
import { parseChannelSerial } from '../../../src/wire/serial.ts'
import type { WorkerWorld, WorldWorker } from './worker-world.ts'

export interface ClientOptions {
  readonly format?: Format
  readonly query?: Readonly<Record<string, string>>
}

/** A channel as this client sees it. */
interface Heard {
  /** Data of messages; `attached`, `resumed`, `lost` and `detached` where they were told. */
  story: string[]
  isAttached: boolean
  channelSerial: string | undefined
}

/** One connection; the socket of each is a new one. */
class ClientSocket implements Socket {
  readonly worker: WorldWorker
  readonly #client: WorldClient
  isClosed = false

  constructor(client: WorldClient, worker: WorldWorker) {
    this.#client = client
    this.worker = worker
  }

  get queuedBytes(): number {
    return this.#client.queuedBytes
  }

  write(batch: FrameSequence): void {
    const frames = batch.frames()
    const size = frames.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
    if (batch.bytes().byteLength !== size) this.#client.flaws.push('a batch is not its frames')
    for (const frame of frames) {
      const format = frame.isBinary ? 'msgpack' : 'json'
      const decoded = decodeProtocolMessage(payloadOf(frame), format)
      if (!decoded.ok) this.#client.flaws.push('a frame that cannot be read')
      else if (!this.isClosed) this.#client.onMessage(decoded.message, this)
    }
  }

  ping(): void {
    if (this.#client.answersPings) {
      this.#client.world.input(this.worker, { kind: 'socketHeard', socket: this })
    }
  }

  close(): void {
    this.isClosed = true
  }
}

export class WorldClient {
  readonly world: WorkerWorld
  #options: ClientOptions
  readonly received: ProtocolMessage[] = []
  /** Where this client was told something that no client may be told. */
  readonly flaws: string[] = []
  readonly #channels = new Map<string, Heard>()
  /** Publishes without answer, oldest first, with the frame's own items. */
  #pending: ProtocolMessage[] = []
  #msgSerial = 0
  #socket: ClientSocket | undefined
  answersPings = true
  /** What the socket says waits in it. */
  queuedBytes = 0
  connectionId = ''
  connectionKey = ''
  #isResuming = false
  ackCount = 0
  nackCodes: number[] = []
  lastSerials: string[] = []

  constructor(world: WorkerWorld, options: ClientOptions = {}) {
    this.world = world
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#socket?.isClosed === false
  }

  /** Its next socket comes with these. */
  changeQuery(query: Readonly<Record<string, string>>): void {
    this.#options = { ...this.#options, query }
  }

  /** Where its socket is, or was. */
  get worker(): WorldWorker | undefined {
    return this.#socket?.worker
  }

  get pendingCount(): number {
    return this.#pending.length
  }

  /** Opens a socket to this worker; attaches and publishes again what was before. */
  connect(worker: WorldWorker): this {
    this.#isResuming = false
    this.#open(worker)
    this.#begin()
    return this
  }

  /** Opens a socket with a key; what was before is said again once it is connected. */
  resume(worker: WorldWorker, key = this.connectionKey, param = 'resume'): this {
    this.#open(worker, { [param]: key })
    this.#isResuming = true
    return this
  }

  /** Becomes what another process can become from what this connection has stored. */
  recover(worker: WorldWorker, from: WorldClient): this {
    this.connectionId = from.connectionId
    this.#msgSerial = from.#msgSerial
    return this.resume(worker, from.connectionKey, 'recover')
  }

  /** The socket is gone, as both sides see it. */
  drop(): void {
    const socket = this.#socket
    if (socket === undefined || socket.isClosed) return
    socket.isClosed = true
    this.world.input(socket.worker, { kind: 'socketClosed', socket })
  }

  send(message: ProtocolMessage): void {
    const socket = this.#socket
    if (socket === undefined || socket.isClosed) return
    const format = this.#options.format ?? 'json'
    const data = encodeProtocolMessage(message, format)
    const isBinary = format === 'msgpack'
    this.world.input(socket.worker, { kind: 'socketFrame', socket, data, isBinary })
  }

  attach(channel: string, fields: Partial<ProtocolMessage> = {}): this {
    const { channelSerial } = this.#heard(channel)
    this.send({ action: Action.ATTACH, channel, channelSerial, ...fields })
    return this
  }

  detach(channel: string): void {
    this.#heard(channel).isAttached = false
    this.send({ action: Action.DETACH, channel })
  }

  publish(channel: string, data: string, id?: string): void {
    const item = id === undefined ? { data } : { data, id }
    this.#publish({ action: Action.MESSAGE, channel, messages: [item] })
  }

  /** Says something of members. */
  present(channel: string, presence: PresenceMessage[]): void {
    this.#publish({ action: Action.PRESENCE, channel, presence })
  }

  /** What happened on a channel, in order. */
  story(channel: string): string[] {
    return this.#heard(channel).story
  }

  /** The data of the messages that were heard on a channel. */
  messages(channel: string): string[] {
    return this.story(channel).filter((word) => !TOLD.has(word))
  }

  onMessage(message: ProtocolMessage, from: object): void {
    if (from !== this.#socket) return
    this.received.push(message)
    switch (message.action) {
      case Action.CONNECTED:
        this.#onConnected(message)
        return
      case Action.ACK:
      case Action.NACK:
        this.#onAnswer(message)
        return
      case Action.ATTACHED:
        this.#onAttached(message)
        return
      case Action.MESSAGE:
        this.#onChannelMessage(message)
        return
      case Action.PRESENCE:
        this.#onPosition(message)
        return
      case Action.DETACHED:
        this.#heard(message.channel!).isAttached = false
        this.#heard(message.channel!).story.push('detached')
    }
  }

  #open(worker: WorldWorker, more: Readonly<Record<string, string>> = {}): void {
    const format = this.#options.format ?? 'json'
    const query = new Map(Object.entries({ key: 'app.k:secret', v: '6', format,
      ...this.#options.query, ...more }))
    this.#socket = new ClientSocket(this, worker)
    const opening = { socket: this.#socket, query, isTls: false }
    this.world.input(worker, { kind: 'socketOpened', opening })
  }

  #onConnected({ connectionId, connectionKey }: ProtocolMessage): void {
    const isResumed = connectionId === this.connectionId
    this.connectionId = connectionId!
    this.connectionKey = connectionKey!
    if (!this.#isResuming) return
    this.#isResuming = false
    if (!isResumed) {
      this.#begin()
      return
    }
    for (const [channel, heard] of this.#channels) if (heard.isAttached) this.attach(channel)
    for (const message of this.#pending) this.send(message)
  }

  /** A new connection: everything is said as if for the first time. */
  #begin(): void {
    this.#msgSerial = 0
    for (const [channel, heard] of this.#channels) if (heard.isAttached) this.attach(channel)
    const pending = this.#pending
    this.#pending = []
    for (const message of pending) this.#publish(message)
  }

  #publish(message: ProtocolMessage): void {
    const numbered = { ...message, msgSerial: this.#msgSerial++ }
    this.#pending.push(numbered)
    if (!this.#isResuming) this.send(numbered)
  }

  #onAnswer({ action, msgSerial, count, error, res }: ProtocolMessage): void {
    for (let at = 0; at < count!; at++) {
      const first = this.#pending.shift()
      if (first?.msgSerial !== msgSerial! + at) {
        this.flaws.push(`an answer to ${msgSerial! + at} where ${first?.msgSerial} is next`)
      }
      if (action === Action.NACK) this.nackCodes.push(error!.code)
      else {
        this.ackCount++
        this.lastSerials = res![at]!.serials as string[]
      }
    }
  }

  #onAttached(message: ProtocolMessage): void {
    const heard = this.#heard(message.channel!)
    const isResumed = (message.flags! & Flag.RESUMED) !== 0
    const isLost = message.error?.code === 90003
    heard.story.push(isLost ? 'lost' : isResumed ? 'resumed' : 'attached')
    const isKept = isResumed && heard.channelSerial !== undefined
    if (!isKept) heard.channelSerial = message.channelSerial
    heard.isAttached = true
  }

  #onChannelMessage(message: ProtocolMessage): void {
    this.#onPosition(message)
    for (const { data } of message.messages!) {
      this.#heard(message.channel!).story.push(String(data))
    }
  }

  /** What has a place in the channel's order is the next after the one before. */
  #onPosition(message: ProtocolMessage): void {
    const heard = this.#heard(message.channel!)
    if (!heard.isAttached) this.flaws.push(`a message of ${message.channel} while not attached`)
    const before = parseChannelSerial(heard.channelSerial ?? '')
    const at = parseChannelSerial(message.channelSerial ?? '')
    if (before === undefined || at?.lineage !== before.lineage || at.seq !== before.seq + 1) {
      this.flaws.push(`${message.channelSerial} after ${heard.channelSerial}`)
    }
    heard.channelSerial = message.channelSerial
  }

  #heard(channel: string): Heard {
    let heard = this.#channels.get(channel)
    if (heard === undefined) {
      heard = { story: [], isAttached: false, channelSerial: undefined }
      this.#channels.set(channel, heard)
    }
    return heard
  }
}

const TOLD = new Set(['attached', 'resumed', 'lost', 'detached'])
