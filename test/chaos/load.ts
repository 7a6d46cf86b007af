/**
 * Constant publishing through clients of the published SDK: publishers and subscribers at home on
 * every node, each publisher on all channels in turn, each subscriber attached to all of them.
 * Every message carries who published it and its number. Some channels are persisted: at the end
 * their history is read too.
 */

import type * as Ably from 'ably'
import type { AblyOptions, Closing } from '../support/ably-clients.ts'
import type { Gauge } from './gauge.ts'
import type { Ledger, Sent, Shown } from './ledger.ts'
import { until } from './patience.ts'

const CHANNEL_COUNT = 60
/** One channel of so many is persisted. */
const KEPT_EVERY = 10
/** The namespace of these; a region's app must have it. */
export const KEPT_NAMESPACE = { id: 'kept', persisted: true }
/** What is asked of history at once. */
const PAGE = 1_000
/** Of all publishers together: three on every channel. */
const PUBLISHES_PER_SECOND = 180
const TICK_MS = 20
const SURGE_PER_CHANNEL = 3
/** A publisher that waits for more answers than this rests. */
const UNANSWERED_MAX = 5_000
/** Numbers of one publisher. */
const NUMBERS = 10_000_000
/** A late repeat would come within this after all is there. */
const QUIET_MS = 3_000

/** Where the clients go: nodes, by number. */
export interface Site {
  /** The nodes that clients are at home on. */
  readonly indexes: readonly number[]
  /** The host that clients know node `index` by. */
  hostOf(index: number): string
  /** A client whose first host is that of node `index`; it can reach others too. */
  client(t: Closing, index: number, options: AblyOptions): Ably.Realtime
}

/** A client and where it is connected. */
export class Seat {
  readonly name: string
  readonly client: Ably.Realtime
  /** Since when it has been connected, undisturbed, to a node that nobody harms. */
  cleanSinceMs = Infinity

  constructor(name: string, client: Ably.Realtime, ledger: Ledger, gauge: Gauge) {
    this.name = name
    this.client = client
    client.connection.on(({ current }) => {
      if (current === 'connected') {
        ledger.connected(name, client.connection.id ?? '')
        gauge.cleared(this)
      } else {
        this.cleanSinceMs = Infinity
        if (current === 'disconnected') gauge.dropped()
      }
    })
    gauge.seats.push(this)
  }

  /** The host that its transport is connected to. */
  get host(): string {
    return this.#manager.activeProtocol?.transport.params.host ?? ''
  }

  /** Lets go of its socket; the client goes on at its first host. */
  cut(): void {
    this.#manager.disconnectAllTransports()
  }

  get #manager() {
    // The SDK's types leave out what its own tests use.
    return (this.client.connection as unknown as {
      connectionManager: {
        activeProtocol?: { transport: { params: { host: string } } }
        disconnectAllTransports(): void
      }
    }).connectionManager
  }
}

export class Load {
  readonly channels: readonly string[]
  readonly #region: Site
  readonly #ledger: Ledger
  readonly #gauge: Gauge
  readonly #publishers: Publisher[] = []
  readonly #subscribers: Seat[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(region: Site, ledger: Ledger, gauge: Gauge) {
    this.channels = Array.from({ length: CHANNEL_COUNT }, (_, index) => nameOf(index))
    this.#region = region
    this.#ledger = ledger
    this.#gauge = gauge
  }

  /** Everybody connects and attaches; then publishing begins. */
  async start(t: Closing): Promise<void> {
    const formats = (index: number) => ({ useBinaryProtocol: index % 2 === 0 })
    for (const index of this.#region.indexes) {
      const publishing = this.#region.client(t, index, formats(index))
      const subscribing = this.#region.client(t, index, formats(index + 1))
      const publisher = new Seat(`publisher ${index}`, publishing, this.#ledger, this.#gauge)
      this.#publishers.push(new Publisher(publisher, index, this.channels, {
        ledger: this.#ledger, gauge: this.#gauge
      }))
      this.#subscribers.push(
        new Seat(`subscriber ${index}`, subscribing, this.#ledger, this.#gauge)
      )
    }
    await Promise.all(this.#subscribers.map((seat) => this.#subscribe(seat)))
    t.teardown(() => this.pause())
    this.go()
  }

  go(): void {
    const perTick = PUBLISHES_PER_SECOND * TICK_MS / 1_000 / this.#publishers.length
    this.#timer ??= setInterval(() => {
      for (const publisher of this.#publishers) publisher.publish(perTick)
    }, TICK_MS)
  }

  /** Much at once, on every channel. */
  surge(): void {
    const each = SURGE_PER_CHANNEL * CHANNEL_COUNT / this.#publishers.length
    for (const publisher of this.#publishers) publisher.publish(each)
  }

  pause(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Whoever was driven from its first node goes back there, publishing all the while. */
  async goHome(): Promise<void> {
    for (const [index, { seat }] of this.#publishers.entries()) {
      for (const each of [seat, this.#subscribers[index]!]) {
        if (each.host !== this.#region.hostOf(index)) each.cut()
      }
    }
    await this.#untilSettled()
  }

  /** The clients of node `index` let go of their sockets, and go to their first hosts again. */
  reconnect(index: number): void {
    const at = this.#region.indexes.indexOf(index)
    this.#publishers[at]!.seat.cut()
    this.#subscribers[at]!.cut()
  }

  /** Waits until all are connected, and all subscribers attached. */
  async settle(): Promise<void> {
    await this.#untilSettled()
  }

  /** Publishing ends; all that was acknowledged must arrive, and stand in history. */
  async calm(): Promise<void> {
    this.pause()
    this.#ledger.during = 'calm'
    await this.#untilAnswered()
    await this.#untilSettled()
    for (const { name } of this.#subscribers) {
      await until(`${name} has all`, () => this.#ledger.hasAll(name))
    }
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    for (const name of this.channels.filter(isKept)) await this.#recall(name)
  }

  /** Reads the whole history of a channel. */
  async #recall(name: string): Promise<void> {
    const channel = this.#subscribers[0]!.client.channels.get(name)
    const all: Shown[] = []
    let page: Ably.PaginatedResult<Ably.InboundMessage> | null =
      await channel.history({ direction: 'forwards', limit: PAGE })
    while (page !== null) {
      all.push(...page.items.map(shownOf))
      page = page.hasNext() ? await page.next() : null
    }
    this.#ledger.remembered(name, all)
  }

  async #untilAnswered(): Promise<void> {
    await until('every publish is answered', () => this.#ledger.unansweredCount === 0,
      () => `(${this.#ledger.unansweredCount} are not)`)
  }

  async #untilSettled(): Promise<void> {
    const isSettled = (seat: Seat): boolean => seat.client.connection.state === 'connected' &&
      this.channels.every((name) => seat.client.channels.get(name).state === 'attached')
    await until('all subscribers are attached', () => this.#subscribers.every(isSettled))
    await until('all publishers are connected', () => this.#publishers.every(({ seat }) =>
      seat.client.connection.state === 'connected'))
  }

  async #subscribe(seat: Seat): Promise<void> {
    await Promise.all(this.channels.map(async (name) => {
      const channel = seat.client.channels.get(name)
      channel.on('attached', ({ resumed, reason }) => {
        this.#ledger.attached(seat.name, name, resumed, wordsOf(reason))
      })
      channel.on('update', ({ resumed, reason }) => {
        if (!resumed) this.#ledger.continuityLost(seat.name, name, `UPDATE (${wordsOf(reason)})`)
      })
      channel.on(['suspended', 'detached', 'failed'], ({ current, reason }) => {
        this.#ledger.continuityLost(seat.name, name, `${current} (${wordsOf(reason)})`)
      })
      await channel.subscribe((message) => this.#onMessage(seat, name, message))
    }))
  }

  #onMessage(seat: Seat, channel: string, message: Ably.InboundMessage): void {
    const atMs = performance.now()
    const sent = this.#ledger.delivered(seat.name, channel, shownOf(message))
    if (sent !== undefined) this.#gauge.delivered(sent, seat, atMs)
  }
}

class Publisher {
  readonly seat: Seat
  readonly #index: number
  readonly #channels: readonly string[]
  readonly #ledger: Ledger
  readonly #gauge: Gauge
  #number = 0
  #owed = 0
  #unansweredCount = 0

  constructor(
    seat: Seat, index: number, channels: readonly string[],
    { ledger, gauge }: { ledger: Ledger; gauge: Gauge }
  ) {
    this.seat = seat
    this.#index = index
    this.#channels = channels
    this.#ledger = ledger
    this.#gauge = gauge
  }

  publish(count: number): void {
    this.#owed += count
    for (; this.#owed >= 1; this.#owed--) {
      if (this.#unansweredCount < UNANSWERED_MAX) void this.#publishOne()
    }
  }

  async #publishOne(): Promise<void> {
    // Publishers begin at different channels, so that a channel's publishes are spread in time.
    const start = this.#index * 23
    const number = this.#number++
    const channel = this.#channels[(start + number) % this.#channels.length]!
    const key = (this.#index + 1) * NUMBERS + number
    const sent: Sent = this.#ledger.sent(key, channel, this.seat.name, performance.now())
    this.#gauge.sent(sent, this.seat)
    this.#unansweredCount++
    try {
      const { serials } = await this.seat.client.channels.get(channel).publish('n', String(key))
      const atMs = performance.now()
      this.#ledger.acknowledged(sent, serials[0] ?? undefined, atMs)
      this.#gauge.acknowledged(sent, atMs)
    } catch (error) {
      this.#ledger.refused(sent, wordsOf(error as Ably.ErrorInfo))
    } finally {
      this.#unansweredCount--
    }
  }
}

function nameOf(index: number): string {
  return index % KEPT_EVERY === 0 ? `${KEPT_NAMESPACE.id}:chaos-${index}` : `chaos-${index}`
}

function isKept(name: string): boolean {
  return name.startsWith(`${KEPT_NAMESPACE.id}:`)
}

function shownOf({ id, serial, data }: Ably.InboundMessage): Shown {
  return { key: Number(data), id: id ?? '', serial: serial ?? '' }
}

function wordsOf(reason: Ably.ErrorInfo | null | undefined): string {
  return reason === null || reason === undefined ? 'no reason' : `${reason.code} ${reason.message}`
}
