/**
 * What a connection's former claims have left on a channel: members whose owner is another life,
 * which lets them leave when their grace is over (rule 21). Mostly nobody has to care, for a
 * client that resumes says again who is present. One that *recovers* a connection is another
 * process and does not know (protocol 4.3): so its members are *inherited*, which is to be said
 * again by us, as the master knows them. And where a client detaches before it has said anything,
 * those of former claims *end* as well: it is told that nobody of its own is present any more.
 *
 *   asking ──all members of the connection──▶ said again, or told to leave ──▶ over
 *      │ the connection has said something of a member meanwhile: that holds
 *      └──▶ forgotten: its attachment is gone, and the graces of former claims count on
 */

import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { MemberOwner, PresenceMember, PublishOp, PublishOutcome } from '../peer/message.ts'
import { PresenceAction } from '../wire/actions.ts'
import { decodeItems, opOfNode, type PresenceItem } from './presence.ts'
import { itemBytes, pagesOf } from './presence-pages.ts'

/**
 * Asks the channel's master for all members of the connection that the log has; told undefined
 * where they are too many, and nothing any more once `asker` is over.
 */
export type AskMembers = (
  channel: string,
  connectionId: string,
  asker: { readonly isOver: boolean },
  onAll: (members: readonly PresenceMember[] | undefined) => void
) => void

/** What legacies need from the members of their group. */
export interface LegacyPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** This worker, as the owner of members by a claim. */
  ownerBy(claim: number): MemberOwner
  nameOp(): string
  readonly askMembers: AskMembers
  /** Ops of the connection that have no outcome yet. */
  pendingOf(connectionId: string): Iterable<PublishOp>
  /** Sends an op on its way. */
  submit(op: PublishOp, onOutcome: (outcome: PublishOutcome) => void): void
  /** Sends leaves on their way until they are taken; `onLeft` is called once then. */
  sayLeaves(ops: readonly PublishOp[], onLeft: () => void): void
}

/** What is to become of one connection's members by former claims. */
class Legacy {
  readonly connectionId: string
  readonly claim: number
  /** By client: ops by which the connection says something of it itself, without an outcome. */
  readonly #open = new Map<string, Set<PublishOp>>()
  /** Of whom something was taken. */
  readonly #taken = new Set<string>()
  /** Who is left to be said again, once that is known. */
  members: readonly PresenceMember[] | undefined
  isSaying = false
  isOver = false

  constructor(connectionId: string, claim: number, pending: Iterable<PublishOp>) {
    this.connectionId = connectionId
    this.claim = claim
    for (const op of pending) this.onSaid(op)
  }

  /** What former claims say is a part of the legacy. */
  onSaid(op: PublishOp): void {
    if (op.owner!.claim < this.claim) return
    for (const { clientId } of decodeItems(op.payload)) {
      const ops = this.#open.get(clientId) ?? new Set()
      this.#open.set(clientId, ops.add(op))
    }
  }

  onOutcome(op: PublishOp, isTaken: boolean): void {
    for (const { clientId } of decodeItems(op.payload)) {
      const isOurs = this.#open.get(clientId)?.delete(op) === true
      if (isOurs && isTaken) this.#taken.add(clientId)
    }
  }

  /** True if the connection itself has said what the client is. */
  isTaken({ clientId }: PresenceMember): boolean {
    return this.#taken.has(clientId)
  }

  /** True if it is about to. */
  isOpen({ clientId }: PresenceMember): boolean {
    return (this.#open.get(clientId)?.size ?? 0) > 0
  }
}

/** One that is to end, and who waits for it. */
interface Ending {
  readonly legacy: Legacy
  readonly onEnded: (() => void)[]
}

export class Legacies {
  readonly #channel: string
  readonly #ports: LegacyPorts
  readonly #inherited = new Map<string, Legacy>()
  readonly #ending = new Map<string, Ending>()

  constructor(channel: string, ports: LegacyPorts) {
    this.#channel = channel
    this.#ports = ports
  }

  get isEmpty(): boolean {
    return this.#inherited.size === 0 && this.#ending.size === 0
  }

  /** The connection goes on by `claim`, and does not say itself who is present. */
  inherit(connectionId: string, claim: number): void {
    // Those that end are nobody's to inherit.
    if (this.#inherited.has(connectionId) || this.#ending.has(connectionId)) return
    const legacy = this.#ask(connectionId, claim, () => this.#sayNext(legacy))
    this.#inherited.set(connectionId, legacy)
  }

  /**
   * They leave at once; `onEnded` is called once, when that is in the log, or never, where nobody
   * can be asked for as long as any of them may stay.
   */
  end(connectionId: string, claim: number, onEnded: () => void): void {
    const former = this.#ending.get(connectionId)
    if (former !== undefined) {
      former.onEnded.push(onEnded)
      return
    }
    const { deadlines, nowMs } = this.#ports
    const legacy = this.#ask(connectionId, claim, () => {
      const members = legacy.members!.filter((each) => !legacy.isTaken(each) &&
        !legacy.isOpen(each))
      const pages = members.length === 0 ? [] : pagesOf(members, itemBytes)
      const ops = pages.map((page) => this.#opOf(legacy, page.map(leaveOf)))
      this.#ports.sayLeaves(ops, () => {
        deadlines.cancel(deadline)
        if (this.#ending.get(connectionId) === ending) this.#ending.delete(connectionId)
        for (const onEach of ending.onEnded) onEach()
      })
    })
    const deadline = deadlines.at(nowMs() + limits.connectionStateTtlMs, () => {
      legacy.isOver = true
      this.#ending.delete(connectionId)
    })
    const ending: Ending = { legacy, onEnded: [onEnded] }
    this.#ending.set(connectionId, ending)
  }

  /** Nothing is inherited for the connection any more. */
  forget(connectionId: string): void {
    const legacy = this.#inherited.get(connectionId)
    if (legacy === undefined) return
    legacy.isOver = true
    this.#inherited.delete(connectionId)
  }

  /** The connection says something of members itself. */
  onSaid(op: PublishOp): void {
    if (op.idSpace !== 'connection') return
    this.#inherited.get(op.connectionId!)?.onSaid(op)
    this.#ending.get(op.connectionId!)?.legacy.onSaid(op)
  }

  /** What it said is taken, or refused: then a member is what it was. */
  onOutcome(op: PublishOp, isTaken: boolean): void {
    const inherited = this.#inherited.get(op.connectionId!)
    inherited?.onOutcome(op, isTaken)
    this.#ending.get(op.connectionId!)?.legacy.onOutcome(op, isTaken)
    if (inherited !== undefined) this.#sayNext(inherited)
  }

  #ask(connectionId: string, claim: number, onMembers: () => void): Legacy {
    const legacy = new Legacy(connectionId, claim, this.#ports.pendingOf(connectionId))
    this.#ports.askMembers(this.#channel, connectionId, legacy, (members = []) => {
      legacy.members = members.filter(({ owner }) => owner.claim < claim)
      onMembers()
    })
    return legacy
  }

  /** Says again who is left, a page at a time, and again what the log had no room for. */
  #sayNext(legacy: Legacy): void {
    if (legacy.members === undefined || legacy.isSaying || legacy.isOver) return
    const left = legacy.members.filter((each) => !legacy.isTaken(each))
    const [page = []] = pagesOf(left.filter((each) => !legacy.isOpen(each)), itemBytes)
    legacy.members = left
    if (left.length === 0) this.forget(legacy.connectionId)
    if (page.length === 0) return
    legacy.isSaying = true
    this.#ports.submit(this.#opOf(legacy, page.map(enterOf)), ({ kind }) => {
      if (kind === 'committed') {
        legacy.members = legacy.members!.filter((each) => !page.includes(each))
        this.#sayOn(legacy)
        return
      }
      const { deadlines, nowMs } = this.#ports
      deadlines.at(nowMs() + limits.rollRetryMs, () => this.#sayOn(legacy))
    })
  }

  #sayOn(legacy: Legacy): void {
    legacy.isSaying = false
    this.#sayNext(legacy)
  }

  #opOf({ connectionId, claim }: Legacy, items: readonly PresenceItem[]): PublishOp {
    const { nameOp, ownerBy } = this.#ports
    return opOfNode(nameOp(), connectionId, ownerBy(claim), items)
  }
}

/** As it was said first: a member that is there stays as it is, under another owner. */
function enterOf({ clientId, id, data, encoding, extras }: PresenceMember): PresenceItem {
  return { action: PresenceAction.ENTER, clientId, id, data, encoding, extras }
}

/** For what is known of the member, and for nothing that is said of it later. */
function leaveOf({ clientId, id }: PresenceMember): PresenceItem {
  return { action: PresenceAction.LEAVE, clientId, id }
}
