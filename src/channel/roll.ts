/**
 * The roll of a partition: after a new lineage nobody knows who is present until the nodes have
 * said whose members live there. Every node of the view is asked for all its channels of this
 * partition; until each has answered, or the time is up, SYNC is held (rule 21). A question may be
 * lost: it is asked again.
 */

import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { PeerMessage } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'

/** What a roll needs from its partition's master. */
export interface RollPorts {
  readonly deadlines: Deadlines
  now(): Now
  /** Where the nodes of the view have their parts of this partition. */
  homes(): readonly Place[]
  send(place: Place, message: PeerMessage): void
}

/** Whose roll it is. */
export interface RollOwner {
  /** The last entry that was decided, and the last one that is in the log. */
  decidedEntry(): number
  committedEntry(): number
  /** Who is present is known from now on, and stands in the log. */
  onClosed(): void
}

export class Roll {
  readonly #call: PeerMessage
  readonly #ports: RollPorts
  readonly #owner: RollOwner
  readonly #answered = new Set<string>()
  readonly #untilMs: number
  #deadline: Deadline | undefined
  #isOpen = true
  /** Everybody has declared; what that has led to is in the log with this entry. */
  #lastEntry: number | undefined

  constructor(partition: number, epoch: number, ports: RollPorts, owner: RollOwner) {
    this.#call = { kind: 'rollCalled', partition, epoch }
    this.#ports = ports
    this.#owner = owner
    this.#untilMs = ports.now().monoMs + limits.rollMs
    if (this.#awaited().length > 0) this.#ask()
    else this.#isOpen = false
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  onAnswered(place: Place): void {
    this.#answered.add(placeKey(place))
    this.onPlaces()
  }

  /** The view may have changed: only who is in it is waited for. */
  onPlaces(): void {
    if (this.#isOpen && this.#awaited().length === 0) this.#close()
  }

  /** Something is in the log. */
  onCommitted(): void {
    if (!this.#isOpen || this.#lastEntry === undefined) return
    if (this.#owner.committedEntry() < this.#lastEntry) return
    this.stop()
    this.#owner.onClosed()
  }

  /** Ends it without a word. */
  stop(): void {
    this.#isOpen = false
    this.#ports.deadlines.cancel(this.#deadline)
  }

  #awaited(): Place[] {
    return this.#ports.homes().filter((place) => !this.#answered.has(placeKey(place)))
  }

  #ask(): void {
    for (const place of this.#awaited()) this.#ports.send(place, this.#call)
    const atMs = Math.min(this.#ports.now().monoMs + limits.rollRetryMs, this.#untilMs)
    this.#deadline = this.#ports.deadlines.at(atMs, (nowMs) => {
      if (nowMs < this.#untilMs && this.#awaited().length > 0) this.#ask()
      else this.#close()
    })
  }

  /** What is shown stands in the log, so the set is whole when all that was declared does. */
  #close(): void {
    this.#ports.deadlines.cancel(this.#deadline)
    this.#lastEntry ??= this.#owner.decidedEntry()
    this.onCommitted()
  }
}
