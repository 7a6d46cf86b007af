import t from 'tap'
import { Meter } from '../../../src/base/meter.ts'
import {
  added, entriesOf, finished, isSameCount, merged, remainderOf, resetMeter
} from '../../../src/stats/entries.ts'

t.test('a meter says what it has counted, and nothing that is zero', async (t) => {
  const meter = new Meter('app')
  resetMeter(meter, 1_000)
  t.same(entriesOf(meter, 1_000), {})
  meter.inboundRealtime.messages.add(2, 30)
  meter.outboundRealtime.messages.add(2, 10, 30)
  meter.deltas.succeeded += 2
  meter.deltas.skipped++
  meter.simpleBatches.add(4, 0)
  meter.conflatingBatches.add(5, 3)
  meter.inboundRest.presence.turnAway(3, 401)
  meter.outboundRest.messages.turnAway(1, 400)
  meter.tokenRequests.add(201)
  meter.otherRequests.add(404)
  meter.otherRequests.add(429)
  meter.connections.enter(1_000, true)
  meter.connections.enter(11_000, false)
  meter.connections.leave(16_000)
  meter.connections.refused++
  t.same(entriesOf(meter, 21_000), {
    'messages.inbound.realtime.messages.count': 2,
    'messages.inbound.realtime.messages.data': 30,
    'messages.inbound.realtime.messages.uncompressedData': 30,
    'messages.outbound.realtime.messages.count': 2,
    'messages.outbound.realtime.messages.data': 10,
    'messages.outbound.realtime.messages.uncompressedData': 30,
    'messages.processed.delta.xdelta.succeeded': 2,
    'messages.processed.delta.xdelta.skipped': 1,
    'messages.processed.batching.simple.inboundMessages': 4,
    'messages.processed.batching.simple.generatedBatches': 1,
    'messages.processed.batching.conflating.inboundMessages': 5,
    'messages.processed.batching.conflating.generatedBatches': 1,
    'messages.processed.batching.conflating.discardedMessages': 3,
    'messages.inbound.rest.presence.refused': 3,
    'messages.outbound.rest.messages.failed': 1,
    'apiRequests.tokenRequests.succeeded': 1,
    'apiRequests.other.failed': 1,
    'apiRequests.other.refused': 1,
    'connections.all.peak': 2,
    'connections.all.opened': 1,
    'connections.all.refused': 1,
    'connections.all.mean': 1.25,
    'connections.all.mark1': 1,
    'connections.all.mark2': 1
  })
  resetMeter(meter, 61_000)
  t.same(entriesOf(meter, 61_000), {
    'connections.all.peak': 1, 'connections.all.mark0': 1
  })
})

t.test('what moves from one worker to another is not there twice', async (t) => {
  const [one, other] = [new Meter('app'), new Meter('app')]
  for (const meter of [one, other]) resetMeter(meter, 0)
  for (let count = 0; count < 5; count++) one.connections.enter(0, true)
  for (const meter of [one, other]) resetMeter(meter, 60_000)
  for (let count = 0; count < 5; count++) {
    one.connections.leave(85_000)
    other.connections.enter(85_500, false)
  }
  const minute = finished(added(entriesOf(one, 120_000), entriesOf(other, 120_000)), 60_000)
  t.same(minute, {
    'connections.all.peak': 5, 'connections.all.min': 5,
    'connections.all.mean': 4.96
  })
})

t.test('of a running minute only what every worker has written counts', async (t) => {
  const minute = { 'channels.peak': 3, 'channels.mark0': 3, 'channels.mark1': 2 }
  t.same(finished(minute, 5_000), { 'channels.peak': 3 })
  t.same(finished(minute, 20_000), { 'channels.peak': 3, 'channels.min': 2 })
  t.same(finished(minute, 60_000), { 'channels.peak': 3 })
})

t.test('minutes become hours: sums, the highest peak, the lowest minimum, the mean', async (t) => {
  t.same(merged([
    { a: 1, 'channels.peak': 4, 'channels.min': 2, 'channels.mean': 3 },
    { a: 2, 'channels.peak': 9, 'channels.min': 1, 'channels.mean': 4, 'connections.all.peak': 1 }
  ]), {
    a: 3, 'channels.peak': 9, 'channels.min': 1, 'channels.mean': 3.5, 'connections.all.peak': 1
  })
})

t.test('what is left of a count has no gauges', async (t) => {
  const all = { a: 5, b: 1, 'channels.peak': 3, 'channels.mark1': 2, 'channels.opened': 2 }
  t.same(remainderOf(all, { a: 2, 'channels.opened': 2 }), { a: 3, b: 1 })
})

t.test('a mean alone is no news', async (t) => {
  t.ok(isSameCount({ a: 1, 'x.mean': 2 }, { a: 1, 'x.mean': 3 }))
  t.notOk(isSameCount({ a: 1, 'x.mean': 2 }, { a: 1 }))
  t.notOk(isSameCount({ a: 1 }, { a: 2 }))
})
