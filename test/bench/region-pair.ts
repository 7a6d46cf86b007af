/**
 * Two regions of one worker each, with their NATS, relays and a way between them that takes its
 * time; and publishers and subscribers of channels that both use.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'nats'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { JetStreamStreams } from '../../src/store/jetstream-streams.ts'
import { NatsRegions } from '../support/nats-regions.ts'
import { heardOf, type LogServer, startLogServer } from './acked-socket.ts'
import { Crossing } from './crossing.ts'
import { publisherOf, publishTemplate, subscriberOf } from './dialect.ts'
import { Latencies } from './latencies.ts'
import { LinkProbe } from './link-probe.ts'
import { LoadProcess } from './processes.ts'

/** What there is in each stamp. */
const MARK = '@sent'
const NAMES = ['eu', 'us'] as const
const PLAN: LogPlan = { generation: 'g', streamCount: 4, redundancy: 1 }
const CONCURRENCY = 32
const ARRIVAL_MS = 25_000
const LOOK_MS = 50
/** Who needs so much longer than the publishing took did not keep up. */
const LATE_SHARE = 1.15

export interface PairMeasure {
  readonly publishedCount: number
  /** Heard in the other region. */
  readonly heardCount: number
  readonly isSaturated: boolean
  /** From the publish to a subscriber of the own region, and to one of the other. */
  readonly near: Latencies
  readonly far: Latencies
  /** What a bare message took meanwhile, from region to region. */
  readonly link: Latencies
  readonly crossedBytes: number
  /** How often a message has crossed. */
  readonly crossedCount: number
  /** Of the workers of both regions. */
  readonly cpuSeconds: number
}

export class RegionPair {
  readonly crossing = new Crossing(MARK)
  readonly #nats: NatsRegions
  #servers: readonly LogServer[] = []
  #probe: LinkProbe | undefined
  readonly #publishers = new LoadProcess()
  readonly #near = new LoadProcess()
  readonly #far = new LoadProcess()
  #channels: readonly string[] = []

  private constructor(nats: NatsRegions) {
    this.#nats = nats
    nats.watch((bytes, to) => this.crossing.onPass(bytes, to))
  }

  /** `roundTripMs`: of the way between the two. */
  static async start(roundTripMs: number): Promise<RegionPair> {
    const pair = new RegionPair(await NatsRegions.start(NAMES, () => roundTripMs))
    try {
      pair.#servers = await Promise.all(NAMES.map((name) => pair.#startRegion(name)))
      return pair
    } catch (error) {
      await pair.end()
      throw error
    }
  }

  /** The region in which something is done alone. */
  get first(): LogServer {
    return this.#servers[0]!
  }

  /**
   * Opens one publisher and one subscriber of each channel: one half is published in the first
   * region and heard in the second, the other half the other way round. Of the first `nearCount`
   * there is a subscriber beside the publisher, too.
   */
  async connect(channelCount: number, nearCount: number): Promise<void> {
    this.#probe = await LinkProbe.start(
      this.#nats.serverOf(NAMES[0]).url, this.#nats.serverOf(NAMES[1]).url)
    this.#channels = Array.from({ length: channelCount }, (_, no) => `pair-${no}`)
    for (const at of [0, 1]) {
      const isHere = (_: string, no: number): boolean => (no < channelCount / 2) === (at === 0)
      const here = this.#channels.filter(isHere)
      const [own, other] = [this.#servers[at]!, this.#servers[1 - at]!]
      await this.#open(this.#far, other, here, subscriberOf)
      await this.#open(this.#near, own, here.slice(0, nearCount / 2), subscriberOf)
      await this.#open(this.#publishers, own, here, publisherOf)
    }
  }

  async measure(perSecond: number, seconds: number): Promise<PairMeasure> {
    const count = Math.round(perSecond * seconds)
    const templates = this.#channels.map(publishTemplate)
    for (const load of [this.#near, this.#far]) await load.perform({ kind: 'watch' })
    this.#probe!.take()
    this.crossing.clear()
    const cpuBefore = await this.#cpuSeconds()
    const plan = { perSecond, count, templates }
    const startedAtMicros = await this.#publishers.perform({ kind: 'publish', plan })
    const boundMs = performance.now() + ARRIVAL_MS
    let far = await this.#far.seen()
    while (far.messages < count && performance.now() < boundMs) {
      await delay(LOOK_MS)
      far = await this.#far.seen()
    }
    const near = await this.#near.seen()
    const elapsedSeconds = (far.lastAtMicros - startedAtMicros) / 1e6
    return {
      publishedCount: count,
      heardCount: far.messages,
      isSaturated: far.messages < count || elapsedSeconds > seconds * LATE_SHARE,
      near: new Latencies(near.latencyCounts),
      far: new Latencies(far.latencyCounts),
      link: this.#probe!.take(),
      crossedBytes: this.crossing.bytes,
      crossedCount: this.crossing.markCount,
      cpuSeconds: await this.#cpuSeconds() - cpuBefore
    }
  }

  /** Nobody uses the channels any more, and no bare messages cross. */
  async disconnect(): Promise<void> {
    for (const load of [this.#publishers, this.#near, this.#far]) {
      await load.perform({ kind: 'close' })
    }
    await this.#probe?.end()
    this.#probe = undefined
  }

  async end(): Promise<void> {
    await this.#probe?.end()
    await Promise.all([this.#publishers, this.#near, this.#far].map((load) => load.end()))
    for (const { child } of this.#servers) child.kill('SIGKILL')
    await this.#nats.stop()
  }

  async #cpuSeconds(): Promise<number> {
    const all = await Promise.all(this.#servers.map(({ child }) => {
      const told = heardOf<{ cpuSeconds: number }>(child)
      child.send('cpu')
      return told
    }))
    return all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
  }

  async #startRegion(name: string): Promise<LogServer> {
    const { url } = this.#nats.serverOf(name)
    const nats = await connect({ servers: url })
    const problem = await new JetStreamStreams(nats, prefixOf(name)).make(PLAN)
    await nats.close()
    if (problem !== undefined) throw new Error(problem)
    const abroad = NAMES.filter((other) => other !== name)
      .map((region) => ({ region, prefix: prefixOf(region) }))
    return await startLogServer(url, prefixOf(name), PLAN, { name, abroad })
  }

  async #open(
    load: LoadProcess, { port, key }: LogServer, channels: readonly string[],
    plan: typeof publisherOf
  ): Promise<void> {
    const sockets = channels.map((channel) => plan({ isBare: false, key }, channel))
    await load.perform({ kind: 'open', port, concurrency: CONCURRENCY, sockets })
  }
}

function prefixOf(name: string): string {
  return `ringcast.${name}.bench`
}
