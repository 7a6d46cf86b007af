import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { errors } from '../../../src/wire/errors.ts'
import { SessionBench } from './session-bench.ts'

t.test('[20] what may be resumed is parked, what ended for good is not', async (t) => {
  const ways: [string, (bench: SessionBench) => void, string][] = [
    ['its socket went', ({ session }) => session.onSocketClosed(), 'parked'],
    ['DISCONNECT', (bench) => bench.send({ action: Action.DISCONNECT }), 'parked'],
    ['DISCONNECTED', ({ session }) => session.disconnect(errors.unavailable().info), 'parked'],
    ['CLOSE', (bench) => bench.send({ action: Action.CLOSE }), 'closed'],
    ['ERROR', ({ session }) => session.end(errors.unknownKey()), 'closed'],
    ['nonsense', ({ session }) => session.onFrame('nonsense', false), 'closed'],
    ['a higher claim', ({ session }) => session.supersede(), 'superseded']
  ]
  for (const [how, end, ending] of ways) {
    const bench = new SessionBench()
    bench.send({ action: Action.ATTACH, channel: 'c' })
    end(bench)
    t.same(bench.endings, [ending], how)
    t.equal(bench.door.taken.length, 0, 'its attachments have left')
    t.equal(bench.closeCount, how === 'its socket went' ? 0 : 1)
    bench.session.supersede()
    bench.session.onSocketClosed()
    t.same(bench.endings, [ending], 'it ends once')
  }
})

t.test('[20] a session that another one carries on says so: 80016', async (t) => {
  const bench = new SessionBench({ claim: 2 })
  bench.session.supersede()
  t.match(bench.said(), [{ action: Action.DISCONNECTED, error: { code: 80016, statusCode: 410 } }])
  t.equal(bench.session.claim, 2)
})

t.test('[20, D2] the first frame shows that the client has its key', async (t) => {
  const bench = new SessionBench()
  bench.session.connected()
  t.notOk(bench.session.isProven, 'CONNECTED may be lost on its way')
  bench.send({ action: Action.HEARTBEAT })
  bench.send({ action: Action.HEARTBEAT })
  t.ok(bench.session.isProven)
  t.equal(bench.provenCount, 1)
})

t.test('[18, B8] unknown again: NACK 50003 instead of one more socket', async (t) => {
  const first = new SessionBench()
  for (const serial of [0, 1, 2]) first.publish(serial)
  first.commit()
  first.pass(limits.publishOutcomeMs)
  t.same(first.endings, ['parked'])
  const { past } = first.session
  t.same(past, { doubtfulThrough: 2, saidThrough: 2 })
  const second = new SessionBench({ claim: 1, past })
  for (const serial of [1, 2]) second.publish(serial)
  second.pass(limits.publishOutcomeMs / 2)
  second.publish(3)
  t.same(second.said(), [], 'they have their time once more')
  second.pass(limits.publishOutcomeMs / 2)
  t.match(second.said(), [{ action: Action.NACK, msgSerial: 1, count: 2, error: { code: 50003 } }])
  t.same(second.endings, [])
  second.pass(limits.publishOutcomeMs / 2)
  t.same(second.endings, ['parked'], 'the third was not doubtful before')
  t.same(second.session.past, { doubtfulThrough: 3, saidThrough: 3 })
})

t.test('[18, B8] what is known is said before the socket is ended', async (t) => {
  const bench = new SessionBench({ claim: 1, past: { doubtfulThrough: 0, saidThrough: 0 } })
  for (const serial of [0, 1]) bench.publish(serial)
  bench.pass(limits.publishOutcomeMs)
  t.match(bench.said(), [
    { action: Action.NACK, msgSerial: 0, count: 1 }, { action: Action.DISCONNECTED }
  ])
})
