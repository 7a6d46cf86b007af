/* Regions that lose each other while somebody says something on a channel and leaves it, so that
 * its region has let it go when they hear each other again. */

import t from 'tap'
import { limits } from '../../src/base/limits.ts'
import type { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { quietSceneOf, restart, type Scene } from './scenes.ts'

/** After that a channel that nobody uses is let go, and a snapshot is written. */
const LONG_MS = 400_000

class Apart {
  readonly said: string[] = []
  readonly channel: string
  readonly reader: SimClient
  readonly talker: SimClient
  readonly #scene: Scene
  readonly #regions: readonly [Region, Region]
  readonly #before: number

  /**
   * They are parted; the reader was told something of the channel before, or there was nothing, or
   * it was not there. One way: the reader's region hears the other one, which forgets it.
   */
  constructor(channel: string, before: 'told' | 'dormant' | 'new' = 'told', isOneWay = false) {
    this.channel = channel
    this.#scene = quietSceneOf(`let go ${channel} ${before} ${isOneWay}`, ['eu', 'us'])
    const { abroad, clients, regions: [eu, us] } = this.#scene
    const [reader, , talker] = clients
    this.#regions = [eu!, us!]
    this.reader = reader!
    this.talker = talker!
    if (before !== 'new') this.reader.attach(channel)
    this.run(3_000)
    if (before === 'told') this.say(1)
    abroad.cut(eu!, us!, isOneWay)
    abroad.lose(us!, eu!, isOneWay)
    if (before === 'new') this.reader.attach(channel)
    this.run(1_000)
    this.#before = this.reader.lossCount
  }

  /** Somebody says so much, and leaves. */
  say(count: number): void {
    this.talker.attach(this.channel)
    this.run(2_000)
    for (let no = 0; no < count; no++) {
      this.said.push(...this.talker.publish(this.channel))
      this.run(200)
    }
    this.talker.detach(this.channel)
    this.run(1_000)
  }

  /** All nodes of a region that has let it go begin anew. */
  restart(at: 0 | 1): void {
    restart(this.#scene, this.#regions[at])
  }

  run(ms: number): void {
    this.#scene.abroad.world.run(ms)
  }

  heal(): void {
    this.#scene.abroad.heal()
    this.run(40_000)
  }

  get heard(): readonly string[] {
    return this.reader.heard.get(this.channel) ?? []
  }

  get lossCount(): number {
    return this.reader.lossCount - this.#before
  }
}

for (const channel of ['q', 'kept:q']) {
  const isKept = channel === 'kept:q'
  const rule = isKept ? '[W14] nothing is missing of' : '[W11] it is said what is missing of'

  t.test(`${rule} ${channel}, though nobody uses it there any more`, async (t) => {
    const apart = new Apart(channel)
    apart.say(3)
    apart.run(LONG_MS)
    apart.heal()
    t.same(apart.heard, isKept ? apart.said : apart.said.slice(0, 1))
    t.equal(apart.lossCount, isKept ? 0 : 1)
    apart.say(2)
    t.same(apart.heard.slice(-2), apart.said.slice(-2), 'what comes then is heard')
    t.equal(apart.lossCount, isKept ? 0 : 1)
    apart.run(LONG_MS)
    apart.heal()
    t.equal(apart.lossCount, isKept ? 0 : 1, 'it is said once')
  })

  t.test(`[W12] ${rule} ${channel}, though who missed it heard the other region`, async (t) => {
    for (const before of ['told', 'dormant'] as const) {
      // Some have masters that say nothing else to each other.
      for (const no of [1, 2, 3]) {
        const apart = new Apart(`${channel}${no}`, before, true)
        apart.say(3)
        apart.run(LONG_MS)
        apart.heal()
        t.same(apart.heard, isKept ? apart.said : apart.said.slice(0, before === 'told' ? 1 : 0))
        t.equal(apart.lossCount, isKept ? 0 : 1)
      }
    }
  })

  t.test(`${rule} ${channel}, though it was let go several times`, async (t) => {
    const apart = new Apart(channel)
    for (let no = 0; no < 3; no++) {
      apart.say(2)
      apart.run(LONG_MS)
    }
    apart.heal()
    t.same(apart.heard, isKept ? apart.said : apart.said.slice(0, 1))
    t.equal(apart.lossCount, isKept ? 0 : 1)
  })

  t.test(`${rule} ${channel}, though other masters look after it by then`, async (t) => {
    const apart = new Apart(channel)
    apart.say(2)
    apart.run(LONG_MS)
    apart.restart(1)
    apart.run(LONG_MS)
    apart.heal()
    t.same(apart.heard, isKept ? apart.said : apart.said.slice(0, 1))
    t.equal(apart.lossCount, isKept ? 0 : 1)
  })

  t.test(`${rule} ${channel}, though it is used again by then`, async (t) => {
    const apart = new Apart(channel)
    apart.say(2)
    apart.run(LONG_MS)
    apart.talker.attach(channel)
    apart.run(2_000)
    apart.heal()
    t.same(apart.heard, isKept ? apart.said : apart.said.slice(0, 1))
    t.equal(apart.lossCount, isKept ? 0 : 1)
  })

  t.test(`${rule} ${channel}, though nothing of it was heard before`, async (t) => {
    for (const state of ['let go', 'used again', 'said again', 'of other masters'] as const) {
      const apart = new Apart(channel, 'new')
      apart.say(2)
      apart.run(LONG_MS)
      if (state === 'of other masters') apart.restart(1)
      else if (state !== 'let go') apart.say(state === 'said again' ? 1 : 0)
      if (state === 'said again') {
        apart.run(150_000)
        apart.restart(1)
      }
      apart.heal()
      t.same(apart.heard, isKept ? apart.said : [], state)
      t.equal(apart.lossCount, isKept ? 0 : 1)
    }
  })

  t.test(`[W11] and where nobody knows any more what was said on ${channel}`, async (t) => {
    const { pastsMax } = limits
    Object.assign(limits, { pastsMax: 0 })
    t.teardown(() => void Object.assign(limits, { pastsMax }))
    for (const isNew of [false, true]) {
      const apart = new Apart(channel, isNew ? 'new' : 'told')
      apart.say(2)
      apart.run(LONG_MS)
      apart.heal()
      t.same(apart.heard, isNew ? [] : apart.said.slice(0, 1))
      t.equal(apart.lossCount, 1)
    }
  })

  t.test(`nobody is told that anything is missing of ${channel} where nothing was said`,
    async (t) => {
      for (const isNew of [false, true]) {
        const apart = new Apart(channel, isNew ? 'new' : 'told')
        if (isNew) apart.run(2_000)
        apart.run(LONG_MS)
        apart.restart(0)
        apart.restart(1)
        apart.heal()
        t.equal(apart.lossCount, 0)
      }
    })
}

for (const [channel, forMs, pastsMax] of [
  ['kept:q', 100_000, limits.pastsMax], ['kept:q', LONG_MS, limits.pastsMax], ['q', LONG_MS, 0]
] as const) {
  t.test(`[W11] a way leads nowhere for ${forMs} ms, ${pastsMax} channels are remembered`,
    async (t) => {
      const former = limits.pastsMax
      Object.assign(limits, { pastsMax })
      t.teardown(() => void Object.assign(limits, { pastsMax: former }))
      const { abroad, clients, regions: [eu, us] } = quietSceneOf(`way ${forMs}`, ['eu', 'us'])
      const [reader, loud, talker, listener] = clients as [
        SimClient, SimClient, SimClient, SimClient
      ]
      const others = Array.from({ length: 12 }, (_, no) => `other${no}`)
      for (const each of others) for (const client of [loud, listener]) client.attach(each)
      reader.attach(channel)
      abroad.world.run(10_000)
      const { lossCount } = reader
      abroad.cut(us!, eu!, true)
      talker.attach(channel)
      abroad.world.run(2_000)
      const said = talker.publish(channel)
      abroad.world.run(1_000)
      talker.detach(channel)
      for (let atMs = 0; atMs < forMs; atMs += 20_000) {
        // So its region is heard by all there.
        for (const each of others) loud.publish(each)
        abroad.world.run(20_000)
      }
      abroad.heal()
      abroad.world.run(20_000)
      t.same(reader.heard.get(channel) ?? [], pastsMax > 0 ? said : [])
      t.equal(reader.lossCount - lossCount, pastsMax > 0 ? 0 : 1)
    })
}
