import t from 'tap'
import type { KubeClient } from '../../../src/kube/client.ts'
import {
  formerPeersOf, PeerStatusWriter, worldStatusOf
} from '../../../src/commands/peer-status.ts'
import { conditionCatalogue } from '../../../src/operator/conditions.ts'
import { unjudged } from '../../../src/operator/unjudged.ts'
import type { WorldStatus } from '../../../src/operator/spec.ts'
import type { PeerReport } from '../../../src/region/globalmaster-ports.ts'
import type { PeerJudgement } from '../../../src/region/peer-report.ts'

const WALL_MS = Date.UTC(2030, 0, 1)
const judged = { generation: 3, wallMs: WALL_MS }
const later = { generation: 4, wallMs: WALL_MS + 60_000 }

const judgement = (
  type: PeerJudgement['type'], status: PeerJudgement['status'], reason: string
): PeerJudgement => ({ type, status, reason, message: 'why' })

const synced = [
  judgement('Synced', 'True', 'InTouch'), judgement('NotParticipating', 'False', 'Participates')
]

function report(region: string, change: Partial<PeerReport> = {}): PeerReport {
  return {
    region, object: undefined, ringUid: `ring-${region}`, endpoint: '', isDraining: false,
    isInWorld: true, heardAgoMs: 1_500, roundTripMs: 80, lagMs: 0, judgements: synced, ...change
  }
}

t.test('a report becomes a status in the Kubernetes style', async (t) => {
  t.same(worldStatusOf([report('us', { endpoint: 'us.example', object: 'two/us' })], [], judged), {
    peers: [{
      region: 'us',
      object: 'two/us',
      ringUID: 'ring-us',
      endpoint: 'us.example',
      isInWorld: true,
      lastHeardTime: '2029-12-31T23:59:58Z',
      roundTripMs: 80,
      lagMs: 0,
      conditions: [
        {
          type: 'NotParticipating', status: 'False', reason: 'Participates', message: 'why',
          lastTransitionTime: '2030-01-01T00:00:00Z', observedGeneration: 3
        },
        {
          type: 'Synced', status: 'True', reason: 'InTouch', message: 'why',
          lastTransitionTime: '2030-01-01T00:00:00Z', observedGeneration: 3
        }
      ]
    }],
    syncedPeers: '1/1'
  })
})

t.test('one that is to drain is told as such, others have nothing of it', async (t) => {
  const { peers } = worldStatusOf([report('us', { isDraining: true }), report('ap')], [], judged)
  t.same(peers?.map(({ isDraining }) => isDraining), [true, undefined])
})

t.test('those that take no part are not counted', async (t) => {
  const stranger = [
    judgement('Synced', 'False', 'NotParticipating'),
    judgement('NotParticipating', 'True', 'OtherWorld')
  ]
  const away = [judgement('Synced', 'False', 'Unreachable')]
  const { syncedPeers } = worldStatusOf([
    report('us'), report('ap', { judgements: away }), report('za', { judgements: stranger })
  ], [], judged)
  t.equal(syncedPeers, '1/2')
})

t.test('what is not known yet leaves what was said before', async (t) => {
  const { peers: before = [] } = worldStatusOf([report('us')], [], judged)
  const unknown = [judgement('Synced', 'Unknown', 'NotHeardYet')]
  const { peers: [us] = [] } = worldStatusOf(
    [report('us', { judgements: unknown, heardAgoMs: undefined })], before, later)
  t.same(us?.conditions, before[0]?.conditions)
  t.equal(us?.lastHeardTime, before[0]?.lastHeardTime)
  const { peers: [ap] = [] } = worldStatusOf([report('ap', { judgements: unknown })], [], later)
  t.match(ap?.conditions, [{ type: 'Synced', status: 'Unknown', reason: 'NotHeardYet' }])
})

t.test('that nobody judges is over once somebody does, whatever is known yet', async (t) => {
  const { peers: before = [] } = unjudged(worldStatusOf([report('us')], [], judged), 3, 'then')
  t.match(before[0]?.conditions, Array(4).fill({ status: 'Unknown', reason: 'NotJudged' }))
  const judgements = [
    judgement('Synced', 'Unknown', 'NotHeardYet'), judgement('Drift', 'Unknown', 'NotHeardYet'),
    judgement('Unreachable', 'Unknown', 'NotHeardYet'),
    judgement('NotParticipating', 'False', 'Participates')
  ]
  const { peers: [us] = [] } = worldStatusOf([report('us', { judgements })], before, later)
  t.same(us?.conditions?.map(({ reason }) => reason),
    ['NotHeardYet', 'Participates', 'NotHeardYet', 'NotHeardYet'])
})

t.test('a time of transition is that of the status', async (t) => {
  const { peers: before = [] } = worldStatusOf([report('us')], [], judged)
  const away = [judgement('Synced', 'False', 'Unreachable')]
  const { peers: [us] = [] } = worldStatusOf([report('us', { judgements: away })], before, later)
  t.match(us?.conditions, [
    { type: 'NotParticipating', lastTransitionTime: '2030-01-01T00:00:00Z' },
    { type: 'Synced', lastTransitionTime: '2030-01-01T00:01:00Z', observedGeneration: 4 }
  ])
})

t.test('a new leader begins with those that were in the world', async (t) => {
  const status = worldStatusOf(
    [report('us', { object: 'two/us' }), report('ap', { isInWorld: false })], [], judged)
  t.same(formerPeersOf(status, later.wallMs), [
    { region: 'us', object: 'two/us', ringUid: 'ring-us', isInWorld: true, heardAgoMs: 62_000 },
    { region: 'ap', object: undefined, ringUid: 'ring-ap', isInWorld: false, heardAgoMs: 62_000 }
  ])
  t.equal(formerPeersOf(status, 0)[0]?.heardAgoMs, 0, 'clocks may be apart')
  const neverHeard = { peers: [{ region: 'us', isInWorld: true }] }
  t.equal(formerPeersOf(neverHeard, later.wallMs)[0]?.heardAgoMs, undefined)
  t.same(formerPeersOf({}, later.wallMs), [])
})

/** An API server with one region, which fails as often as it is told to. */
class OneRegion {
  status: WorldStatus = {}
  writeCount = 0
  failures = 0
  isLeader = true
  readonly writer = new PeerStatusWriter({
    client: this as unknown as KubeClient,
    region: { namespace: 'chat', name: 'eu' },
    isLeader: () => this.isLeader,
    wallMs: () => WALL_MS,
    note: () => undefined
  })

  region: object | undefined = { metadata: { name: 'eu' }, spec: { world: { name: 'acme' } } }

  async get(): Promise<object | undefined> {
    if (this.failures-- > 0) throw new Error('away')
    return this.region && { ...this.region, status: this.status }
  }

  async apply(_resource: unknown, patch: { status: WorldStatus }): Promise<object> {
    this.writeCount++
    this.status = patch.status
    return patch
  }

  async settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
}

t.test('a region is gone where it is not there or being deleted, whatever its spec names',
  async (t) => {
    const region = new OneRegion()
    t.equal(await region.writer.isGone(), false)
    region.region = { metadata: { name: 'eu' }, spec: { world: { name: 'other' } } }
    t.equal(await region.writer.isGone(), false, 'a new name of its world may be held')
    region.region = { metadata: { name: 'eu' }, spec: {} }
    t.equal(await region.writer.isGone(), false, 'nobody may have applied that')
    region.region = {
      metadata: { name: 'eu', deletionTimestamp: '2030-01-01T00:00:00Z' },
      spec: { world: { name: 'acme' } }
    }
    t.equal(await region.writer.isGone(), true)
    region.region = undefined
    t.equal(await region.writer.isGone(), true)
    region.failures = 1
    t.equal(await region.writer.isGone(), false, 'nobody knows')
  })

t.test('nothing is written that is there already', async (t) => {
  const region = new OneRegion()
  region.writer.write([report('us')], 1)
  await region.settled()
  t.equal(region.writeCount, 1)
  t.match(region.status, { syncedPeers: '1/1' })
  region.writer.write([report('us')], 1)
  await region.settled()
  t.equal(region.writeCount, 1)
})

t.test('of reports that come while one is written, the last one is', async (t) => {
  const region = new OneRegion()
  for (const roundTripMs of [1, 2, 3]) region.writer.write([report('us', { roundTripMs })], 1)
  await region.settled()
  t.equal(region.status.peers?.[0]?.roundTripMs, 3)
  t.ok(region.writeCount <= 2)
})

t.test('who leads no more writes nothing', async (t) => {
  const region = new OneRegion()
  region.isLeader = false
  region.writer.write([report('us')], 1)
  await region.settled()
  t.equal(region.writeCount, 0)
  t.same(await region.writer.read(), {})
})

t.test('every reason that is given is one of the catalogue', async (t) => {
  const { readFileSync } = await import('node:fs')
  const text = readFileSync(new URL('../../../src/region/peer-report.ts', import.meta.url), 'utf8')
  const given = [...text.matchAll(/reason: '(\w+)'/g)].map((match) => match[1]!)
  const known = new Set(Object.values(conditionCatalogue.peer).flatMap(Object.keys))
  t.ok(given.length > 10)
  for (const reason of given) t.ok(known.has(reason), reason)
})
