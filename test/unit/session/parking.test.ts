import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Parking } from '../../../src/session/parking.ts'
import { nothingSaid } from '../../../src/session/past.ts'

const TTL_MS = limits.connectionStateTtlMs

class Bench {
  readonly deadlines = new Deadlines()
  readonly parking: Parking
  nowMs = 0

  constructor(countMax?: number) {
    this.parking = new Parking({
      deadlines: this.deadlines,
      nowMs: () => this.nowMs
    }, countMax)
  }

  park(connectionId: string, claim = 0): void {
    this.parking.park({ connectionId, claim, isProven: true, past: nothingSaid })
  }

  /** Which of these can be resumed. */
  found(...ids: string[]): string[] {
    return ids.filter((id) => this.parking.find(id) !== undefined)
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }
}

t.test('[20] a session is parked for connectionStateTtl, each in its own time', async (t) => {
  const bench = new Bench()
  bench.park('a')
  bench.pass(TTL_MS / 2)
  bench.park('b')
  bench.pass(TTL_MS / 2 - 1)
  t.match(bench.parking.find('a'), { connectionId: 'a', claim: 0, isProven: true })
  bench.pass(1)
  t.same(bench.found('a', 'b'), ['b'])
  bench.pass(TTL_MS / 2)
  t.same(bench.found('a', 'b'), [])
  t.equal(bench.deadlines.size, 0, 'nothing is waited for any more')
})

t.test('one that is parked again has its time in full again', async (t) => {
  const bench = new Bench()
  bench.park('a')
  bench.park('b')
  bench.pass(TTL_MS - 1)
  bench.park('a', 1)
  bench.pass(TTL_MS - 1)
  t.equal(bench.parking.find('a')?.claim, 1)
  t.same(bench.found('a', 'b'), ['a'])
  bench.pass(1)
  t.same(bench.found('a', 'b'), [])
})

t.test('[25] at the bound the oldest goes, and its resume has expired', async (t) => {
  const bench = new Bench(2)
  for (const id of ['a', 'b', 'c']) bench.park(id)
  t.same(bench.found('a', 'b', 'c'), ['b', 'c'])
  t.equal(bench.parking.endOf('a').code, 80008)
  bench.parking.remove('b')
  bench.park('d')
  t.same(bench.found('b', 'c', 'd'), ['c', 'd'], 'who was resumed made room')
})

t.test('a session that was closed is known to have been; an old one is not for ever', async (t) => {
  const bench = new Bench()
  bench.park('a')
  bench.parking.close('a')
  t.equal(bench.parking.find('a'), undefined)
  t.equal(bench.parking.endOf('a').code, 80017)
  t.equal(bench.deadlines.nextMs(), TTL_MS)
  bench.pass(TTL_MS)
  t.equal(bench.deadlines.size, 0)
  for (let no = 0; no < limits.endedKnownMax; no++) bench.parking.close(`x${no}`)
  t.equal(bench.parking.endOf('a').code, 80008)
})
