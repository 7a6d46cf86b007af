/**
 * Nobody leaves who is there (rule 21, scenarios D4 and D7): a leave that servers decided stands in
 * the log only if its client said so, or detached, or closed, or was told that it cannot enter
 * again; or if the socket by which the member was spoken for, or the life of the worker that did,
 * has been gone for the grace, and no other one has asked for the channel there meanwhile. Who is
 * told that the channel did not answer has the grace, too.
 */

import { decode } from '@msgpack/msgpack'
import { limits } from '../../../src/base/limits.ts'
import type { MemberOwner } from '../../../src/peer/message.ts'
import { placeKey } from '../../../src/peer/place.ts'
import { channelKey } from '../app.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import { memberKeyOf, Presence, shownIn } from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, isDerived, type Wire, type WirePresence } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Clocks run a little wrong, and who is out of the ring is seen here once a second. */
const GRACE_MS = limits.presenceGraceMs - 2_500

/** The code of DETACHED where a channel did not answer in time (protocol 7.2). */
const UNANSWERED = 90_007

interface Known {
  readonly connectionId: string
  /** The one on the connection that it was opened with. */
  readonly claim: number
  /** The channels that it asked for, and of these where it was not detached since. */
  readonly asked: Set<string>
  readonly channels: Set<string>
}

/** Who speaks for a member. */
interface Speaker {
  readonly life: string
  readonly incarnation: string
  readonly claim: number
}

export class Leaves implements Check {
  readonly #region: Region
  /** By channel and member, as the log has it: the life that speaks for it. */
  readonly #owners = new Map<string, Speaker>()
  /** By connection and msgSerial: when, in the order of all that was heard, it was first heard. */
  readonly #heardAt = new Map<string, number>()
  /** By connection and msgSerial: who was spoken of, by channel and member. */
  readonly #spokenOf = new Map<string, readonly string[]>()
  /** By channel and member, by channel and connection, or by connection: when it was to leave. */
  readonly #leftAt = new Map<string, number>()
  readonly #sockets = new Map<SimSocket, Known>()
  /**
   * By life, connection and channel: when the last socket was gone on which the channel was asked
   * for. One that only carries the connection on speaks for nobody.
   */
  readonly #goneAtMs = new Map<string, number>()
  /** The same: when, in order, it was asked for after the grace, which may have decided a leave. */
  readonly #lateAt = new Map<string, number>()
  /** The same, and the claim that the socket was opened with: when that one was gone. */
  readonly #lostAtMs = new Map<string, number>()
  /** By channel and member: when it was last heard of. */
  readonly #saidAtMs = new Map<string, number>()
  readonly #endedAtMs = new Map<string, number>()
  /** By incarnation: since when it stands still or has no mesh. */
  readonly #impairedAtMs = new Map<string, number>()
  readonly #unsure = new Set<number>()
  /** Connections that were seen here; what rough clients say and are told no check sees. */
  readonly #seen = new Set<string>()
  /** Connections over comet: only their home knows when a transport of theirs is lost. */
  readonly #uncertain = new Set<string>()
  #order = 0
  leaveCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  onRolledBack(partition: number): void {
    this.#unsure.add(partition)
  }

  onAppended({ append, lineage, isStray }: Taken, { partition }: Accepted): void {
    if (isStray) return
    for (const entry of append.entries) {
      if (entry.kind === 'ownership') {
        const { connectionId, clientIds, channel, owner } = entry
        for (const who of clientIds) {
          this.#speaks(`${lineage} ${channel} ${connectionId}:${who}`, owner)
        }
      }
      if (entry.kind !== 'publication' || entry.publication.owner === undefined) continue
      const { channel, publication } = entry
      const { owner, idSpace, payload } = publication
      const presence = decode(payload) as WirePresence[]
      for (const event of shownIn({ action: 0, ...publication, presence } as Wire)) {
        const member = `${lineage} ${channel} ${memberKeyOf(event)}`
        if (event.action !== Presence.LEAVE) {
          this.#speaks(member, owner!)
          continue
        }
        this.leaveCount++
        const isOfServers = idSpace !== 'connection' && !this.#unsure.has(partition)
        if (isOfServers) this.#judge(lineage, channel, event, publication.seq, owner!.claim)
        this.#owners.delete(member)
      }
    }
  }

  onClientSays(socket: SimSocket, { action, channel = '', presence = [], msgSerial }: Wire): void {
    if (isDerived(channel)) return
    const now = ++this.#order
    const connectionId = this.#sockets.get(socket)?.connectionId
    const key = channelKey(channel)
    if (action === Does.PRESENCE) {
      const heard = `${connectionId}:${msgSerial}`
      if (!this.#heardAt.has(heard)) this.#heardAt.set(heard, now)
      const identity = this.#region.clients.find((each) => each === socket.client)!.options.clientId
      const members = presence.map(({ clientId = identity }) => {
        return `${key} ${connectionId}:${clientId}`
      })
      this.#spokenOf.set(heard, members)
      for (const member of members) this.#saidAtMs.set(member, this.#region.world.nowMs)
      for (const [no, { action }] of presence.entries()) {
        if (action === Presence.LEAVE) this.#leftAt.set(members[no]!, now)
      }
    } else if (action === Does.ATTACH) {
      this.#onAsked(socket, key)
    } else if (action === Does.DETACH) {
      this.#leftAt.set(`${key} ${connectionId}`, now)
    } else if (action === Does.CLOSE) {
      this.#leftAt.set(`${connectionId}`, now)
    }
  }

  onServerSays(socket: SimSocket, wire: Wire): void {
    const { action, channel = '', connectionId = '', msgSerial = 0, count = 0 } = wire
    const { connectionKey } = wire.connectionDetails ?? {}
    // One that has shown another token is told once more who it is.
    if (action === Does.CONNECTED && !this.#sockets.has(socket)) {
      this.#seen.add(connectionId)
      if (socket.isComet === true) this.#uncertain.add(connectionId)
      const claim = claimOf(connectionKey!)
      const known = { connectionId, claim, asked: new Set<string>(), channels: new Set<string>() }
      this.#sockets.set(socket, known)
    }
    const known = this.#sockets.get(socket)
    if (known === undefined || isDerived(channel)) return
    const key = channelKey(channel)
    if (action === Does.DETACHED && wire.error?.code === UNANSWERED) {
      known.channels.delete(key)
      known.asked.delete(key)
      this.#onLost(socket, known, key)
    } else if (action === Does.DETACHED) {
      known.channels.delete(key)
      this.#leftAt.set(`${key} ${known.connectionId}`, ++this.#order)
    } else if (action === Does.NACK) {
      for (let serial = msgSerial; serial < msgSerial + count; serial++) {
        const members = this.#spokenOf.get(`${known.connectionId}:${serial}`) ?? []
        for (const member of members) this.#leftAt.set(member, ++this.#order)
      }
    }
  }

  onSocketGone(socket: SimSocket): void {
    const known = this.#sockets.get(socket)
    this.#sockets.delete(socket)
    if (known === undefined) return
    for (const channel of known.asked) this.#onLost(socket, known, channel)
  }

  onLifeEnded(life: string): void {
    if (!this.#endedAtMs.has(life)) this.#endedAtMs.set(life, this.#region.world.nowMs)
  }

  /**
   * Whoever is out of the ring speaks for nobody any more, whether its process runs or not; and
   * who is not heard may be taken for gone before the API can be told (rule 10), though a worker
   * there comes to its end later.
   */
  onTick(): void {
    const { kube, nodes, world: { nowMs } } = this.#region
    const impaired = new Set([...nodes.values()].flatMap(({ isImpaired, life }) =>
      isImpaired && life !== undefined ? [life.incarnation] : []))
    for (const each of this.#impairedAtMs.keys()) {
      if (!impaired.has(each)) this.#impairedAtMs.delete(each)
    }
    const listed = new Set(kube.view?.members.map(({ incarnation }) => incarnation))
    for (const { life, incarnation } of this.#owners.values()) {
      const sinceMs = this.#impairedAtMs.get(incarnation) ?? nowMs
      if (impaired.has(incarnation)) this.#impairedAtMs.set(incarnation, sinceMs)
      if (listed.has(incarnation)) continue
      const endedAtMs = this.#endedAtMs.get(life) ?? Infinity
      this.#endedAtMs.set(life, Math.min(endedAtMs, sinceMs))
    }
  }

  /** The socket speaks for nobody there any more, though its client did not say so. */
  #onLost(socket: SimSocket, { connectionId, claim }: Known, channel: string): void {
    const mark = `${socket.server.life} ${connectionId} ${channel}`
    const { nowMs } = this.#region.world
    this.#goneAtMs.set(mark, nowMs)
    this.#lostAtMs.set(`${mark} ${claim}`, nowMs)
  }

  #speaks(member: string, owner: MemberOwner): void {
    const { incarnation, claim } = owner
    this.#owners.set(member, { life: lifeOf(owner), incarnation, claim })
  }

  #onAsked(socket: SimSocket, channel: string): void {
    const known = this.#sockets.get(socket)
    known?.channels.add(channel)
    if (known === undefined || known.asked.has(channel)) return
    known.asked.add(channel)
    const mark = `${socket.server.life} ${known.connectionId} ${channel}`
    const goneAtMs = this.#goneAtMs.get(mark)
    const awayMs = this.#region.world.nowMs - (goneAtMs ?? Infinity)
    if (awayMs >= GRACE_MS) this.#lateAt.set(mark, ++this.#order)
  }

  #judge(
    lineage: string,
    channel: string,
    event: ReturnType<typeof shownIn>[number],
    seq: number,
    claim: number
  ): void {
    const { ledger, world } = this.#region
    const { connectionId } = event
    if (this.#uncertain.has(connectionId) || !this.#seen.has(connectionId)) return
    const member = memberKeyOf(event)
    const speaker = this.#owners.get(`${lineage} ${channel} ${member}`)
    const known = ledger.presentAt(lineage, channel, seq - 1).get(member)
    if (speaker === undefined || known === undefined) return
    const { life } = speaker
    const [, serial] = known.id.split(':')
    const enteredAt = this.#heardAt.get(`${connectionId}:${serial}`) ?? 0
    const marks = [`${channel} ${member}`, `${channel} ${connectionId}`, connectionId]
    if (marks.some((mark) => (this.#leftAt.get(mark) ?? -1) > enteredAt)) return
    const isPast = (atMs: number | undefined): boolean =>
      atMs !== undefined && world.nowMs - atMs >= GRACE_MS
    if (isPast(this.#endedAtMs.get(life))) return
    const isHere = [...this.#sockets].some(([socket, { connectionId: its, channels }]) =>
      socket.server.life === life && its === connectionId && channels.has(channel))
    const mark = `${life} ${connectionId} ${channel}`
    if (!isHere && isPast(this.#goneAtMs.get(mark))) return
    // A leave that was decided before its client came back is on its way still, and ends what was
    // said until then: the client says again that it is there.
    const isOfThen = enteredAt < (this.#lateAt.get(mark) ?? -1)
    if (isOfThen && speaker.claim <= claim) return
    // Who came back and said that it is there, which the log does not have, was refused: it is
    // told so when it is its turn. Its word of before may have come to the log after all that.
    const lostAtMs = this.#lostAtMs.get(`${mark} ${speaker.claim}`)
    const saidAtMs = this.#saidAtMs.get(`${channel} ${member}`) ?? -1
    if (isPast(lostAtMs) && saidAtMs > lostAtMs! && speaker.claim <= claim) return
    throw new Violation('leave', `${member} leaves ${channel}, though ${life} speaks for it: ` +
      (isHere ? 'it is connected there' : 'it was a moment ago'))
  }
}

function lifeOf(owner: MemberOwner): string {
  return `${placeKey(owner)}/${owner.generation}`
}

/** The key says in the open what it was issued for (src/auth/connection-key.ts). */
function claimOf(connectionKey: string): number {
  const facts = connectionKey.slice(connectionKey.indexOf('!') + 1).split('.')[0]!
  return (JSON.parse(Buffer.from(facts, 'base64url').toString()) as number[])[7]!
}
