/*
The globalmasters of the regions of a rig, a real process beside each. What their operator would
tell them, that all regions are of one world, or that one has gone to another, the rig tells them.
*/

import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject, Resource } from '../../src/kube/resource.ts'
import { regionNames, regionResource, ringResource } from '../../src/operator/names.ts'
import type { WorldFile } from '../../src/operator/world.ts'
import { type Place, startGlobalmaster } from './globalmaster-process.ts'
import type { Teardowns } from './node-rig.ts'
import { clientOf, regionObject } from './operator-rig.ts'
import type { RegionsRig } from './regions-rig.ts'

const CONFIG_MAPS: Resource = {
  group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true
}
/** What is not heard for so long is not in touch. */
const UNREACHABLE_MS = 10_000

export class RegionsGlobalmasters {
  readonly client: KubeClient

  private constructor(client: KubeClient) {
    this.client = client
  }

  /** Starts one beside each region; resolves when all are ready. */
  static async start(t: Teardowns, { regions, nats }: RegionsRig): Promise<RegionsGlobalmasters> {
    const { api } = regions[0]!.rig
    const client = await clientOf(api)
    t.teardown(() => client.close())
    const masters = new RegionsGlobalmasters(client)
    await Promise.all(regions.map(async ({ name }) => {
      const { url } = nats.serverOf(name)
      await client.create(regionResource, regionObject(name, name, {
        nodes: 1, nats: { type: 'External', external: { urls: [url] } },
        world: { name: 'earth', secretName: 'earth' }
      }))
      await client.create(CONFIG_MAPS, await masters.#configMap(name, 'earth'))
      await startGlobalmaster(t, api, placeOf(name), url)
    }))
    return masters
  }

  /** Tells the globalmaster of a region that it is in this world. */
  async tell(name: string, world: string): Promise<void> {
    const { data } = await this.#configMap(name, world)
    await this.client.mergePatch(CONFIG_MAPS, {
      namespace: name, name: regionNames(name).globalmaster
    }, { data })
  }

  async #configMap(name: string, world: string): Promise<KubeObject & { data: object }> {
    const { metadata } = (await this.client.get<KubeObject>(ringResource, placeOf(name)))!
    const ring = { uid: metadata.uid!, madeAtMs: Date.parse(metadata.creationTimestamp!) }
    const file: WorldFile = {
      world, region: name, ring, generation: 1, unreachableAfterMs: UNREACHABLE_MS, peers: [],
      apps: {}
    }
    return {
      apiVersion: 'v1', kind: 'ConfigMap',
      metadata: { namespace: name, name: regionNames(name).globalmaster },
      data: { 'world.json': JSON.stringify(file) }
    }
  }
}

/** In a rig each region is in a namespace of its name. */
export function placeOf(name: string): Place {
  return { namespace: name, name }
}
