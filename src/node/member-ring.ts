/**
 * A node's dealings with the RealtimeRing object: at most one read or write under way, failures
 * tried again with growing, jittered pauses, and a memory of what the object surely holds.
 *
 * A write is confirmed by its answer, or after an unknown one by a read that finds exactly the
 * view that was written. Nothing else is ever announced (rule 7). An unknown write may still
 * happen after a read that did not find it, when nobody wants it any more: so the object is read
 * again, less and less often, for as long as a write can take. If one follows first, it expects
 * the same resourceVersion and is a conflict, and the read after that finds the other.
 */

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import type { Timing } from '../ring/timing.ts'
import { digestOf, type View } from '../ring/view.ts'
import type { MemberOutbox, RingReading, RingWriting } from './member-ports.ts'

/** What an answer about the ring means. */
export type RingNews =
  /** The object holds `view`, or none yet; `isOurs` if this node's write put it there. */
  | {
    readonly kind: 'holds'
    readonly view: View | undefined
    readonly partitionCount: number | undefined
    readonly isOurs: boolean
  }
  | { readonly kind: 'trouble'; readonly reason: string }
  /** An answer that says nothing by itself: a read follows. */
  | { readonly kind: 'open' }

interface Stored {
  readonly resourceVersion: string | undefined
  readonly view: View | undefined
  /** When the read or write that told began. */
  readonly asOfMs: number
}

/** A view whose write had no clear answer. */
interface Doubt {
  readonly view: View
  /** It has happened by then, or never does. */
  readonly untilMs: number
  /** Until the next look. */
  pauseMs: number
}

type Operation =
  | { readonly kind: 'idle' }
  | { readonly kind: 'reading'; readonly ticket: number; readonly sinceMs: number }
  | { readonly kind: 'writing'; readonly ticket: number; readonly view: View }

export class RingDesk {
  readonly #timing: Timing
  readonly #random: Random
  readonly #outbox: MemberOutbox
  #operation: Operation = { kind: 'idle' }
  #stored: Stored | undefined
  /** Of the last write that had no clear answer. */
  #doubt: Doubt | undefined
  #readAtMs = 0
  #retryAtMs = 0
  #failureCount = 0
  #ticket = 0

  constructor(timing: Timing, random: Random, outbox: MemberOutbox) {
    this.#timing = timing
    this.#random = random
    this.#outbox = outbox
  }

  /** Asks for a read as soon as may be. */
  wantRead(): void {
    this.#readAtMs = 0
  }

  /** Believes nothing any more: a read must come before the next write. */
  forget(): void {
    this.#stored = undefined
    this.wantRead()
  }

  get isIdle(): boolean {
    return this.#operation.kind === 'idle'
  }

  /** The version that the object is known to hold; 0 for none. */
  get storedVersion(): number {
    return this.#stored?.view?.version ?? 0
  }

  /** True if the object surely held `view` when last seen, so that a write can follow on it. */
  holds(view: View): boolean {
    return this.#stored !== undefined && this.storedVersion === view.version
  }

  /**
   * True if a read that began after `sinceMs` found an older view than `view`, which was adopted
   * then: the object was restored or made anew, and must be written again (scenario H3).
   */
  isOlderThan(view: View, sinceMs: number): boolean {
    return this.#stored !== undefined && this.#stored.asOfMs > sinceMs &&
      this.storedVersion < view.version
  }

  /** Starts what is due. */
  step(nowMs: number): void {
    if (!this.isIdle || nowMs < Math.max(this.#readAtMs, this.#retryAtMs)) return
    this.#operation = { kind: 'reading', ticket: ++this.#ticket, sinceMs: nowMs }
    this.#outbox.push({ kind: 'readRing', ticket: this.#ticket })
  }

  /** May a write start now? */
  canWrite(nowMs: number): boolean {
    return this.isIdle && this.#stored !== undefined && nowMs >= this.#retryAtMs
  }

  /** Writes `view` in the place of what is stored; `canWrite` must hold. */
  write(view: View): void {
    assert(this.isIdle && this.#stored !== undefined, 'a write follows on what is known')
    assert(view.version > this.storedVersion, 'versions never go back')
    this.#operation = { kind: 'writing', ticket: ++this.#ticket, view }
    const expected = this.#stored.resourceVersion
    this.#outbox.push({ kind: 'writeRing', ticket: this.#ticket, expected, view })
  }

  /** The answer to a read; undefined if nobody waits for it. */
  onRead(ticket: number, reading: RingReading, nowMs: number): RingNews | undefined {
    const operation = this.#operation
    if (operation.kind !== 'reading' || operation.ticket !== ticket) return undefined
    this.#operation = { kind: 'idle' }
    const asOfMs = operation.sinceMs
    switch (reading.outcome) {
      case 'failed':
        return this.#onTrouble(reading.reason, nowMs)
      case 'malformed': {
        // Whoever still holds a view writes it again; without one, this is for a person to mend.
        const { resourceVersion, reason } = reading
        this.#stored = { resourceVersion, view: undefined, asOfMs }
        return this.#onTrouble(`the ring's status is malformed: ${reason}`, nowMs)
      }
      case 'absent':
        this.#stored = { resourceVersion: undefined, view: undefined, asOfMs }
        this.#onSuccess(nowMs)
        return { kind: 'holds', view: undefined, partitionCount: undefined, isOurs: false }
      case 'found': {
        const { resourceVersion, partitionCount, view } = reading.stored
        this.#stored = { resourceVersion, view, asOfMs }
        this.#onSuccess(nowMs)
        return { kind: 'holds', view, partitionCount, isOurs: this.#settleDoubt(view, nowMs) }
      }
    }
  }

  /** The answer to a write; undefined if nobody waits for it. */
  onWritten(ticket: number, writing: RingWriting, nowMs: number): RingNews | undefined {
    const operation = this.#operation
    if (operation.kind !== 'writing' || operation.ticket !== ticket) return undefined
    this.#operation = { kind: 'idle' }
    const { view } = operation
    switch (writing.outcome) {
      case 'written':
        this.#doubt = undefined
        this.#stored = { resourceVersion: writing.resourceVersion, view, asOfMs: nowMs }
        this.#onSuccess(nowMs)
        return { kind: 'holds', view, partitionCount: view.partitionCount, isOurs: true }
      case 'conflict':
        this.forget()
        return { kind: 'open' }
      case 'unknown': {
        const { ringDoubtMs, ringRetryMs: pauseMs } = this.#timing
        this.#doubt = { view, untilMs: nowMs + ringDoubtMs, pauseMs }
        this.forget()
        return this.#onTrouble(`the ring was perhaps not written: ${writing.reason}`, nowMs)
      }
      case 'refused':
        this.forget()
        return this.#onTrouble(`the ring was not written: ${writing.reason}`, nowMs)
    }
  }

  /** When `step` will have something to do, or Infinity. */
  nextDeadlineMs(): number {
    return this.isIdle ? Math.max(this.#readAtMs, this.#retryAtMs) : Infinity
  }

  #onSuccess(nowMs: number): void {
    this.#failureCount = 0
    this.#readAtMs = nowMs + this.#random.jitter(this.#timing.ringRefreshMs, 0.2)
  }

  /** True if the view in doubt is the one that was found. */
  #settleDoubt(view: View | undefined, nowMs: number): boolean {
    const doubt = this.#doubt
    if (doubt === undefined) return false
    const isOver = nowMs >= doubt.untilMs || (view?.version ?? 0) >= doubt.view.version
    if (isOver) {
      this.#doubt = undefined
    } else {
      this.#readAtMs = nowMs + this.#random.jitter(doubt.pauseMs)
      doubt.pauseMs = Math.min(2 * doubt.pauseMs, this.#timing.ringRetryMaxMs)
    }
    return view !== undefined && digestOf(doubt.view) === digestOf(view)
  }

  #onTrouble(reason: string, nowMs: number): RingNews {
    const { ringRetryMs, ringRetryMaxMs } = this.#timing
    const pauseMs = Math.min(ringRetryMaxMs, ringRetryMs * 2 ** Math.min(this.#failureCount, 16))
    this.#failureCount++
    this.#retryAtMs = nowMs + this.#random.jitter(pauseMs)
    this.wantRead()
    return { kind: 'trouble', reason }
  }
}
