import t, { type Test } from 'tap'
import { Random } from '../../../src/base/random.ts'
import { Action } from '../../../src/wire/actions.ts'
import type { WorldClient } from './world-client.ts'
import { type WorldWorker, WorkerWorld } from './worker-world.ts'

const SEEDS = 12

/** Clients that publish and hear one channel, and go from worker to worker as chance wants. */
class Wanderers {
  readonly world: WorkerWorld
  readonly random: Random
  readonly clients: WorldClient[]
  readonly channel: string
  readonly #ids: string[]
  readonly #sent: string[][]

  constructor(seed: string, nodes: number, workers: number) {
    this.world = new WorkerWorld(seed, { log: 'shared', nodes, workers })
    this.random = new Random(`${seed}/steps`)
    this.world.run(50)
    this.channel = this.world.channelOf(this.world.nodes[0]!)
    this.clients = this.world.nodes.slice(0, 3).map((node) => {
      return this.world.client(node).attach(this.channel)
    })
    this.world.run(200)
    this.#ids = this.clients.map(({ connectionId }) => connectionId)
    this.#sent = this.clients.map(() => [])
  }

  /** Any worker that lives. */
  anyWorker(): WorldWorker {
    const workers = this.world.nodes.flatMap((node) => (node.isAlive ? node.workers : []))
    return workers[this.random.below(workers.length)]!
  }

  step(no: number): void {
    const at = this.random.below(this.clients.length)
    const client = this.clients[at]!
    const data = `${at}:${no}`
    this.#sent[at]!.push(data)
    client.publish(this.channel, data)
    this.world.run(this.random.below(8))
    if (this.random.unit() > 0.4) return
    if (this.random.unit() < 0.7) client.drop()
    client.resume(this.anyWorker())
    this.world.run(this.random.below(60))
  }

  /** Whoever was at a worker that died comes to another one. */
  flee(): void {
    for (const client of this.clients) if (!client.worker!.isAlive) client.resume(this.anyWorker())
  }

  heal(): void {
    for (let round = 0; round < 3; round++) {
      this.world.run(10_000)
      for (const client of this.clients) if (!client.isOpen) client.resume(this.anyWorker())
    }
    this.world.run(10_000)
  }

  check(t: Test, seed: string): void {
    for (const [at, client] of this.clients.entries()) {
      t.equal(client.connectionId, this.#ids[at], `${seed}: the connection it was`)
      t.equal(client.pendingCount, 0, `${seed}: everything is answered`)
      t.equal(client.ackCount, this.#sent[at]!.length)
      t.same(client.flaws, [])
      const heard = client.messages(this.channel)
      for (const [other, data] of this.#sent.entries()) {
        t.same(heard.filter((each) => each.startsWith(`${other}:`)), data, seed)
      }
      const refusals = client.received.flatMap(({ action, error }) => {
        return action === Action.CONNECTED && error !== undefined ? error.code : []
      })
      t.same(refusals, [], `${seed}: no resume has failed`)
    }
  }
}

t.test('[20, 18, B9] clients wander in bad weather: nothing lost, nothing twice', async (t) => {
  for (let no = 0; no < SEEDS; no++) {
    const seed = `wander/${no}`
    const wanderers = new Wanderers(seed, 3, 1 + (no % 2))
    wanderers.world.weather = { loss: 0.05, repeat: 0.05, delayMs: 5 }
    for (let step = 0; step < 60; step++) wanderers.step(step)
    wanderers.world.weather = { loss: 0, repeat: 0, delayMs: 1 }
    wanderers.heal()
    wanderers.check(t, seed)
  }
})

t.test('[20, D3] workers and nodes die under them: the same', async (t) => {
  for (let no = 0; no < SEEDS; no++) {
    const seed = `deaths/${no}`
    const wanderers = new Wanderers(seed, 4, 1 + (no % 2))
    const { world, random } = wanderers
    let deathCount = 0
    for (let step = 0; step < 60; step++) {
      wanderers.step(step)
      const chance = random.unit()
      if (chance < 0.04) {
        const { node, place } = wanderers.anyWorker()
        world.restartWorker(node, place.worker)
      } else if (chance < 0.07 && deathCount < 2) {
        const { node } = wanderers.anyWorker()
        deathCount++
        world.kill(node)
        wanderers.flee()
        world.run(random.below(500))
        world.remove(node)
      }
      wanderers.flee()
    }
    wanderers.heal()
    wanderers.check(t, seed)
  }
})
