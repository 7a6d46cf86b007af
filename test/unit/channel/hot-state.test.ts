import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Dedupe, type Taken } from '../../../src/channel/dedupe.ts'
import { Tail, TailPool } from '../../../src/channel/tail.ts'
import type { Publication, PublishOp } from '../../../src/peer/message.ts'

function publication(seq: number, bytes = 10): Publication {
  return {
    seq, entry: seq, id: `c:${seq}`, idSpace: 'connection', connectionId: 'c', timestamp: seq,
    counter: 0, messageCount: 1, payload: new Uint8Array(bytes)
  }
}

function op(id: string, idSpace: PublishOp['idSpace'] = 'connection'): PublishOp {
  return { id, idSpace, connectionId: 'c', messageCount: 1, payload: new Uint8Array() }
}

t.test('[rule 19] the tail answers like a list that was cut by age and bytes', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(`tail/${seed}`)
    const start = random.below(100)
    const tail = new Tail(start, new TailPool())
    let nowMs = 0
    const pushed: { seq: number; atMs: number }[] = []
    for (let step = 0; step < 300; step++) {
      nowMs += random.below(2_000)
      const seq = start + pushed.length + 1
      tail.push(publication(seq, random.below(50_000)), nowMs)
      pushed.push({ seq, atMs: nowMs })
      const from = start + random.below(pushed.length + 1)
      const young = pushed.filter(({ seq: s }) => s > from)
      const given = tail.after(from)
      if (from < tail.trimmedThrough) t.equal(given, undefined)
      else t.same(given!.map(({ seq: s }) => s), young.map(({ seq: s }) => s))
      const oldest = pushed.find(({ seq: s }) => s > tail.trimmedThrough)!
      t.ok(nowMs - oldest.atMs < limits.tailMs)
      t.ok(tail.bytes <= limits.tailBytesMax)
    }
  }
})

t.test('[C5] a silent channel continues after hours: nothing was let go', async (t) => {
  const tail = new Tail(0, new TailPool())
  tail.push(publication(1), 0)
  t.ok(tail.expire(3 * 3_600_000))
  t.same(tail.after(1), [])
  t.equal(tail.after(0), undefined)
})

t.test('[25] all tails of a worker have a bound together: the growing one is cut', async (t) => {
  const pool = new TailPool()
  const [quiet, busy] = [new Tail(0, pool), new Tail(0, pool)]
  const bytes = limits.tailBytesMax / 4
  quiet.push(publication(1, bytes), 0)
  const others = limits.tailBytesPerWorkerMax - 3 * bytes
  pool.bytes += others
  for (let seq = 1; seq <= 4; seq++) busy.push(publication(seq, bytes), 0)
  t.ok(pool.bytes <= limits.tailBytesPerWorkerMax)
  t.equal(quiet.length, 1)
  t.equal(busy.after(0), undefined, 'who missed what was cut is told')
  t.same(busy.after(3)!.map(({ seq }) => seq), [4])
  busy.end()
  quiet.end()
  t.equal(pool.bytes, others, 'and what has ended counts no more')
})

t.test('[B2] a repeat of a publish under way waits for the outcome of the first', async (t) => {
  const dedupe = new Dedupe()
  const told: (Taken | undefined)[] = []
  dedupe.admit(op('c:1'), (taken) => told.push(taken))
  t.equal(dedupe.find(op('c:1')), 'pending')
  dedupe.wait(op('c:1'), (taken) => told.push(taken))
  t.same(told, [])
  dedupe.commit(op('c:1'), publication(1), 0)
  t.equal(told.length, 2)
  t.match(dedupe.find(op('c:1')), { timestamp: 1 })
})

t.test('[B4, B5] exact membership, in two key spaces', async (t) => {
  const dedupe = new Dedupe()
  dedupe.commit(op('c:6'), publication(6), 0)
  t.equal(dedupe.find(op('c:5')), 'new', 'a higher number says nothing of a lower one')
  t.equal(dedupe.find(op('c:6', 'client')), 'new', 'a chosen id is not another connection\'s')
})

t.test('[B3] known for three minutes after the commit, and not longer', async (t) => {
  const dedupe = new Dedupe()
  dedupe.commit(op('c:1'), publication(1), 1_000)
  dedupe.expire(1_000 + limits.idKeptMs - 1)
  t.not(dedupe.find(op('c:1')), 'new')
  dedupe.expire(1_000 + limits.idKeptMs)
  t.equal(dedupe.find(op('c:1')), 'new')
  t.equal(dedupe.size, 0)
})
