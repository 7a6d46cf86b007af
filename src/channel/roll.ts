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

export class Roll {
  readonly #call: PeerMessage
  readonly #ports: RollPorts
  readonly #onClosed: () => void
  readonly #answered = new Set<string>()
  readonly #untilMs: number
  #deadline: Deadline | undefined
  #isOpen = true

  constructor(partition: number, epoch: number, ports: RollPorts, onClosed: () => void) {
    this.#call = { kind: 'rollCalled', partition, epoch }
    this.#ports = ports
    this.#onClosed = onClosed
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

  #close(): void {
    this.stop()
    this.#onClosed()
  }
}
