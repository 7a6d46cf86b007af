/*
Several regions of real nodes, in one Kubernetes, each with a NATS of its own. Their NATS are joined
as in production (support/nats-regions.ts), by ways that take their time and break.
*/

import type * as Ably from 'ably'
import type { Test } from 'tap'
import type { AblyOptions } from '../support/ably-clients.ts'
import { startApiServer } from '../support/api-server.ts'
import { NatsRegions } from '../support/nats-regions.ts'
import { freePorts } from '../support/server-process.ts'
import { type NodeProcess, NodeRig, type Teardowns, until } from './node-rig.ts'
import { createNamespace } from './operator-rig.ts'

/** What a whole outage of a way may take to be made good. */
const HEALED_MS = 60_000

export interface RigRegion {
  readonly name: string
  readonly rig: NodeRig
  readonly nodes: NodeProcess[]
}

export class RegionsRig {
  readonly nats: NatsRegions
  readonly regions: readonly RigRegion[]

  private constructor(nats: NatsRegions, regions: readonly RigRegion[]) {
    this.nats = nats
    this.regions = regions
  }

  /** Starts a node in each; resolves when all are ready and have heard of each other. */
  static async start(
    t: Teardowns, names: readonly string[],
    roundTripMs: (one: string, other: string) => number
  ): Promise<RegionsRig> {
    const nats = await NatsRegions.start(names, roundTripMs)
    t.teardown(() => nats.stop())
    const api = await startApiServer({ crds: ['crds'] })
    t.teardown(() => api.stop())
    const ports = await freePorts(2) as [number, number]
    const regions: RigRegion[] = []
    for (const [no, name] of names.entries()) {
      await createNamespace(api, name)
      const rig = await NodeRig.start(t, {
        api, nats: nats.serverOf(name), namespace: name, region: name, no, ports, world: 'earth'
      })
      regions.push({ name, rig, nodes: [] })
    }
    for (const { rig, nodes } of regions) nodes.push(await rig.startReadyNode(0))
    const rig = new RegionsRig(nats, regions)
    await rig.untilAcquainted()
    return rig
  }

  /** Waits until every node listens to every other region. */
  async untilAcquainted(): Promise<void> {
    for (const { name, nodes } of this.regions) {
      const others = this.regions.filter((other) => other.name !== name)
      for (const node of nodes) {
        await until(`${node.name} knows the others`, async () => {
          const lines = await node.describe()
          return others.every((other) => lines.some((line) =>
            line.startsWith(`region ${other.name} `) && !line.endsWith('not listened to')))
        }, HEALED_MS)
      }
    }
  }

  /** An SDK client of the first node of a region. */
  client(t: Teardowns, name: string, options: AblyOptions = {}): Ably.Realtime {
    const region = this.regions.find((each) => each.name === name)!
    return region.rig.client(t, 0, [0], options)
  }
}

interface Heard {
  readonly text: string
  /** What is the same everywhere: id, serial and timestamp. */
  readonly mark: string
}

interface Talker {
  readonly region: string
  readonly client: Ably.Realtime
  /** By channel. */
  readonly heard: ReadonlyMap<string, Heard[]>
  readonly losses: string[]
}

/** A client in each region, and all of them talk on the same channels. */
export class Talk {
  readonly #talkers: readonly Talker[]
  /** By channel, then by region: what its client said, in order. */
  readonly #said = new Map<string, Map<string, string[]>>()
  #no = 0

  private constructor(talkers: readonly Talker[], channels: readonly string[]) {
    this.#talkers = talkers
    for (const channel of channels) {
      this.#said.set(channel, new Map(talkers.map(({ region }) => [region, []])))
    }
  }

  /** Resolves when all of them are attached to all channels. */
  static async begin(t: Test, rig: RegionsRig, channels: readonly string[]): Promise<Talk> {
    const talkers = rig.regions.map(({ name: region }): Talker => ({
      region, client: rig.client(t, region), losses: [],
      heard: new Map(channels.map((channel) => [channel, []]))
    }))
    await Promise.all(talkers.flatMap(({ client, heard, losses }) => channels.map(async (name) => {
      const channel = client.channels.get(name)
      await channel.subscribe(({ data, id, serial, timestamp }) => {
        heard.get(name)!.push({ text: data, mark: `${id} ${serial} ${timestamp}` })
      })
      channel.on(['attached', 'update'], ({ resumed, reason }) => {
        if (!resumed) losses.push(`${name} ${reason?.code}`)
      })
    })))
    return new Talk(talkers, channels)
  }

  /** Everybody says `count` more on every channel; resolves when all is acknowledged. */
  async say(count: number, among = this.#talkers.map(({ region }) => region)): Promise<void> {
    const acknowledged: Promise<unknown>[] = []
    for (let at = 0; at < count; at++) {
      for (const { region, client } of this.#talkers) {
        if (!among.includes(region)) continue
        for (const [name, said] of this.#said) {
          const text = `${region} ${++this.#no}`
          said.get(region)!.push(text)
          acknowledged.push(client.channels.get(name).publish('n', text))
        }
      }
    }
    await Promise.all(acknowledged)
  }

  /** Whether the client in `at` has heard all that was said in `of` so far. */
  hasHeard(at: string, of: string): boolean {
    const { heard } = this.#talkers.find(({ region }) => region === at)!
    return [...this.#said].every(([name, said]) => {
      const texts = new Set(heard.get(name)!.map(({ text }) => text))
      return said.get(of)!.every((text) => texts.has(text))
    })
  }

  /** Waits until everybody in `at` has heard everybody in `of`. */
  async untilHeard(at: readonly string[], of: readonly string[] = at): Promise<void> {
    for (const here of at) {
      for (const there of of) {
        await until(`${here} heard ${there}`, () => this.hasHeard(here, there), HEALED_MS)
      }
    }
  }

  /** Everybody heard everything once, in the order of each, alike, and was told of no loss. */
  async wholeIn(t: Test): Promise<void> {
    const names = this.#talkers.map(({ region }) => region)
    await this.untilHeard(names)
    for (const { region, heard, losses } of this.#talkers) {
      for (const [name, said] of this.#said) {
        const texts = heard.get(name)!.map(({ text }) => text)
        const saidCount = [...said.values()].flat().length
        t.equal(texts.length, saidCount, `${region} heard each once, ${name}`)
        for (const [of, own] of said) {
          const from = texts.filter((text) => text.startsWith(`${of} `))
          t.same(from, own, `${region} heard ${of} in order, ${name}`)
        }
        t.same(marksOf(heard.get(name)!), marksOf(this.#talkers[0]!.heard.get(name)!),
          `ids and serials are the same in ${region}, ${name}`)
      }
      t.same(losses, [], `${region} was told of no loss`)
    }
  }
}

function marksOf(heard: readonly Heard[]): readonly string[] {
  return heard.map(({ text, mark }) => `${text}: ${mark}`).sort()
}
