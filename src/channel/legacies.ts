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
import { decodeItems, encodeItems, type PresenceItem } from './presence.ts'
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

/** One connection's, while the master is asked. */
class Asking {
  /** Of whom the connection has said something itself. */
  readonly said = new Set<string>()
  isOver = false

  note(op: PublishOp): void {
    for (const { clientId } of decodeItems(op.payload)) this.said.add(clientId)
  }
}

export class Legacies {
  readonly #channel: string
  readonly #ports: LegacyPorts
  readonly #inheriting = new Map<string, Asking>()
  readonly #ending = new Map<string, Set<Asking>>()

  constructor(channel: string, ports: LegacyPorts) {
    this.#channel = channel
    this.#ports = ports
  }

  get isEmpty(): boolean {
    return this.#inheriting.size === 0 && this.#ending.size === 0
  }

  /** The connection goes on by `claim`, and does not say itself who is present. */
  inherit(connectionId: string, claim: number): void {
    // Those that end are nobody's to inherit.
    if (this.#inheriting.has(connectionId) || this.#ending.has(connectionId)) return
    const asking = this.#ask(connectionId, claim, (members) => {
      const ops = this.#ops(connectionId, claim, members, enterOf)
      this.#sayAll(ops, asking, (isRefused) => {
        this.forget(connectionId)
        if (isRefused) this.#inheritLater(connectionId, claim)
      })
    })
    this.#inheriting.set(connectionId, asking)
  }

  /** They leave at once; `onEnded` is called once, when that is in the log. */
  end(connectionId: string, claim: number, onEnded: () => void): void {
    const all = this.#ending.get(connectionId) ?? new Set()
    const asking = this.#ask(connectionId, claim, (members) => {
      const ops = this.#ops(connectionId, claim, members, leaveOf)
      this.#ports.sayLeaves(ops, () => {
        all.delete(asking)
        if (all.size === 0) this.#ending.delete(connectionId)
        onEnded()
      })
    })
    this.#ending.set(connectionId, all.add(asking))
  }

  /** Nothing is inherited for the connection any more. */
  forget(connectionId: string): void {
    const asking = this.#inheriting.get(connectionId)
    if (asking === undefined) return
    asking.isOver = true
    this.#inheriting.delete(connectionId)
  }

  /** The connection says something of members itself. */
  onSaid(op: PublishOp): void {
    if (op.idSpace !== 'connection') return
    this.#inheriting.get(op.connectionId!)?.note(op)
    for (const asking of this.#ending.get(op.connectionId!) ?? []) asking.note(op)
  }

  /** They are said one after another; `onSaid` is called once, unless it is over before. */
  #sayAll(
    [first, ...rest]: readonly PublishOp[], asking: Asking, onSaid: (isRefused: boolean) => void
  ): void {
    if (asking.isOver) return
    if (first === undefined) {
      onSaid(false)
      return
    }
    this.#ports.submit(first, ({ kind }) => {
      if (kind === 'committed') this.#sayAll(rest, asking, onSaid)
      else if (!asking.isOver) onSaid(true)
    })
  }

  /** The log took nothing: somebody else may have said something by the time in which it does. */
  #inheritLater(connectionId: string, claim: number): void {
    const asking = new Asking()
    this.#inheriting.set(connectionId, asking)
    const { deadlines, nowMs } = this.#ports
    deadlines.at(nowMs() + limits.rollRetryMs, () => {
      if (asking.isOver) return
      this.#inheriting.delete(connectionId)
      this.inherit(connectionId, claim)
    })
  }

  #ask(
    connectionId: string, claim: number, onLegacies: (members: readonly PresenceMember[]) => void
  ): Asking {
    const asking = new Asking()
    for (const op of this.#ports.pendingOf(connectionId)) asking.note(op)
    this.#ports.askMembers(this.#channel, connectionId, asking, (members = []) => {
      onLegacies(members.filter(({ clientId, owner }) => {
        return owner.claim < claim && !asking.said.has(clientId)
      }))
    })
    return asking
  }

  #ops(
    connectionId: string, claim: number, members: readonly PresenceMember[],
    itemOf: (member: PresenceMember) => PresenceItem
  ): PublishOp[] {
    if (members.length === 0) return []
    const owner = this.#ports.ownerBy(claim)
    return pagesOf(members.map(itemOf), itemBytes).map((items) => {
      const named = { id: this.#ports.nameOp(), idSpace: 'node' as const, messageCount: 0 }
      return { ...named, connectionId, payload: encodeItems(items), owner }
    })
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
