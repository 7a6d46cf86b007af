import t from 'tap'
import { nodeMetrics } from '../../../src/ops/metrics.ts'
import { relayWordsOf } from '../../../src/ops/relay-telling.ts'
import type { WorkerStatus } from '../../../src/ops/thread-messages.ts'
import type { RelayStanding } from '../../../src/region/relay-gauge.ts'

const standingOf = (region: string, over: Partial<RelayStanding> = {}): RelayStanding =>
  ({ region, heardAgoMs: undefined, channels: 5, behind: 0, behindMs: 0, isFull: false, ...over })

const workers = [
  [standingOf('us', { heardAgoMs: 700 }), standingOf('ap')],
  [standingOf('us', { heardAgoMs: 40, behind: 2, behindMs: 3_000, isFull: true })],
  [standingOf('us', { behind: 1, behindMs: 2_000 })]
]

t.test('a node tells for all of its workers, by the uids of rings', async (t) => {
  const regions = ['ap', 'us', 'za'].map((region) => ({ region, uid: `ring-${region}` }))
  t.same(relayWordsOf({ regions, workers }), [
    {
      uid: 'ring-ap', heardAgoMs: undefined, channels: 5, behind: 0, behindMs: 0, isFull: false
    },
    { uid: 'ring-us', heardAgoMs: 40, channels: 15, behind: 3, behindMs: 3_000, isFull: true }
  ])
  t.same(relayWordsOf({ regions, workers: [] }), [], 'nothing where no worker has said anything')
})

t.test('relays have metrics', async (t) => {
  const statuses = workers.map((relays) => ({
    relays, counts: {}, tally: {}, strain: {}
  }) as unknown as WorkerStatus)
  const text = await nodeMetrics({
    statuses: () => statuses, viewVersion: () => 1, memberCount: () => 1,
    standing: () => 'serving', logFill: () => ({ share: 0, fullCount: 0 }),
    workerRestarts: () => 0
  }).metrics()
  t.match(text, /^ringcast_relays 20$/m)
  t.match(text, /^ringcast_relays_behind 3$/m)
  t.match(text, /^ringcast_relay_lag_seconds_max 3$/m)
})
