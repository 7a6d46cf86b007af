/** What a partition does while its log is full, or has its share of it. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import { type Life, World } from './partition-world.ts'

const FULL = { ...ampleRoom, isFull: [true] }

/** What kinds of entries the log holds. */
function kindsIn(world: World): Set<string> {
  return new Set(world.log.records.flatMap(({ bytes }) => {
    return decodeAppend(bytes)!.entries.map(({ kind }) => kind)
  }))
}

function publishMany(life: Life, from: number, count: number): void {
  for (let no = from; no < from + count; no++) life.publish(`a:${no}`)
}

t.test('[6] a full log takes no publish, but tells what it has taken before', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  life.publish('a:0')
  world.room = FULL
  life.publish('a:1')
  life.publish('a:0')
  t.same(life.refusals(), [50005])
  t.equal(life.serials().length, 2, 'a re-send of what is committed is acknowledged')
  world.room = ampleRoom
  life.publish('a:1')
  t.equal(life.serials().length, 3, 'and what was refused is taken when there is room')
})

t.test('[B4] a lost refusal is said again where others followed it', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  world.room = FULL
  first.publish('a:0')
  world.room = ampleRoom
  first.publish('a:1')
  t.same(first.refusals(), [50005])
  const second = world.master()
  second.join()
  second.publish('a:0')
  second.publish('a:1')
  t.same(second.refusals(), [50005], 'it is refused again')
  t.equal(second.serials().length, 1)
})

t.test('[B3] what was taken is known yet when a log is back that was long away', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  life.publish('a:0')
  world.isLogAway = true
  life.publish('b:0')
  world.pass(2 * limits.idKeptMs, life)
  world.isLogAway = false
  life.settle()
  const count = world.log.records.length
  life.publish('a:0')
  t.same(life.serials().at(-1), life.serials()[0], 'its client was away with the log')
  t.equal(world.log.records.length, count)
  world.pass(limits.idKeptMs + 10_000, life)
  life.publish('a:0')
  t.notSame(life.serials().at(-1), life.serials()[0], 'and forgotten after it')
})

t.test('[6] Epochs and snapshots have the rest, so that a full log is trimmed', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  publishMany(first, 0, 50)
  world.room = FULL
  const before = world.log.records.length
  const second = world.master()
  t.ok(second.master.isServing, 'it is taken over')
  t.ok(second.join(), 'and its clients are answered')
  second.publish('a:50')
  world.pass(3 * limits.tailMs, second)
  const kinds = kindsIn(world)
  t.ok(kinds.has('snapshotEnd'))
  t.notOk(kinds.has('publication'), 'what the publishes took is free again')
  t.ok(world.log.records.length < before)
})

t.test('[6] one partition keeps to its share of its stream', async (t) => {
  const world = new World()
  world.room = { isFull: [false], partitionBytesMax: 40_000 }
  const life = world.master()
  life.join()
  publishMany(life, 0, 100)
  const bytes = world.log.records.reduce((sum, record) => sum + record.bytes.byteLength, 0)
  t.ok(bytes < 2 * 40_000 + 2_000, `${bytes} bytes`)
  const [first] = life.refusals()
  t.equal(first, 50005)
})
