/**
 * What a ChannelClient costs and how long it lives: bounds, encodings, groups that empty, workers
 * that go, and its own end.
 */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import {
  CHANNEL,
  ClientBench,
  heard,
  json,
  liveAt5,
  msgpack,
  ofKind,
  op,
  publications,
  standing
} from './parts.ts'

t.test('[25] at the bound of unanswered publishes new ones are refused, then taken again',
  async (t) => {
    const bench = new ClientBench()
    const max = limits.unansweredPerClientMax
    for (let no = 1; no <= max; no++) bench.submit(op(`a:${no}`))
    t.same(bench.told(), [])
    const submitId = bench.submit(op(`a:${max + 1}`))
    t.match(bench.told(), [{
      kind: 'submitted', submitId, outcome: { kind: 'refused', error: { code: 42911 } }
    }])
    bench.join()
    const [first] = ofKind(bench.said(), 'publish')
    bench.result(first!)
    bench.told()
    bench.submit(op(`a:${max + 2}`))
    t.same(bench.told(), [], 'there is room again')
  })

t.test('each variant is encoded once, whatever the number of groups', async (t) => {
  const bench = liveAt5()
  for (let worker = 1; worker < 5; worker++) {
    bench.attach({ worker, variantId: 0, variant: msgpack })
    bench.attach({ worker, variantId: 3, variant: json })
  }
  bench.told()
  bench.deliver(publications(6, 6))
  t.equal(bench.allocatedCount, 2)
  const frames = [0, 1, 2, 3, 4].flatMap((worker) =>
    ofKind(bench.told(worker), 'broadcast').flatMap(({ items }) => items[0]!.frames))
  t.equal(new Set(frames.filter((frame) => frame !== undefined)).size, 2)
})

t.test('nobody attached: nothing is encoded; a variant nobody wants is not either', async (t) => {
  const bench = liveAt5()
  bench.attach({ variantId: 1, variant: msgpack })
  bench.client.onGroupMessage(0, { kind: 'variantUnused', channel: CHANNEL, variantId: 0 })
  bench.told()
  bench.deliver(publications(6, 6))
  t.equal(bench.allocatedCount, 1)
  t.match(ofKind(bench.told(), 'broadcast'), [{ items: [{ frames: [undefined, {}] }] }])
  bench.client.onGroupMessage(0, { kind: 'groupEmpty', channel: CHANNEL })
  bench.deliver(publications(7, 7))
  t.equal(bench.allocatedCount, 1)
  t.same(bench.told(), [])
  bench.attach()
  t.match(bench.told(), [{ kind: 'attached', standing: { seq: 7 } }], 'it kept its place')
})

t.test('[19] a group that emptied while it waited is owed no answer', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  bench.client.onGroupMessage(0, { kind: 'groupEmpty', channel: CHANNEL })
  const attachId = bench.attach({ from: standing(2) })
  bench.join({ standing: standing(2) })
  const told = ofKind(bench.told(), 'attached')
  t.same(told.map((each) => each.attachId), [attachId],
    'a group born again numbers its seats from 1, so an old answer would be taken for a new one')
  const live = liveAt5()
  live.attach({ worker: 1, from: standing(1) })
  const [ask] = ofKind(live.said(), 'backfill')
  live.client.onGroupMessage(1, { kind: 'groupEmpty', channel: CHANNEL })
  live.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: true, standing: standing(5), publications: publications(2, 5)
  })
  t.same(live.told(1), [])
})

t.test('[11] the heir of a worker is never told what its former life asked', async (t) => {
  const bench = liveAt5()
  bench.client.onMasterUncertain()
  bench.attach({ worker: 1 })
  const submitId = bench.submit(op('a:1'), 1)
  bench.client.onWorkerGone(1)
  bench.join({ standing: standing(5) })
  const [publish] = ofKind(bench.said(), 'publish')
  t.match(publish, { op: { id: 'a:1' } }, 'what was admitted is carried to its end')
  bench.result(publish!)
  t.same(bench.told(1), [], `submit ${submitId} of the heir is another one`)
  bench.deliver(publications(6, 6))
  t.same(heard(bench, 1), [])
  t.same(heard(bench, 0), [6])
})

t.test('[19] spent after its linger time, unless somebody is attached or waits', async (t) => {
  const bench = new ClientBench()
  const later = (): number => bench.nowMs + limits.lingerMs + 1
  bench.submit(op('a:1'))
  bench.join()
  t.notOk(bench.client.isSpent(later()), 'a publish is under way')
  bench.result(ofKind(bench.said(), 'publish')[0]!)
  t.notOk(bench.client.isSpent(bench.nowMs))
  t.ok(bench.client.isSpent(later()))
  bench.attach()
  t.notOk(bench.client.isSpent(later()), 'an attach waits')
  bench.join()
  t.notOk(bench.client.isSpent(later()))
  bench.nowMs += 60_000
  bench.client.onGroupMessage(0, { kind: 'groupEmpty', channel: CHANNEL })
  t.notOk(bench.client.isSpent(bench.nowMs), 'somebody may come back')
  t.ok(bench.client.isSpent(later()))
  bench.said()
  bench.client.close()
  t.match(bench.said(), [{ kind: 'part' }])
  t.equal(bench.deadlines.size, 0)
})

t.test('closed while joining: it says goodbye and asks no more', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  const [join] = ofKind(bench.said(), 'join')
  bench.client.close()
  t.match(bench.said(), [{ kind: 'part', clientId: join!.clientId }])
  t.equal(bench.deadlines.nextMs(), Infinity)
  bench.client.onMasterMessage({
    kind: 'joined', channel: CHANNEL, joinNo: join!.joinNo, epoch: 1, standing: standing(0),
    isContinuation: true, startsAfter: 0, backlog: [], isWhole: true, nextOpNo: 1
  })
  bench.client.onMasterUncertain()
  t.same([...bench.told(), ...bench.said()], [])
})
