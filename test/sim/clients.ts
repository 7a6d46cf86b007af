/**
 * A small client of the protocol, as SDKs behave: it connects, attaches, publishes and awaits its
 * acknowledgements; after a lost socket it dials again, asks to resume, attaches every channel
 * again from its last channelSerial, and sends again what was not acknowledged.
 */

import type { Random } from '../../src/base/random.ts'
import { ClientCredentials } from './client-credentials.ts'
import { ClientMembers } from './client-members.ts'
import { changed, type ClientOptions, type Held } from './client-options.ts'
import { attachPatienceMs } from './comet-line.ts'
import { IdleWatch } from './idle-watch.ts'
import { HAS_PRESENCE } from './presence-map.ts'
import type { Region } from './region.ts'
import type { SimSocket, SocketClient } from './sockets.ts'
import { type Pending, Submissions } from './submissions.ts'
import { Does, META, type Wire } from './wire.ts'
import { type Scheduled, Violation } from './world.ts'

const [CONNECT_MS, REDIAL_MS] = [10_000, 400]
const [REATTACH_MS, RETRY_MS] = [1_500, 1_000]
export const RESUMED = 4
const SAID = ['is absent', 'is present', 'enter', 'leave', 'update'] as const

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
  connectionKey: string | undefined
  events: ClientEvents | undefined
  readonly submissions: Submissions
  readonly members: ClientMembers
  /** What it heard, by channel, in order. */
  readonly heard = new Map<string, string[]>()
  lossCount = 0
  isToldClosed = false
  /** It is another process than the one that had its connection. */
  isRecovering = false
  hasRecovered = false
  #region: Region
  readonly #random: Random
  #publishCount = 0
  #timer: Scheduled | undefined
  #awayUntilMs = 0
  readonly #idle: IdleWatch
  readonly #credentials: ClientCredentials

  constructor(region: Region, options: ClientOptions) {
    this.#region = region
    this.name = options.name
    this.options = options
    this.#random = region.world.fork(`client ${options.name}`)
    this.#idle = new IdleWatch(region.world)
    const { world, abroad } = region
    this.#credentials = new ClientCredentials(world, this.#random, options, abroad?.skewMs)
    this.submissions = new Submissions(options.name)
    this.members = new ClientMembers({
      name: options.name,
      identity: options.clientId,
      connectionId: () => this.connectionId,
      nowMs: () => region.world.nowMs,
      isAttached: (channel) => this.channels.get(channel)?.state === 'attached',
      submit: (channel, presence, texts) => {
        this.#submit(this.submissions.add({ channel, texts, id: undefined, presence }))
      },
      soon: (run) => {
        region.world.after(this.#random.jitter(RETRY_MS), run)
      }
    })
    region.clients.push(this)
  }

  get pendingTexts(): string[] {
    return this.submissions.pending.flatMap(({ texts }) => texts)
  }

  // -- what its application does ---------------------------------------------------------------

  connect(): void {
    if (this.state !== 'offline') return
    this.#dial()
  }

  attach(channel: string): void {
    if (this.channels.has(channel) || this.state === 'closing' || this.state === 'closed') return
    const none = { channelSerial: undefined, timer: undefined, changeCount: 0 }
    const held: Held = { name: channel, state: 'suspended', ...none }
    this.channels.set(channel, held)
    this.#attach(held)
  }

  /** Asks for something else where it is attached; it takes what comes meanwhile. */
  change(channel: string): void {
    const held = this.channels.get(channel)
    if (held?.state === 'attached') this.#ask(held, ++held.changeCount)
  }

  detach(channel: string): void {
    const held = this.channels.get(channel)
    if (held === undefined || held.state === 'detaching') return
    this.members.forget(channel)
    this.#region.world.cancel(held.timer)
    held.state = 'detaching'
    if (this.state === 'connected') this.socket!.send({ action: Does.DETACH, channel })
  }

  /** Publishes `count` messages in one; returns their texts. */
  publish(channel: string, count = 1, mark = ''): readonly string[] {
    const no = ++this.#publishCount
    const { chatter = '' } = this.options
    const texts = Array.from({ length: count }, (_, at) =>
      `${this.name}.${no}${count === 1 ? '' : `.${at}`}${chatter}${mark}`)
    const id = this.options.hasOwnIds ? `own-${this.name}-${no}` : undefined
    this.#submit(this.submissions.add({ channel, texts, id, presence: undefined }))
    return texts
  }

  /** Wants to be told again who is present. */
  sync(channel: string): void {
    if (this.channels.get(channel)?.state !== 'attached') return
    this.socket?.send({ action: Does.SYNC, channel })
  }

  close(): void {
    for (const held of this.channels.values()) this.#region.world.cancel(held.timer)
    for (const channel of this.channels.keys()) this.members.forget(channel)
    this.channels.clear()
    this.submissions.clear()
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

  /** Its next sockets lead to another region. */
  moveTo(region: Region): void {
    this.#region = region
    this.dropSocket()
  }

  /** It has no network for a time; for none: it has one again. */
  stayAway(forMs: number): void {
    if (this.state === 'closing' || this.state === 'closed') return
    this.#awayUntilMs = this.#region.world.nowMs + forMs
    this.dropSocket()
    if (this.#awayUntilMs === this.#region.world.nowMs) this.#redial()
  }

  // -- what its socket says --------------------------------------------------------------------

  onSocketOpen(socket: SimSocket): void {
    if (socket === this.socket) this.#idle.heard()
  }

  onSocketGone(socket: SimSocket): void {
    if (socket === this.socket) this.#lost('its socket is closed')
  }

  onSocketMessage(socket: SimSocket, message: Wire | undefined): void {
    if (socket !== this.socket) return
    this.#idle.heard()
    if (message === undefined) return
    switch (message.action) {
      case Does.CONNECTED:
        this.#onConnected(message)
        return
      case Does.DISCONNECTED:
        this.#say(`is disconnected: ${message.error?.code}`)
        this.#credentials.isRevoked(message)
        this.#lost('told to come back')
        return
      case Does.CLOSED:
        this.state = 'closed'
        this.isToldClosed = true
        return
      case Does.AUTH:
        this.#credentials.renew(socket)
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
      case Does.PRESENCE:
      case Does.SYNC:
        this.#onPresence(message)
        return
      case Does.ERROR:
        if (this.#credentials.isRevoked(message)) return this.#lost('its token is revoked')
        throw new Violation('protocol', `${this.name} is told ${JSON.stringify(message)}`)
    }
  }

  #dial(): void {
    const { world } = this.#region
    const { format, echo, node, isComet } = this.options
    this.state = 'connecting'
    const socket = this.#region.dial(this, format, echo, node, isComet)
    this.socket = socket
    if (socket === undefined) {
      this.#redial()
      return
    }
    socket.open(this.#credentials.query(this.connectionKey, this.isRecovering))
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
    const awayMs = Math.max(0, this.#awayUntilMs - world.nowMs)
    this.#timer = world.after(awayMs + this.#random.jitter(REDIAL_MS), () => {
      if (this.state === 'offline') this.#dial()
    })
  }

  #lost(why: string): void {
    if (this.state === 'closing') this.state = 'closed'
    if (this.state === 'closed' || this.state === 'offline') return
    this.#say(`is offline: ${why}`)
    if (this.state === 'connected') this.members.onLost()
    this.socket?.drop()
    this.socket = undefined
    for (const held of this.channels.values()) {
      this.#region.world.cancel(held.timer)
      if (held.state !== 'detaching') held.state = 'suspended'
    }
    this.#redial()
  }

  #onConnected(message: Wire): void {
    const { world } = this.#region
    const isSame = message.connectionId === this.connectionId
    this.connectionId = message.connectionId!
    this.connectionKey = message.connectionDetails?.connectionKey
    // It has shown another token, and everything goes on as it was.
    if (this.state === 'connected') return
    this.state = 'connected'
    this.isRecovering = false
    world.cancel(this.#timer)
    this.#say(`is connected${isSame ? ' again' : ''} to ${this.socket!.server.machine}`)
    const socket = this.socket!
    this.#idle.watch(message.connectionDetails?.maxIdleInterval ?? 0, () => {
      if (this.socket !== socket || this.state !== 'connected') return
      socket.drop()
      this.#lost('nothing heard for too long')
    })
    if (!isSame) {
      this.submissions.renumber()
      this.members.onOtherConnection()
    }
    for (const held of this.channels.values()) this.#goOn(held, isSame)
    for (const pending of this.submissions.pending) this.#submit(pending)
  }

  #submit(pending: Pending): void {
    if (this.state === 'connected') this.socket!.send(this.submissions.frameOf(pending))
  }

  #onAnswer(message: Wire): void {
    if (this.state !== 'connected') return
    for (const pending of this.submissions.onAnswer(message)) {
      if (pending.presence === undefined) continue
      if (message.action === Does.ACK) this.members.onAcknowledged(pending)
      else this.members.onRefused(pending, message.error!)
    }
  }

  #attach(held: Held): void {
    const { world } = this.#region
    world.cancel(held.timer)
    if (this.state !== 'connected') return
    held.state = 'attaching'
    this.#ask(held, held.changeCount)
    held.timer = world.after(attachPatienceMs(this.options.isComet), () => {
      if (this.channels.get(held.name) !== held || held.state !== 'attaching') return
      this.#say(`waits in vain for ATTACHED of ${held.name}`)
      this.#attachLater(held)
    })
  }

  #ask({ name: channel, channelSerial }: Held, changeNo: number): void {
    const { modes: flags, params: always } = this.options
    const params = changed(always, changeNo)
    this.socket?.send({ action: Does.ATTACH, channel, channelSerial, flags, params })
  }

  /** The connection is there again, or another one. */
  #goOn(held: Held, isSame: boolean): void {
    const { name: channel } = held
    if (held.state !== 'detaching') this.#attach(held)
    else if (isSame) this.socket!.send({ action: Does.DETACH, channel })
    else this.channels.delete(channel)
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
    const { flags = 0 } = message
    const isResumed = (flags & RESUMED) !== 0
    const isUpdate = held.state === 'attached' && isResumed
    held.state = 'attached'
    held.channelSerial = message.channelSerial
    // It may hear more or less by now; who is present it is told besides.
    if (isUpdate) return
    if (message.error !== undefined) this.lossCount++
    const how = isResumed ? ', resumed' : message.error === undefined ? ''
      : `, continuity lost (${message.error.code})`
    this.#say(`is attached to ${held.name}${how}`)
    this.members.onAttached(held.name, (flags & HAS_PRESENCE) !== 0, isResumed)
  }

  #onDetached(message: Wire): void {
    const held = this.channels.get(message.channel!)
    if (held === undefined) return
    if (held.state === 'detaching') {
      this.members.onDetached(held.name)
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
    for (const { data, action } of message.messages ?? []) {
      if (action === META) continue
      heard.push(data ?? '')
      this.#say(`hears ${data} on ${held.name}`)
    }
  }

  #onPresence(message: Wire): void {
    const held = this.channels.get(message.channel!)
    if (held?.state !== 'attached') return
    const isSync = message.action === Does.SYNC
    if (!isSync) held.channelSerial = message.channelSerial
    this.members.onFrame(message, isSync)
    for (const { action, clientId, data } of message.presence ?? []) {
      const what = SAID[action ?? 0] ?? 'does what nobody knows'
      this.#say(`sees ${clientId} ${what} on ${held.name} (${data})`)
    }
  }

  #say(text: string): void {
    this.#region.world.note(`${this.name} ${text}`)
    this.events?.onEvent(this, text)
  }
}
