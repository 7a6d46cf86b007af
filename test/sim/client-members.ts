/**
 * What a client says of presence and wants to be true: whom it has entered on which channel. As
 * SDKs do, it enters its members again whenever it is attached, under their ids while its
 * connection is the same; what was refused it says again a little later.
 */

import { PresenceMap, Presence, type Shown, shownIn } from './presence-map.ts'
import type { Pending } from './submissions.ts'
import type { Wire, WireError, WirePresence } from './wire.ts'

const TOO_MANY_MEMBERS = 91003
/** Who is away for longer may find that its members' grace is over. */
const SOON_MS = 6_000
/** A server that does not know whether members have left says DETACHED after four seconds. */
const LATE_MS = 3_900

/** What the members need from their client. */
export interface MemberPorts {
  readonly name: string
  /** Whose clientId goes without saying. */
  readonly identity: string | undefined
  connectionId(): string
  isAttached(channel: string): boolean
  nowMs(): number
  /** Says it; `texts` is what is said for the first time. */
  submit(channel: string, items: readonly WirePresence[], texts: readonly string[]): void
  /** Calls back a little later. */
  soon(run: () => void): void
}

interface OnChannel {
  map: PresenceMap
  /** Whom the application wants to be present, with what it said last. */
  readonly wanted: Map<string, string>
  /** Whom it wants to be gone, until that is acknowledged. */
  readonly unwanted: Set<string>
  /** Its own members as it was shown them. */
  readonly own: Map<string, Shown>
  /** Whom another process has entered: it knows only of those that it was shown. */
  readonly inherited: Set<string>
  /** Who was refused, and not said again yet. */
  readonly refused: Set<string>
  /** When it was attached last. */
  lostAtMs: number
}

/** Whom a client had entered on a channel that it has left. */
interface Former {
  readonly connectionId: string
  readonly atMs: number
  readonly members: ReadonlySet<string>
}

export class ClientMembers {
  readonly #ports: MemberPorts
  readonly #channels = new Map<string, OnChannel>()
  #count = 0
  /** By channel: whom it had entered when it left, until it was told that they left, too. */
  readonly #former = new Map<string, Former>()
  #retryCount = 0

  constructor(ports: MemberPorts) {
    this.#ports = ports
  }

  /** True while something that was refused is to be said again. */
  get isRestless(): boolean {
    return this.#retryCount > 0
  }

  /** Whom the application wants to be present on a channel. */
  wanted(channel: string): Iterable<string> {
    return this.#channels.get(channel)?.wanted.keys() ?? []
  }

  /** Who is present on a channel, as far as it was told. */
  map(channel: string): PresenceMap | undefined {
    return this.#channels.get(channel)?.map
  }

  /** Enters members, or says something new of them, all in one frame. */
  enter(channel: string, clientIds: readonly string[], isUpdate = false): void {
    if (!this.#ports.isAttached(channel)) return
    const on = this.#on(channel)
    const items = clientIds.map((clientId): WirePresence => {
      const data = `${this.#ports.name}.p${++this.#count}`
      on.wanted.set(clientId, data)
      on.inherited.delete(clientId)
      on.refused.delete(clientId)
      on.unwanted.delete(clientId)
      const action = isUpdate ? Presence.UPDATE : Presence.ENTER
      return { action, clientId: this.#stated(clientId), data }
    })
    this.#ports.submit(channel, items, items.map(({ data }) => data!))
  }

  leave(channel: string, clientIds: readonly string[]): void {
    const on = this.#channels.get(channel)
    if (on === undefined) return
    for (const clientId of clientIds) {
      on.wanted.delete(clientId)
      on.inherited.delete(clientId)
      on.own.delete(clientId)
      on.unwanted.add(clientId)
    }
    if (this.#ports.isAttached(channel)) this.#sayGone(channel, clientIds)
  }

  onAttached(channel: string, hasPresence: boolean, isResumed: boolean): void {
    const on = this.#on(channel)
    on.map.onAttached(hasPresence)
    const connectionId = this.#ports.connectionId()
    const known = [...on.wanted].filter(([who]) => !on.inherited.has(who) || on.own.has(who))
    const isLate = this.#ports.nowMs() - on.lostAtMs > SOON_MS
    if (!isResumed || isLate) this.#enterInherited(channel, on)
    const items = known.map(([clientId, data]): WirePresence => {
      const own = on.own.get(clientId)
      const id = own?.connectionId === connectionId ? own.id : undefined
      return {
        action: Presence.ENTER, clientId: this.#stated(clientId), data: own?.data ?? data, id
      }
    })
    for (const item of items) this.#ports.submit(channel, [item], [])
    if (on.unwanted.size > 0) this.#sayGone(channel, [...on.unwanted])
  }

  onFrame(message: Wire, isSync: boolean): void {
    const on = this.#on(message.channel!)
    const connectionId = this.#ports.connectionId()
    for (const item of shownIn(message)) {
      if (!isSync) on.map.take(item)
      if (item.connectionId === connectionId) this.#onOwn(message.channel!, on, item)
    }
    if (isSync) on.map.onSync(message)
  }

  /**
   * What it said before it detached, and said again on another socket, is by a higher claim than
   * the leave that the detach was: it holds (rule 21, scenario D4), so it takes it back itself.
   */
  onAcknowledged({ channel, presence = [], sendCount }: Pending): void {
    for (const { action, clientId = this.#ports.identity ?? '' } of presence) {
      const { wanted, unwanted } = this.#on(channel)
      if (action === Presence.LEAVE) unwanted.delete(clientId)
      else if (sendCount > 1 && !wanted.has(clientId)) this.leave(channel, [clientId])
    }
  }

  /** The application says it again, unless it has changed its mind; with no room it goes. */
  onRefused({ channel, presence = [] }: Pending, { code }: WireError): void {
    const who = presence.map(({ clientId }) => clientId ?? this.#ports.identity ?? '')
    if (code === TOO_MANY_MEMBERS) {
      this.leave(channel, who)
      return
    }
    const before = this.#channels.get(channel)
    for (const [at, { action }] of presence.entries()) {
      // The acknowledgement of an earlier leave may have come in between.
      const isWanted = before?.wanted.has(who[at]!) === true
      if (action === Presence.LEAVE && !isWanted) before?.unwanted.add(who[at]!)
    }
    for (const clientId of who) before?.refused.add(clientId)
    this.#retryCount++
    this.#ports.soon(() => {
      this.#retryCount--
      const on = this.#channels.get(channel)
      if (on === undefined || !this.#ports.isAttached(channel)) return
      for (const clientId of who) {
        if (on.wanted.has(clientId)) this.enter(channel, [clientId])
        else if (on.unwanted.has(clientId)) this.#sayGone(channel, [clientId])
      }
    })
  }

  /** Members of a former connection are nobody's to take back, nor to know of. */
  onOtherConnection(): void {
    for (const { unwanted, inherited, wanted } of this.#channels.values()) {
      unwanted.clear()
      for (const who of inherited) wanted.delete(who)
      inherited.clear()
    }
  }

  /** Its socket is gone, and with it what it was attached to. */
  onLost(): void {
    for (const [channel, on] of this.#channels) {
      if (this.#ports.isAttached(channel)) on.lostAtMs = this.#ports.nowMs()
    }
  }

  /**
   * Its process dies, and another one is to go on, which was shown nothing yet. Of whom it had
   * said something that has no answer nobody can tell, so the other one wants them to be gone.
   */
  onRecovering(pending: readonly Pending[]): void {
    for (const { channel, presence = [] } of pending) {
      for (const { clientId = this.#ports.identity ?? '' } of presence) {
        this.#on(channel).refused.add(clientId)
      }
    }
    for (const [channel, on] of this.#channels) {
      on.map = new PresenceMap()
      on.own.clear()
      const isSure = this.#ports.isAttached(channel)
      for (const who of [...on.refused, ...isSure ? [] : on.wanted.keys()]) {
        on.wanted.delete(who)
        on.unwanted.add(who)
      }
      on.refused.clear()
      for (const who of on.wanted.keys()) on.inherited.add(who)
    }
  }

  /** The channel is left, and everybody on it with it. */
  forget(channel: string): void {
    const { wanted, unwanted } = this.#on(channel)
    this.#former.set(channel, {
      connectionId: this.#ports.connectionId(),
      atMs: this.#ports.nowMs(),
      members: new Set([...wanted.keys(), ...unwanted])
    })
    this.#channels.delete(channel)
  }

  /** It is told so. That came so late that nobody knows whether its members have left. */
  onDetached(channel: string): void {
    const former = this.#former.get(channel)
    const isLate = former !== undefined && this.#ports.nowMs() - former.atMs > LATE_MS
    if (!isLate) this.#former.delete(channel)
  }

  /** Where it is present and does not want to be, by a word of before its detach, it goes. */
  #onOwn(channel: string, { wanted, unwanted, own }: OnChannel, item: Shown): void {
    const { clientId, action } = item
    if (action === Presence.LEAVE) own.delete(clientId)
    else if (wanted.has(clientId)) own.set(clientId, item)
    else if (!unwanted.has(clientId)) this.leave(channel, [clientId])
  }

  /** They may have left, so its application enters them itself. */
  #enterInherited(channel: string, { inherited }: OnChannel): void {
    if (inherited.size > 0) this.enter(channel, [...inherited])
  }

  #sayGone(channel: string, clientIds: readonly string[]): void {
    const items = clientIds.map((clientId) => {
      return { action: Presence.LEAVE, clientId: this.#stated(clientId) }
    })
    this.#ports.submit(channel, items, [])
  }

  #stated(clientId: string): string | undefined {
    return clientId === this.#ports.identity ? undefined : clientId
  }

  #on(channel: string): OnChannel {
    let on = this.#channels.get(channel)
    if (on === undefined) {
      on = {
        map: new PresenceMap(), wanted: new Map(), unwanted: new Set(), own: new Map(),
        inherited: new Set(), refused: new Set(), lostAtMs: 0
      }
      const { connectionId, members } = this.#former.get(channel) ?? {}
      if (connectionId === this.#ports.connectionId()) {
        for (const who of members ?? []) on.unwanted.add(who)
      }
      this.#former.delete(channel)
      this.#channels.set(channel, on)
    }
    return on
  }
}
