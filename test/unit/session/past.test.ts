import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { nothingSaid, Repeats } from '../../../src/session/past.ts'
import { answered, SessionBench } from './session-bench.ts'

const RATE = 5
const SAID = 4 * RATE

function publishAll(bench: SessionBench, from: number, count: number): void {
  for (let serial = from; serial < from + count; serial++) bench.publish(serial)
}

t.test('[18] what is said again after a resume is let in, however much it is', async (t) => {
  const past = { doubtfulThrough: -1, saidThrough: SAID - 1 }
  const bench = new SessionBench({ claim: 1, past, messagesPerSecondMax: RATE })
  publishAll(bench, 0, SAID)
  t.equal(bench.door.submits.length, SAID)
  publishAll(bench, SAID, RATE + 1)
  t.equal(bench.door.submits.length, SAID + RATE, 'what is new is judged by the rate')
  publishAll(bench, 0, 1)
  t.equal(bench.door.submits.length, SAID + RATE, 'and so is what is said once more')
  for (let count = 0; count < SAID + RATE; count++) bench.commit()
  t.same(answered(bench.said()).slice(-2), [`NACK ${SAID + RATE} 42911`, 'NACK 0 42911'])
  t.equal(bench.session.past.saidThrough, SAID + RATE)
})

t.test('[18] and it may be more than may have no outcome', async (t) => {
  const count = 2 * limits.unansweredPerSessionMax
  const past = { doubtfulThrough: -1, saidThrough: count - 1 }
  const bench = new SessionBench({ claim: 1, past })
  publishAll(bench, 0, count + 1)
  t.equal(bench.door.submits.length, count, 'of what is new there is too much')
})

t.test('[18] its home has died: what is said at once was said before', async (t) => {
  const past = { ...nothingSaid, saidThrough: undefined }
  const bench = new SessionBench({ claim: 1, past, messagesPerSecondMax: RATE })
  t.equal(bench.session.past.saidThrough, undefined, 'nobody knows yet')
  publishAll(bench, 7, SAID)
  t.equal(bench.door.submits.length, SAID)
  for (let count = 0; count < SAID; count++) bench.commit()
  bench.pass(limits.publishOutcomeMs + 1)
  publishAll(bench, 7 + SAID, RATE + 1)
  t.equal(bench.door.submits.length, RATE)
  t.equal(bench.session.past.saidThrough, 7 + SAID + RATE)
})

t.test('[25] no more is said again than a client may wait for', async (t) => {
  const repeats = new Repeats(Infinity, 0)
  for (let serial = 0; serial < limits.owedPerSessionMax; serial++) {
    if (!repeats.take(serial, 0)) t.fail(`the ${serial}th`)
  }
  t.notOk(repeats.take(limits.owedPerSessionMax, 0))
})
