/**
 * The presence members that live at one group: those of its worker's connections. The group is the
 * authority for them (rule 21): it says on their behalf what they ask, counts the grace of those
 * whose socket is lost, and lists them for every new master.
 *
 * Ops that have no outcome yet are given to a new master before the list. What they make of a
 * member only the master knows, so of whomever they are about, present or not, the list has the
 * name alone, as undecided; when they have their outcomes the master is given another list. One
 * who was present before may be unknown to a master that refuses what is said of it anew: so a
 * list is whole only when it owes nobody any more, and a roll is answered no sooner.
 */

import { limits } from '../base/limits.ts'
import type {
  ListedMember,
  MemberOwner,
  PresenceMember,
  PeerMessage,
  PublishOp,
  PublishOutcome
} from '../peer/message.ts'
import { PresenceAction } from '../wire/actions.ts'
import { type AskMembers, Legacies } from './legacies.ts'
import { type GracePorts, OwnGraces } from './own-graces.ts'
import {
  decodeItems, encodeItems, isOlder, memberKey, opOfNode, type PresenceItem
} from './presence.ts'

type OfConnection = Map<string, PresenceMember>

interface Said {
  readonly op: PublishOp
  /** When its events are said to have been; undefined while it has no outcome. */
  takenAt: number | undefined
  /** While it had no outcome a list was made that owes the master one of its members. */
  isLeftOpen: boolean
}

/** What a leave names of a member. */
type Leaving = Pick<PresenceMember, 'connectionId' | 'clientId' | 'id' | 'owner'>

/** Whose members they are, where it asks for the channel. */
export interface MemberSpeaker {
  readonly connectionId: string
  readonly claim: number
  /** True: its client does not know whom it had entered, and does not enter them again. */
  readonly inheritsMembers: boolean
}

/** The members of a connection leave. */
export interface Departure {
  readonly connectionId: string
  /** Those that live here by this claim or a lower one. */
  readonly claim: number
  /** After this time, unless a higher claim speaks for them by then. */
  readonly afterMs: number
  /** True: at once, and those too that lower claims have left elsewhere. */
  readonly endsLegacies?: boolean
  /** Where they leave at once it is called once: when that is in the log. */
  readonly onLeft?: (() => void) | undefined
}

/** What the members need from their group. */
export interface OwnPorts extends GracePorts {
  /** The life of the group's worker. */
  readonly generation: number
  /** This worker, as the owner of members by a claim. */
  ownerBy(claim: number): MemberOwner
  readonly askMembers: AskMembers
  /** A name for an op that this worker decides of itself; it never gives the same one again. */
  nameOp(): string
  /** Sends an op on its way. */
  submit(op: PublishOp, onOutcome: (outcome: PublishOutcome) => void): void
  toClient(message: PeerMessage): void
}

export class OwnMembers {
  readonly #channel: string
  readonly #legacies: Legacies
  readonly #ports: OwnPorts
  readonly #taken = new Map<string, OfConnection>()
  /** By connection, in the order in which they were said: ops that count, taken or not yet. */
  readonly #pending = new Map<string, Said[]>()
  readonly #graces: OwnGraces
  /** By connection: the last thing that it said here. */
  readonly #lastSaid = new Map<string, string>()
  /** Without an outcome since the master wanted a list. */
  #leftOpen = new Set<Said>()
  /**
   * Members that every list since then has named as undecided, by their key, and of which the
   * master has not taken anything that counts here either.
   */
  #owed = new Set<string>()

  constructor(channel: string, ports: OwnPorts) {
    this.#channel = channel
    this.#ports = ports
    this.#graces = new OwnGraces(ports)
    this.#legacies = new Legacies(channel, {
      ...ports,
      pendingOf: (connectionId) => this.#pending.get(connectionId)?.map(({ op }) => op) ?? [],
      sayLeaves: (ops, onLeft) => this.#submitLeaves(ops, onLeft)
    })
  }

  /** Nobody is present, and nobody is about to be or to leave. */
  get isEmpty(): boolean {
    return this.#taken.size === 0 && this.#pending.size === 0 && this.#legacies.isEmpty
  }

  /** An op goes on its way. */
  onSubmit(op: PublishOp): void {
    const connectionId = op.connectionId!
    const said = this.#pending.get(connectionId) ?? []
    said.push({ op, takenAt: undefined, isLeftOpen: false })
    if (op.idSpace === 'connection') this.#lastSaid.set(connectionId, op.id!)
    this.#pending.set(connectionId, said)
    this.#legacies.onSaid(op)
  }

  /** An op has its outcome; they may come in another order than that of the ops. */
  onOutcome(op: PublishOp, outcome: PublishOutcome): void {
    const connectionId = op.connectionId!
    const said = this.#pending.get(connectionId) ?? []
    const at = said.findIndex((each) => each.op === op)
    const decided = said[at]!
    if (outcome.kind === 'refused') said.splice(at, 1)
    else decided.takenAt = outcome.timestamp ?? 0
    const members = this.#taken.get(connectionId) ?? new Map<string, PresenceMember>()
    while (said[0]?.takenAt !== undefined) apply(members, said.shift()!)
    if (said.length === 0) this.#pending.delete(connectionId)
    if (members.size > 0) this.#taken.set(connectionId, members)
    else this.#taken.delete(connectionId)
    if (members.size + said.length === 0) {
      this.#lastSaid.delete(connectionId)
      this.#graces.end(connectionId)
    }
    const wasLeftOpen = this.#leftOpen.delete(decided)
    const owed = decided.isLeftOpen ? this.#owed.intersection(namesOf(op)) : new Set<string>()
    if (outcome.kind === 'committed') {
      for (const member of madeBy(op, members)) this.#owed.delete(member)
    }
    const isMistold = !owed.isDisjointFrom(this.#owed)
    const isPaid = owed.size > 0 && this.#owed.size === 0
    const isNext = this.#leftOpen.size === 0 && (wasLeftOpen || isPaid)
    if (isNext || isMistold) this.#tellAgain()
    this.#legacies.onOutcome(op, outcome.kind === 'committed')
  }

  /** Tells the ChannelClient, for a new master. */
  declare(): void {
    const said = [...this.#pending.values()].flat()
    this.#leftOpen = new Set(said.filter(({ takenAt }) => takenAt === undefined))
    const members = this.list()
    this.#owed = undecidedOf(members)
    this.#tell(members)
  }

  /** Lists everybody once more: of some the master was never told for certain. */
  #tellAgain(): void {
    const members = this.list()
    this.#owed = this.#owed.intersection(undecidedOf(members))
    this.#tell(members)
  }

  #tell(members: readonly ListedMember[]): void {
    for (const said of this.#pending.values()) {
      for (const each of said) {
        each.isLeftOpen = !this.#owed.isDisjointFrom(namesOf(each.op))
      }
    }
    const channel = this.#channel
    const { generation } = this.#ports
    const isWhole = this.#owed.size === 0
    this.#ports.toClient({ kind: 'declared', channel, generation, members, isWhole })
  }

  /**
   * Everybody who is present, and who may be or not by what was said and has no outcome, or by what
   * a higher claim on its connection has said elsewhere.
   */
  list(): ListedMember[] {
    const connectionIds = new Set([...this.#taken.keys(), ...this.#pending.keys()])
    return [...connectionIds].flatMap((connectionId) => {
      const members = new Map<string, ListedMember>(this.#taken.get(connectionId))
      const higherClaim = this.#graces.higherClaimOn(connectionId)
      for (const [clientId, member] of members) {
        if (member.owner.claim >= higherClaim) continue
        members.set(clientId, { ...member, isOverruled: true })
      }
      for (const { op } of this.#pending.get(connectionId) ?? []) {
        for (const member of undecidedBy(op)) members.set(member.clientId, member)
      }
      return [...members.values()]
    })
  }

  /** The connection's members leave. Saying it again counts from the latter. */
  leave({ connectionId, claim, afterMs, endsLegacies, onLeft = nothing }: Departure): void {
    this.#legacies.forget(connectionId)
    if (endsLegacies !== true) {
      this.#leaveAfter(connectionId, claim, afterMs, onLeft)
      return
    }
    const onBoth = onLast(2, onLeft)
    this.#legacies.end(connectionId, claim, onBoth)
    this.#leaveAfter(connectionId, claim, 0, onBoth)
  }

  #leaveAfter(connectionId: string, claim: number, afterMs: number, onLeft: () => void): void {
    if (afterMs <= 0) {
      this.#graces.end(connectionId)
      this.#leaveNow(connectionId, claim, onLeft)
    } else if (this.#taken.has(connectionId) || this.#pending.has(connectionId)) {
      this.#graces.begin(connectionId, claim, afterMs, () => {
        this.#leaveNow(connectionId, claim, nothing)
      })
    } else {
      this.#graces.end(connectionId)
    }
  }

  /**
   * Somebody has the connection by a higher claim. Until our members leave lists say so of them:
   * they may have left by that one's word, and a new master would have them enter again.
   */
  overrule(connectionId: string, claim: number): void {
    this.#graces.overrule(connectionId, claim)
  }

  /**
   * The connection is back in time, and asks for the channel. Its client says again who is present
   * once it is attached, which may take a while: so its members have their grace once more. Those
   * of the claim by which it asks now are not about to leave any more.
   */
  onAttaching({ connectionId, claim, inheritsMembers }: MemberSpeaker): void {
    if (inheritsMembers) this.#legacies.inherit(connectionId, claim)
    const grace = this.#graces.get(connectionId)
    if (grace === undefined) return
    const former = grace.claim === claim ? claim - 1 : grace.claim
    const forMs = Math.max(grace.forMs, limits.presenceGraceMs)
    this.#leaveAfter(connectionId, former, forMs, nothing)
  }

  #leaveNow(connectionId: string, claim: number, onLeft: () => void): void {
    const all = [...this.#mayBePresent(connectionId).values()]
    const members = all.filter(({ owner }) => owner.claim <= claim)
    const byOwner = Map.groupBy(members, ({ owner }) => owner.claim)
    const ops = byOwner.values().map((ofOwner): PublishOp => {
      const items = ofOwner.map(({ clientId, id: itsId }) => {
        const id = this.#latest(connectionId, itsId)
        return { action: PresenceAction.LEAVE, clientId, id, endsUnheard: true }
      })
      return opOfNode(this.#ports.nameOp(), connectionId, ofOwner[0]!.owner, items)
    })
    this.#submitLeaves([...ops], onLeft)
  }

  /** Sends leaves on their way until they are taken; `onLeft` is called once then. */
  #submitLeaves(ops: readonly PublishOp[], onLeft: () => void): void {
    if (ops.length === 0) onLeft()
    const onEach = onLast(ops.length, onLeft)
    for (const op of ops) this.#submitLeave(op, onEach)
  }

  /**
   * The later of a member's id and what its connection said last: a leave ends what it said on
   * other nodes before, and nothing that it says afterwards.
   */
  #latest(connectionId: string, id: string): string {
    const lastSaid = this.#lastSaid.get(connectionId)
    if (lastSaid === undefined) return id
    const last = `${lastSaid}:${limits.presenceItemsMax}`
    return isOlder(id, { id: last, connectionId }) ? last : id
  }

  /**
   * A leave that is refused is said again until it is taken: it would be a ghost otherwise. The
   * master takes it before what is said here after it, so it ends whatever is there then: that may
   * be by a frame that was taken on another node, and never came again to this one. When it is
   * said again, the connection may have spoken in between: then its id says how far it goes.
   */
  #submitLeave(op: PublishOp, onLeft: () => void): void {
    const lastSaid = this.#lastSaid.get(op.connectionId!)
    this.#ports.submit(op, ({ kind }) => {
      if (kind === 'committed') {
        onLeft()
        return
      }
      const atMs = this.#ports.nowMs() + limits.rollRetryMs
      this.#ports.deadlines.at(atMs, () => {
        const saidSince = this.#lastSaid.get(op.connectionId!) ?? lastSaid
        this.#submitLeave(saidSince === lastSaid ? op : boundedById(op), onLeft)
      })
    })
  }

  /**
   * Whoever is taken, and whoever is spoken of by what has no outcome yet. Of those ops each may
   * be refused by itself: who enters and leaves again is present if only the enter is taken.
   */
  #mayBePresent(connectionId: string): Map<string, Leaving> {
    const members = new Map<string, Leaving>(this.#taken.get(connectionId))
    for (const { op } of this.#pending.get(connectionId) ?? []) {
      for (const { clientId, id: itsId = '' } of decodeItems(op.payload)) {
        const known = members.get(clientId)
        const id = known !== undefined && isOlder(itsId, known) ? known.id : itsId
        const isPast = known !== undefined && known.owner.claim > op.owner!.claim
        const owner = isPast ? known.owner : op.owner!
        members.set(clientId, { connectionId, clientId, id, owner })
      }
    }
    return members
  }
}

/** What is to be called `count` times, and calls `run` at the last. */
function onLast(count: number, run: () => void): () => void {
  let left = count
  return () => {
    if (--left === 0) run()
  }
}

function nothing(): void {
  // Nobody waits for it.
}

/** The members that an op is about, by their names. */
function undecidedBy({ connectionId = '', owner, payload }: PublishOp): ListedMember[] {
  const nothing = { id: '', timestamp: 0, data: undefined, encoding: undefined, extras: undefined }
  return decodeItems(payload).map(({ clientId }) => {
    return { ...nothing, connectionId, clientId, owner: owner!, isUndecided: true }
  })
}

/** The leave, for what its connection had said until then as far as it is known here. */
function boundedById(op: PublishOp): PublishOp {
  const items = decodeItems(op.payload).map((item) => ({ ...item, endsUnheard: undefined }))
  return { ...op, payload: encodeItems(items) }
}

function keyOf({ connectionId, clientId }: PresenceMember): string {
  return memberKey(connectionId, clientId)
}

/** The members that an op is about, by their keys. */
function namesOf(op: PublishOp): Set<string> {
  return new Set(undecidedBy(op).map(keyOf))
}

/** Of those that a taken op is about: whom something newer here has not overtaken. */
function madeBy({ connectionId = '', owner, payload }: PublishOp, members: OfConnection): string[] {
  const made = decodeItems(payload).filter(({ clientId, id = '' }) => {
    const known = members.get(clientId)
    return known === undefined || (!isOlder(id, known) && known.owner.claim <= owner!.claim)
  })
  return made.map(({ clientId }) => memberKey(connectionId, clientId))
}

function undecidedOf(members: readonly ListedMember[]): Set<string> {
  return new Set(members.filter(({ isUndecided }) => isUndecided === true).map(keyOf))
}

/** What `op` makes of its connection's members, by the rule that the master goes by. */
function apply(members: OfConnection, { op, takenAt = 0 }: Said): void {
  const from = { connectionId: op.connectionId!, owner: op.owner!, timestamp: takenAt }
  for (const item of decodeItems(op.payload)) applyItem(members, item, from)
}

function applyItem(
  members: OfConnection,
  { action, clientId, id = '', data, encoding, extras, endsUnheard }: PresenceItem,
  from: Pick<PresenceMember, 'connectionId' | 'owner' | 'timestamp'>
): void {
  const { owner } = from
  const known = members.get(clientId)
  if (known !== undefined && known.owner.claim > owner.claim) return
  const isPast = known !== undefined && isOlder(id, known)
  if (action === PresenceAction.LEAVE) {
    if (!isPast || endsUnheard === true) members.delete(clientId)
  } else if (known !== undefined && (isPast || known.id === id)) {
    members.set(clientId, { ...known, owner })
  } else {
    members.set(clientId, { ...from, clientId, id, data, encoding, extras })
  }
}
