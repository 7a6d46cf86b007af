/* Clients that come back to a channel that nobody has used in their region for so long that it was
 * let go: they are told what was said elsewhere meanwhile, or that something may be missing. */

import t from 'tap'
import { limits } from '../../src/base/limits.ts'
import type { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { quietSceneOf, restart, type Scene } from './scenes.ts'

/** After that a channel that nobody uses is let go, and a snapshot is written. */
const LONG_MS = 400_000
/** No message is held for so long. */
const OLD_MS = 130_000

class Return {
  readonly said: string[] = []
  readonly channel: string
  readonly reader: SimClient
  readonly fresh: SimClient
  readonly talker: SimClient
  readonly eu: Region
  readonly us: Region
  readonly #scene: Scene
  readonly #before: number

  /**
   * The reader in us has heard what was said there, and in eu if it `isShared`; it goes away, as
   * does everybody, and the channel is let go.
   */
  constructor(seed: string, channel: string, isShared: boolean, names = ['eu', 'us']) {
    this.channel = channel
    this.#scene = quietSceneOf(`return ${seed} ${channel} ${isShared}`, names)
    const { clients, regions: [eu, us] } = this.#scene
    const [talker, , reader, fresh] = clients
    ;[this.talker, this.reader, this.fresh] = [talker!, reader!, fresh!]
    ;[this.eu, this.us] = [eu!, us!]
    this.reader.attach(channel)
    if (isShared) this.talker.attach(channel)
    this.run(3_000)
    this.said.push(...this.fresh.publish(channel))
    if (isShared) this.said.push(...this.talker.publish(channel))
    this.run(1_000)
    this.talker.detach(channel)
    this.#before = this.reader.lossCount
    this.reader.stayAway(100_000_000)
    this.run(LONG_MS)
  }

  /** Somebody in eu says so much. */
  say(count: number): string[] {
    this.talker.attach(this.channel)
    this.run(2_000)
    const said: string[] = []
    for (let no = 0; no < count; no++) {
      said.push(...this.talker.publish(this.channel))
      this.run(200)
    }
    this.talker.detach(this.channel)
    this.run(1_000)
    return said
  }

  /** So many other channels are used in eu, and let go. */
  busy(count: number): void {
    for (let no = 0; no < count; no++) {
      this.talker.attach(`other${no}`)
      this.run(300)
      this.talker.publish(`other${no}`)
      this.run(200)
      this.talker.detach(`other${no}`)
    }
    this.run(LONG_MS)
  }

  comeBack(): void {
    this.reader.stayAway(0)
    this.run(20_000)
  }

  cut(): void {
    this.#scene.abroad.cut(this.eu, this.us)
    this.#scene.abroad.lose(this.eu, this.us)
  }

  heal(): void {
    this.#scene.abroad.heal()
    this.run(40_000)
  }

  restart(region: Region): void {
    restart(this.#scene, region)
  }

  run(ms: number): void {
    this.#scene.abroad.world.run(ms)
  }

  get heard(): readonly string[] {
    return this.reader.heard.get(this.channel) ?? []
  }

  get lossCount(): number {
    return this.reader.lossCount - this.#before
  }
}

for (const channel of ['q', 'kept:q']) {
  for (const isShared of [false, true]) {
    const of = `${channel}${isShared ? ', which another region had used' : ''}`

    t.test(`[W19] nothing is missing where nothing was said: ${of}`, async (t) => {
      const back = new Return('silent', channel, isShared)
      back.comeBack()
      t.same(back.heard, back.said)
      t.equal(back.lossCount, 0)
      back.said.push(...back.say(2))
      t.same(back.heard, back.said, 'it hears what is said then')
    })

    t.test(`[W19] what is held elsewhere is told: ${of}`, async (t) => {
      const back = new Return('held', channel, isShared)
      back.said.push(...back.say(3))
      back.run(30_000)
      back.comeBack()
      t.same(back.heard, back.said)
      t.equal(back.lossCount, 0)
    })

    t.test(`[W19] what is not held any more is missing: ${of}`, async (t) => {
      for (const forMs of [OLD_MS, LONG_MS]) {
        const back = new Return(`old ${forMs}`, channel, isShared)
        back.say(3)
        back.run(forMs)
        back.comeBack()
        t.same(back.heard, back.said)
        t.equal(back.lossCount, 1)
        back.said.push(...back.say(2))
        t.same(back.heard, back.said, 'what comes then is heard')
        t.equal(back.lossCount, 1)
      }
    })

    t.test(`[W19] so it is where the other region is not heard: ${of}`, async (t) => {
      const back = new Return('cut', channel, isShared)
      back.cut()
      back.fresh.attach(channel)
      back.run(2_000)
      const freshLosses = back.fresh.lossCount
      back.comeBack()
      t.equal(back.lossCount, 1)
      const said = back.say(2)
      back.run(OLD_MS / 2)
      back.heal()
      t.same(back.heard, [...back.said, ...said], 'what was said since then is told')
      t.same(back.fresh.heard.get(channel), said)
      t.equal(back.lossCount, 1, 'it is said once')
      t.equal(back.fresh.lossCount - freshLosses, 0, 'who was not there missed nothing')
    })

    t.test(`[W19] whoever is there before: ${of}`, async (t) => {
      const back = new Return('fresh', channel, isShared)
      back.said.push(...back.say(1))
      back.fresh.attach(channel)
      back.run(10_000)
      t.same(back.fresh.heard.get(channel) ?? [], [], 'what was said before is not told')
      back.said.push(...back.say(1))
      back.comeBack()
      t.same(back.heard, back.said)
      t.equal(back.lossCount, 0)
    })

    t.test(`[W19] however often it is let go: ${of}`, async (t) => {
      const back = new Return('again', channel, isShared)
      for (let no = 0; no < 2; no++) {
        back.fresh.attach(channel)
        back.run(20_000)
        back.fresh.detach(channel)
        back.run(LONG_MS)
      }
      back.said.push(...back.say(2))
      back.comeBack()
      t.same(back.heard, back.said)
      t.equal(back.lossCount, 0)
    })

    t.test(`[W19] though other masters look after it by then: ${of}`, async (t) => {
      for (const at of ['us', 'eu', 'both']) {
        const back = new Return(`restarted ${at}`, channel, isShared)
        if (at !== 'eu') back.restart(back.us)
        if (at !== 'us') back.restart(back.eu)
        back.run(limits.regionSilenceMs)
        back.said.push(...back.say(2))
        back.comeBack()
        t.same(back.heard, back.said, at)
        t.equal(back.lossCount, 0, at)
      }
    })
  }

  t.test(`[W19] of three regions each is asked: ${channel}`, async (t) => {
    const back = new Return('three', channel, true, ['eu', 'us', 'ap'])
    back.said.push(...back.say(2))
    back.comeBack()
    t.same(back.heard, back.said)
    t.equal(back.lossCount, 0)
  })

  t.test(`[W19] one that is forgotten may be missing something: ${channel}`, async (t) => {
    const { pastsMax } = limits
    Object.assign(limits, { pastsMax: 0 })
    t.teardown(() => void Object.assign(limits, { pastsMax }))
    const back = new Return('forgotten', channel, true)
    back.comeBack()
    t.equal(back.lossCount, 1)
  })
}

t.test('[W19] so it is where the other region has forgotten what was said there', async (t) => {
  const { pastsMax } = limits
  Object.assign(limits, { pastsMax: 1 })
  t.teardown(() => void Object.assign(limits, { pastsMax }))
  for (const isBusy of [false, true]) {
    const back = new Return(`busy ${isBusy}`, 'q', false)
    if (isBusy) back.say(1)
    back.busy(40)
    back.comeBack()
    t.same(back.heard, back.said)
    t.equal(back.lossCount, 1, 'there may have been something')
  }
})

t.test('[W19] one that only a former master knew goes on if nothing was said', async (t) => {
  const { pastsMax } = limits
  t.teardown(() => void Object.assign(limits, { pastsMax }))
  for (const [isSaid, max] of [[false, pastsMax], [true, pastsMax], [true, 1]] as const) {
    Object.assign(limits, { pastsMax: max })
    const back = new Return(`unsaid ${isSaid} ${max}`, 'q', false)
    back.comeBack()
    back.reader.attach('r')
    back.run(3_000)
    const { lossCount } = back.reader
    back.reader.stayAway(100_000_000)
    back.restart(back.us)
    if (isSaid) {
      back.talker.attach('r')
      back.run(2_000)
      back.talker.publish('r')
      back.run(1_000)
      back.talker.detach('r')
      back.busy(40)
    }
    back.reader.detach('q')
    back.comeBack()
    t.equal(back.reader.lossCount - lossCount, isSaid ? 1 : 0)
    back.talker.attach('r')
    back.run(2_000)
    const said = back.talker.publish('r')
    back.run(1_000)
    t.same(back.reader.heard.get('r'), said)
  }
})
