/**
 * Which publishes a channel has taken: the exact set, kept by time and never forgotten early
 * (rule 17). Ids that the server derives from a connection and ids that clients choose are two
 * key spaces, so that nobody can swallow another connection's messages by guessing its ids.
 *
 * A publish is `pending` from admission to commit; a repeat of it meanwhile waits for the same
 * outcome (rule 16). Once committed, a repeat is answered with the serials of the first. What is
 * to stand in the archive, or in another region, is `held` between: committed, and nobody is told
 * so yet (rule 22); where no other region can have it any more it has `lapsed`. The window begins
 * anew whenever a frame is said again (docs/decisions/0017-said-again.md).
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
  /** The lineage that it was born in, if that is another region's. */
  readonly bornIn?: string | undefined
}

/** Which frame of which connection said it. */
export interface Turn {
  readonly connectionId: string
  readonly msgSerial: number
}

/** A committed publish with the key it is known by. */
export interface KnownId extends Taken {
  readonly key: string
  /** Where the key does not tell it. */
  readonly turn?: Turn
  /** Nobody is told that it is committed. */
  readonly isLapsed?: boolean
}

type Op = Pick<PublishOp, 'id' | 'idSpace'> & Partial<Turn>

/** Someone who waits for the outcome of a publish that is under way; undefined: it has lapsed. */
export type Waiter = (taken: Taken | undefined) => void

interface Known {
  taken: Taken | undefined
  waiters: Waiter[] | undefined
  /** For how many things its waiters wait once it is committed. */
  holdCount?: number
  /** One of these will never be. */
  isLapsed?: boolean
  /** Where the key does not tell it. */
  readonly turn: Turn | undefined
}

/** The ids of one channel. */
export class Dedupe {
  readonly #known = new Map<string, Known>()
  readonly #expiries = new Queue<{ key: string; atMs: number }>()
  /** When a frame came again whose answer its client had not heard. */
  readonly #repeatedAtMs = new Map<string, number>()
  /** Of messages and of presence, by connection: the highest msgSerial that is known. */
  readonly #highestOfMessages = new Map<string, number>()
  readonly #highestOfPresence = new Map<string, number>()
  #postponedMs = 0

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
  find(op: PublishOp): 'new' | 'pending' | 'held' | 'lapsed' | Taken {
    const known = this.#known.get(keyOf(op))
    if (known === undefined) return 'new'
    if (known.taken === undefined) return 'pending'
    if (known.isLapsed === true) return 'lapsed'
    return known.waiters === undefined ? known.taken : 'held'
  }

  /**
   * True of what is new where later things of its connection were taken: it was refused once, and
   * the refusal was lost. Taking it now would turn the order round
   * (docs/decisions/0016-lost-refusals.md). Messages and presence have no order between them.
   */
  isOvertaken(op: PublishOp): boolean {
    const turn = chosenTurn(op) ?? derivedTurn(keyOf(op))
    if (turn === undefined) return false
    const { connectionId, msgSerial } = turn
    return msgSerial < (this.#highestOf(op.messageCount).get(connectionId) ?? -1)
  }

  /**
   * It is known. Who says the same frame again has not heard of its outcome, nor need it now: it
   * may do so once more, and is known for the whole window from here.
   */
  onRepeated(op: PublishOp, nowMs: number): void {
    const key = keyOf(op)
    if (op.idSpace !== 'client' || isSameTurn(this.#known.get(key)?.turn, chosenTurn(op))) {
      this.#repeatedAtMs.set(key, nowMs - this.#postponedMs)
    }
  }

  /** The publish is admitted; `waiter` is told when it is committed. */
  admit(op: PublishOp, waiter: Waiter): void {
    const key = keyOf(op)
    const turn = chosenTurn(op)
    this.#known.set(key, { taken: undefined, waiters: [waiter], turn })
    this.#raise(turn ?? derivedTurn(key), op.messageCount)
  }

  /** Waits for the outcome of a pending or held publish. */
  wait(op: PublishOp, waiter: Waiter): void {
    this.#known.get(keyOf(op))?.waiters?.push(waiter)
  }

  /** The publish is in the log; its waiters are told, and it is known from now for the window. */
  commit(op: Op, first: Taken, nowMs: number): void {
    const key = keyOf(op)
    const taken = takenOf(first)
    const waiters = this.#known.get(key)?.waiters
    this.#commit(key, taken, chosenTurn(op), nowMs)
    if (waiters !== undefined) for (const waiter of waiters) waiter(taken)
  }

  /** The publish is in the log, and is known from now; its waiters are told by `release`. */
  hold(op: Op, first: Taken, nowMs: number): void {
    const key = keyOf(op)
    const waiters = this.#known.get(key)?.waiters ?? []
    this.#commit(key, takenOf(first), chosenTurn(op), nowMs, waiters)
    this.holdMore(op)
  }

  /** What is committed waits for one thing more; for nothing, if it is not known. */
  holdMore(op: Pick<Op, 'id' | 'idSpace'>): void {
    const known = this.#known.get(keyOf(op))
    if (known === undefined) return
    known.waiters ??= []
    known.holdCount = (known.holdCount ?? 0) + 1
  }

  /** One thing for which it was held has come. */
  release(op: Pick<Op, 'id' | 'idSpace'>): void {
    const known = this.#known.get(keyOf(op))
    const { taken, waiters, holdCount = 1 } = known ?? {}
    if (known === undefined || taken === undefined || waiters === undefined) return
    known.holdCount = holdCount - 1
    if (known.holdCount > 0) return
    known.waiters = undefined
    for (const waiter of waiters) waiter(taken)
  }

  /** One thing for which it was held will never come: nobody is told that it is committed. */
  lapse(op: Pick<Op, 'id' | 'idSpace'>): void {
    const known = this.#known.get(keyOf(op))
    if (known?.waiters === undefined) return
    const { waiters } = known
    known.isLapsed = true
    known.waiters = []
    for (const waiter of waiters) waiter(undefined)
  }

  /** Everything committed that is still known, oldest first. */
  committed(): KnownId[] {
    const ids: KnownId[] = []
    for (const [key, { taken, turn, isLapsed }] of this.#known) {
      if (taken === undefined) continue
      ids.push({ key, ...taken, ...(turn && { turn }), ...(isLapsed && { isLapsed }) })
    }
    return ids
  }

  /** Takes over what a former master knew; the time counts in full again. */
  restore(ids: readonly KnownId[], nowMs: number): void {
    for (const id of ids) {
      this.#commit(id.key, takenOf(id), id.turn, nowMs)
      if (id.isLapsed === true) this.#known.get(id.key)!.isLapsed = true
    }
  }

  /**
   * So long nobody could be answered, since the log took nothing: it does not count, for clients
   * came again and again meanwhile, and will say once more what has been taken already.
   */
  postpone(ms: number): void {
    this.#postponedMs += ms
  }

  /** Forgets what was committed, or said again, longer ago than any client can still repeat. */
  expire(nowMs: number): void {
    const countedMs = nowMs - this.#postponedMs
    for (;;) {
      const oldest = this.#expiries.peek()
      if (oldest === undefined || oldest.atMs > countedMs) return
      this.#expiries.shift()
      const { key } = oldest
      // What is held may still be asked for by whoever was never answered.
      const { waiters, isLapsed } = this.#known.get(key) ?? {}
      const isHeld = waiters !== undefined && isLapsed !== true
      if (isHeld || this.#isRepeated(key, countedMs)) {
        this.#expiries.push({ key, atMs: countedMs + limits.idKeptMs })
      } else this.#forget(key)
    }
  }

  #isRepeated(key: string, countedMs: number): boolean {
    const atMs = this.#repeatedAtMs.get(key)
    return atMs !== undefined && countedMs - atMs < limits.idKeptMs
  }

  #commit(
    key: string,
    taken: Taken,
    turn: Turn | undefined,
    nowMs: number,
    waiters?: Waiter[]
  ): void {
    const isLapsed = this.#known.get(key)?.isLapsed
    this.#known.set(key, { taken, waiters, turn, ...(isLapsed && { isLapsed }) })
    this.#raise(turn ?? derivedTurn(key), taken.messageCount)
    this.#expiries.push({ key, atMs: nowMs - this.#postponedMs + limits.idKeptMs })
  }

  #highestOf(messageCount: number): Map<string, number> {
    return messageCount === 0 ? this.#highestOfPresence : this.#highestOfMessages
  }

  #raise(turn: Turn | undefined, messageCount: number): void {
    if (turn === undefined) return
    const { connectionId, msgSerial } = turn
    const highest = this.#highestOf(messageCount)
    if (msgSerial > (highest.get(connectionId) ?? -1)) highest.set(connectionId, msgSerial)
  }

  #forget(key: string): void {
    const { taken, turn = derivedTurn(key) } = this.#known.get(key) ?? {}
    this.#known.delete(key)
    this.#repeatedAtMs.delete(key)
    if (taken === undefined || turn === undefined) return
    const highest = this.#highestOf(taken.messageCount)
    if (highest.get(turn.connectionId) === turn.msgSerial) highest.delete(turn.connectionId)
  }
}

/** These fields alone: an id outlives its message, whose payload must not stay with it. */
function takenOf({ timestamp, counter, messageCount, bornIn }: Taken): Taken {
  const taken = { timestamp, counter, messageCount }
  return bornIn === undefined ? taken : { ...taken, bornIn }
}

/** Of an id that the client chose. */
function chosenTurn({ idSpace, connectionId, msgSerial }: Op): Turn | undefined {
  const isChosen = idSpace === 'client' && connectionId !== undefined && msgSerial !== undefined
  return isChosen ? { connectionId, msgSerial } : undefined
}

function isSameTurn(one: Turn | undefined, other: Turn | undefined): boolean {
  return one !== undefined && one.connectionId === other?.connectionId &&
    one.msgSerial === other.msgSerial
}

/** Of an id that was derived from a connection. */
function derivedTurn(key: string): Turn | undefined {
  if (key.startsWith('~') || key.startsWith('!')) return undefined
  const colon = key.lastIndexOf(':')
  return { connectionId: key.slice(0, colon), msgSerial: Number(key.slice(colon + 1)) }
}

function keyOf(op: Op): string {
  if (op.idSpace === 'connection') return op.id
  return op.idSpace === 'client' ? `~${op.id}` : `!${op.id}`
}
