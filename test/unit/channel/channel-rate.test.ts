import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { op } from './parts.ts'

t.test('[C15] what the app lets a channel take in a second, whoever publishes it', async (t) => {
  const bench = new MasterBench()
  for (const place of [a, b]) bench.join(place)
  const rateMax = 10
  const publish = (place: typeof a, opNo: number, messageCount: number): void =>
    bench.publish(place, opNo, op(`${place.incarnation}:${opNo}`, { rateMax, messageCount }))
  publish(a, 1, 6)
  publish(b, 1, 4)
  publish(a, 2, 1)
  t.equal(bench.waiting.length, 2)
  t.match(bench.outcomes(a), ['2: 42913'])
  publish(a, 2, 1)
  t.match(bench.outcomes(a), ['2: 42913'], 'a repeat hears the same')
  bench.pass(500)
  publish(a, 3, 5)
  publish(b, 2, 1)
  t.equal(bench.waiting.length, 3, 'half a second gives half')
  bench.pass(1_000)
  publish(b, 3, limits.messagesPerPublishMax)
  t.equal(bench.waiting.length, 4, 'one that is larger than the rate is taken when all is there')
  bench.pass(1_000)
  publish(b, 4, 1)
  t.equal(bench.waiting.length, 4, 'and paid for')
  bench.publish(a, 4, 'free')
  t.equal(bench.waiting.length, 5, 'where nothing is said, nothing is counted')
})
