import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { decodeAppend, type EpochEntry } from '../../../src/log/entry.ts'
import { Duels } from '../../../src/node/duels.ts'
import { Mastership } from '../../../src/node/mastership.ts'
import { makeView, ownersOf } from '../../../src/ring/view.ts'
import { membersOf, viewOf } from '../ring/regions.ts'
import { type WorldNode, WorkerWorld } from './worker-world.ts'

const view = viewOf(membersOf(4), 16)
const [first, second] = ownersOf(0, view).map(({ incarnation }) => incarnation) as [string, string]
const stranger = view.members.find((each) => !ownersOf(0, view).includes(each))!.incarnation

/** The second life of a worker of that node. */
function duelsOf(incarnation: string): { duels: Duels; mastership: Mastership } {
  const mastership = new Mastership({ incarnation, worker: 0 }, 2)
  mastership.learn(view, new Map(), new Set())
  const duels = new Duels(mastership, 2, new Random('duels'))
  duels.onView()
  return { duels, mastership }
}

function epochOf(incarnation: string, viewVersion = view.version, workerGeneration = 1) {
  const entry: EpochEntry = {
    kind: 'epoch', epoch: 1, lineage: 'l', startsLineage: false, viewVersion, incarnation,
    workerGeneration
  }
  return entry
}

t.test('[2] of two who fight the one that the view names first goes first', async (t) => {
  const cases: [self: string, by: EpochEntry | undefined, goesFirst: boolean][] = [
    [first, epochOf(second), true],
    [second, epochOf(first), false],
    [second, epochOf(stranger), true],
    [first, epochOf(first), true],
    [first, epochOf(first, view.version, 3), false],
    [first, epochOf(second, view.version + 1), false],
    [second, epochOf(first, view.version - 1), false],
    [first, undefined, false]
  ]
  for (const [self, by, goesFirst] of cases) {
    const { duels } = duelsOf(self)
    t.equal(duels.restsUntilMs(0), 0)
    duels.onDeposed(0, by, 1_000)
    const pauseMs = duels.restsUntilMs(0) - 1_000
    t.ok(goesFirst ? pauseMs > 0 && pauseMs < 100 : pauseMs >= 1_000 && pauseMs < 4_000,
      `${self} deposed by ${by?.incarnation ?? 'somebody'}: ${pauseMs}`)
    t.equal(duels.restsUntilMs(1), 0, 'and that partition only')
  }
})

t.test('[2] pauses grow, and are bounded', async (t) => {
  for (const [self, by, maxMs] of [[first, second, 3_000], [second, first, 12_000]] as const) {
    const { duels } = duelsOf(self)
    let nowMs = 0
    let pauseMs = 0
    for (let round = 0; round < 12; round++) {
      duels.onDeposed(0, epochOf(by), nowMs)
      const before = pauseMs
      pauseMs = duels.restsUntilMs(0) - nowMs
      t.ok(pauseMs < maxMs && pauseMs > Math.min(before / 3, maxMs / 4), `${before} ${pauseMs}`)
      nowMs += pauseMs
    }
    t.ok(pauseMs > maxMs / 4)
    duels.onDeposed(0, epochOf(by), nowMs + 100_000)
    t.ok(duels.restsUntilMs(0) < nowMs + 104_000, 'a long peace ends it')
  }
})

t.test('[2] a newer view decides anew, and only a newer one', async (t) => {
  const { duels, mastership } = duelsOf(second)
  duels.onDeposed(0, epochOf(first), 0)
  mastership.learn(view, new Map(), new Set([first]))
  t.notOk(duels.onView())
  t.ok(duels.restsUntilMs(0) > 0)
  mastership.learn(makeView({ ...view, version: view.version + 1 }), new Map(), new Set())
  t.ok(duels.onView())
  t.equal(duels.restsUntilMs(0), 0)
})

/** A partition's master, and a node that takes it for dead, with a client of each side. */
class Duel {
  readonly world = new WorkerWorld('duel', { log: 'shared', nodes: 4 })
  readonly channel = this.world.channelOf(this.world.nodes[0]!)
  readonly partition = this.world.partitionOf(this.channel)
  readonly rival: WorldNode
  readonly third: WorldNode
  epochCount = 0

  constructor() {
    const { world, partition } = this
    world.run(1_000)
    const owners = ownersOf(partition, world.view).map(({ node }) => node)
    this.rival = world.nodes.find(({ member }) => member.node === owners[1])!
    this.third = world.nodes.find(({ member }) => !owners.includes(member.node))!
    world.appendFate = (request) => {
      if (request.kind === 'append' && request.partition === partition &&
        decodeAppend(request.bytes)?.counter === -1) this.epochCount++
      return 'fine'
    }
  }

  /** From now on the rival holds the master gone, and nobody hears of it. */
  begin(): void {
    for (const node of this.world.nodes) node.isTold = node === this.rival
    this.world.tellView(new Set([this.world.nodes[0]!.member.incarnation]))
    for (const node of this.world.nodes) node.isTold = true
  }
}

t.test('[2] two that each take the other for dead do not depose each other for ever', async (t) => {
  const duel = new Duel()
  const { world, channel } = duel
  const [here, there] = [world.client(duel.third), world.client(duel.rival)]
  const ears = [duel.third, duel.rival].map((node) => world.client(node).attach(channel))
  world.run(2_000)
  duel.begin()
  const before = duel.epochCount
  for (let no = 0; no < 100; no++) {
    here.publish(channel, `here${no}`)
    there.publish(channel, `there${no}`)
    world.run(100)
  }
  t.ok(duel.epochCount - before >= 3, 'both have tried')
  t.ok(duel.epochCount - before <= 12, `${duel.epochCount - before} epochs`)
  world.tellView()
  world.run(20_000)
  t.same([here.ackCount, there.ackCount], [100, 100])
  for (const ear of ears) t.match(ear, { flaws: [] })
  for (const ear of ears) t.equal(ear.messages(channel).length, 200)
})

t.test('[2, 10] who waits takes over all the same when the other has died of it', async (t) => {
  const duel = new Duel()
  const { world, channel } = duel
  const client = world.client(duel.third).attach(channel)
  world.client(duel.rival).attach(channel)
  world.run(2_000)
  duel.begin()
  world.run(100)
  client.publish(channel, 'deposes')
  world.run(500)
  world.kill(world.nodes[0]!)
  world.tellView(new Set([world.nodes[0]!.member.incarnation]))
  client.publish(channel, 'after')
  world.run(8_000)
  t.ok(client.messages(channel).length > 0)
  t.equal(client.ackCount, 2)
})

t.test('[2] a newer view ends the waiting at once', async (t) => {
  const duel = new Duel()
  const { world, channel } = duel
  const client = world.client(duel.third).attach(channel)
  const there = world.client(duel.rival).attach(channel)
  world.run(2_000)
  duel.begin()
  there.publish(channel, 'claims')
  world.run(200)
  client.publish(channel, 'deposes')
  world.run(300)
  there.publish(channel, 'is deposed')
  world.run(300)
  const before = duel.epochCount
  t.equal(there.ackCount, 1, 'it waits')
  world.kill(world.nodes[0]!)
  world.remove(world.nodes[0]!)
  world.run(200)
  t.ok(duel.epochCount > before)
  t.equal(there.ackCount, 2)
  t.match(client, { flaws: [] })
})
