/* Clients of a few regions that use a channel now and then, come and go, and come back after hours,
 * so that it is let go and born again all the time: whatever is missing to one it was told so, and
 * nothing is told twice. Where the weather is calm nobody is told that anything is missing to whom
 * nothing is. */

import t, { type Test } from 'tap'
import { Random } from '../../src/base/random.ts'
import type { SimClient } from './clients.ts'
import { quietSceneOf, restart, type Scene } from './scenes.ts'

const SEEDS = 12
const ROUNDS = 5
const DEEDS = 8
/** In turn something is held, is held no more, and the channel is let go. */
const WHILES_MS = [5_000, 60_000, 130_000, 200_000, 400_000]
const AWAY_MS = 1_000_000_000

interface Regular {
  readonly client: SimClient
  isAway: boolean
  /** What was said since it attached, or since it was looked at last; undefined: not attached. */
  wanted: string[] | undefined
  heardCount: number
  lossCount: number
}

class Weeks {
  readonly random: Random
  readonly channel: string
  readonly isCalm: boolean
  readonly regulars: readonly Regular[]
  readonly #scene: Scene

  constructor(no: number) {
    this.random = new Random(`leaving ${no}`)
    this.isCalm = no % 2 === 0
    this.channel = no % 3 === 0 ? 'kept:q' : 'q'
    this.#scene = quietSceneOf(`leaving ${no}`, no % 4 < 2 ? ['eu', 'us'] : ['eu', 'us', 'ap'])
    this.run(2_000)
    this.regulars = this.#scene.clients.map((client) =>
      ({ client, isAway: false, wanted: undefined, heardCount: 0, lossCount: client.lossCount }))
  }

  run(ms: number): void {
    this.#scene.abroad.world.run(ms)
  }

  /** One of them does something; then time goes by. */
  deed(): void {
    const what = this.random.below(this.isCalm ? 5 : 7)
    if (what < 2) this.#leave()
    else if (what < 5) this.#return(this.#pick(this.regulars))
    else if (what === 5) this.#cut()
    else this.#restart()
    this.#say()
    this.run(this.#pick(WHILES_MS))
  }

  /** Everybody is back, in touch, and is told what it may be told. */
  calm(): void {
    this.#scene.abroad.heal()
    for (const regular of this.regulars) if (regular.isAway) this.#comeBack(regular)
    this.run(60_000)
  }

  check(t: Test, what: string): void {
    for (const regular of this.regulars) {
      const { client, wanted } = regular
      const heard = (client.heard.get(this.channel) ?? []).slice(regular.heardCount)
      const losses = client.lossCount - regular.lossCount
      regular.heardCount += heard.length
      regular.lossCount = client.lossCount
      if (wanted === undefined) continue
      const missing = wanted.filter((text) => !heard.includes(text))
      // What was said while a region was cut off may be told there later, to whoever is there then.
      const those = this.isCalm ? heard : heard.filter((text) => wanted.includes(text))
      const who = `${what}, ${client.name}`
      t.equal(new Set(heard).size, heard.length, `${who} is told nothing twice`)
      t.same(orders(those), orders(wanted.filter((text) => heard.includes(text))),
        `${who} is told in order${this.isCalm ? ', and nothing that was said before' : ''}`)
      if (missing.length > 0) t.ok(losses > 0, `${who} is told that ${missing.join()} is missing`)
      else if (this.isCalm) t.equal(losses, 0, `${who} misses nothing`)
      regular.wanted = []
    }
  }

  #pick<T>(among: readonly T[]): T {
    return among[this.random.below(among.length)]!
  }

  /** Everybody who can says something, or nobody does. */
  #say(): void {
    if (this.random.below(2) === 0) return
    const there = this.regulars.filter(({ isAway }) => !isAway)
    if (there.length === 0) return
    const said = this.#pick(there).client.publish(this.channel)
    this.run(1_500)
    for (const { wanted } of this.regulars) wanted?.push(...said)
  }

  /** Everybody of a region loses the network, but for who detaches. */
  #leave(): void {
    const { name } = this.#pick(this.#scene.regions)
    for (const regular of this.regulars) {
      const { client, wanted, isAway } = regular
      if (!client.name.startsWith(name) || wanted === undefined || isAway) continue
      if (this.random.below(3) === 0) this.#detach(regular)
      else {
        client.stayAway(AWAY_MS)
        regular.isAway = true
      }
    }
  }

  #return(regular: Regular): void {
    if (regular.isAway) this.#comeBack(regular)
    else if (regular.wanted === undefined) this.#attach(regular)
  }

  #attach(regular: Regular): void {
    regular.client.attach(this.channel)
    this.run(4_000)
    regular.wanted = []
    regular.heardCount = regular.client.heard.get(this.channel)?.length ?? 0
    regular.lossCount = regular.client.lossCount
  }

  #detach(regular: Regular): void {
    regular.client.detach(this.channel)
    this.run(2_000)
    regular.wanted = undefined
  }

  #comeBack(regular: Regular): void {
    regular.client.stayAway(0)
    regular.isAway = false
    this.run(8_000)
  }

  #cut(): void {
    const { abroad, regions } = this.#scene
    const [one, other] = [this.#pick(regions), this.#pick(regions)]
    if (one === other) return abroad.heal()
    const isOneWay = this.random.below(2) === 0
    abroad.cut(one, other, isOneWay)
    if (this.random.below(2) === 0) abroad.lose(one, other, isOneWay)
  }

  #restart(): void {
    restart(this.#scene, this.#pick(this.#scene.regions))
  }
}

/** What each said, in order. */
function orders(texts: readonly string[]): Record<string, string[]> {
  return Object.groupBy(texts, (text) => text.split('.')[0]!) as Record<string, string[]>
}

const first = Number(process.env['LEAVING_FIRST'] ?? 0)
const count = Number(process.env['LEAVING_SEEDS'] ?? SEEDS)
for (let no = first; no < first + count; no++) {
  t.test(`[W19] a channel that is let go again and again, ${no}`, async (t) => {
    const weeks = new Weeks(no)
    for (let round = 0; round < ROUNDS; round++) {
      for (let deed = 0; deed < DEEDS; deed++) weeks.deed()
      weeks.calm()
      weeks.check(t, `round ${round}`)
    }
  })
}
