/* Regions that lose each other for so long that nothing of it is held any more: of persisted
 * channels each reads it from the other's archive, and nobody is told that anything is missing. */

import t, { type Test } from 'tap'
import { archiveLimits } from '../../src/base/archive-limits.ts'
import { limits } from '../../src/base/limits.ts'
import type { Region } from './region.ts'
import { type Scene, sceneOf } from './scenes.ts'
import { textsOf, WorldReader } from './world-reader.ts'

const KEPT = 'kept:a'
/** The tail holds nothing of it after that, and no region knows another any more. */
const LONG_MS = 200_000

// The simulated archive tells eight records at a time.
Object.assign(archiveLimits, { archiveBackCount: 8 })

class Parted {
  readonly scene: Scene
  readonly channel: string
  readonly said: string[] = []
  #losses: readonly number[] = []

  /** Regions whose clients have heard each other on the channel. */
  constructor(seed: string, names: readonly string[], channel = KEPT) {
    this.scene = sceneOf(seed, names)
    this.channel = channel
    for (const client of this.scene.clients) client.attach(channel)
    this.run(3_000)
    this.say(2)
    this.run(2_000)
  }

  /** The region loses all others, and they lose it. */
  part(region: Region): void {
    const { abroad, clients, regions } = this.scene
    this.#losses = clients.map(({ lossCount }) => lossCount)
    for (const other of regions) {
      if (other === region) continue
      abroad.cut(region, other)
      abroad.lose(region, other)
    }
  }

  heal(): void {
    this.scene.abroad.heal()
    this.run(40_000)
  }

  /** Everybody says something, again and again. */
  say(count: number): void {
    for (let no = 0; no < count; no++) {
      for (const client of this.scene.clients) this.said.push(...client.publish(this.channel))
      this.run(200)
    }
  }

  run(ms: number): void {
    this.scene.abroad.world.run(ms)
  }

  /** How often each client was told since they were parted that something may be missing. */
  losses(): number[] {
    return this.scene.clients.map(({ lossCount }, at) => lossCount - this.#losses[at]!)
  }

  /** Everybody has heard all of it, once, and what each region said in its order. */
  check(t: Test): void {
    const { clients, regions } = this.scene
    t.same(this.losses(), clients.map(() => 0), 'nobody is told that anything is missing')
    for (const client of clients) {
      const heard = client.heard.get(this.channel)!
      t.same(heard.toSorted(), this.said.toSorted(), `what ${client.name} has heard`)
      for (const { name } of clients) {
        const isTheirs = (text: string): boolean => text.startsWith(name)
        t.same(heard.filter(isTheirs), this.said.filter(isTheirs), `of ${name}, in order`)
      }
    }
    for (const { name } of regions) {
      const orders = clients.map((client) =>
        client.heard.get(this.channel)!.filter((text) => text.startsWith(name)).join())
      t.equal(new Set(orders).size, 1, `what ${name} said, in the same order everywhere`)
    }
  }
}

t.test('[W14] what regions missed of a persisted channel is read from the archive', async (t) => {
  const parted = new Parted('holes', ['eu', 'us'])
  const [eu] = parted.scene.regions
  parted.part(eu!)
  parted.say(4)
  parted.run(LONG_MS)
  parted.say(2)
  parted.heal()
  parted.check(t)
  parted.say(1)
  parted.run(2_000)
  parted.check(t)
  for (const region of parted.scene.regions) {
    const texts = textsOf(new WorldReader(region).pages(KEPT, 'direction=forwards'))
    t.same(texts.toSorted(), parted.said.toSorted(), `history in ${region.name}`)
  }
})

t.test('[W14] by pages, of which each follows on the one before', async (t) => {
  const { backlogPageBytesMax } = limits
  t.teardown(() => Object.assign(limits, { backlogPageBytesMax }))
  const parted = new Parted('holes by pages', ['eu', 'us'])
  Object.assign(limits, { backlogPageBytesMax: 300 })
  const [eu] = parted.scene.regions
  parted.part(eu!)
  for (let no = 0; no < 5; no++) {
    parted.say(3)
    parted.run(40_000)
  }
  // While it is read, what is held is let go further.
  parted.scene.abroad.heal()
  parted.say(20)
  parted.run(40_000)
  parted.check(t)
})

t.test('[W14] two that have missed it ask at once, and masters change meanwhile', async (t) => {
  const parted = new Parted('holes of three', ['eu', 'us', 'ap'])
  const { abroad, regions: [eu, us, ap] } = parted.scene
  parted.part(eu!)
  parted.say(4)
  for (const region of [eu!, us!, ap!]) region.crash(region.running[0]!, 1_000, 3_000)
  parted.run(20_000)
  parted.say(4)
  parted.run(LONG_MS)
  parted.say(2)
  abroad.heal()
  for (let no = 0; no < 8; no++) {
    parted.run(250)
    const node = eu!.running[0]
    if (no % 4 === 0 && node !== undefined) eu!.crash(node, 1_000, 3_000)
  }
  parted.run(60_000)
  const heard = parted.scene.clients.filter(({ name }) => !name.startsWith('eu'))
  for (const client of heard) {
    const texts = client.heard.get(KEPT)!
    t.same(texts.toSorted(), parted.said.toSorted(), `what ${client.name} has heard`)
  }
})

t.test('[W14] who came and went meanwhile is told anew', async (t) => {
  const parted = new Parted('holes and members', ['eu', 'us'])
  const { clients, regions: [eu] } = parted.scene
  const [first, second, third] = clients
  first!.members.enter(KEPT, ['anna', 'ben'])
  parted.run(3_000)
  parted.part(eu!)
  parted.say(2)
  first!.members.leave(KEPT, ['anna'])
  second!.members.enter(KEPT, ['cleo'])
  parted.run(LONG_MS)
  parted.heal()
  parted.check(t)
  const present = third!.members.map(KEPT)!.members.map(({ clientId }) => clientId)
  t.same(present.toSorted(), ['ben', 'cleo'])
})

t.test('[W14] of other channels it is missing, and everybody is told so', async (t) => {
  const parted = new Parted('holes of others', ['eu', 'us'], 'a')
  const [eu] = parted.scene.regions
  parted.part(eu!)
  parted.say(2)
  parted.run(LONG_MS)
  parted.heal()
  t.same(parted.losses(), parted.scene.clients.map(() => 1))
})
