import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { NonceRegister } from '../../../src/channel/nonces.ts'
import { decodeAppend, type Entry } from '../../../src/log/entry.ts'
import type { Spend, Spent } from '../../../src/peer/nonce-message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { World } from './partition-world.ts'

const n1: Place = { incarnation: 'n1', worker: 0 }
const n2: Place = { incarnation: 'n2', worker: 0 }

function spend(digest: string, spendId: string, untilMs = 1_000): Spend {
  return { kind: 'spend', digest, spendId, untilMs }
}

/** A register alone, with a log that takes entries when the test says. */
class Bench {
  entries: Entry[] = []
  nowMs = 0
  hasRoom = true
  readonly #said: string[] = []
  readonly register = new NonceRegister({
    now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
    hasRoom: () => this.hasRoom,
    send: ({ incarnation }, { spendId, verdict }: Spent) => {
      this.#said.push(`${incarnation} ${spendId} ${verdict}`)
    },
    append: (entry) => this.entries.push(entry)
  })

  commit(): void {
    for (const entry of this.entries.splice(0)) this.register.onCommitted(entry)
  }

  said(): string[] {
    return this.#said.splice(0)
  }
}

function serving(): Bench {
  const bench = new Bench()
  bench.register.begin()
  return bench
}

t.test('a nonce is used once, by the first, when that is in the log', async (t) => {
  const bench = serving()
  bench.register.onSpend(n1, spend('d', 'a'))
  bench.register.onSpend(n2, spend('d', 'b'))
  bench.register.onSpend(n2, spend('e', 'c'))
  t.same(bench.said(), [], 'nothing is said before')
  bench.commit()
  t.same(bench.said(), ['n1 a fresh', 'n2 c fresh'])
  bench.register.onSpend(n2, spend('d', 'b'))
  t.same(bench.said(), ['n2 b used'])
})

t.test('a request that is sent again is the same one', async (t) => {
  const bench = serving()
  bench.register.onSpend(n1, spend('d', 'a'))
  bench.register.onSpend(n1, spend('d', 'a'))
  bench.commit()
  t.same(bench.said(), ['n1 a fresh'])
  bench.register.onSpend(n1, spend('d', 'a'))
  t.same(bench.said(), ['n1 a fresh'])
  t.equal(bench.entries.length, 0)
})

t.test('a nonce is known as long as its request could be taken, and used after that', async (t) => {
  const bench = serving()
  bench.register.onSpend(n1, spend('d', 'a'))
  bench.commit()
  bench.nowMs = 999
  bench.register.expire()
  t.equal(bench.register.size, 1)
  bench.nowMs = 1_000
  bench.register.expire()
  t.equal(bench.register.size, 0)
  bench.said()
  bench.register.onSpend(n2, spend('d', 'b'))
  t.same(bench.said(), ['n2 b used'])
})

t.test('what comes before the partition is claimed is judged then', async (t) => {
  const bench = new Bench()
  bench.register.restore({ digest: 'd', spendId: 'a', untilMs: 1_000 })
  bench.register.onSpend(n1, spend('d', 'b'))
  bench.register.onSpend(n1, spend('e', 'c'))
  t.same(bench.said(), [])
  bench.register.begin()
  bench.commit()
  t.same(bench.said(), ['n1 b used', 'n1 c fresh'])
  bench.register.end()
  bench.register.onSpend(n1, spend('f', 'd'))
  t.same(bench.entries, [], 'who is not the master says nothing')
})

t.test('without room nothing is forgotten for what is new', async (t) => {
  const bench = serving()
  const count = limits.noncesPerPartitionMax
  for (let no = 0; no < count; no++) bench.register.onSpend(n1, spend(`d${no}`, `s${no}`))
  bench.commit()
  bench.said()
  bench.register.onSpend(n1, spend('more', 'x'))
  bench.register.onSpend(n1, spend('d0', 'y'))
  t.same(bench.said(), ['n1 x full', 'n1 y used'])
  const full = serving()
  full.hasRoom = false
  full.register.onSpend(n1, spend('d', 'a'))
  t.same(full.said(), ['n1 a full'], 'nor where the log takes nothing')
})

t.test('the next master knows them, from the log or its snapshot', async (t) => {
  for (const hasSnapshot of [false, true]) {
    const world = new World()
    const first = world.master()
    const untilMs = world.nowMs + 100_000
    first.master.onRegisterMessage(n1, spend('d', 'a', untilMs))
    first.settle()
    if (hasSnapshot) {
      first.join()
      for (let no = 0; no < 2_000; no++) first.publish(`x:${no}`)
    }
    const kinds = world.log.records.flatMap(({ bytes }) => {
      return decodeAppend(bytes)!.entries.map(({ kind }) => kind)
    })
    t.equal(kinds.includes('snapshotEnd'), hasSnapshot)
    const second = world.master(false)
    second.master.onRegisterMessage(n2, spend('d', 'b', untilMs))
    second.master.onRegisterMessage(n1, spend('d', 'a', untilMs))
    t.same(second.said, [], 'not before it is the master')
    second.settle()
    t.same(second.said, [
      { kind: 'spent', spendId: 'b', verdict: 'used' },
      { kind: 'spent', spendId: 'a', verdict: 'fresh' }
    ])
    first.said.length = 0
    first.master.onRegisterMessage(n1, spend('e', 'c', untilMs))
    first.settle()
    t.same(first.said.filter(({ kind }) => kind === 'spent'), [], 'a former one says nothing new')
  }
})

t.test('they let go of their time in a partition that has nothing else', async (t) => {
  const world = new World()
  const life = world.master()
  life.master.onRegisterMessage(n1, spend('d', 'a', world.nowMs + 10_000))
  life.settle()
  t.ok(world.deadlines.size > 0)
  world.pass(5 * limits.tailMs, life)
  t.equal(world.deadlines.size, 0)
})
