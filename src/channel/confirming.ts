/**
 * Messages that a master must not answer yet (rule 11): before its claim, or when the last append
 * that the log accepted from it is too old to show that it is still the master. A few are kept, one
 * per question, until the log has taken something of ours again.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { LogWriter } from '../log/writer.ts'
import { isCensusMessage } from '../peer/census-message.ts'
import type { Backfill, Part, ToMaster } from '../peer/message.ts'
import { isSamePlace, type Place, placeKey } from '../peer/place.ts'
import type { Ask, Question } from '../peer/question-message.ts'
import type { RelayPart } from '../peer/relay-message.ts'

interface Held {
  readonly from: Place
  readonly message: ToMaster
  /** An append with at least this counter must be accepted; undefined: any recent one will do. */
  readonly counter: number | undefined
}

export class Confirming {
  readonly #onDropped: (from: Place, message: Backfill) => void
  readonly #held = new Map<string, Held>()
  /** Proven by an append of ours that began after they came. */
  readonly #proven = new Set<ToMaster>()

  /** `onDropped`: there is no room, and nobody would ask again of himself. */
  constructor(onDropped: (from: Place, message: Backfill) => void) {
    this.#onDropped = onDropped
  }

  get size(): number {
    return this.#held.size
  }

  *sizes(): Generator<Size> {
    yield ['confirmingMax', this.#held.size]
    yield ['confirmingMax', this.#proven.size]
  }

  /** Keeps what comes before the claim, but for what only who has joined may say. */
  holdUntilClaimed(from: Place, message: ToMaster): void {
    if (isPart(message)) this.#onPart(from, message)
    else if (message.kind !== 'publish' && !isCensusMessage(message)) {
      this.#hold(from, message, undefined)
    }
  }

  /** True if it asks for what only the master may say, and we may not be it: it is kept. */
  mustWait(from: Place, message: ToMaster, writer: LogWriter, nowMs: number): boolean {
    if (isPart(message)) this.#onPart(from, message)
    if (message.kind === 'ask' && isExact(message.question)) {
      return this.#holdReader(from, message, writer)
    }
    if (!needsMaster(message) || isRecent(writer, nowMs)) return false
    this.#hold(from, message, undefined)
    return true
  }

  /** Keeps the message until an append that begins after it; false if there was one by now. */
  holdUntilNext(from: Place, message: ToMaster, writer: LogWriter): boolean {
    if (this.#proven.delete(message)) return false
    this.#hold(from, message, writer.nextCounter)
    return true
  }

  /**
   * True if it was held as impossible until an append that began after it, which was accepted. It
   * is so still, even if the log has come as far meanwhile: one that was rolled back gives entries
   * and, in the same view, epochs out again.
   */
  isProven(message: ToMaster): boolean {
    return this.#proven.has(message)
  }

  /** Who has left does not wait to be let in: nobody would ever say again that it is gone. */
  #onPart(from: Place, { kind, channel }: Part | RelayPart): void {
    this.#held.delete(keyOf(from, kind === 'part' ? 'join' : 'relayJoin', channel))
  }

  /**
   * Who reads history, or must know for certain who is present, waits for an append that begins
   * after he asked: a recent one is not enough. While the mesh is split a former master may write
   * until the moment in which it is deposed, and what the next one has acknowledged since would be
   * missing (docs/decisions/0009).
   */
  #holdReader(from: Place, ask: Ask, writer: LogWriter): boolean {
    // Asked again, he waits no longer for that.
    if (this.#held.has(keyOf(from, ask.kind, ask.channel, ask.askNo))) return true
    return this.holdUntilNext(from, ask, writer)
  }

  /** What can be answered now; it is kept no longer. */
  takeReady(writer: LogWriter, nowMs: number): Held[] {
    if (this.#held.size === 0 || !isRecent(writer, nowMs)) return []
    const ready: Held[] = []
    for (const [key, held] of this.#held) {
      if (held.counter !== undefined && held.counter > writer.confirmedCounter) continue
      this.#held.delete(key)
      if (held.counter !== undefined) this.#proven.add(held.message)
      ready.push(held)
    }
    return ready
  }

  takeAll(): Held[] {
    const all = [...this.#held.values()]
    this.clear()
    return all
  }

  /** Forgets the messages of places that are gone. */
  forget(isGone: (place: Place) => boolean): void {
    for (const [key, { from }] of this.#held) if (isGone(from)) this.#held.delete(key)
  }

  /** A link was reset: who lives Joins again, and nobody may say any more that the others left. */
  forgetJoins(place: Place): void {
    for (const [key, { from, message }] of this.#held) {
      const isJoin = message.kind === 'join' || message.kind === 'relayJoin'
      if (isJoin && isSamePlace(from, place)) this.#held.delete(key)
    }
  }

  clear(): void {
    this.#held.clear()
    this.#proven.clear()
  }

  #hold(from: Place, message: ToMaster, counter: number | undefined): void {
    const no = message.kind === 'backfill' ? message.requestNo
      : message.kind === 'ask' ? message.askNo
        : message.kind === 'relayAsk' ? message.askId : 0
    const key = keyOf(from, message.kind, message.channel, no)
    if (this.#held.has(key) || this.#held.size < limits.confirmingMax) {
      this.#held.set(key, { from, message, counter })
    } else if (message.kind === 'backfill') this.#onDropped(from, message)
  }
}

function isExact(question: Question): boolean {
  return question.kind === 'history' || (question.kind === 'presence' && question.isExact)
}

const MASTERS_ONLY: readonly ToMaster['kind'][] = ['backfill', 'ask', 'relayJoin', 'relayAsk']

/**
 * True for what only the master may answer. Who joins to publish something new learns by an append
 * whether this is one; but what was sent before may be committed by another one, and would be
 * refused here without any (docs/decisions/0020).
 */
function needsMaster(message: ToMaster): boolean {
  if (message.kind !== 'join') return MASTERS_ONLY.includes(message.kind)
  return message.wantsDeliveries || message.from !== undefined || message.hasUnanswered === true
}

/** True for what a client says of where it stands: it may say anything. */
export function isWordOfClient({ kind }: ToMaster): boolean {
  return kind === 'backfill' || kind === 'relayAsk'
}

function isPart(message: ToMaster): message is Part | RelayPart {
  return message.kind === 'part' || message.kind === 'relayPart'
}

/** True if the log has accepted an append so lately that its writer surely is still the master. */
export function isRecent(writer: LogWriter, nowMs: number): boolean {
  return nowMs - writer.confirmedAtMs <= limits.confirmedMs
}

/** A question asked again takes the place of the first. */
function keyOf(
  from: Place, kind: ToMaster['kind'], channel: string, no: number | string = 0
): string {
  return `${kind} ${no} ${placeKey(from)} ${channel}`
}
