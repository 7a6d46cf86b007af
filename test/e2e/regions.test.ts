/**
 * Two regions of real pods that are one world: what is said in one is heard in the other, and what
 * `kubectl get realtimeregions` says of them is true, while one of them loses its NATS, its relay,
 * its nodes and its globalmaster, each for as long as it takes to be noticed. Not in E2E_SHORT=1.
 */

import t, { type Test } from 'tap'
import type { Component } from '../../src/operator/names.ts'
import { Cluster } from '../cluster/cluster.ts'
import { installChart } from '../cluster/install.ts'
import { clusterObstacles } from '../cluster/prerequisites.ts'
import { Talk } from '../system/regions-talk.ts'
import { PodWorld, type Truth, WELL } from './pod-world.ts'

const PART_MS = 600_000
const IS_SHORT = process.env.E2E_SHORT === '1'
const options = {
  skip: IS_SHORT ? 'the long form has it' : clusterObstacles(), timeout: 1_800_000
}

/** What eu loses, what is said of it then, and what goes on all the same. */
interface Loss {
  readonly component: Component
  readonly eu: Truth
  readonly us: Truth
  /** True where eu itself serves, and where the regions hear each other. */
  readonly serves: boolean
  readonly isJoined: boolean
}

const SILENT = { Synced: 'False Unreachable', Unreachable: 'True Silent' }
const NOT_JUDGED = Object.fromEntries(
  ['Synced', 'Unreachable', 'Drift', 'NotParticipating'].map((type) => [type, 'Unknown NotJudged']))
const IN_TOUCH = { Synced: 'True InTouch', Unreachable: 'False Heard' }

const LOSSES: readonly Loss[] = [{
  component: 'nats',
  eu: { own: { Ready: 'False Degraded', Degraded: 'True NatsNotReady' }, peer: SILENT },
  us: { own: WELL.own!, peer: SILENT },
  serves: false,
  isJoined: false
}, {
  component: 'relay',
  eu: {
    own: { Available: 'True NodesServe', Degraded: 'True RelayNotReady' }, peer: SILENT
  },
  us: { own: WELL.own!, peer: SILENT },
  serves: true,
  isJoined: false
}, {
  component: 'node',
  eu: {
    own: { Available: 'False NoNodeServes', Degraded: 'True NodesMissing' }, peer: IN_TOUCH
  },
  us: { own: WELL.own!, peer: { Synced: 'False NodesNotHeard', Unreachable: 'False Heard' } },
  serves: false,
  isJoined: false
}, {
  component: 'globalmaster',
  eu: {
    own: { Available: 'True NodesServe', Degraded: 'True GlobalmasterNotReady' }, peer: NOT_JUDGED
  },
  us: {
    own: WELL.own!,
    peer: { Synced: 'Unknown GlobalmasterSilent', Unreachable: 'False Heard' }
  },
  serves: true,
  isJoined: true
}]

t.test('a world on a real cluster', options, async (t) => {
  const cluster = await Cluster.start({ name: 'world', report: (line) => console.log(`# ${line}`) })
  t.teardown(() => cluster.stop())
  await installChart(cluster.kubeconfigPath, false)
  const world = await PodWorld.start(t, cluster)
  const talk = await Talk.begin(t, world, ['talk-a', 'talk-b'])
  await t.test('what is said in one region is heard in both', { timeout: PART_MS }, async (t) => {
    await talk.say(20)
    await talk.wholeIn(t)
    console.log(await world.table())
  })
  for (const loss of LOSSES) {
    await t.test(`eu loses its ${loss.component}`, { timeout: PART_MS }, (t) =>
      lose(t, world, talk, loss))
  }
})

async function lose(
  t: Test, world: PodWorld, talk: Talk, { component, eu, us, serves, isJoined }: Loss
): Promise<void> {
  const readySince = await world.readySince('us')
  const serving = serves ? ['eu', 'us'] : ['us']
  await world.kill('eu', component)
  await talk.say(5, serving)
  await world.untilSays('eu', eu)
  await world.untilSays('us', us)
  console.log(await world.table())
  await talk.say(5, serving)
  for (const name of serving) await talk.untilHeard([name])
  if (isJoined) await talk.wholeIn(t)
  else t.notOk(talk.hasHeard('eu', 'us'), 'what us said has not come to eu')
  await world.replace()
  await world.untilSays('eu', WELL)
  await world.untilSays('us', WELL)
  await talk.wholeIn(t)
  await talk.say(5)
  await talk.wholeIn(t)
  t.ok(readySince !== undefined)
  t.equal(await world.readySince('us'), readySince, 'us was Ready all the time')
}
