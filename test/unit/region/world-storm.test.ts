/*
Nodes of several regions whose words are slow, lost and late, whose views change at different times
in each node, and whose regions are made anew: soon after it is calm all of them know the true
world, whatever is said by those who were removed, or who are left of a former ring.
*/

import t, { type Test } from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { RegionIdentity, WorldMessage } from '../../../src/region/world-message.ts'
import { type ForeignRegion, KnownWorld, type WorldOutput } from '../../../src/region/world.ts'
import type { View } from '../../../src/ring/view.ts'
import { after, membersOf, viewOf } from '../ring/regions.ts'

const NAMES = ['eu', 'us', 'ap']
const STEP_MS = 100
const DELAY_MS = 400
const NODES = 3

/** A region as it truly is. */
interface Truth {
  readonly identity: RegionIdentity
  view: View
  generations: ReadonlyMap<string, readonly number[]>
}

class Node {
  readonly truth: Truth
  readonly incarnation: string
  readonly outputs: WorldOutput[] = []
  readonly known: KnownWorld
  regions: readonly ForeignRegion[] = []

  constructor(truth: Truth, incarnation: string) {
    this.truth = truth
    this.incarnation = incarnation
    this.known = new KnownWorld(truth.identity, this.outputs)
  }

  get name(): string {
    return this.truth.identity.name
  }

  adopt(nowMs: number): void {
    const { view, generations } = this.truth
    const adopted = { incarnation: this.incarnation, view, generations, gone: new Set<string>() }
    this.known.turn({ kind: 'adopted', adopted }, nowMs)
  }
}

class Storm {
  readonly #random: Random
  /** Those that are there, and such as are left of a region that was made anew. */
  readonly nodes: Node[] = []
  readonly truths = new Map<string, Truth>()
  readonly #onTheWay: { atMs: number; to: Node; message: WorldMessage }[] = []
  readonly #cuts = new Set<string>()
  #nowMs = 0
  #madeCount = 0

  constructor(seed: string) {
    this.#random = new Random(seed)
    for (const name of NAMES) this.#make(name)
  }

  /** Something happens, mostly. */
  trouble(): void {
    const random = this.#random
    const truth = this.truths.get(NAMES[random.below(3)]!)!
    const lives = truth.view.members.map(({ incarnation }) => incarnation)
    switch (random.below(12)) {
      case 0:
        truth.view = after(truth.view, {})
        return
      case 1:
        if (lives.length === 1) return
        truth.view = after(truth.view, { removed: new Map([[lives[0]!, 'gone']]) })
        return
      case 2: {
        const life = lives[random.below(lives.length)]!
        const former = truth.generations.get(life) ?? [1, 1]
        truth.generations = new Map(truth.generations).set(life, [former[0]! + 1, former[1]!])
        return
      }
      case 3:
        this.#cuts.add(`${truth.identity.name}>${NAMES[random.below(3)]}`)
        return
      case 4:
        this.#cuts.clear()
        return
      case 5:
        if (random.below(8) === 0) this.#make(truth.identity.name)
        return
      default:
        this.nodes[random.below(this.nodes.length)]!.adopt(this.#nowMs)
    }
  }

  /** Whoever is out of its view believes what it did, and goes on to say so. */
  calm(): void {
    this.#cuts.clear()
    for (const node of this.nodes) {
      const isIn = node.truth.view.members.some((member) => member.incarnation === node.incarnation)
      if (isIn) node.adopt(this.#nowMs)
    }
  }

  pass(ms: number, isLossy: boolean): void {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; this.#nowMs += STEP_MS) {
      for (const each of this.#onTheWay.splice(0)) {
        if (each.atMs > this.#nowMs) this.#onTheWay.push(each)
        else each.to.known.turn({ kind: 'heard', message: each.message }, this.#nowMs)
      }
      for (const node of this.nodes) this.#turn(node, isLossy)
    }
  }

  #turn(node: Node, isLossy: boolean): void {
    if (node.known.nextDeadlineMs() <= this.#nowMs) {
      node.known.turn({ kind: 'deadline' }, this.#nowMs)
    }
    for (const output of node.outputs.splice(0)) {
      if (output.kind === 'world') node.regions = output.regions
      if (output.kind !== 'say') continue
      for (const to of this.nodes) {
        const isLost = isLossy && this.#random.below(4) === 0
        if (isLost || this.#cuts.has(`${node.name}>${to.name}`)) continue
        const atMs = this.#nowMs + this.#random.below(DELAY_MS)
        this.#onTheWay.push({ atMs, to, message: output.message })
      }
    }
  }

  /** Makes a region, or makes it anew. */
  #make(name: string): void {
    const no = ++this.#madeCount
    const uid = `uid-${this.#random.id(6)}`
    const members = membersOf(NODES).map((member, at) => ({
      ...member, incarnation: `${name}${at}-${no}`
    }))
    const truth: Truth = {
      identity: {
        name, ownName: name, uid, madeAtMs: no * 1_000, prefix: `ringcast.${name}.${uid}`,
        endpoint: ''
      },
      view: viewOf(members, 16, 1),
      generations: new Map()
    }
    this.truths.set(name, truth)
    for (const { incarnation } of members) this.nodes.push(new Node(truth, incarnation))
  }
}

function agree(t: Test, storm: Storm): void {
  for (const { name, incarnation, truth, regions } of storm.nodes) {
    const isFormer = truth !== storm.truths.get(name)
    const others = isFormer ? [] : NAMES.filter((other) => other !== name).sort()
    const known = regions.map(({ region, uid, view, generations }) => ({
      region, uid, version: view.version, generations: [...generations].sort()
    }))
    t.same(known, others.map((other) => {
      const { identity, view, generations } = storm.truths.get(other)!
      const listed = [...generations].filter(([each]) =>
        view.members.some((member) => member.incarnation === each))
      return {
        region: other, uid: identity.uid, version: view.version, generations: listed.sort()
      }
    }), `as ${incarnation} knows it`)
  }
}

for (let seed = 1; seed <= 10; seed++) {
  t.test(`storm ${seed}`, async (t) => {
    const storm = new Storm(`storm ${seed}`)
    for (let count = 0; count < 200; count++) {
      storm.trouble()
      storm.pass(500, true)
    }
    storm.calm()
    storm.pass(2 * limits.announceMs, false)
    agree(t, storm)
  })
}
