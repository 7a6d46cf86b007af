/* Regions that lose each other for so long that nothing of it is held any more: of persisted
 * channels each reads it from the other's archive, and nobody is told that anything is missing. */

import t, { type Test } from 'tap'
import { archiveLimits } from '../../src/base/archive-limits.ts'
import { limits } from '../../src/base/limits.ts'
import type { SimClient } from './clients.ts'
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

t.test('[W18] an ephemeral message that was said meanwhile is told nobody there', async (t) => {
  const parted = new Parted('holes and what is ephemeral', ['eu', 'us'])
  const { clients, regions: [eu] } = parted.scene
  parted.part(eu!)
  parted.say(1)
  const [passing] = clients[0]!.publish(KEPT, 1, '~')
  parted.say(1)
  parted.run(LONG_MS)
  parted.heal()
  const heard = clients.map((client) => client.heard.get(KEPT)!)
  t.same(heard.map((texts) => texts.includes(passing!)), [true, true, false, false])
  for (const texts of heard.slice(0, 2)) texts.splice(texts.indexOf(passing!), 1)
  parted.check(t)
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

/** A region's clients alone use a channel, and have left it or not; then another one's say this. */
function passingBy(
  seed: string, channel: string, away: 'all stay' | 'one is away' | 'as nodes restart'
): { readonly reader: SimClient; readonly said: readonly string[] } {
  const { abroad, clients, regions: [eu, us] } = sceneOf(seed, ['eu', 'us'])
  const [talker, , reader, other] = clients
  const awayMs = { 'all stay': 0, 'one is away': 1_200_000, 'as nodes restart': 200_000 }[away]
  reader!.attach(channel)
  abroad.world.run(3_000)
  const said = [...other!.publish(channel)]
  abroad.world.run(1_000)
  if (awayMs > 0) reader!.stayAway(awayMs)
  if (away === 'one is away') abroad.world.run(400_000)
  else {
    abroad.cut(eu!, us!)
    abroad.lose(eu!, us!)
  }
  if (away === 'as nodes restart') for (const node of us!.running) us!.crash(node, 500, 2_000)
  talker!.attach(channel)
  abroad.world.run(1_000)
  said.push(...talker!.publish(channel))
  abroad.world.run(1_000)
  if (away !== 'as nodes restart') talker!.detach(channel)
  abroad.world.run(Math.max(awayMs, 600_000) - 410_000)
  abroad.heal()
  abroad.world.run(460_000)
  return { reader: reader!, said }
}

t.test('[W11] so it is where nobody uses the channel there any more', async (t) => {
  const { reader, said: [first] } = passingBy('passing by', 'q', 'all stay')
  t.same(reader.heard.get('q'), [first])
  t.equal(reader.lossCount, 1)
})

t.test('[W14] also where nobody had used the channel there before', async (t) => {
  for (const seed of ['passing by', 'passing on']) {
    const { reader, said } = passingBy(seed, KEPT, 'all stay')
    t.same(reader.heard.get(KEPT), said)
    t.equal(reader.lossCount, 0)
  }
})

t.test('[W14] also where nobody uses the channel there any more', async (t) => {
  const scene = sceneOf('gone by then', ['eu', 'us'])
  const { abroad, clients: [talker, , reader], regions: [eu, us] } = scene
  for (const client of [talker!, reader!]) client.attach(KEPT)
  abroad.world.run(3_000)
  const said = [...talker!.publish(KEPT)]
  abroad.world.run(1_000)
  abroad.cut(eu!, us!)
  abroad.lose(eu!, us!)
  said.push(...talker!.publish(KEPT))
  abroad.world.run(1_000)
  talker!.detach(KEPT)
  for (const node of eu!.running) eu!.crash(node, 500, 1_000)
  abroad.world.run(600_000)
  abroad.heal()
  abroad.world.run(60_000)
  t.same(reader!.heard.get(KEPT), said)
  t.equal(reader!.lossCount, 0)
})

t.test('[W19] who comes back after what was said elsewhere meanwhile is told so', async (t) => {
  for (const away of ['one is away', 'as nodes restart'] as const) {
    for (const channel of ['q', 'kept:q']) {
      const { reader, said: [first] } = passingBy('come back', channel, away)
      t.same(reader.heard.get(channel) ?? [], [first], `${channel}, ${away}`)
      t.equal(reader.lossCount, 1)
    }
  }
})

t.test('[W12] so it is where the way from there alone is cut, and nobody uses it any more',
  async (t) => {
    for (const channel of ['q', KEPT]) {
      const { abroad, clients: [talker, , reader], regions: [eu, us] } =
        sceneOf('one way', ['eu', 'us'])
      for (const client of [talker!, reader!]) client.attach(channel)
      abroad.world.run(3_000)
      const said = [...talker!.publish(channel)]
      abroad.world.run(1_000)
      abroad.cut(eu!, us!, true)
      abroad.lose(us!, eu!, true)
      said.push(...talker!.publish(channel))
      abroad.world.run(1_000)
      talker!.detach(channel)
      abroad.world.run(600_000)
      abroad.heal()
      abroad.world.run(60_000)
      t.same(reader!.heard.get(channel), channel === KEPT ? said : said.slice(0, 1))
      t.equal(reader!.lossCount, channel === KEPT ? 0 : 1)
    }
  })
