/**
 * Which publishes a channel has taken: the exact set, kept by time and never forgotten early
 * (rule 17). Ids that the server derives from a connection and ids that clients choose are two
 * key spaces, so that nobody can swallow another connection's messages by guessing its ids.
 *
 * A publish is `pending` from admission to commit; a repeat of it meanwhile waits for the same
 * outcome (rule 16). Once committed, a repeat is answered with the serials of the first. What is
 * to stand in the archive is `held` between: committed, and nobody is told so yet (rule 22).
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { Queue } from '../base/queue.ts'
import type { PublishOp } from '../peer/message.ts'

/** What identifies the first of two equal publishes. */
export interface Taken {
  readonly timestamp: number
  readonly counter: number
  readonly messageCount: number
}

/** A committed publish with the key it is known by. */
export interface KnownId extends Taken {
  readonly key: string
}

/** Someone who waits for the outcome of a publish that is under way. */
export type Waiter = (taken: Taken) => void

interface Known {
  taken: Taken | undefined
  waiters: Waiter[] | undefined
}

/** The ids of one channel. */
export class Dedupe {
  readonly #known = new Map<string, Known>()
  readonly #expiries = new Queue<{ key: string; atMs: number }>()
  /** Of messages and of presence, by connection: the highest msgSerial that is known. */
  readonly #highestOfMessages = new Map<string, number>()
  readonly #highestOfPresence = new Map<string, number>()

  get size(): number {
    return this.#known.size
  }

  *sizes(): Generator<Size> {
    yield ['idsPerChannelMax', this.size]
  }

  /** False at the bound: new publishes are refused then, nothing is forgotten. */
  get hasRoom(): boolean {
    return this.#known.size < limits.idsPerChannelMax
  }

  /** What is known of this publish: nothing, that it is under way, or what became of it. */
  find(op: PublishOp): 'new' | 'pending' | 'held' | Taken {
    const known = this.#known.get(keyOf(op))
    if (known === undefined) return 'new'
    if (known.taken === undefined) return 'pending'
    return known.waiters === undefined ? known.taken : 'held'
  }

  /**
   * True of what is new where later things of its connection were taken: it was refused once, and
   * the refusal was lost. Taking it now would turn the order round
   * (docs/decisions/0016-lost-refusals.md). Messages and presence have no order between them.
   */
  isOvertaken({ id, idSpace, messageCount }: PublishOp): boolean {
    if (idSpace !== 'connection') return false
    const { connectionId, msgSerial } = partsOf(id)
    return msgSerial < (this.#highestOf(messageCount).get(connectionId) ?? -1)
  }

  /** The publish is admitted; `waiter` is told when it is committed. */
  admit(op: PublishOp, waiter: Waiter): void {
    const key = keyOf(op)
    this.#known.set(key, { taken: undefined, waiters: [waiter] })
    this.#raise(key, op.messageCount)
  }

  /** Waits for the outcome of a pending or held publish. */
  wait(op: PublishOp, waiter: Waiter): void {
    this.#known.get(keyOf(op))?.waiters?.push(waiter)
  }

  /** The publish is in the log; its waiters are told, and it is known from now for the window. */
  commit(
    op: Pick<PublishOp, 'id' | 'idSpace'>,
    { timestamp, counter, messageCount }: Taken,
    nowMs: number
  ): void {
    const key = keyOf(op)
    // These fields alone: an id outlives its message, whose payload must not stay with it.
    const taken = { timestamp, counter, messageCount }
    const waiters = this.#known.get(key)?.waiters
    this.#commit(key, taken, nowMs)
    if (waiters !== undefined) for (const waiter of waiters) waiter(taken)
  }

  /** The publish is in the log, and is known from now; its waiters are told by `release`. */
  hold(
    op: Pick<PublishOp, 'id' | 'idSpace'>,
    { timestamp, counter, messageCount }: Taken,
    nowMs: number
  ): void {
    const key = keyOf(op)
    const waiters = this.#known.get(key)?.waiters ?? []
    this.#commit(key, { timestamp, counter, messageCount }, nowMs, waiters)
  }

  /** What was held is in the archive. */
  release(op: Pick<PublishOp, 'id' | 'idSpace'>): void {
    const known = this.#known.get(keyOf(op))
    const { taken, waiters } = known ?? {}
    if (known === undefined || taken === undefined || waiters === undefined) return
    known.waiters = undefined
    for (const waiter of waiters) waiter(taken)
  }

  /** Everything committed that is still known, oldest first. */
  committed(): KnownId[] {
    const ids: KnownId[] = []
    for (const [key, { taken }] of this.#known) if (taken !== undefined) ids.push({ key, ...taken })
    return ids
  }

  /** Takes over what a former master knew; the time counts in full again. */
  restore(ids: readonly KnownId[], nowMs: number): void {
    for (const { key, timestamp, counter, messageCount } of ids) {
      this.#commit(key, { timestamp, counter, messageCount }, nowMs)
    }
  }

  /** Forgets what was committed longer ago than any client can still repeat. */
  expire(nowMs: number): void {
    for (;;) {
      const oldest = this.#expiries.peek()
      if (oldest === undefined || oldest.atMs > nowMs) return
      this.#expiries.shift()
      // What is held may still be asked for by whoever was never answered.
      if (this.#known.get(oldest.key)?.waiters === undefined) this.#forget(oldest.key)
      else this.#expiries.push({ key: oldest.key, atMs: nowMs + limits.idKeptMs })
    }
  }

  #commit(key: string, taken: Taken, nowMs: number, waiters?: Waiter[]): void {
    this.#known.set(key, { taken, waiters })
    this.#raise(key, taken.messageCount)
    this.#expiries.push({ key, atMs: nowMs + limits.idKeptMs })
  }

  #highestOf(messageCount: number): Map<string, number> {
    return messageCount === 0 ? this.#highestOfPresence : this.#highestOfMessages
  }

  #raise(key: string, messageCount: number): void {
    if (!isDerived(key)) return
    const { connectionId, msgSerial } = partsOf(key)
    const highest = this.#highestOf(messageCount)
    if (msgSerial > (highest.get(connectionId) ?? -1)) highest.set(connectionId, msgSerial)
  }

  #forget(key: string): void {
    const { taken } = this.#known.get(key) ?? {}
    this.#known.delete(key)
    if (taken === undefined || !isDerived(key)) return
    const { connectionId, msgSerial } = partsOf(key)
    const highest = this.#highestOf(taken.messageCount)
    if (highest.get(connectionId) === msgSerial) highest.delete(connectionId)
  }
}

function isDerived(key: string): boolean {
  return !key.startsWith('~') && !key.startsWith('!')
}

/** What an id that is derived from a connection says. */
function partsOf(id: string): { readonly connectionId: string; readonly msgSerial: number } {
  const colon = id.lastIndexOf(':')
  return { connectionId: id.slice(0, colon), msgSerial: Number(id.slice(colon + 1)) }
}

function keyOf(op: Pick<PublishOp, 'id' | 'idSpace'>): string {
  if (op.idSpace === 'connection') return op.id
  return op.idSpace === 'client' ? `~${op.id}` : `!${op.id}`
}
