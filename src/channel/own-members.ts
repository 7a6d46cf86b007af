/**
 * The presence members that live at one group: those of its worker's connections. The group is the
 * authority for them (rule 21): it says on their behalf what they ask, counts the grace of those
 * whose socket is lost, and lists them for every new master.
 *
 * Of members about whom something is on its way, an op without outcome, the list says only that:
 * the master is given those ops before the list, and judges them; whatever a list said instead, it
 * would be wrong of what the master refuses. Once all of a connection's ops have their outcomes,
 * the list is told again.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type {
  MemberOwner,
  PresenceMember,
  PeerMessage,
  PublishOp,
  PublishOutcome
} from '../peer/message.ts'
import { PresenceAction } from '../wire/actions.ts'
import { decodeItems, encodeItems, isOlder, OPEN_ID, type PresenceItem } from './presence.ts'

type OfConnection = Map<string, PresenceMember>

interface Said {
  readonly op: PublishOp
  /** When its events are said to have been; undefined while it has no outcome. */
  takenAt: number | undefined
}

/** What the members need from their group. */
export interface OwnPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** A name for an op that this worker decides of itself; it never gives the same one again. */
  nameOp(): string
  /** Sends an op on its way. */
  submit(op: PublishOp, onOutcome: (outcome: PublishOutcome) => void): void
  toClient(message: PeerMessage): void
}

export class OwnMembers {
  readonly #channel: string
  readonly #generation: number
  readonly #ports: OwnPorts
  readonly #taken = new Map<string, OfConnection>()
  /** By connection, in the order in which they were said: ops that count, taken or not yet. */
  readonly #pending = new Map<string, Said[]>()
  readonly #graces = new Map<string, Deadline>()
  /** Connections of which the last list left something open. */
  readonly #unsettled = new Set<string>()

  /** `generation`: the life of the group's worker. */
  constructor(channel: string, generation: number, ports: OwnPorts) {
    this.#channel = channel
    this.#generation = generation
    this.#ports = ports
  }

  get isEmpty(): boolean {
    return this.#taken.size === 0 && this.#pending.size === 0
  }

  /** An op goes on its way. */
  onSubmit(op: PublishOp): void {
    const connectionId = op.connectionId!
    const said = this.#pending.get(connectionId) ?? []
    said.push({ op, takenAt: undefined })
    this.#pending.set(connectionId, said)
  }

  /** An op has its outcome; they may come in another order than that of the ops. */
  onOutcome(op: PublishOp, outcome: PublishOutcome): void {
    const connectionId = op.connectionId!
    const said = this.#pending.get(connectionId) ?? []
    const at = said.findIndex((each) => each.op === op)
    if (outcome.kind === 'refused') said.splice(at, 1)
    else said[at]!.takenAt = outcome.timestamp ?? 0
    const members = this.#taken.get(connectionId) ?? new Map<string, PresenceMember>()
    while (said[0]?.takenAt !== undefined) apply(members, said.shift()!)
    if (said.length === 0) this.#pending.delete(connectionId)
    if (members.size > 0) this.#taken.set(connectionId, members)
    else this.#taken.delete(connectionId)
    if (said.length === 0 && this.#unsettled.delete(connectionId)) this.declare()
  }

  /** Tells the ChannelClient, for a new master. */
  declare(): void {
    const channel = this.#channel
    const generation = this.#generation
    this.#unsettled.clear()
    for (const connectionId of this.#pending.keys()) this.#unsettled.add(connectionId)
    this.#ports.toClient({ kind: 'declared', channel, generation, members: this.list() })
  }

  /** Everybody who is taken, and who is open: of those there is no more than the name. */
  list(): PresenceMember[] {
    const connectionIds = new Set([...this.#taken.keys(), ...this.#pending.keys()])
    return [...connectionIds].flatMap((connectionId) => {
      const members = new Map(this.#taken.get(connectionId))
      for (const { op } of this.#pending.get(connectionId) ?? []) {
        for (const { clientId } of decodeItems(op.payload)) {
          members.set(clientId, openMember(connectionId, clientId, op.owner!))
        }
      }
      return [...members.values()]
    })
  }

  /**
   * The connection's members leave after a time, unless a higher claim speaks for them by then.
   * Saying it again counts from the latter.
   */
  leave(connectionId: string, claim: number, afterMs: number): void {
    const { deadlines } = this.#ports
    deadlines.cancel(this.#graces.get(connectionId))
    this.#graces.delete(connectionId)
    if (afterMs <= 0) {
      this.#leaveNow(connectionId, claim)
      return
    }
    if (!this.#taken.has(connectionId) && !this.#pending.has(connectionId)) return
    const grace = deadlines.at(this.#ports.nowMs() + afterMs, () => {
      this.#graces.delete(connectionId)
      this.#leaveNow(connectionId, claim)
    })
    this.#graces.set(connectionId, grace)
  }

  #leaveNow(connectionId: string, claim: number): void {
    // Who is taken and about to leave by a word of its client leaves too: that may be refused.
    const all = new Map(this.#taken.get(connectionId))
    for (const member of this.#of(connectionId)) all.set(member.clientId, member)
    const members = [...all.values()].filter(({ owner }) => owner.claim <= claim)
    const byOwner = Map.groupBy(members, ({ owner }) => owner.claim)
    for (const ofOwner of byOwner.values()) {
      const items = ofOwner.map(({ clientId, id }) => {
        return { action: PresenceAction.LEAVE, clientId, id }
      })
      const { owner } = ofOwner[0]!
      const payload = encodeItems(items)
      const named = { id: this.#ports.nameOp(), idSpace: 'node' as const, messageCount: 0 }
      this.#submitLeave({ ...named, connectionId, payload, owner })
    }
  }

  /** A leave that is refused is said again until it is taken: it would be a ghost otherwise. */
  #submitLeave(op: PublishOp): void {
    this.#ports.submit(op, ({ kind }) => {
      if (kind === 'committed') return
      const atMs = this.#ports.nowMs() + limits.rollRetryMs
      this.#ports.deadlines.at(atMs, () => this.#submitLeave(op))
    })
  }

  /** The connection's members, as they will be when all that was said is taken. */
  #of(connectionId: string): PresenceMember[] {
    const members = new Map(this.#taken.get(connectionId))
    for (const said of this.#pending.get(connectionId) ?? []) apply(members, said)
    return [...members.values()]
  }
}

function openMember(
  connectionId: string,
  clientId: string,
  owner: MemberOwner
): PresenceMember {
  const nothing = { data: undefined, encoding: undefined, extras: undefined }
  return { connectionId, clientId, id: OPEN_ID, timestamp: 0, owner, ...nothing }
}

/** What `op` makes of its connection's members, by the rule that the master goes by. */
function apply(members: OfConnection, { op, takenAt = 0 }: Said): void {
  const from = { connectionId: op.connectionId!, owner: op.owner!, timestamp: takenAt }
  for (const item of decodeItems(op.payload)) applyItem(members, item, from)
}

function applyItem(
  members: OfConnection,
  { action, clientId, id = '', data, encoding, extras }: PresenceItem,
  from: Pick<PresenceMember, 'connectionId' | 'owner' | 'timestamp'>
): void {
  const { owner } = from
  const known = members.get(clientId)
  if (known !== undefined && known.owner.claim > owner.claim) return
  const isPast = known !== undefined && isOlder(id, known)
  if (action === PresenceAction.LEAVE) {
    if (!isPast) members.delete(clientId)
  } else if (known !== undefined && (isPast || known.id === id)) {
    members.set(clientId, { ...known, owner })
  } else {
    members.set(clientId, { ...from, clientId, id, data, encoding, extras })
  }
}
