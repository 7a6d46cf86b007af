/*
Peers of which nobody says anything any more, because the globalmaster is away.
*/

import t from 'tap'
import type { Test } from 'tap'
import { isConflict } from '../../../src/kube/kube-error.ts'
import type { PeerStatus } from '../../../src/operator/spec.ts'
import { LeaseAges, unjudged } from '../../../src/operator/unjudged.ts'
import { PassRig, world } from './pass-rig.ts'

const madeAt = '2029-12-31T23:00:00Z'
const us: PeerStatus = {
  region: 'us',
  ringUID: 'uid-of-us',
  isInWorld: true,
  lastHeardTime: madeAt,
  roundTripMs: 80,
  lagMs: 2,
  conditions: [
    {
      type: 'Drift', status: 'False', reason: 'AppsAgree', message: '1 app', observedGeneration: 1,
      lastTransitionTime: madeAt
    },
    {
      type: 'Synced', status: 'True', reason: 'InTouch', message: 'each hears the other',
      observedGeneration: 1, lastTransitionTime: madeAt
    }
  ]
}

async function inTouch (t: Test): Promise<PassRig> {
  const rig = await PassRig.start(t)
  rig.putSecret('one')
  rig.putRegion('one', 'eu', { nodes: 1, redundancy: 1, world })
  await rig.pass('one', 'eu')
  rig.makeReady('one', 'eu')
  rig.report('one', 'eu', { peers: [us], syncedPeers: '1/1' })
  rig.renew('one', 'eu')
  await rig.pass('one', 'eu')
  return rig
}

const toldOf = (rig: PassRig): string => {
  const { peers = [], syncedPeers } = rig.statusOf('one', 'eu')
  const told = peers.flatMap(({ region, conditions = [] }) =>
    conditions.map(({ type, status, reason }) => `${region} ${type} ${status} ${reason}`))
  return [syncedPeers, ...told].join(', ')
}

const judged = '1/1, us Drift False AppsAgree, us Synced True InTouch'
const notJudged = '?/1, us Drift Unknown NotJudged, us NotParticipating Unknown NotJudged, ' +
  'us Synced Unknown NotJudged, us Unreachable Unknown NotJudged'

t.test('after a minute without a globalmaster nobody knows how the peers are', async t => {
  const rig = await inTouch(t)
  rig.setGlobalmasters('one', 'eu', 0)
  t.same(await rig.pass('one', 'eu'), { afterMs: 60_000 })
  t.match(rig.conditionOf('one', 'eu', 'Degraded'), { reason: 'GlobalmasterNotReady' })
  rig.nowMs += 59_000
  t.same(await rig.pass('one', 'eu'), { afterMs: 1_000 })
  t.equal(toldOf(rig), judged)
  rig.nowMs += 1_000
  await rig.pass('one', 'eu')
  t.equal(toldOf(rig), notJudged)
  const [peer] = rig.statusOf('one', 'eu').peers ?? []
  t.match(peer, { ringUID: 'uid-of-us', isInWorld: true, lastHeardTime: madeAt },
    'a new leader begins with that')
  t.notOk('roundTripMs' in peer! || 'lagMs' in peer!)
  t.equal(rig.double.last('patch').query.get('fieldManager'), 'ringcast-globalmaster')
  const { length } = rig.double.seen
  await rig.pass('one', 'eu')
  const writes = rig.double.seen.slice(length).filter(({ verb }) => verb === 'patch')
  t.same(writes, [], 'it is said once')
})

t.test('who speaks again is believed at once', async t => {
  const rig = await inTouch(t)
  rig.nowMs += 60_000
  await rig.pass('one', 'eu')
  t.equal(toldOf(rig), notJudged)
  rig.renew('one', 'eu')
  await rig.pass('one', 'eu')
  rig.report('one', 'eu', { peers: [us], syncedPeers: '1/1' })
  rig.nowMs += 50_000
  rig.renew('one', 'eu')
  await rig.pass('one', 'eu')
  rig.nowMs += 50_000
  await rig.pass('one', 'eu')
  t.equal(toldOf(rig), judged)
})

t.test('one that is not ready judges all the same', async t => {
  const rig = await inTouch(t)
  rig.setGlobalmasters('one', 'eu', 0)
  for (let no = 0; no < 5; no++) {
    rig.nowMs += 60_000
    rig.renew('one', 'eu')
    await rig.pass('one', 'eu')
  }
  t.equal(toldOf(rig), judged)
})

t.test('one that is ready and judges no more is found out without an event', async t => {
  const rig = await inTouch(t)
  rig.pause('one', 'eu')
  t.same(await rig.pass('one', 'eu'), { afterMs: 120_000 })
  rig.nowMs += 120_000
  t.same(await rig.pass('one', 'eu'), { afterMs: 120_000 })
  t.equal(toldOf(rig), notJudged)
})

t.test('so it is said where a pass fails', async t => {
  const rig = await inTouch(t)
  rig.nowMs += 60_000
  rig.double.next('get', response => void response.writeHead(403).end('{}'))
  await t.rejects(rig.pass('one', 'eu'), 'it fails all the same')
  t.equal(toldOf(rig), notJudged)
})

t.test('a cache that lags is no proof', async t => {
  const rig = await inTouch(t)
  rig.nowMs += 60_000
  rig.renew('one', 'eu', false)
  await rig.pass('one', 'eu')
  t.equal(toldOf(rig), judged)
})

t.test('what has been said since is not written over', async t => {
  const rig = await inTouch(t)
  rig.nowMs += 60_000
  rig.report('one', 'eu', { peers: [us, { ...us, region: 'ap' }], syncedPeers: '2/2' }, false)
  t.ok(await rig.pass('one', 'eu').then(() => false, isConflict), 'it is looked at again')
  t.match(toldOf(rig), /^2\/2, us Drift False AppsAgree/)
})

t.test('so it is said of a region whose spec is refused', async t => {
  const rig = await inTouch(t)
  rig.putRegion('one', 'eu', { nodes: 0, world })
  await rig.pass('one', 'eu')
  rig.nowMs += 60_000
  await rig.pass('one', 'eu')
  t.match(rig.conditionOf('one', 'eu', 'ConfigApplied'), { reason: 'SpecInvalid' })
  t.equal(toldOf(rig), notJudged)
})

t.test('how many there are is kept, and said twice is said once', async t => {
  const once = unjudged({ peers: [us], syncedPeers: '2/3' }, 4, madeAt)
  t.equal(once.syncedPeers, '?/3')
  t.same(unjudged(once, 4, '2030-01-01T00:00:00Z'), once)
  t.same(unjudged({ syncedPeers: '0/0' }, 4, madeAt), { peers: [], syncedPeers: '?/0' })
})

t.test('a Lease ages while it stands still, there or not', async t => {
  let nowMs = 0
  const ages = new LeaseAges(() => nowMs)
  const lease = (renewTime: string) =>
    ({ apiVersion: '', kind: 'Lease', metadata: { uid: 'l' }, spec: { renewTime } })
  t.equal(ages.ageMs('a', undefined), 0)
  nowMs = 5
  t.equal(ages.ageMs('a', undefined), 5)
  t.equal(ages.ageMs('a', lease('1')), 0)
  nowMs = 8
  t.equal(ages.ageMs('a', lease('1')), 3)
  t.equal(ages.ageMs('b', lease('1')), 0)
  t.equal(ages.ageMs('a', lease('2')), 0)
  ages.forget('a')
  nowMs = 9
  t.equal(ages.ageMs('a', lease('2')), 0)
})
