/**
 * How long things took while a fault was under way, channel by channel: until a channel whose
 * master died acknowledged something new, and the longest way from a publish to its delivery.
 * Only ways between clients whose own node nobody harmed count: others show the client's pause.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Sent } from './ledger.ts'
import type { Seat } from './load.ts'

/** One way from a publish to its delivery. */
export interface Way {
  readonly sentAtMs: number
  readonly ms: number
}

/** What was measured from one moment to another. */
export class Window {
  readonly name: string
  readonly startMs = performance.now()
  /** The first acknowledgement of what was sent after the start, by channel, in ms after it. */
  readonly firstAckMs = new Map<string, number>()
  /** When the newest of what a channel acknowledged was sent. */
  readonly ackedSentAtMs = new Map<string, number>()
  /** The longest way from a publish to its acknowledgement, by channel, whoever published. */
  readonly longestAckMs = new Map<string, number>()
  /** The same, of publishers whose own node nobody harmed. */
  readonly longestCleanAckMs = new Map<string, number>()
  /** The longest way from a publish to its delivery, by channel. */
  readonly longestMs = new Map<string, number>()
  /** Every such way, by channel. */
  readonly ways = new Map<string, Way[]>()
  endMs = Infinity
  /** Connections that clients lost. */
  dropCount = 0
  /** How long this process itself stood still at most: no figure is better than that. */
  ownLagMs = 0

  constructor(name: string) {
    this.name = name
  }
}

export class Gauge {
  readonly seats: Seat[] = []
  readonly #publisherOf = new WeakMap<Sent, Seat>()
  readonly #harmed = new Set<string>()
  readonly #lag = monitorEventLoopDelay({ resolution: 5 })
  #window: Window | undefined

  constructor() {
    this.#lag.enable()
  }

  get window(): Window | undefined {
    return this.#window
  }

  open(name: string): Window {
    this.close()
    this.#lag.reset()
    return this.#window = new Window(name)
  }

  close(): void {
    const window = this.#window
    this.#window = undefined
    if (window === undefined) return
    window.endMs = performance.now()
    window.ownLagMs = this.#lag.max / 1e6
  }

  /** Something is about to be done to the node at `host`. */
  harm(host: string): void {
    this.#harmed.add(host)
    for (const seat of this.seats) if (seat.host === host) seat.cleanSinceMs = Infinity
  }

  heal(host: string): void {
    this.#harmed.delete(host)
    for (const seat of this.seats) if (seat.host === host) this.cleared(seat)
  }

  /** The client is connected, or its node left alone. */
  cleared(seat: Seat): void {
    const isConnected = seat.client.connection.state === 'connected'
    if (isConnected && !this.#harmed.has(seat.host)) seat.cleanSinceMs = performance.now()
  }

  dropped(): void {
    if (this.#window !== undefined) this.#window.dropCount++
  }

  sent(sent: Sent, publisher: Seat): void {
    this.#publisherOf.set(sent, publisher)
  }

  acknowledged(sent: Sent, atMs: number): void {
    const window = this.#window
    if (window === undefined) return
    const { channel, sentAtMs } = sent
    raise(window.longestAckMs, channel, atMs - sentAtMs)
    if (this.#cleanSinceMs(sent) <= sentAtMs) {
      raise(window.longestCleanAckMs, channel, atMs - sentAtMs)
    }
    if (sentAtMs < window.startMs) return
    window.ackedSentAtMs.set(channel, sentAtMs)
    if (!window.firstAckMs.has(channel)) window.firstAckMs.set(channel, atMs - window.startMs)
  }

  delivered(sent: Sent, subscriber: Seat, atMs: number): void {
    const window = this.#window
    const cleanSinceMs = Math.max(this.#cleanSinceMs(sent), subscriber.cleanSinceMs)
    if (window === undefined || cleanSinceMs > sent.sentAtMs) return
    const { channel, sentAtMs } = sent
    raise(window.longestMs, channel, atMs - sentAtMs)
    const ways = window.ways.get(channel) ?? []
    window.ways.set(channel, ways)
    ways.push({ sentAtMs, ms: atMs - sentAtMs })
  }

  /** Since when its publisher's node was left alone. */
  #cleanSinceMs(sent: Sent): number {
    return this.#publisherOf.get(sent)?.cleanSinceMs ?? Infinity
  }
}

function raise(longest: Map<string, number>, channel: string, ms: number): void {
  longest.set(channel, Math.max(ms, longest.get(channel) ?? 0))
}
