/*
Several regions of real nodes, in one Kubernetes, each with a NATS of its own. Their NATS are joined
as in production (support/nats-regions.ts), by ways that take their time and break.
*/

import { join } from 'node:path'
import type * as Ably from 'ably'
import type { limits } from '../../src/base/limits.ts'
import type { AblyOptions } from '../support/ably-clients.ts'
import { startApiServer } from '../support/api-server.ts'
import { NatsRegions } from '../support/nats-regions.ts'
import { freePorts } from '../support/server-process.ts'
import { type NodeProcess, NodeRig, type Teardowns, until } from './node-rig.ts'
import { createNamespace } from './operator-rig.ts'

/** What a whole outage of a way may take to be made good. */
export const HEALED_MS = 60_000
/** Loaded first in every thread of a node that has bounds of its own. */
const GIVEN_LIMITS = join(import.meta.dirname, '..', 'support', 'given-limits.ts')

/** Bounds that are other than usual. */
export type Given = Partial<Record<keyof typeof limits, number>>

export interface RigRegion {
  readonly name: string
  readonly rig: NodeRig
  readonly nodes: NodeProcess[]
}

export class RegionsRig {
  readonly nats: NatsRegions
  readonly regions: readonly RigRegion[]
  readonly healedMs = HEALED_MS

  private constructor(nats: NatsRegions, regions: readonly RigRegion[]) {
    this.nats = nats
    this.regions = regions
  }

  /**
   * Starts a node in each, with bounds of its own if any are given; resolves when all are ready and
   * have heard of each other.
   */
  static async start(
    t: Teardowns, names: readonly string[],
    roundTripMs: (one: string, other: string) => number,
    given?: Given
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
        api, nats: nats.serverOf(name), namespace: name, region: name, no, ports,
        world: 'earth', lostRegionGraceS: given?.regionGraceMs && given.regionGraceMs / 1_000,
        env: environmentFor(given)
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
    for (const { name } of this.regions) {
      for (const other of this.regions) {
        if (other.name !== name) await this.untilListens(name, other.name, true)
      }
    }
  }

  /** Waits until every node of a region listens to another region, or none does. */
  async untilListens(name: string, other: string, doesListen: boolean): Promise<void> {
    for (const node of this.#of(name).nodes) {
      const what = doesListen ? 'listens' : 'listens no more'
      await until(`${node.name} ${what} to ${other}`, async () => {
        const lines = await node.describe()
        const listens = lines.some((line) =>
          line.startsWith(`region ${other} `) && !line.endsWith('not listened to'))
        // One that does not answer says nothing, and proves nothing.
        return doesListen ? listens : !listens && lines.join('') !== ''
      }, HEALED_MS)
    }
  }

  /** An SDK client of the first node of a region. */
  client(t: Teardowns, name: string, options: AblyOptions = {}): Ably.Realtime {
    return this.#of(name).rig.client(t, 0, [0], options)
  }

  /** Which ways lead nowhere, what nodes hear of other regions, and relays that are not abreast. */
  async known(): Promise<readonly string[]> {
    const lines = [...this.nats.broken]
    for (const { nodes } of this.regions) {
      for (const node of nodes) {
        const told = await node.describe()
        const isOfRegions = (line: string): boolean =>
          /^(region|nothing is heard) /.test(line) || /^relay \S+ joining/.test(line)
        lines.push(...told.filter(isOfRegions).map((line) => `${node.name}: ${line}`))
      }
    }
    return lines
  }

  #of(name: string): RigRegion {
    return this.regions.find((each) => each.name === name)!
  }
}

function environmentFor(given: Given | undefined): Readonly<Record<string, string>> {
  return given === undefined ? {}
    : { NODE_OPTIONS: `--import ${GIVEN_LIMITS}`, GIVEN_LIMITS: JSON.stringify(given) }
}
