/* Clients that a region sends to others: how fast, who, who is let in; and how it is undone. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { WorldTerms } from '../../../src/region/terms.ts'
import { Action } from '../../../src/wire/actions.ts'
import type { WorldClient } from './world-client.ts'
import { type WorldNode, type WorldWorker, WorkerWorld } from './worker-world.ts'

const TICK_MS = 100
const sentAway = { action: Action.DISCONNECTED, error: { code: 50005, statusCode: 503 } }

/** What a worker is told of how many are to go a second. */
function termsOf(departuresPerSecond: number | undefined): WorldTerms {
  const drain = departuresPerSecond === undefined ? 'none' : 'draining'
  return { endpoints: [], drain, departuresPerSecond, lostRegionGraceMs: limits.regionGraceMs }
}

function evacuate(world: WorkerWorld, worker: WorldWorker, perSecond: number | undefined): void {
  world.input(worker, { kind: 'terms', terms: termsOf(perSecond) })
}

function scene(seed: string, clientCount: number, nodes = 1) {
  const world = new WorkerWorld(seed, { nodes })
  world.run(10)
  const node = world.nodes[0]!
  const clients = Array.from({ length: clientCount }, () => world.client(node))
  world.run(200)
  const openCount = (): number => clients.filter(({ isOpen }) => isOpen).length
  return { world, node, worker: node.workers[0]!, clients, openCount }
}

/** How many went in each tick. */
function departuresIn(
  world: WorkerWorld, openCount: () => number, ticks: number
): number[] {
  return Array.from({ length: ticks }, () => {
    const before = openCount()
    world.run(TICK_MS)
    return before - openCount()
  })
}

t.test('so many go a second, and no more in any of them', async (t) => {
  for (const perSecond of [0.5, 7, 20, 145]) {
    const { world, worker, clients, openCount } = scene(`rate ${perSecond}`, 100)
    evacuate(world, worker, perSecond)
    const counts = departuresIn(world, openCount, 100)
    const perTickMax = 1 + Math.ceil(TICK_MS * perSecond / 1_000)
    t.ok(counts.every((count) => count <= perTickMax), `${perSecond}: ${counts.join(' ')}`)
    for (let at = 0; at < counts.length; at++) {
      const inSecond = counts.slice(at, at + 10).reduce((sum, count) => sum + count, 0)
      t.ok(inSecond <= perSecond + 1, `${perSecond} in the second after tick ${at}: ${inSecond}`)
    }
    const wanted = Math.min(100, 10 * perSecond)
    const wentCount = 100 - openCount()
    t.ok(wentCount >= wanted - 1 && wentCount <= wanted, `${perSecond}: ${wentCount} went`)
    for (const { received } of clients.slice(0, wentCount)) t.match(received.at(-1), sentAway)
    t.equal(worker.tally.sentAwayCount, wentCount)
  }
})

t.test('a loop that stood still makes no rush of it', async (t) => {
  const { world, worker, openCount } = scene('frozen', 100)
  evacuate(world, worker, 20)
  world.run(200)
  worker.isFrozen = true
  world.run(3_000)
  const before = openCount()
  world.thaw(worker)
  world.run(TICK_MS)
  t.ok(before - openCount() <= 3, `${before - openCount()} at once`)
})

t.test('newcomers are refused, those who resume too, until it is undone', async (t) => {
  const { world, node, worker, clients, openCount } = scene('undone', 40)
  evacuate(world, worker, 10)
  world.run(1_050)
  const left = openCount()
  const late = world.client(node)
  const [gone] = clients as [WorldClient]
  gone.resume(worker)
  world.run(100)
  t.match(late.received, [sentAway])
  t.notOk(late.isOpen || gone.isOpen)
  t.match(gone.received.at(-1), sentAway)

  evacuate(world, worker, undefined)
  world.run(10)
  const staying = openCount()
  t.ok(staying >= left - 2 && staying > 0)
  const id = gone.connectionId
  gone.resume(worker)
  const another = world.client(node)
  world.run(10_000)
  t.ok(another.isOpen)
  t.equal(gone.connectionId, id, 'its connection was kept')
  t.equal(openCount(), staying + 1, 'nobody else has gone')
})

t.test('another rate counts from then on; the last one goes, and nothing is left to wait for',
  async (t) => {
    const { world, worker, openCount } = scene('rates', 60)
    evacuate(world, worker, 2)
    world.run(2_050)
    t.ok(openCount() >= 56)
    evacuate(world, worker, 100)
    world.run(1_000)
    t.equal(openCount(), 0)
    world.run(limits.connectionStateTtlMs + 60_000)
    t.match(worker.worker.counts(), { connections: 0, parked: 0, deadlines: 0 })
  })

t.test('who waits for an answer goes when it is given, or after a while', async (t) => {
  const { world, node, worker } = scene('owed', 0)
  const [answered, silent] = [world.client(node), world.client(node)]
  world.run(100)
  const [soon, never] = [world.channelOf(node, 0, 's'), world.channelOf(node, 0, 'n')]
  const stuck = world.partitionOf(never)
  t.not(world.partitionOf(soon), stuck)
  let isHeldUp = true
  world.appendFate = (request) => {
    const isHeld = request.partition === stuck || isHeldUp
    return request.kind === 'append' && isHeld ? 'unknown, did not' : 'fine'
  }
  answered.publish(soon, 'a')
  silent.publish(never, 'b')
  world.run(50)
  evacuate(world, worker, 100)
  world.run(1_000)
  t.ok(answered.isOpen && silent.isOpen)
  isHeldUp = false
  world.run(1_000)
  t.equal(answered.ackCount, 1)
  t.notOk(answered.isOpen)
  t.match(answered.received.at(-1), sentAway, 'after its answer')
  t.ok(silent.isOpen)
  world.run(limits.departureWaitMs)
  t.notOk(silent.isOpen)
  t.equal(silent.ackCount, 0)
})

t.test('who publishes without a pause goes between two: nothing is said again', async (t) => {
  const { world, node, worker } = scene('busy', 0, 2)
  const other = world.nodes[1] as WorldNode
  const channel = world.channelOf(other)
  const busy = Array.from({ length: 8 }, () => world.client(node))
  const hearer = world.client(other).attach(channel)
  world.run(100)
  evacuate(world, worker, 20)
  let saidCount = 0
  while (busy.some(({ isOpen }) => isOpen)) {
    for (const client of busy) {
      if (client.isOpen && client.pendingCount === 0) client.publish(channel, `m${saidCount++}`)
    }
    world.run(0.5)
  }
  world.run(1_000)
  t.ok(world.nowMs < 3_000, 'nobody was waited for in vain')
  const ackCount = busy.reduce((sum, client) => sum + client.ackCount, 0)
  t.ok(ackCount > 100)
  t.equal(hearer.messages(channel).length, ackCount, 'what was not answered was not said')
})

t.test('its masters go on: who is elsewhere hears everything', async (t) => {
  const { world, node, worker, clients } = scene('masters', 10, 2)
  const other = world.nodes[1] as WorldNode
  const channel = world.channelOf(node)
  const [hearer, sayer] = [world.client(other).attach(channel), world.client(other)]
  world.run(100)
  evacuate(world, worker, 100)
  for (let no = 0; no < 20; no++) {
    sayer.publish(channel, `m${no}`)
    world.run(50)
  }
  world.run(100)
  t.ok(clients.every(({ isOpen }) => !isOpen))
  t.equal(sayer.ackCount, 20)
  t.equal(hearer.messages(channel).length, 20)
  t.same([...hearer.flaws, ...sayer.flaws], [])
})

t.test('a node that leaves meanwhile lets everybody go in its own time', async (t) => {
  const { world, node, worker, openCount } = scene('leaves', 40)
  evacuate(world, worker, 1)
  world.run(500)
  world.input(worker, { kind: 'drain', withinMs: 1_000 })
  world.run(100)
  evacuate(world, worker, undefined)
  const late = world.client(node)
  world.run(1_000)
  t.equal(openCount(), 0)
  t.notOk(late.isOpen, 'and is not opened again by the end of the other')
})
