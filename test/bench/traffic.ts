/**
 * One server under load: subscribers in one process, publishers in another, both connected once
 * and used for any number of measures.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Template, publisherOf, publishTemplate, relayTemplate, subscriberOf }
  from './dialect.ts'
import { Latencies } from './latencies.ts'
import type { Seen, SocketPlan } from './load-messages.ts'
import { LoadProcess, Server, type ServerKind } from './processes.ts'

const CONCURRENCY = 32
const ARRIVAL_MS = 25_000
const LOOK_MS = 50
/** A server that needs so much longer than the publishing took did not keep up. */
const LATE_SHARE = 1.15

/** Who talks to whom. */
export interface Shape {
  readonly channelCount: number
  readonly subscribersPerChannel: number
  /** Every second subscriber speaks MessagePack. */
  readonly mixesFormats?: boolean
}

export interface Measure {
  /** Publishes a second that were offered, all channels together. */
  readonly offeredPerSecond: number
  readonly expectedCount: number
  readonly deliveredCount: number
  readonly cpuSeconds: number
  /** From the first publish to the last delivery. */
  readonly elapsedSeconds: number
  /** True when deliveries went on well after publishing had ended. */
  readonly isSaturated: boolean
  readonly p50Ms: number
  readonly p99Ms: number
  readonly meanFrameBytes: number
  readonly lost: readonly string[]
}

export class Traffic {
  readonly server: Server
  readonly #shape: Shape
  readonly #subscribers = new LoadProcess()
  readonly #publishers = new LoadProcess()
  #templates: readonly Template[]

  private constructor(server: Server, shape: Shape, templates: readonly Template[]) {
    this.server = server
    this.#shape = shape
    this.#templates = templates
  }

  /**
   * Starts a server of this kind and connects everybody. `samples`: frames that the bare server is
   * to pass on, by channel.
   */
  static async start(
    kind: ServerKind, shape: Shape, samples: readonly string[], counts = false
  ): Promise<Traffic> {
    const server = await Server.start(kind, counts)
    const channels = Array.from({ length: shape.channelCount }, (_, index) => `bench-${index}`)
    const templates = server.isBare ? samples.map(relayTemplate) : channels.map(publishTemplate)
    const traffic = new Traffic(server, shape, templates)
    try {
      await traffic.#connect(channels)
      return traffic
    } catch (error) {
      await traffic.end()
      throw error
    }
  }

  /** Publishes at this pace for so long, and waits until everything has come, or for a bound. */
  async measure(perSecond: number, seconds: number): Promise<Measure> {
    const count = Math.round(perSecond * seconds)
    const expectedCount = count * this.#shape.subscribersPerChannel
    const templates = this.#templates
    await this.#subscribers.perform({ kind: 'watch' })
    const cpuBefore = await this.server.cpuSeconds()
    const plan = { perSecond, count, templates }
    const startedAtMicros = await this.#publishers.perform({ kind: 'publish', plan })
    const seen = await this.#arrived(expectedCount)
    const cpuSeconds = (await this.server.cpuSeconds()) - cpuBefore
    const elapsedSeconds = (seen.lastAtMicros - startedAtMicros) / 1e6
    const latencies = new Latencies(seen.latencyCounts)
    return {
      offeredPerSecond: perSecond,
      expectedCount,
      deliveredCount: seen.messages,
      cpuSeconds,
      elapsedSeconds,
      isSaturated: elapsedSeconds > seconds * LATE_SHARE,
      p50Ms: latencies.quantileMs(0.5),
      p99Ms: latencies.quantileMs(0.99),
      meanFrameBytes: seen.bytes / seen.messages,
      lost: seen.lost
    }
  }

  /** A message as a subscriber got it. */
  async sample(): Promise<string> {
    return (await this.#subscribers.seen()).sample
  }

  async end(): Promise<void> {
    await Promise.all([this.#publishers.end(), this.#subscribers.end(), this.server.end()])
  }

  async #connect(channels: readonly string[]): Promise<void> {
    const { subscribersPerChannel, mixesFormats } = this.#shape
    const subscribers: SocketPlan[] = []
    for (const channel of channels) {
      for (let index = 0; index < subscribersPerChannel; index++) {
        const format = mixesFormats === true && index % 2 === 1 ? 'msgpack' : 'json'
        subscribers.push(subscriberOf(this.server, channel, format))
      }
    }
    const publishers = channels.map((channel) => publisherOf(this.server, channel))
    const { port } = this.server
    const open = { kind: 'open', port, concurrency: CONCURRENCY } as const
    await this.#subscribers.perform({ ...open, sockets: subscribers })
    await this.#publishers.perform({ ...open, sockets: publishers })
  }

  async #arrived(expectedCount: number): Promise<Seen> {
    const boundMs = performance.now() + ARRIVAL_MS
    for (;;) {
      const seen = await this.#subscribers.seen()
      if (seen.messages >= expectedCount || performance.now() > boundMs) return seen
      await delay(LOOK_MS)
    }
  }
}
