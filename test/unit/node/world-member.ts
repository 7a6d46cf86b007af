/**
 * A client that keeps the presence set of one channel as SDKs do (protocol 8): newer events win,
 * a SYNC replaces what it does not list, and after each ATTACHED its own members enter again.
 */

import { Action, Flag, PresenceAction } from '../../../src/wire/actions.ts'
import type { PresenceMessage, ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import type { WorkerWorld, WorldNode, WorldWorker } from './worker-world.ts'
import { type ClientOptions, WorldClient } from './world-client.ts'

const ABSENT = PresenceAction.ABSENT
const NAMES = ['absent', 'present', 'enter', 'leave', 'update']

export class WorldMember extends WorldClient {
  readonly channel: string
  /** `action clientId data`, as an application hears it. */
  readonly events: string[] = []
  /** What it said last of each of its clients. */
  readonly own = new Map<string, string>()
  readonly #members = new Map<string, PresenceMessage>()
  /** Its own members as it last heard of them: an id stands for what was said with it. */
  readonly #ownHeard = new Map<string, PresenceMessage>()
  /** Who is to leave as soon as it is attached again. */
  readonly #leaving = new Set<string>()
  #residual: Set<string> | undefined
  #syncId: string | undefined
  isAttachedNow = false
  #wasAttached = false
  #isConnected = false

  constructor(world: WorkerWorld, channel: string, options: ClientOptions = {}) {
    super(world, options)
    this.channel = channel
  }

  /** True while a SYNC is awaited or under way. */
  get isSyncing(): boolean {
    return this.#residual !== undefined
  }

  enter(clientId: string, data: string): void {
    const action = this.own.has(clientId) ? PresenceAction.UPDATE : PresenceAction.ENTER
    this.own.set(clientId, data)
    this.#leaving.delete(clientId)
    if (this.isAttachedNow) this.present(this.channel, [{ action, clientId, data }])
  }

  leave(clientId: string): void {
    this.own.delete(clientId)
    if (this.isAttachedNow) this.#sayLeave(clientId)
    else this.#leaving.add(clientId)
  }

  #sayLeave(clientId: string): void {
    this.present(this.channel, [{ action: PresenceAction.LEAVE, clientId }])
  }

  /** Who is present, as `clientId data`, sorted. */
  set(): string[] {
    return [...this.#members.values()].filter(({ action }) => action !== ABSENT)
      .map(({ clientId, data }) => `${clientId} ${data}`).sort()
  }

  /** Not while a new connection is being made: there is nothing to go on with. */
  get canResume(): boolean {
    return this.#isConnected
  }

  override connect(worker: WorldWorker): this {
    this.#isConnected = false
    return super.connect(worker)
  }

  override detach(channel: string): void {
    this.#wasAttached = this.isAttachedNow = false
    super.detach(channel)
  }

  override drop(): void {
    this.isAttachedNow = false
    super.drop()
  }

  override onMessage(message: ProtocolMessage, from: object): void {
    const { length } = this.received
    super.onMessage(message, from)
    if (this.received.length === length) return // A frame of a socket that is over.
    // It attaches anew also where it had only asked to, or had been told to go.
    if (message.action === Action.CONNECTED) {
      this.#isConnected = true
      if (!this.#wasAttached) this.attach(this.channel)
    }
    if (message.channel !== this.channel) return
    const { action, presence = [] } = message
    if (action === Action.ATTACHED) this.#onAttached(message)
    if (action === Action.DETACHED) {
      this.#wasAttached = this.isAttachedNow = false
      // SDKs attach again when the server could not do it.
      if (message.error !== undefined) this.attach(this.channel)
    }
    if (action === Action.PRESENCE) for (const item of presence) this.#onItem(item, message)
    if (action === Action.SYNC) this.#onSync(message)
  }

  #onAttached({ flags = 0 }: ProtocolMessage): void {
    const isUpdate = this.isAttachedNow
    this.#wasAttached = this.isAttachedNow = true
    if (isUpdate && (flags & Flag.RESUMED) !== 0) return
    if ((flags & Flag.HAS_PRESENCE) !== 0) this.#startSync()
    else {
      for (const member of this.#members.values()) this.#say('gone', member)
      this.#members.clear()
      this.#residual = undefined
    }
    for (const [clientId, data] of this.own) {
      const heard = this.#ownHeard.get(clientId)
      const isThat = heard?.connectionId === this.connectionId && heard.data === data
      const id = isThat ? heard.id : undefined
      const action = PresenceAction.ENTER
      this.present(this.channel, [{ action, clientId, data, id }])
    }
    for (const clientId of this.#leaving) this.#sayLeave(clientId)
    this.#leaving.clear()
  }

  #startSync(): void {
    this.#residual = new Set([...this.#members].flatMap(([key, { action }]) =>
      (action === ABSENT ? [] : [key])))
  }

  #onSync(message: ProtocolMessage): void {
    const [syncId, cursor] = message.channelSerial?.split(':') ?? []
    if (this.#residual === undefined || (this.#syncId !== undefined && syncId !== this.#syncId)) {
      this.#startSync()
    }
    this.#syncId = syncId
    for (const item of message.presence!) this.#onItem(item, message)
    if (cursor !== undefined && cursor !== '') return
    for (const [key, { action }] of this.#members) if (action === ABSENT) this.#members.delete(key)
    for (const key of this.#residual!) {
      const member = this.#members.get(key)
      this.#members.delete(key)
      if (member !== undefined) this.#say('gone', member)
    }
    this.#residual = undefined
    this.#syncId = undefined
  }

  #onItem(item: PresenceMessage, parent: ProtocolMessage): void {
    const whole = { ...item, connectionId: item.connectionId ?? parent.connectionId,
      timestamp: item.timestamp ?? parent.timestamp }
    const { connectionId, clientId, id, timestamp } = whole
    if (connectionId === undefined || clientId === undefined || id === undefined) {
      this.flaws.push(`a presence item without its names: ${JSON.stringify(item)}`)
      return
    }
    if (timestamp === undefined) this.flaws.push('a presence item without its time')
    const key = `${connectionId}:${clientId}`
    const known = this.#members.get(key)
    const isNewer = known === undefined || isNewerThan(whole, known)
    if (item.action === PresenceAction.LEAVE) {
      if (!isNewer) return
      if (this.#residual === undefined) this.#members.delete(key)
      else this.#members.set(key, { ...whole, action: ABSENT })
      if (known !== undefined && known.action !== ABSENT) this.#say('leave', whole)
      return
    }
    this.#residual?.delete(key)
    if (connectionId === this.connectionId) this.#ownHeard.set(clientId, whole)
    if (!isNewer) return
    this.#members.set(key, { ...whole, action: PresenceAction.PRESENT })
    this.#say(NAMES[item.action!]!, whole)
  }

  #say(what: string, { clientId, data }: PresenceMessage): void {
    this.events.push(`${what} ${clientId} ${data}`)
  }
}

function isNewerThan(item: PresenceMessage, known: PresenceMessage): boolean {
  const [mine, theirs] = [orderOf(item), orderOf(known)]
  if (mine === undefined || theirs === undefined) return item.timestamp! >= known.timestamp!
  return mine[0] === theirs[0] ? mine[1]! > theirs[1]! : mine[0]! > theirs[0]!
}

/** msgSerial and index; undefined for what a server decided. */
function orderOf({ id, connectionId }: PresenceMessage): number[] | undefined {
  if (!id!.startsWith(`${connectionId}:`)) return undefined
  return id!.split(':').slice(1).map(Number)
}

/** A member on `node` that is attached once the world has run. */
export function memberOn(
  node: WorldNode,
  world: WorkerWorld,
  channel: string,
  options: ClientOptions = {},
  workerNo = 0
): WorldMember {
  return new WorldMember(world, channel, options).connect(node.workers[workerNo]!)
}
