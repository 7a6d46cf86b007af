/**
 * Presence as clients are shown it (rule 21). Whatever a client is told of who is present is what
 * the log has at the place where it stands; a member never goes back to what it said before; and
 * once the weather has cleared every map shows those who live, and nobody else.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { channelKey } from '../app.ts'
import { RESUMED } from '../clients.ts'
import type { PresentSet } from '../committed.ts'
import type { Taken } from '../ledger.ts'
import {
  HAS_PRESENCE, isLastOfSync, memberKeyOf, memberWords, type Shown, shownIn
} from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, Mode, type Point, pointOf, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { isMastered } from './mastered.ts'

const HAS_BACKLOG = 2

interface View {
  at: Point | undefined
  modes: number
  /** What a SYNC has listed so far. */
  listed: Shown[]
}

export class Presence implements Check {
  readonly #region: Region
  readonly #views = new Map<SimSocket, Map<string, View>>()
  /** Partitions of which the log has lost anything. */
  readonly #lossy = new Set<number>()
  eventCount = 0
  syncCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  onRolledBack(partition: number): void {
    this.#lossy.add(partition)
  }

  /** Of one connection, what was said later stays, whatever is said again of what came before. */
  onAppended({ committed, lineage }: Taken): void {
    const { ledger } = this.#region
    for (const { events = [], channel, seq } of committed) {
      this.eventCount += events.length
      const before = ledger.presentAt(lineage, channel, seq - 1)
      for (const event of events) {
        const known = before.get(memberKeyOf(event))
        if (known === undefined || !isPast(event, known)) continue
        throw new Violation('presence', `${channel}: ${memberWords(known)} goes back to ` +
          memberWords(event))
      }
    }
  }

  onClientSays(socket: SimSocket, { action, channel = '' }: Wire): void {
    if (action !== Does.ATTACH) return
    let views = this.#views.get(socket)
    if (views === undefined) {
      views = new Map()
      this.#views.set(socket, views)
    }
    // Who asks again stays attached as it was, and may be told so much, until it is answered.
    if (!views.has(channel)) views.set(channel, { at: undefined, modes: 0, listed: [] })
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    const { action, channel = '', channelSerial, flags = 0 } = message
    const view = this.#views.get(socket)?.get(channel)
    if (view === undefined) return
    if (action === Does.SYNC) {
      this.#onSync(socket, channel, view, message)
    } else if (action === Does.DETACHED || action === Does.ERROR) {
      this.#views.get(socket)?.delete(channel)
    } else if (channelSerial !== undefined) {
      const to = pointOf(channelSerial)
      // What is rewound stands before the place where the attachment is.
      const isPast = action !== Does.ATTACHED && view.at?.lineage === to.lineage &&
        to.seq < view.at.seq
      // Of who is present one that is attached is told nothing by that it stands elsewhere.
      const isUpdate = view.at !== undefined && (flags & (RESUMED | HAS_PRESENCE)) === RESUMED
      if (!isPast) view.at = to
      if (action !== Does.ATTACHED) return
      view.modes = flags
      if (isUpdate) return
      view.listed = []
      // What was missed comes before a SYNC, so with a backlog this says nothing of here.
      const saysNobody = (flags & (HAS_PRESENCE | HAS_BACKLOG)) === 0
      if (saysNobody) this.#mustBe(socket, channel, view, [])
    }
  }

  onSocketGone(socket: SimSocket): void {
    this.#views.delete(socket)
  }

  missing(): string[] {
    return [...this.#wrongMaps(), ...this.#wrongMembers()]
  }

  /** Everybody has left, so nobody is present. */
  onEmpty(): void {
    const { ledger } = this.#region
    for (const [channel, present] of ledger.present()) {
      // What the log has lost, nobody finds out before it is used again; nor that a former master
      // writes, whom it lets believe itself the master: who left was told to him, and whoever
      // reads it next begins a lineage where nobody is present.
      const isDoubtful = ledger.wasRolledBack(channel) || ledger.hasStrays(channel)
      if (present.size === 0 || isDoubtful || !isMastered(this.#region, channel)) continue
      throw new Violation('ghost', `${channel} still has ${words(present).join(', ')}`)
    }
  }

  #onSync(socket: SimSocket, channel: string, view: View, message: Wire): void {
    if ((view.modes & Mode.PRESENCE_SUBSCRIBE) === 0) {
      throw new Violation('presence', `${socket.client.name} is told who is present, unwanted`)
    }
    view.listed.push(...shownIn(message))
    if (!isLastOfSync(message)) return
    this.syncCount++
    const listed = view.listed.splice(0)
    this.#mustBe(socket, channel, view, listed)
  }

  #mustBe(socket: SimSocket, channel: string, { at, modes }: View, told: Shown[]): void {
    const { ledger } = this.#region
    const key = channelKey(channel)
    if (at === undefined || (modes & Mode.PRESENCE_SUBSCRIBE) === 0) return
    if (ledger.isLost(key, at)) return
    const wanted = words(ledger.presentAt(at.lineage, key, at.seq)).join(', ')
    const got = told.map(memberWords).sort().join(', ')
    if (got === wanted) return
    throw new Violation('presence', `${socket.client.name} (${socket.id}) on ${channel} at ` +
      `${at.seq} is told: ${got || 'nobody'}; present: ${wanted || 'nobody'}`)
  }

  *#wrongMaps(): Generator<string> {
    const { ledger } = this.#region
    for (const [socket, views] of this.#views) {
      const { members, name } = this.#region.clients.find((each) => each === socket.client)!
      for (const [channel, { at, modes }] of views) {
        const map = members.map(channel)
        const key = channelKey(channel)
        const isDeaf = (modes & Mode.PRESENCE_SUBSCRIBE) === 0
        if (!socket.isOpen || isDeaf || at === undefined || ledger.isLost(key, at)) continue
        if (map?.isSyncing === true) yield `${name} waits for SYNC of ${channel}`
        const present = ledger.presentAt(ledger.lineageOf(key), key, Infinity)
        for (const what of differences(map?.members ?? [], present)) {
          yield `${name} on ${channel}: ${what}`
        }
      }
    }
  }

  /** The members that the log has, against those whom living clients want to be there. */
  *#wrongMembers(): Generator<string> {
    const { ledger, clients } = this.#region
    const living = new Map<string, Set<string>>()
    const recovered = new Set<string>()
    for (const { members, channels, connectionId, hasRecovered } of clients) {
      if (hasRecovered) recovered.add(connectionId)
      for (const channel of channels.keys()) {
        const key = channelKey(channel)
        const wanted = living.get(key) ?? new Set()
        living.set(key, wanted)
        for (const who of members.wanted(channel)) wanted.add(`${connectionId}:${who}`)
      }
    }
    const isKnown = (key: string): boolean => ![...this.#standings(key)].some((at) =>
      ledger.isLost(key, at)) && (living.has(key) ||
        (!ledger.wasRolledBack(key) && isMastered(this.#region, key)))
    for (const [key, present] of ledger.present()) {
      if (!isKnown(key)) continue
      const wanted = living.get(key) ?? new Set()
      for (const [who, { connectionId }] of present) {
        // Where the log has lost everything those stay for their grace who had left by a higher
        // claim's word; and whoever recovers their connection meanwhile has them.
        const mayBe = recovered.has(connectionId) && this.#isLossy(key)
        if (!wanted.has(who) && !mayBe) yield `ghost: ${who} on ${key}`
      }
      for (const who of wanted) if (!present.has(who)) yield `${who} is not present on ${key}`
    }
  }

  #isLossy(key: string): boolean {
    return this.#lossy.has(partitionOf(key, this.#region.options.partitionCount))
  }

  *#standings(key: string): Generator<Point> {
    for (const views of this.#views.values()) {
      for (const [channel, { at }] of views) {
        if (at !== undefined && channelKey(channel) === key) yield at
      }
    }
  }
}

/**
 * How a client's map differs from the log. Members that were declared to a new lineage are stamped
 * anew there, and keep their ids: clients that know them already hold to the former stamp.
 */
function* differences(shown: readonly Shown[], present: PresentSet): Generator<string> {
  const seen = new Set<string>()
  for (const member of shown) {
    const key = memberKeyOf(member)
    seen.add(key)
    const known = present.get(key)
    const isSame = known?.id === member.id && known.data === member.data &&
      known.timestamp >= member.timestamp
    if (isSame) continue
    yield `sees ${memberWords(member)}; ${known === undefined ? 'not' : memberWords(known)} present`
  }
  for (const [key, member] of present) {
    if (!seen.has(key)) yield `sees nothing of ${memberWords(member)}`
  }
}

function words(present: PresentSet): string[] {
  return [...present.values()].map(memberWords).sort()
}

/** True if `event` was said before what the member is known by, on the same connection. */
function isPast({ id, connectionId }: Shown, known: Shown): boolean {
  if (!id.startsWith(`${connectionId}:`) || !known.id.startsWith(`${connectionId}:`)) return false
  const [, serial, index] = id.split(':').map(Number)
  const [, thenSerial, thenIndex] = known.id.split(':').map(Number)
  return serial! < thenSerial! || (serial === thenSerial && index! < thenIndex!)
}
