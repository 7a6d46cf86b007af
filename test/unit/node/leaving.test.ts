/**
 * What becomes of the sessions and members of a node that leaves in good order while their clients
 * are nowhere: it is drained, waits for nobody, and is taken out of the view (scenario D8).
 */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { told, workerOf } from './resume-world.ts'
import { type WorldNode, WorkerWorld } from './worker-world.ts'
import { memberOn } from './world-member.ts'

/** Ann is present from a node that leaves, and offline since before it was asked to. */
function scene(seed: string) {
  const world = new WorkerWorld(seed, { log: 'shared' })
  const [leaving, master, third] = world.nodes as [WorldNode, WorldNode, WorldNode]
  const channel = world.channelOf(master)
  const ann = memberOn(leaving, world, channel)
  const watcher = memberOn(third, world, channel)
  world.run(300)
  ann.enter('ann', 'x')
  world.run(300)
  watcher.events.length = 0
  const { connectionId } = ann
  ann.drop()
  world.run(1_000)
  world.input(workerOf(leaving), { kind: 'drain', withinMs: 0 })
  world.change({ leaving: new Set([leaving.member.incarnation]) })
  world.run(1_000)
  world.remove(leaving)
  world.kill(leaving)
  world.run(1)
  return { world, master, third, ann, watcher, connectionId }
}

t.test('[20, D8] a session parked on a node that left is resumed without delay', async (t) => {
  for (const afterMs of [0, 10_000, limits.connectionStateTtlMs - 2_000]) {
    const { world, third, ann, connectionId } = scene(`left/${afterMs}`)
    world.run(afterMs)
    ann.resume(workerOf(third))
    world.run(limits.holderAnswerMs / 10)
    t.equal(told(ann, connectionId), 'resumed', `${afterMs} ms after it left nobody is asked`)
  }
})

t.test('[20, D8] it is not honoured for ever', async (t) => {
  const { world, third, ann, connectionId } = scene('long ago')
  world.run(limits.connectionStateTtlMs + 1_000)
  ann.resume(workerOf(third))
  world.run(1_000)
  t.equal(told(ann, connectionId), 80008)
})

t.test('[21, D8] its members stay when it leaves, and are its client\'s again', async (t) => {
  const { world, third, ann, watcher, connectionId } = scene('back')
  world.run(limits.presenceGraceMs - 3_000)
  t.same(watcher.events, [], 'nobody leaves because a node does')
  ann.resume(workerOf(third))
  world.run(3 * limits.presenceGraceMs)
  t.equal(ann.connectionId, connectionId)
  t.same(watcher.events, [])
  t.same(watcher.set(), ['ann x'])
})

t.test('[21, D8] members whose client stays away leave after one grace', async (t) => {
  const { world, watcher } = scene('away')
  world.run(limits.presenceGraceMs - 1_000)
  t.same(watcher.set(), ['ann x'])
  world.run(2_000)
  t.same(watcher.events, ['leave ann x'])
  world.run(3 * limits.presenceGraceMs)
  t.same(watcher.events, ['leave ann x'], 'once')
})
