import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { ClientBench, liveAt5, ofKind, standing } from './parts.ts'

const { joinRetryMs, joinRetryMaxMs } = limits

function joins(bench: ClientBench): number {
  return ofKind(bench.said(), 'join').length
}

t.test('a Join that is not answered is said again, each time later', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  t.equal(joins(bench), 1)
  let pauseMs: number = joinRetryMs
  for (let no = 0; no < 6; no++) {
    bench.pass(pauseMs * 0.69)
    t.equal(joins(bench), 0)
    bench.pass(pauseMs * 0.62)
    t.equal(joins(bench), 1)
    pauseMs = Math.min(pauseMs * 2, joinRetryMaxMs)
  }
})

t.test('told to ask again it does at once, but not where it was let in just now', async (t) => {
  const bench = liveAt5()
  const again = () => bench.client.onMasterMessage({ kind: 'joinAgain', channel: 'app/c' })
  bench.said()
  again()
  again()
  t.equal(joins(bench), 0)
  bench.deliver([])
  bench.pass(joinRetryMs - 1)
  t.equal(joins(bench), 0, 'it goes on being live')
  bench.pass(1)
  t.equal(ofKind(bench.said(), 'join').length, 1)
  bench.pass(0)
  again()
  t.equal(joins(bench), 0, 'it has asked')
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(5) })
  bench.pass(joinRetryMs)
  t.equal(joins(bench), 0, 'it was let in')
  again()
  t.equal(joins(bench), 1)
})

t.test('who leaves asks no more', async (t) => {
  const bench = liveAt5()
  bench.client.onMasterMessage({ kind: 'joinAgain', channel: 'app/c' })
  bench.client.close()
  bench.said()
  bench.pass(10 * joinRetryMaxMs)
  t.equal(joins(bench), 0)
})
