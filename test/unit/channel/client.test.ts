import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import {
  CHANNEL,
  ClientBench,
  heard,
  liveAt5,
  ofKind,
  op,
  publication,
  publications,
  seqsOf,
  standing
} from './parts.ts'

t.test('the first attach joins from nowhere; the answer is where the master stands', async (t) => {
  const bench = new ClientBench()
  const attachId = bench.attach()
  const [join, ...more] = ofKind(bench.said(), 'join')
  t.match(join, { from: undefined, wantsDeliveries: true })
  t.same(more, [])
  t.same(bench.told(), [], 'nobody is attached before the master said so')
  bench.attach({ worker: 1 })
  t.same(bench.said(), [], 'one Join serves all who wait')
  const { joinNo } = join!
  bench.client.onMasterMessage({
    kind: 'joined', channel: CHANNEL, joinNo, epoch: 1, standing: standing(5),
    isContinuation: true, startsAfter: 5, backlog: [], isWhole: true, nextOpNo: 1
  })
  const [first, second] = [bench.told(0), bench.told(1)]
  t.match(first, [{ kind: 'attached', attachId, isResumed: false, standing: { seq: 5 } }])
  t.match(second, [{ kind: 'attached', error: undefined, backlog: [] }])
})

t.test('later attaches of a live client need no network', async (t) => {
  const bench = liveAt5()
  bench.deliver(publications(6, 7))
  bench.told()
  bench.attach({ worker: 3 })
  t.same(bench.said(), [])
  t.match(bench.told(3), [{ kind: 'attached', standing: { seq: 7 } }])
})

t.test('a Join without answer is sent again, with a higher number, ever less often', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  const pauses: number[] = []
  let lastNo = ofKind(bench.said(), 'join')[0]!.joinNo
  for (let round = 0; round < 12; round++) {
    const beforeMs = bench.nowMs
    bench.pass()
    pauses.push(bench.nowMs - beforeMs)
    const [join] = ofKind(bench.said(), 'join')
    t.ok(join!.joinNo > lastNo)
    lastNo = join!.joinNo
  }
  t.ok(pauses.every((pause) => pause <= limits.joinRetryMaxMs * 1.3))
  t.ok(Math.min(...pauses.slice(6)) > Math.max(...pauses.slice(0, 2)), 'the pauses grow')
  t.equal(bench.deadlines.size, 1, 'one retry is registered, not one for each')
})

t.test('[11, 16] a Join says whether some master may have a publish of before', async (t) => {
  const bench = new ClientBench()
  bench.submit(op('a:1'))
  t.match(ofKind(bench.said(), 'join'), [{ hasUnanswered: false }])
  bench.pass()
  bench.join()
  bench.client.onMasterUncertain()
  t.match(ofKind(bench.said(), 'join'), [{ hasUnanswered: true }])
})

t.test('[14] whatever makes it join again, one Join is asked about', async (t) => {
  const bench = liveAt5()
  for (let round = 0; round < 5; round++) bench.client.onMasterUncertain()
  t.equal(ofKind(bench.said(), 'join').length, 5, 'each change is asked at once')
  t.equal(bench.deadlines.size, 1)
  bench.pass()
  bench.join({ standing: standing(5) })
  t.equal(bench.deadlines.nextMs(), Infinity)
})

t.test('a backlog comes page by page, each told, and the last one makes live', async (t) => {
  const bench = new ClientBench()
  const attachId = bench.attach({ from: standing(0) })
  bench.join({ standing: standing(2) })
  t.match(ofKind(bench.said(), 'backfill'), [{ from: { seq: 0 } }])
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(4), backlog: publications(3, 4), isWhole: false })
  t.match(ofKind(bench.said(), 'publish'), [])
  bench.deliver(publications(5, 5))
  t.match(bench.told().map(({ kind }) => kind), ['broadcast'], 'the page, and nothing else yet')
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(6), backlog: publications(5, 6) })
  const [asked] = ofKind(bench.said(), 'backfill')
  const page = { kind: 'backfilled', channel: CHANNEL, epoch: 1, isContinuation: true } as const
  const { clientId, requestNo } = asked!
  bench.client.onMasterMessage({
    ...page, clientId, requestNo, standing: standing(3), publications: publications(1, 3)
  })
  const [first] = ofKind(bench.told(), 'attached')
  t.match(first, { attachId, isResumed: true, hasMore: true, standing: { seq: 3 } })
  t.equal(first!.backlog.length, 3)
  t.same(ofKind(bench.said(), 'backfill'), [], 'the next page is asked for by who can take it')
  const nextId = bench.attach({ from: first!.standing })
  const [next] = ofKind(bench.said(), 'backfill')
  t.match(next, { from: { seq: 3 } })
  bench.client.onMasterMessage({
    ...page, clientId, requestNo: next!.requestNo, standing: standing(6),
    publications: publications(4, 6)
  })
  const [attached] = ofKind(bench.told(), 'attached')
  t.match(attached, { attachId: nextId, isResumed: true, backlog: { length: 3 } })
  t.notOk(attached!.hasMore)
})

t.test('[3, 19] a backlog with a hole, or too short, is announced as lost', async (t) => {
  for (const backlog of [publications(7, 8), publications(6, 7), []]) {
    const bench = liveAt5()
    bench.client.onMasterUncertain()
    bench.join({ standing: standing(8), startsAfter: 5, backlog })
    t.ok(bench.told().some(({ kind }) => kind === 'continuityLost'), `${backlog.length}`)
  }
})

t.test('[5] a channel born again further on: nothing was there to be missed', async (t) => {
  const bench = liveAt5()
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(21), startsAfter: 20, backlog: publications(21, 21) })
  t.match(bench.told(), [{ kind: 'broadcast', items: [{ seq: 21 }] }])
})

t.test('only the answer to the last Join counts; what older ones bring is dropped', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  const [first] = ofKind(bench.said(), 'join')
  bench.pass()
  const { joinNo } = first!
  const answer = {
    kind: 'joined', channel: CHANNEL, epoch: 1, isContinuation: true, startsAfter: 3,
    isWhole: true, nextOpNo: 1
  } as const
  bench.client.onMasterMessage({ ...answer, joinNo, standing: standing(3), backlog: [] })
  bench.deliver(publications(4, 4))
  t.same(bench.told(), [])
  bench.join({ standing: standing(4) })
  t.match(bench.told(), [{ kind: 'attached', standing: { seq: 4 } }])
  bench.deliver(publications(5, 5))
  t.same(heard(bench), [5])
})

t.test('notMaster keeps the Join asking, and an answer after it still counts', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  const { joinNo } = ofKind(bench.said(), 'join')[0]!
  bench.client.onMasterMessage({ kind: 'notMaster', channel: CHANNEL, joinNo, viewVersion: 2 })
  t.same(bench.said(), [], 'it does not ask in a circle')
  bench.pass()
  bench.join({ standing: standing(2) })
  t.match(bench.told(), [{ kind: 'attached' }])
})

t.test('[C1] order by seq: repeats dropped, overlaps cut, nothing twice', async (t) => {
  const bench = liveAt5()
  bench.deliver(publications(6, 8))
  bench.deliver(publications(6, 8))
  bench.deliver(publications(7, 10))
  t.same(heard(bench), [6, 7, 8, 9, 10])
  t.same(bench.said(), [], 'a repeat is no reason to ask')
})

t.test('[rule 13] a hole is never passed on: Join again from the last standing', async (t) => {
  const bench = liveAt5()
  bench.deliver([publication(6), publication(8)])
  t.same(heard(bench), [6], 'what came before the hole is given')
  bench.deliver([publication(9)])
  t.same(heard(bench), [])
  const said = bench.join({ standing: standing(9), backlog: publications(7, 9) })
  t.match(ofKind(said, 'join'), [{ from: { lineage: 'L1', seq: 6, entry: 6 } }])
  const told = bench.told()
  t.same(ofKind(told, 'broadcast').flatMap(({ items }) => seqsOf(items)), [7, 8, 9])
  t.same(ofKind(told, 'continuityLost'), [], 'nothing was lost')
  bench.deliver(publications(9, 10))
  t.same(heard(bench), [10])
})

t.test('[9, C2] a Deliver of an epoch that was not joined is dropped', async (t) => {
  const bench = liveAt5()
  bench.deliver(publications(6, 6), 2)
  t.same(heard(bench), [], 'of a master that was not joined yet')
  bench.client.onMasterUncertain()
  bench.deliver(publications(6, 6), 1)
  t.same(heard(bench), [], 'while it is not known who is master')
  bench.join({ epoch: 2, standing: standing(6, { epoch: 2 }), backlog: publications(6, 6) })
  t.same(heard(bench), [6], 'the backlog has it')
  bench.deliver([publication(7, { id: 'old' })], 1)
  t.same(heard(bench), [], 'a deposed master is not heard')
  bench.deliver([publication(7)], 2)
  t.same(heard(bench), [7])
})

t.test('[3] continuity lost is told when the master cannot show it, and only then', async (t) => {
  const cases = [
    { how: { standing: standing(9), isContinuation: false }, isLost: true },
    { how: { standing: standing(0, { lineage: 'L2' }), isContinuation: false }, isLost: true },
    { how: { standing: standing(5) }, isLost: false },
    { how: { standing: standing(7), backlog: publications(6, 7) }, isLost: false }
  ]
  for (const { how, isLost } of cases) {
    const bench = liveAt5()
    bench.client.onMasterUncertain()
    bench.join({ epoch: 2, ...how })
    const told = ofKind(bench.told(), 'continuityLost')
    t.equal(told.length, isLost ? 1 : 0, JSON.stringify(how.standing))
    if (isLost) t.match(told, [{ standing: how.standing, error: { code: 90003 } }])
    const { lineage, seq } = how.standing
    bench.deliver([publication(seq + 1)], 2)
    const [broadcast] = ofKind(bench.told(), 'broadcast')
    t.match(broadcast, { standing: { lineage, seq: seq + 1 } }, 'it goes on from there')
  }
})

t.test('nothing was lost by those who attach only now', async (t) => {
  const bench = liveAt5()
  bench.client.onMasterUncertain()
  bench.attach({ worker: 1 })
  bench.attach({ worker: 2, from: standing(3) })
  bench.join({ standing: standing(0, { lineage: 'L2' }), isContinuation: false, epoch: 2 })
  t.match(ofKind(bench.told(1), 'attached'), [{ isResumed: false, error: undefined }])
  const [ask] = ofKind(bench.said(), 'backfill')
  t.match(ask, { from: { lineage: 'L1' } }, 'which lineage is the newer one only the master knows')
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 2, isContinuation: false, standing: standing(0, { lineage: 'L2' }), publications: []
  })
  const told = ofKind(bench.told(2), 'attached')
  t.match(told, [{ isResumed: false, error: { code: 90003 }, standing: { lineage: 'L2' } }])
})

t.test('[4] the same seq of another entry or epoch is asked about: one may be gone', async (t) => {
  const bench = liveAt5()
  for (const other of [{ entry: 99 }, { epoch: 99 }]) {
    bench.attach({ from: { ...standing(5), ...other } })
    t.match(ofKind(bench.said(), 'backfill'), [{ from: { seq: 5, ...other } }])
  }
  bench.attach({ from: standing(5) })
  t.match(ofKind(bench.told(), 'attached'), [{ isResumed: true }])
})

t.test('[C4] an attach that is behind is given what it missed, then live, once each', async (t) => {
  const bench = liveAt5()
  bench.deliver(publications(6, 8))
  bench.told()
  const attachId = bench.attach({ worker: 1, from: standing(6) })
  const [ask] = ofKind(bench.said(), 'backfill')
  t.match(ask, { from: { seq: 6 }, epoch: 1 })
  bench.deliver(publications(9, 9))
  const early = ofKind(bench.told(1), 'broadcast')
  t.same(early.map((each) => each.standing.seq), [9], 'the group lets it pass: nobody is live yet')
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: true, standing: standing(9), publications: publications(7, 9)
  })
  const [attached] = ofKind(bench.told(1), 'attached')
  t.match(attached, { attachId, isResumed: true, standing: { seq: 9 } })
  t.same(seqsOf(attached!.backlog), [7, 8, 9])
})

t.test('[C4] a backfill older than where we stand is a page, and does not make live', async (t) => {
  const bench = liveAt5()
  bench.deliver(publications(6, 8))
  bench.attach({ worker: 1, from: standing(6) })
  const [ask] = ofKind(bench.said(), 'backfill')
  bench.deliver(publications(9, 9))
  bench.told()
  const answer = {
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, epoch: 1,
    isContinuation: true
  } as const
  bench.client.onMasterMessage({
    ...answer, requestNo: ask!.requestNo, standing: standing(8), publications: publications(7, 8)
  })
  const [page] = ofKind(bench.told(1), 'attached')
  t.match(page, { hasMore: true, standing: { seq: 8 } }, 'a hole of one publication is a hole')
  t.same(seqsOf(page!.backlog), [7, 8])
  bench.told()
  bench.attach({ worker: 1, from: page!.standing })
  const [again] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterMessage({
    ...answer, requestNo: ask!.requestNo, standing: standing(9), publications: publications(7, 9)
  })
  t.same(bench.told(), [], 'the first request is answered for good')
  bench.client.onMasterMessage({
    ...answer, requestNo: again!.requestNo, standing: standing(9),
    publications: publications(9, 9)
  })
  t.same(seqsOf(ofKind(bench.told(1), 'attached')[0]!.backlog), [9])
})

t.test('[C4] a serial ahead of us is believed once we are there, if the master is', async (t) => {
  const bench = liveAt5()
  bench.attach({ worker: 1, from: standing(7) })
  const [ask] = ofKind(bench.said(), 'backfill')
  const answer = {
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, epoch: 1, publications: []
  } as const
  const { requestNo } = ask!
  bench.client.onMasterMessage({ ...answer, requestNo, isContinuation: true,
    standing: standing(7) })
  t.same(bench.told(1), [], 'we are not there yet')
  bench.join({ standing: standing(7), backlog: publications(6, 7) })
  const told = ofKind(bench.told(1), 'attached')
  t.match(told, [{ isResumed: true, standing: { seq: 7 }, backlog: [] }])
  bench.attach({ worker: 2, from: standing(99) })
  const [other] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterMessage({ ...answer, requestNo: other!.requestNo, isContinuation: false,
    standing: standing(7) })
  t.match(ofKind(bench.told(2), 'attached'), [{ isResumed: false, error: { code: 90003 } }])
})

t.test('[16] a backfill for a former life of the client is not taken for ours', async (t) => {
  const bench = liveAt5()
  bench.attach({ worker: 1, from: standing(3) })
  const [ask] = ofKind(bench.said(), 'backfill')
  const answer = {
    kind: 'backfilled', channel: CHANNEL, requestNo: ask!.requestNo, epoch: 1,
    isContinuation: true, standing: standing(5)
  } as const
  bench.client.onMasterMessage({ ...answer, clientId: 'former', publications: publications(1, 5) })
  t.same(bench.told(), [])
  const { clientId } = ask!
  bench.client.onMasterMessage({ ...answer, clientId, publications: publications(4, 5) })
  t.same(seqsOf(ofKind(bench.told(1), 'attached')[0]!.backlog), [4, 5])
})

t.test('[14] a backfill under way when the master moves is asked of the next', async (t) => {
  const bench = liveAt5()
  bench.attach({ worker: 1, from: standing(4) })
  const [first] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterUncertain()
  bench.join({ epoch: 2, standing: standing(5) })
  const [second] = ofKind(bench.said(), 'backfill')
  t.match(second, { epoch: 2, from: { seq: 4 } })
  for (const [ask, from] of [[first!, 5], [second!, 5]] as const) {
    bench.client.onMasterMessage({
      kind: 'backfilled', channel: CHANNEL, clientId: ask.clientId, requestNo: ask.requestNo,
      epoch: ask.epoch, isContinuation: true, standing: standing(5),
      publications: publications(from, 5)
    })
  }
  t.equal(ofKind(bench.told(1), 'attached').length, 1)
})

t.test('a client that only published joins anew before it feeds anybody', async (t) => {
  const bench = new ClientBench()
  bench.submit(op('a:1'))
  t.match(bench.join({ standing: standing(5) }), [{ kind: 'join', wantsDeliveries: false }])
  bench.deliver(publications(6, 6))
  bench.attach()
  t.same(bench.told(), [])
  const said = bench.join({ standing: standing(8) })
  t.match(ofKind(said, 'join'), [{ wantsDeliveries: true, from: undefined }],
    'it stands nowhere: it let deliveries pass')
  t.match(ofKind(bench.told(), 'attached'), [{ standing: { seq: 8 }, isResumed: false }])
})
