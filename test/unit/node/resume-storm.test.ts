import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { Action } from '../../../src/wire/actions.ts'
import { WorkerWorld } from './worker-world.ts'

const SEEDS = 12

t.test('[20, 18, B9] clients that wander in bad weather: nothing lost, nothing twice', async (t) => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const world = new WorkerWorld(`wander/${seed}`, { log: 'shared', workers: 1 + (seed % 2) })
    const random = new Random(`steps/${seed}`)
    world.run(50)
    const channel = world.channelOf(world.nodes[0]!)
    const clients = world.nodes.map((node) => world.client(node).attach(channel))
    world.run(200)
    const ids = clients.map(({ connectionId }) => connectionId)
    world.weather = { loss: 0.05, repeat: 0.05, delayMs: 5 }
    const wanted: string[][] = clients.map(() => [])
    for (let step = 0; step < 60; step++) {
      const at = random.below(clients.length)
      const client = clients[at]!
      const data = `${at}:${step}`
      wanted[at]!.push(data)
      client.publish(channel, data)
      world.run(random.below(8))
      if (random.unit() < 0.4) {
        if (random.unit() < 0.7) client.drop()
        const node = world.nodes[random.below(world.nodes.length)]!
        client.resume(node.workers[random.below(node.workers.length)]!)
        world.run(random.below(60))
      }
    }
    world.weather = { loss: 0, repeat: 0, delayMs: 1 }
    world.run(10_000)
    for (const client of clients) {
      if (!client.isOpen) client.resume(world.nodes[0]!.workers[0]!)
    }
    world.run(10_000)
    for (const [at, client] of clients.entries()) {
      t.equal(client.connectionId, ids[at], `seed ${seed}: the connection it was`)
      t.equal(client.pendingCount, 0, `seed ${seed}: everything is answered`)
      t.equal(client.ackCount, wanted[at]!.length)
      t.same(client.flaws, [])
      const heard = client.messages(channel)
      for (const [other, data] of wanted.entries()) {
        t.same(heard.filter((each) => each.startsWith(`${other}:`)), data, `seed ${seed}`)
      }
      const refusals = client.received.flatMap(({ action, error }) => {
        return action === Action.CONNECTED && error !== undefined ? error.code : []
      })
      t.same(refusals, [], `seed ${seed}: no resume has failed`)
    }
  }
})
