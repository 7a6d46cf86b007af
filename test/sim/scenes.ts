/** Small worlds of several regions, with clients in each. */

import { Abroad } from './abroad.ts'
import { SimClient } from './clients.ts'
import { defaultRegion, Region } from './region.ts'
import { World } from './world.ts'

export const CHANNELS = ['a', 'b', 'c', 'd']

export interface Scene {
  readonly abroad: Abroad
  readonly regions: readonly Region[]
  /** Two in each region, on every channel. */
  readonly clients: readonly SimClient[]
}

/** Regions that are up, with clients that are attached; `offMs`: how far clocks are off. */
export function sceneOf(
  seed: string, names: readonly string[], offMs: Readonly<Record<string, number>> = {}
): Scene {
  const world = new World(seed)
  const abroad = new Abroad(world)
  const regions = names.map((name) => {
    const clockFault = () => ({ skewMs: offMs[name] ?? 0, drift: 0 })
    const region = new Region({ ...defaultRegion, seed, name, abroad, clockFault })
    abroad.add(region)
    region.start()
    return region
  })
  world.run(4_000)
  const clients = regions.flatMap((region) => [0, 1].map((no) => new SimClient(region, {
    name: `${region.name}${no}`, format: 'json', echo: true, hasOwnIds: false, clientId: undefined,
    modes: undefined, params: undefined, hasTokens: false, chatter: undefined, isComet: false
  })))
  for (const client of clients) client.connect()
  world.run(500)
  for (const client of clients) for (const channel of CHANNELS) client.attach(channel)
  world.run(3_000)
  return { abroad, regions, clients }
}

/** The same where nobody is attached, so that nothing is said by the way. */
export function quietSceneOf(seed: string, names: readonly string[]): Scene {
  const scene = sceneOf(seed, names)
  for (const client of scene.clients) for (const each of CHANNELS) client.detach(each)
  return scene
}

/** All nodes of a region end, and begin anew. */
export function restart({ abroad }: Scene, region: Region): void {
  for (const node of region.running) region.crash(node, 500, 2_000)
  abroad.world.run(30_000)
}

/** Everybody publishes on every channel, again and again; returns what was said, by channel. */
export function talk({ abroad, clients }: Scene, forMs: number): Map<string, string[]> {
  const said = new Map<string, string[]>(CHANNELS.map((channel) => [channel, []]))
  for (let atMs = 0; atMs < forMs; atMs += 200) {
    for (const client of clients) {
      for (const channel of CHANNELS) said.get(channel)!.push(...client.publish(channel))
    }
    abroad.world.run(200)
  }
  return said
}
