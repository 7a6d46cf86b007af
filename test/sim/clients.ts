/**
 * A small client of the protocol, as SDKs behave: it connects, attaches, publishes and awaits its
 * acknowledgements; after a lost socket it dials again, asks to resume, attaches every channel
 * again from its last channelSerial, and sends again what was not acknowledged.
 */

import type { Random } from '../../src/base/random.ts'
import { APP, KEY, type Region } from './region.ts'
import type { SimSocket, SocketClient } from './sockets.ts'
import type { Wire, WireError, WireFormat } from './wire.ts'
import { type Scheduled, Violation } from './world.ts'

const CONNECT_MS = 10_000
const ATTACH_MS = 10_000
const IDLE_EXTRA_MS = 10_000
const REDIAL_MS = 400
const REATTACH_MS = 1_500
/** The error that says so, documented. */
export const OUTCOME_UNKNOWN = 50003

export const Does = {
  HEARTBEAT: 0,
  ACK: 1,
  NACK: 2,
  CONNECTED: 4,
  DISCONNECTED: 6,
  CLOSE: 7,
  CLOSED: 8,
  ERROR: 9,
  ATTACH: 10,
  ATTACHED: 11,
  DETACH: 12,
  DETACHED: 13,
  MESSAGE: 15
} as const

export const RESUMED = 4

export interface ClientOptions {
  readonly name: string
  readonly format: WireFormat
  readonly echo: boolean
  /** It gives its publishes ids, so that a repeat is known again on another connection. */
  readonly hasOwnIds: boolean
  /** The pod it always dials; undefined: any. */
  readonly node?: string
}

/** A publish that has no answer yet. */
interface Pending {
  readonly channel: string
  readonly texts: readonly string[]
  readonly id: string | undefined
  msgSerial: number
  sendCount: number
}

/** A channel as its client holds it. */
export interface Held {
  readonly name: string
  state: 'attaching' | 'attached' | 'suspended' | 'detaching'
  channelSerial: string | undefined
  timer: Scheduled | undefined
}

/** What stories want to hear. */
export interface ClientEvents {
  onEvent(client: SimClient, text: string): void
}

export class SimClient implements SocketClient {
  readonly name: string
  readonly options: ClientOptions
  readonly channels = new Map<string, Held>()
  state: 'offline' | 'connecting' | 'connected' | 'closing' | 'closed' = 'offline'
  socket: SimSocket | undefined
  connectionId = ''
  events: ClientEvents | undefined
  /** Texts by what became of them. */
  readonly acknowledged = new Set<string>()
  readonly refused = new Map<string, WireError>()
  /** Those of them that were sent once, so that nothing of them can be on its way. */
  readonly refusedAtOnce: string[] = []
  /** What it heard, by channel, in order. */
  readonly heard = new Map<string, string[]>()
  lossCount = 0
  readonly #region: Region
  readonly #random: Random
  #connectionKey: string | undefined
  #pending: Pending[] = []
  #msgSerial = 0
  #publishCount = 0
  #timer: Scheduled | undefined
  #idleMs = 0
  #heardAtMs = 0

  constructor(region: Region, options: ClientOptions) {
    this.#region = region
    this.name = options.name
    this.options = options
    this.#random = region.world.fork(`client ${options.name}`)
    region.clients.push(this)
  }

  get pendingCount(): number {
    return this.#pending.length
  }

  get pendingTexts(): string[] {
    return this.#pending.flatMap(({ texts }) => texts)
  }

  // -- what its application does ---------------------------------------------------------------

  connect(): void {
    if (this.state !== 'offline') return
    this.#dial()
  }

  attach(channel: string): void {
    if (this.channels.has(channel) || this.state === 'closing' || this.state === 'closed') return
    const held: Held = { name: channel, state: 'suspended', channelSerial: undefined,
      timer: undefined }
    this.channels.set(channel, held)
    this.#attach(held)
  }

  detach(channel: string): void {
    const held = this.channels.get(channel)
    if (held === undefined) return
    this.#region.world.cancel(held.timer)
    if (this.state !== 'connected' || held.state === 'suspended') {
      this.channels.delete(channel)
      return
    }
    held.state = 'detaching'
    this.socket?.send({ action: Does.DETACH, channel })
  }

  /** Publishes `count` messages in one; returns their texts. */
  publish(channel: string, count = 1): readonly string[] {
    const no = ++this.#publishCount
    const texts = Array.from({ length: count }, (_, at) =>
      count === 1 ? `${this.name}.${no}` : `${this.name}.${no}.${at}`)
    const id = this.options.hasOwnIds ? `own-${this.name}-${no}` : undefined
    const pending: Pending = { channel, texts, id, msgSerial: -1, sendCount: 0 }
    this.#pending.push(pending)
    if (this.state === 'connected') this.#send(pending)
    return texts
  }

  close(): void {
    for (const held of this.channels.values()) this.#region.world.cancel(held.timer)
    this.channels.clear()
    this.#pending = []
    if (this.state === 'connected') {
      this.state = 'closing'
      this.socket!.send({ action: Does.CLOSE })
    } else {
      this.state = 'closed'
      this.socket?.drop()
      this.#region.world.cancel(this.#timer)
    }
  }

  /** Its network breaks: both ends are told. */
  dropSocket(): void {
    this.socket?.drop()
    this.#lost('its socket drops')
  }

  // -- what its socket says --------------------------------------------------------------------

  onSocketOpen(socket: SimSocket): void {
    if (socket === this.socket) this.#heardAtMs = this.#region.world.nowMs
  }

  onSocketGone(socket: SimSocket): void {
    if (socket === this.socket) this.#lost('its socket is closed')
  }

  onSocketMessage(socket: SimSocket, message: Wire | undefined): void {
    if (socket !== this.socket) return
    this.#heardAtMs = this.#region.world.nowMs
    if (message === undefined) return
    switch (message.action) {
      case Does.CONNECTED:
        this.#onConnected(message)
        return
      case Does.DISCONNECTED:
        this.#say(`is disconnected: ${message.error?.code}`)
        this.#lost('told to come back')
        return
      case Does.CLOSED:
        this.state = 'closed'
        return
      case Does.ACK:
      case Does.NACK:
        this.#onAnswer(message)
        return
      case Does.ATTACHED:
        this.#onAttached(message)
        return
      case Does.DETACHED:
        this.#onDetached(message)
        return
      case Does.MESSAGE:
        this.#onMessage(message)
        return
      case Does.ERROR:
        throw new Violation('protocol', `${this.name} is told ${JSON.stringify(message)}`)
      default:
    }
  }

  #dial(): void {
    const { world } = this.#region
    const { format, echo, node } = this.options
    this.state = 'connecting'
    const socket = this.#region.dial(this, format, echo, node)
    this.socket = socket
    if (socket === undefined) {
      this.#redial()
      return
    }
    const query = new Map([
      ['key', KEY], ['format', format], ['heartbeats', 'false'], ['v', '6'],
      ['echo', String(echo)]
    ])
    if (this.#connectionKey !== undefined) query.set('resume', this.#connectionKey)
    socket.open(query)
    this.#timer = world.after(CONNECT_MS, () => {
      if (this.state !== 'connecting' || this.socket !== socket) return
      socket.drop()
      this.#lost('no CONNECTED in time')
    })
  }

  #redial(): void {
    const { world } = this.#region
    this.state = 'offline'
    world.cancel(this.#timer)
    this.#timer = world.after(this.#random.jitter(REDIAL_MS), () => {
      if (this.state === 'offline') this.#dial()
    })
  }

  #lost(why: string): void {
    if (this.state === 'closing' || this.state === 'closed') {
      this.state = 'closed'
      return
    }
    if (this.state === 'offline') return
    this.#say(`is offline: ${why}`)
    this.socket?.drop()
    this.socket = undefined
    for (const held of this.channels.values()) {
      this.#region.world.cancel(held.timer)
      if (held.state === 'detaching') this.channels.delete(held.name)
      else held.state = 'suspended'
    }
    this.#redial()
  }

  #onConnected(message: Wire): void {
    const { world } = this.#region
    const isSame = message.connectionId === this.connectionId
    this.connectionId = message.connectionId!
    this.#connectionKey = message.connectionDetails?.connectionKey
    this.#idleMs = message.connectionDetails?.maxIdleInterval ?? 0
    this.state = 'connected'
    world.cancel(this.#timer)
    this.#say(`is connected${isSame ? ' again' : ''} to ${this.socket!.server.machine}`)
    this.#watchIdle(this.socket!)
    if (!isSame) this.#msgSerial = 0
    for (const held of this.channels.values()) this.#attach(held)
    for (const pending of this.#pending) {
      if (!isSame) pending.msgSerial = -1
      this.#send(pending)
    }
  }

  #watchIdle(socket: SimSocket): void {
    const { world } = this.#region
    const dueMs = this.#heardAtMs + this.#idleMs + IDLE_EXTRA_MS
    this.#timer = world.at(dueMs, () => {
      if (this.socket !== socket || this.state !== 'connected') return
      if (this.#heardAtMs + this.#idleMs + IDLE_EXTRA_MS > world.nowMs) {
        this.#watchIdle(socket)
        return
      }
      socket.drop()
      this.#lost('nothing heard for too long')
    })
  }

  #send(pending: Pending): void {
    if (pending.msgSerial < 0) pending.msgSerial = this.#msgSerial++
    pending.sendCount++
    const { texts, id, channel, msgSerial } = pending
    const messages = texts.map((data, at) => {
      if (id === undefined) return { name: 'm', data }
      return { name: 'm', data, id: texts.length === 1 ? id : `${id}:${at}` }
    })
    this.socket!.send({ action: Does.MESSAGE, channel, msgSerial, messages })
  }

  #onAnswer(message: Wire): void {
    if (this.state !== 'connected') return
    const count = message.count ?? 1
    for (let at = 0; at < count; at++) {
      const pending = this.#pending.shift()
      if (pending?.msgSerial !== message.msgSerial! + at) {
        throw new Violation('acks', `${this.name} has no publish ${message.msgSerial! + at}`)
      }
      for (const text of pending.texts) {
        if (message.action === Does.ACK) this.acknowledged.add(text)
        else this.#onRefused(text, pending, message.error!)
      }
    }
  }

  #onRefused(text: string, pending: Pending, error: WireError): void {
    this.refused.set(text, error)
    if (pending.sendCount === 1 && error.code !== OUTCOME_UNKNOWN) this.refusedAtOnce.push(text)
  }

  #attach(held: Held): void {
    const { world } = this.#region
    world.cancel(held.timer)
    if (this.state !== 'connected') return
    held.state = 'attaching'
    const { name: channel, channelSerial } = held
    this.socket!.send({ action: Does.ATTACH, channel, channelSerial })
    held.timer = world.after(ATTACH_MS, () => {
      if (this.channels.get(channel) !== held || held.state !== 'attaching') return
      this.#say(`waits in vain for ATTACHED of ${channel}`)
      this.#attachLater(held)
    })
  }

  #attachLater(held: Held): void {
    const { world } = this.#region
    held.state = 'suspended'
    world.cancel(held.timer)
    held.timer = world.after(this.#random.jitter(REATTACH_MS), () => {
      if (this.channels.get(held.name) === held && held.state === 'suspended') this.#attach(held)
    })
  }

  #onAttached(message: Wire): void {
    const held = this.channels.get(message.channel!)
    if (held === undefined || held.state === 'suspended' || held.state === 'detaching') return
    this.#region.world.cancel(held.timer)
    held.state = 'attached'
    const isResumed = ((message.flags ?? 0) & RESUMED) !== 0
    held.channelSerial = message.channelSerial
    if (message.error !== undefined) this.lossCount++
    const how = isResumed ? ', resumed' : message.error === undefined ? ''
      : `, continuity lost (${message.error.code})`
    this.#say(`is attached to ${held.name}${how}`)
  }

  #onDetached(message: Wire): void {
    const held = this.channels.get(message.channel!)
    if (held === undefined) return
    if (held.state === 'detaching') {
      this.channels.delete(held.name)
      return
    }
    this.#say(`is detached from ${held.name}: ${message.error?.code}`)
    this.#attachLater(held)
  }

  #onMessage(message: Wire): void {
    const held = this.channels.get(message.channel!)
    if (held?.state !== 'attached') return
    held.channelSerial = message.channelSerial
    let heard = this.heard.get(held.name)
    if (heard === undefined) {
      heard = []
      this.heard.set(held.name, heard)
    }
    for (const { data } of message.messages ?? []) {
      heard.push(data ?? '')
      this.#say(`hears ${data} on ${held.name}`)
    }
  }

  #say(text: string): void {
    this.#region.world.note(`${this.name} ${text}`)
    this.events?.onEvent(this, text)
  }
}

/** A channel as the server names it. */
export function channelKey(name: string): string {
  return `${APP}/${name}`
}
