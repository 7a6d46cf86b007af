/* Regions whose clocks differ: nothing that is between them goes by the time of day. */

import t from 'tap'
import type { SimClient } from './clients.ts'
import { sceneOf } from './scenes.ts'

/** First used in eu while us is away, which says something before that, and behind it. */
const CHANNEL = 'new'
/** Saying for how long it has been used may take so long. */
const WAY_MS = 6_000

for (const [offMs, stepMs] of [[0, 0], [-3_000, 0], [-20_000, 0], [20_000, 0], [0, -20_000]]) {
  const how = `its clock off by ${offMs} ms, and ours set by ${stepMs} ms meanwhile`
  t.test(`[W6] what is said while a region is away, ${how}`, async (t) => {
    const { abroad, clients, regions: [eu, us] } = sceneOf('clocks', ['eu', 'us'], { us: offMs! })
    const { world } = abroad
    const [there, here] = [clients[2]!, clients[0]!]
    there.attach(CHANNEL)
    world.run(1_000)
    abroad.cut(eu!, us!)
    abroad.lose(eu!, us!)
    const say = (client: SimClient, forMs: number): string[] => {
      const said: string[] = []
      for (let atMs = 0; atMs < forMs; atMs += 300) {
        said.push(...client.publish(CHANNEL))
        world.run(300)
      }
      return said
    }
    const before = say(there, 15_000)
    world.run(WAY_MS)
    here.attach(CHANNEL)
    world.run(1_000)
    for (const node of eu!.running) node.clock.set(stepMs!)
    const after = say(there, 6_000)
    abroad.heal()
    world.run(20_000)
    t.same(here.heard.get(CHANNEL), after)
    t.equal(here.lossCount, 0)
    t.same(there.heard.get(CHANNEL), [...before, ...after])
  })
}
