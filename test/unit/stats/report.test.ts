import t from 'tap'
import { statsItem, withSums } from '../../../src/stats/report.ts'

const told = {
  appId: 'app', unit: 'minute' as const, id: '2026-02-03:15:05', nowMs: Date.UTC(2027, 1),
  lastMinuteMs: undefined
}

const leaves = {
  'messages.inbound.realtime.messages.count': 70,
  'messages.inbound.rest.presence.count': 5,
  'messages.outbound.realtime.messages.count': 40,
  'messages.outbound.webhook.messages.failed': 2,
  'messages.persisted.presence.count': 20,
  'connections.tls.peak': 20,
  'connections.all.peak': 3,
  'channels.peak': 50,
  'apiRequests.other.succeeded': 50,
  'apiRequests.tokenRequests.succeeded': 60
}

t.test('sums are told where there is something, and nothing else', async (t) => {
  t.same(withSums(leaves), {
    'messages.inbound.realtime.messages.count': 70,
    'messages.inbound.realtime.all.count': 70,
    'messages.inbound.rest.presence.count': 5,
    'messages.inbound.rest.all.count': 5,
    'messages.inbound.all.messages.count': 70,
    'messages.inbound.all.presence.count': 5,
    'messages.inbound.all.all.count': 75,
    'messages.outbound.realtime.messages.count': 40,
    'messages.outbound.realtime.all.count': 40,
    'messages.outbound.all.messages.count': 40,
    'messages.outbound.all.all.count': 40,
    'messages.outbound.webhook.messages.failed': 2,
    'messages.outbound.webhook.all.failed': 2,
    'messages.outbound.all.messages.failed': 2,
    'messages.outbound.all.all.failed': 2,
    'messages.all.messages.count': 110,
    'messages.all.presence.count': 5,
    'messages.all.all.count': 115,
    'messages.all.messages.failed': 2,
    'messages.all.all.failed': 2,
    'messages.persisted.presence.count': 20,
    'messages.persisted.all.count': 20,
    'connections.all.peak': 23,
    'channels.peak': 50,
    'apiRequests.other.succeeded': 50,
    'apiRequests.tokenRequests.succeeded': 60,
    'apiRequests.all.succeeded': 110
  })
})

t.test('version 2 is told a tree', async (t) => {
  t.match(statsItem(leaves, told, 2), {
    intervalId: told.id,
    unit: 'minute',
    all: { all: { count: 115 }, messages: { count: 110 } },
    inbound: { all: { messages: { count: 70 } }, realtime: { all: { count: 70 } } },
    outbound: { webhook: { messages: { failed: 2 } } },
    persisted: { presence: { count: 20 } },
    connections: { all: { peak: 23 }, tls: { peak: 20 } },
    channels: { peak: 50 },
    apiRequests: { succeeded: 50 },
    tokenRequests: { succeeded: 60 }
  })
})

t.test('what is in progress says how far it is', async (t) => {
  const item = (over: object): unknown => {
    return (statsItem({}, { ...told, ...over }, 3) as { inProgress?: string }).inProgress
  }
  const nowMs = Date.UTC(2026, 1, 3, 15, 5, 7)
  t.equal(item({}), undefined)
  t.equal(item({ nowMs }), '2026-02-03:15:05:07')
  const lastMinuteMs = Date.UTC(2026, 1, 3, 15, 4)
  t.equal(item({ nowMs, unit: 'hour', id: '2026-02-03:15', lastMinuteMs }), '2026-02-03:15:04')
  t.equal(item({ nowMs, unit: 'day', id: '2026-02-03' }), '2026-02-03:00:00')
  t.equal(item({ nowMs, unit: 'month', id: '2026-01' }), undefined)
})
