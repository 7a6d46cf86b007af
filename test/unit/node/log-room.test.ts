/** What workers do when they are told that the log is full. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import { Action } from '../../../src/wire/actions.ts'
import { WorkerWorld } from './worker-world.ts'
import { workerOf } from './resume-world.ts'

const full = (partition: number) => {
  const isFull = Array.from({ length: 16 }, (_, no) => no === partition)
  return { kind: 'logRoom', room: { ...ampleRoom, isFull } } as const
}

t.test('[6] a client\'s publish to a full log is NACKed with 50005, elsewhere not', async (t) => {
  const world = new WorkerWorld('full', { nodes: 1, log: 'shared' })
  world.run(20)
  const [node] = world.nodes
  const client = world.client(node!)
  world.run(20)
  const stuck = world.channelOf(node!)
  let other = stuck
  for (let no = 0; world.partitionOf(other) === world.partitionOf(stuck); no++) other = `o${no}`
  world.input(workerOf(node!), full(world.partitionOf(stuck)))
  world.run(20)
  client.publish(stuck, 'no')
  client.publish(other, 'yes')
  world.run(100)
  t.match(client.received.filter(({ action }) => action === Action.NACK),
    [{ msgSerial: 0, error: { code: 50005, statusCode: 503 } }])
  t.match(client.received.filter(({ action }) => action === Action.ACK), [{ msgSerial: 1 }])
  world.input(workerOf(node!), { kind: 'logRoom', room: ampleRoom })
  client.publish(stuck, 'now')
  world.run(100)
  t.equal(world.sharedLog.publications(world.partitionOf(stuck), `app/${stuck}`).length, 1)
})

t.test('[6] partitions that nobody needs are taken over to be trimmed, few at a time',
  async (t) => {
    const world = new WorkerWorld('tidy', { nodes: 1, log: 'shared' })
    world.run(20)
    const all = { ...ampleRoom, isFull: [true] }
    const claimedCount = (): number => Array.from({ length: 16 }, (_, no) => no)
      .filter((partition) => world.sharedLog.epochs(partition).length > 0).length
    t.equal(claimedCount(), 0, 'an idle partition costs nothing')
    world.input(workerOf(world.nodes[0]!), { kind: 'logRoom', room: all })
    world.run(100)
    t.equal(claimedCount(), limits.tidiedAtOnceMax)
    world.input(workerOf(world.nodes[0]!), { kind: 'logRoom', room: all })
    world.run(100)
    t.equal(claimedCount(), 16)
  })
