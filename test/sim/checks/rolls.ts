/**
 * After a new lineage nobody is told who is present before every node has said so, or the time for
 * it is up (rule 21, scenario D7): a set that lacks who is there makes every client emit leaves.
 */

import { limits } from '../../../src/base/limits.ts'
import { channelKey } from '../app.ts'
import { RESUMED } from '../clients.ts'
import type { PresentSet } from '../committed.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import { HAS_PRESENCE, isLastOfSync, memberKeyOf, Presence, shownIn } from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, Mode, pointOf, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Clocks run a little wrong. */
const SLACK = 0.95
/** What has just been said may be on its way. */
const SETTLED_MS = 1_000

interface Begun {
  readonly atMs: number
  /** Who was present when the lineage before ended. */
  readonly before: ReadonlyMap<string, PresentSet>
}

interface Standing {
  readonly atMs: number
  readonly lineage: string
}

/** A frame by which a client enters members, while it has no answer. */
interface OpenWord {
  readonly atMs: number
  /** By channel and member. */
  readonly entered: ReadonlySet<string>
  /** Whom a set lacked that was told meanwhile, in words: that was wrong if the frame was taken. */
  doubt: string | undefined
}

/** Where a member was entered last on a socket that is gone by now. */
interface FormerHome {
  readonly socket: SimSocket
  readonly goneAtMs: number
}

export class Rolls implements Check {
  readonly #region: Region
  /** By lineage. */
  readonly #begun = new Map<string, Begun>()
  /** By partition and channel: who was present last, whatever the log has lost since. */
  readonly #present = new Map<number, Map<string, PresentSet>>()
  readonly #listed = new Map<SimSocket, Map<string, Set<string>>>()
  /** By channel and member: the msgSerial with which its client last said that it leaves. */
  readonly #leftWith = new Map<string, number>()
  /** By socket: the last msgSerial that its client has said. */
  readonly #lastSaid = new Map<SimSocket, number>()
  /** By socket and channel: since when it stands attached, and in which lineage. */
  readonly #attached = new Map<SimSocket, Map<string, Standing>>()

  /** Something was refused there: whom its client enters again, elsewhere, may not be its yet. */
  readonly #refused = new Set<SimSocket>()
  /** By socket and msgSerial. */
  readonly #open = new Map<SimSocket, Map<number, OpenWord>>()
  /** By socket: whom its client has entered there for certain, by channel and member. */
  readonly #entered = new Map<SimSocket, Set<string>>()
  /** By channel and member. */
  readonly #formerHomes = new Map<string, FormerHome>()

  constructor(region: Region) {
    this.#region = region
  }

  onAppended({ lineage, committed, isStray }: Taken, { partition }: Accepted): void {
    if (isStray) return
    const present = this.#present.get(partition) ?? new Map<string, PresentSet>()
    this.#present.set(partition, present)
    if (!this.#begun.has(lineage)) {
      this.#begun.set(lineage, { atMs: this.#region.world.nowMs, before: new Map(present) })
    }
    for (const each of committed) present.set(each.channel, each.present)
  }

  /** Who has said that it leaves may not be there, though it enters again: that may be refused. */
  onClientSays(socket: SimSocket, { action, channel, presence = [], msgSerial }: Wire): void {
    if (msgSerial !== undefined) this.#lastSaid.set(socket, msgSerial)
    if (action === Does.DETACH) this.#onDetach(socket, channel!)
    if (action !== Does.PRESENCE || msgSerial === undefined) return
    const identity = this.#region.clients.find((each) => each === socket.client)!.options.clientId
    const entered = new Set<string>()
    for (const { action, clientId = identity } of presence) {
      const key = `${channel} ${socket.connectionId}:${clientId}`
      if (action === Presence.LEAVE) this.#leftWith.set(key, msgSerial)
      else entered.add(key)
    }
    const open = this.#open.get(socket) ?? new Map<number, OpenWord>()
    this.#open.set(socket, open)
    open.set(msgSerial, { atMs: this.#region.world.nowMs, entered, doubt: undefined })
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    const { action, channel = '', channelSerial = '', flags = 0 } = message
    if (action === Does.ACK || action === Does.NACK) {
      this.#onAnswer(socket, message)
    } else if (action === Does.ATTACHED) {
      this.#onAttached(socket, channel, pointOf(channelSerial).lineage, flags)
    } else if (action === Does.DETACHED) {
      this.#attached.get(socket)?.delete(channel)
    } else if (action === Does.SYNC) {
      const byChannel = this.#listed.get(socket) ?? new Map<string, Set<string>>()
      this.#listed.set(socket, byChannel)
      const listed = byChannel.get(channel) ?? new Set()
      byChannel.set(channel, listed)
      for (const item of shownIn(message)) listed.add(memberKeyOf(item))
      if (!isLastOfSync(message)) return
      byChannel.delete(channel)
      const { lineage } = this.#attached.get(socket)?.get(channel) ?? { lineage: '' }
      this.#judge(socket, channel, lineage, listed)
    }
  }

  onSocketGone(socket: SimSocket): void {
    const former = { socket, goneAtMs: this.#region.world.nowMs }
    const said = [...this.#open.get(socket)?.values() ?? []].map(({ entered }) => entered)
    for (const members of [this.#entered.get(socket) ?? [], ...said]) {
      for (const member of members) this.#formerHomes.set(member, former)
    }
    this.#attached.delete(socket)
    this.#listed.delete(socket)
    this.#refused.delete(socket)
    this.#open.delete(socket)
    this.#entered.delete(socket)
    this.#lastSaid.delete(socket)
  }

  /** Its members leave with its attachment, whatever a log has lost of that since. */
  #onDetach(socket: SimSocket, channel: string): void {
    const msgSerial = this.#lastSaid.get(socket) ?? -1
    const said = [...this.#open.get(socket)?.values() ?? []].map(({ entered }) => entered)
    for (const members of [this.#entered.get(socket) ?? [], ...said]) {
      for (const member of members) {
        // What was entered so far has left: ids have the numbers of their frames.
        if (member.startsWith(`${channel} `)) this.#leftWith.set(member, msgSerial + 0.5)
      }
    }
  }

  #onAnswer(socket: SimSocket, { action, msgSerial: first = 0, count = 0 }: Wire): void {
    if (action === Does.NACK) this.#refused.add(socket)
    const open = this.#open.get(socket)
    for (let msgSerial = first; msgSerial < first + count; msgSerial++) {
      const word = open?.get(msgSerial)
      open?.delete(msgSerial)
      if (word === undefined || action === Does.NACK) continue
      if (word.doubt !== undefined) throw new Violation('roll', word.doubt)
      this.#entered.set(socket, word.entered.union(this.#entered.get(socket) ?? new Set()))
    }
  }

  #onAttached(socket: SimSocket, channel: string, lineage: string, flags: number): void {
    const channels = this.#attached.get(socket) ?? new Map<string, Standing>()
    this.#attached.set(socket, channels)
    const former = channels.get(channel)
    const isUpdate = former?.lineage === lineage && (flags & RESUMED) !== 0
    const atMs = former?.atMs ?? this.#region.world.nowMs
    channels.set(channel, { atMs, lineage })
    const hears = !isUpdate && (flags & Mode.PRESENCE_SUBSCRIBE) !== 0
    if (hears && (flags & HAS_PRESENCE) === 0) this.#judge(socket, channel, lineage, new Set())
  }

  /** `told`: everybody who is present, as the socket was told. */
  #judge(socket: SimSocket, channel: string, lineage: string, told: ReadonlySet<string>): void {
    const begun = this.#begun.get(lineage)
    const { nowMs } = this.#region.world
    if (begun === undefined || nowMs - begun.atMs > limits.rollMs * SLACK) return
    for (const [who, member] of begun.before.get(channelKey(channel)) ?? []) {
      const { connectionId, clientId, id } = member
      if ((this.#leftWith.get(`${channel} ${who}`) ?? -1) > Number(id.split(':')[1])) continue
      if (told.has(who)) continue
      const home = this.#homeOf(connectionId, clientId, channel, begun.atMs)
      if (home === undefined || this.#mayHaveLeft(home, `${channel} ${who}`)) continue
      const words = `${socket.client.name} is told who is present on ${channel}, ` +
        `${Math.round(nowMs - begun.atMs)} ms after a new lineage, without ${who}`
      const open = this.#openWords(home, `${channel} ${who}`, begun.atMs)
      if (open.length === 0) throw new Violation('roll', words)
      for (const word of open) word.doubt = words
    }
  }

  /**
   * The frames that are to make the member its new home's, if that is not certain yet. An answer
   * waits for those of all frames before: what was refused at once may be told much later.
   */
  #openWords(home: SimSocket, member: string, beforeMs: number): OpenWord[] {
    if (this.#entered.get(home)?.has(member) === true) return []
    const open = [...this.#open.get(home)?.values() ?? []]
    return open.filter(({ atMs, entered }) =>
      entered.has(member) && atMs < beforeMs - SETTLED_MS)
  }

  /**
   * Whom its client has not entered at its new home for certain its former one speaks for, if it
   * is still there, until the grace is over: the way of the client may be cut before it hears that
   * it is attached. When a comet transport was lost its home alone knows.
   */
  #mayHaveLeft(home: SimSocket, member: string): boolean {
    const former = this.#formerHomes.get(member)
    if (former === undefined || this.#entered.get(home)?.has(member) === true) return false
    const { socket: { isComet, server }, goneAtMs } = former
    const isOver = this.#region.world.nowMs - goneAtMs > limits.presenceGraceMs * SLACK
    return isComet === true || isOver || !server.isAlive || !this.#isListed(server.life)
  }

  /**
   * Where the member's client was attached well before, and still is, on a listed node. Where its
   * worker has died nobody knows of the member any more, though a client whose way is cut may not
   * have heard of it: only when it comes back it enters again.
   */
  #homeOf(
    connectionId: string, clientId: string, channel: string, beforeMs: number
  ): SimSocket | undefined {
    for (const [socket, channels] of this.#attached) {
      const { client, server } = socket
      if (socket.connectionId !== connectionId || !socket.isOpen) continue
      if (!server.isAlive || this.#refused.has(socket)) continue
      const since = channels.get(channel)?.atMs ?? Infinity
      const who = this.#region.clients.find((each) => each === client)!
      const isWanted = [...who.members.wanted(channel)].includes(clientId)
      const isSettled = since < beforeMs - SETTLED_MS
      if (isSettled && isWanted && this.#isListed(server.life)) return socket
    }
    return undefined
  }

  #isListed(life: string): boolean {
    return this.#region.kube.view?.members.some(({ incarnation, state }) =>
      state === 'serving' && life.startsWith(`${incarnation}/`)) === true
  }
}
