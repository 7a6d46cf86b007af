/* Regions between which ways work one way alone, or are slow one way, in random order with all that
 * clients and masters do meanwhile: what is said everybody hears who was there, in order, once, or
 * is told that something may be missing, where it may; what two regions acknowledge both have. */

import t from 'tap'
import { Lopsided } from './lopsided.ts'
import { quietSceneOf, restart } from './scenes.ts'

const SEEDS = 12
const ROUNDS = 3
/**
 * What found something once: a publish that waited for another region was told to one that had had
 * it before its channel was let go there (406, 442, 528); the next master began a channel, on which
 * nothing had been said, before where its former one had told others that it begins (195).
 */
const FOUND = [195, 406, 442, 528]
t.setTimeout(300_000)

t.test('[W6, W12] a region that is heard again tells what was said since somebody is here',
  async (t) => {
    const scene = quietSceneOf('heard again', ['eu', 'us'])
    const { abroad, clients: [there, , here], regions: [eu, us] } = scene
    restart(scene, us!)
    abroad.cut(eu!, us!, true)
    abroad.lose(us!, eu!, true)
    here!.attach('q')
    there!.attach('q')
    abroad.world.run(3_000)
    const said = there!.publish('q')
    abroad.world.run(2_000)
    abroad.heal()
    abroad.world.run(10_000)
    t.same(here!.heard.get('q'), said, 'though nothing was ever said in its own region')
    t.equal(here!.lossCount, 0)
  })

t.test('[W6] so does one that answers late, where another says that there was something before',
  async (t) => {
    const scene = quietSceneOf('answers late', ['eu', 'us', 'ap'])
    const { abroad, clients: [one, , here, , other], regions: [, us, ap] } = scene
    for (const client of [one!, other!]) client.attach('q')
    abroad.world.run(2_000)
    one!.publish('q')
    restart(scene, us!)
    abroad.cut(ap!, us!, true)
    here!.attach('q')
    abroad.world.run(3_000)
    const said = other!.publish('q')
    abroad.world.run(2_000)
    abroad.heal()
    abroad.world.run(15_000)
    t.same(here!.heard.get('q'), said)
    t.equal(here!.lossCount, 0)
  })

const first = Number(process.env['ONE_WAY_FIRST'] ?? 0)
const count = Number(process.env['ONE_WAY_SEEDS'] ?? SEEDS)
const drawn = Array.from({ length: count }, (_, at) => first + at)
for (const no of [...FOUND, ...drawn]) {
  t.test(`[W6, W17] ways that lead nowhere one way, ${no}`, async (t) => {
    const lopsided = new Lopsided(no)
    t.doesNotThrow(() => {
      lopsided.start()
      for (let round = 0; round < ROUNDS; round++) lopsided.round()
    })
  })
}
