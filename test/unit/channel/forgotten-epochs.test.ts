import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { Standing } from '../../../src/peer/message.ts'
import { type Life, World } from './partition-world.ts'

/** So many masterships, one after the other, that the first of them are forgotten. */
function masterships(world: World, forMs = 1_000): Life {
  for (let count = 0; count < limits.epochEndsMax + 10; count++) {
    const life = world.master()
    world.pass(forMs / 100, life)
  }
  return world.master()
}

/** A channel with `count` messages, and where each of them stands. */
function channelOf(world: World, count: number): Standing[] {
  const life = world.master()
  const places = [life.join()!.standing]
  for (let no = 0; no < count; no++) {
    life.publish(`a:${no}`)
    places.push(life.join()!.standing)
  }
  return places
}

t.test('[19, C5] many masters later a silent channel is resumed', async (t) => {
  const world = new World()
  const [, , last] = channelOf(world, 2)
  const joined = masterships(world).join(last)!
  t.ok(joined.isContinuation)
  t.same(joined.backlog, [])
  t.equal(joined.standing.lineage, last!.lineage)
})

t.test('[19, C5] so is one on which nothing was ever published', async (t) => {
  const world = new World()
  const [born] = channelOf(world, 0)
  const life = masterships(world)
  t.ok(life.join(born)!.isContinuation)
  life.publish('b:0')
  const joined = masterships(world).join(born)!
  t.ok(joined.isContinuation)
  t.same(joined.backlog.map(({ seq }) => seq), [1])
})

t.test('[19, C5] many masters later the tail is told to who missed it', async (t) => {
  const world = new World()
  const places = channelOf(world, 3)
  const life = masterships(world)
  for (const { seq, ...place } of places) {
    const joined = life.join({ seq, ...place })!
    t.ok(joined.isContinuation, `from ${seq}`)
    t.equal(joined.backlog.length, 3 - seq)
  }
})

t.test('[6, 19] the last message is known when a snapshot alone tells of it', async (t) => {
  const world = new World()
  const [, before, last] = channelOf(world, 2)
  const life = world.master()
  life.join(last)
  world.pass(3 * limits.tailMs, life)
  const next = masterships(world)
  next.join(last)
  next.publish('b:0')
  t.same(next.join(last)!.backlog.map(({ seq }) => seq), [3])
  const later = masterships(world)
  const joined = later.join(last)!
  t.ok(joined.isContinuation)
  t.same(joined.backlog.map(({ seq }) => seq), [3])
  t.notOk(later.join(before)!.isContinuation, 'what was trimmed is lost, and that alone')
  const other = { ...last!, entry: last!.entry - 1 }
  t.notOk(later.join(other)!.isContinuation, 'another message stood there')
})

t.test('[4] what a forgotten epoch has not shown is not resumed', async (t) => {
  const world = new World()
  const [, first, last] = channelOf(world, 2)
  const life = masterships(world)
  t.notOk(life.join({ ...first!, entry: last!.entry })!.isContinuation, 'in the tail')
  t.notOk(life.join({ ...last!, entry: first!.entry })!.isContinuation, 'the last one')
  t.notOk(life.join({ ...last!, epoch: last!.epoch - 1 })!.isContinuation, 'told before it was')
  t.equal(life.join(last)!.standing.lineage, last!.lineage, 'none of which proves a rollback')
})

t.test('[4] who stands beyond all that is forgotten proves a rollback', async (t) => {
  const world = new World()
  const [, , last] = channelOf(world, 2)
  const life = masterships(world)
  life.join(last)
  const beyond = { ...last!, entry: last!.entry + 2 * limits.epochEndsMax }
  const joined = life.join(beyond)
  t.notOk(joined?.isContinuation)
  t.not(life.join(last)!.standing.lineage, last!.lineage)
})
