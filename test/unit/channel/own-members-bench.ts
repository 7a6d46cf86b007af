/** What every test of a group's own members needs. */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import type { AskMembers } from '../../../src/channel/legacies.ts'
import { OwnMembers } from '../../../src/channel/own-members.ts'
import { decodeItems, encodeItems } from '../../../src/channel/presence.ts'
import type { PeerMessage, PublishOp, PublishOutcome } from '../../../src/peer/message.ts'
import { CHANNEL } from './parts.ts'
import { type Item, ownerOf } from './presence-world.ts'

export const TAKEN: PublishOutcome = { kind: 'committed', serials: [], timestamp: 77 }
export const REFUSED: PublishOutcome = {
  kind: 'refused', error: { code: 1, statusCode: 400, message: '' }
}

/** A group's members, whose ops the test settles. */
export class OwnMembersBench {
  readonly deadlines = new Deadlines()
  readonly said: PeerMessage[] = []
  /** Leaves on their way, with what is called at their outcome. */
  leaves: { op: PublishOp; settle: (outcome: PublishOutcome) => void }[] = []
  readonly graces: string[] = []
  /** What the master was asked. */
  readonly asked: Parameters<AskMembers>[] = []
  nowMs = 0
  #count = 0
  readonly own = new OwnMembers(CHANNEL, {
    deadlines: this.deadlines,
    generation: 1,
    onGrace: (connectionId, isBegun) => void this.graces.push(`${connectionId} ${isBegun}`),
    ownerBy: (claim) => ownerOf('me', { claim }),
    askMembers: (...asked) => void this.asked.push(asked),
    nowMs: () => this.nowMs,
    nameOp: () => `me/0/1:${++this.#count}`,
    submit: (op, onOutcome) => {
      this.own.onSubmit(op)
      this.leaves.push({ op, settle: (outcome) => {
        this.own.onOutcome(op, outcome)
        onOutcome(outcome)
      } })
    },
    toClient: (message) => void this.said.push(message)
  })

  /** A session says something; returns the op, whose outcome is open. */
  say(id: string, items: Item[], claim = 0): PublishOp {
    const payload = encodeItems(items.map((item, at) => ({ id: `${id}:${at}`, ...item })))
    const [connectionId] = id.split(':')
    const op: PublishOp = {
      id, idSpace: 'connection', connectionId, messageCount: 0, payload,
      owner: ownerOf('me', { claim })
    }
    this.own.onSubmit(op)
    return op
  }

  /** The same, taken. */
  take(id: string, items: Item[], claim = 0): void {
    this.own.onOutcome(this.say(id, items, claim), TAKEN)
  }

  list(): string[] {
    return this.own.list().map(({ clientId, id, data }) => `${clientId} ${id} ${data}`).sort()
  }

  /** Whom each list named: `?` who was undecided, `!` of whom a higher claim knows more. */
  lists(): string[][] {
    return this.said.flatMap((message) => message.kind !== 'declared' ? []
      : [message.members.map(({ clientId, isUndecided = false, isOverruled = false }) =>
        isUndecided ? `${clientId}?` : isOverruled ? `${clientId}!` : clientId)])
  }

  /** Whether each list was whole. */
  whole(): boolean[] {
    return this.said.flatMap((message) => message.kind === 'declared' ? [message.isWhole] : [])
  }

  /** What the leaves on their way name, `clientId id`; `last`: all that was said until then. */
  left(): string[] {
    return this.leaves.flatMap(({ op }) =>
      decodeItems(op.payload).map(({ clientId, id = '' }) =>
        `${clientId} ${id.replace(`:${limits.presenceItemsMax}`, ':last')}`))
  }

  /** Whether each leave on its way ends, too, what was said elsewhere. */
  reach(): (boolean | undefined)[] {
    return this.leaves.map(({ op }) => decodeItems(op.payload)[0]!.endsUnheard)
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }
}

export const ann = (action: number, data?: string) => ({ action, clientId: 'ann', data })
