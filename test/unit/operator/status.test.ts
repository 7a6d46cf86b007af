import t from 'tap'
import {
  conditionCatalogue, isTerminal, mergeConditions, onApp, onRegion
} from '../../../src/operator/conditions.ts'
import type { Deployment, Pod, StatefulSet } from '../../../src/operator/plan.ts'
import { parseRegion } from '../../../src/operator/spec.ts'
import type { RealtimeRegion } from '../../../src/operator/spec.ts'
import { refusedStatus, regionStatus, versionOf } from '../../../src/operator/status.ts'
import type { Seen } from '../../../src/operator/status.ts'

const now = '2030-01-01T00:00:00Z'
const later = '2030-01-01T00:01:00Z'
const region: RealtimeRegion = {
  apiVersion: 'ringcast.dev/v1alpha1',
  kind: 'RealtimeRegion',
  metadata: { name: 'eu', namespace: 'chat', generation: 2 },
  spec: { nodes: 2 }
}

function pod (ordinal: number, isReady: boolean, waiting?: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `eu-${ordinal}`, uid: `u${ordinal}`, labels: { 'controller-revision-hash': 'r1' }
    },
    spec: { nodeName: 'host-a', containers: [{ name: 'node', image: 'ringcast:1' }] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
      containerStatuses: waiting === undefined ? [] : [{ state: { waiting: { reason: waiting } } }]
    }
  }
}

const set = (readyReplicas: number): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'eu' },
  spec: { replicas: 2 },
  status: { updateRevision: 'r1', readyReplicas }
})

function statusOf (seen: Partial<Seen>, of: RealtimeRegion = region, at = now) {
  const parsed = parseRegion(of)
  if (!parsed.isValid) throw new Error('a bad spec')
  return regionStatus(of, parsed.spec, 'ringcast:1', {
    statefulSet: set(2), pods: [pod(0, true), pod(1, true)], nats: set(3), step: { type: 'none' },
    ...seen
  }, at)
}

const told = (status: ReturnType<typeof statusOf>) => Object.fromEntries(
  (status.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`])
)

t.test('all is well', async t => {
  const status = statusOf({})
  t.same(told(status), {
    Available: 'True NodesServe',
    ConfigApplied: 'True Applied',
    Degraded: 'False AllNodesServe',
    Paused: 'False NotPaused',
    Progressing: 'False Idle',
    Ready: 'True AsSpecified'
  })
  t.match(status, {
    observedGeneration: 2,
    nodeCount: 2,
    readyNodeCount: 2,
    updatedNodeCount: 2,
    readyNodes: '2/2',
    endpoint: 'http://eu.chat.svc',
    nodes: [
      { podName: 'eu-0', podUID: 'u0', nodeName: 'host-a', revision: 'r1', state: 'Ready' },
      { podName: 'eu-1' }
    ]
  })
})

t.test('whether it drains is said of regions in a world alone', async t => {
  const world = { name: 'acme', secretName: 'acme-world' }
  const inWorld = { ...region, spec: { nodes: 2, world } }
  const relayed = { relay: set(2), globalmaster: set(1) as Deployment }
  const status = statusOf(relayed, inWorld)
  t.match(told(status), { Draining: 'False NotAsked', Ready: 'True AsSpecified' })
  const draining = { spec: { nodes: 2, world: { ...world, isDraining: true } } }
  const drain = { answers: [{ connections: 4, drain: 'draining' } as const], askedCount: 2 }
  const next = statusOf({ ...relayed, drain }, { ...region, ...draining, status })
  t.match(told(next), { Draining: 'True ClientsLeave', Ready: 'True AsSpecified' })
  const alone = statusOf({}, { ...region, status: next })
  t.notOk('Draining' in told(alone), 'it has left the world')
})

t.test('a pod whose image cannot be had is named', async t => {
  const status = statusOf({
    pods: [pod(0, true), pod(1, false, 'ImagePullBackOff')],
    step: { type: 'wait', message: 'eu-1 is not ready' }
  })
  t.match(told(status), { Ready: 'False Degraded', Available: 'True NodesServe' })
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  t.equal(ready?.message, '1 of 2 nodes ready: eu-1 ImagePullBackOff')
  t.match(status.nodes, [{ state: 'Ready' }, { state: 'Failed' }])
})

t.test('a NATS that is not whole degrades the region, though its nodes serve', async t => {
  t.match(told(statusOf({ nats: set(2) })), {
    Ready: 'False Degraded', Degraded: 'True NatsNotReady', Available: 'True NodesServe'
  })
})

const inWorld = {
  ...region, spec: { nodes: 2, world: { name: 'acme', secretName: 'acme-world' } }
}
const globalmaster = (readyReplicas: number): Deployment =>
  ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {}, status: { readyReplicas } })

t.test('a relay or globalmaster that is not there degrades a region in a world', async t => {
  t.match(told(statusOf({ relay: set(1), globalmaster: globalmaster(1) }, inWorld)), {
    Ready: 'False Degraded', Degraded: 'True RelayNotReady', Available: 'True NodesServe'
  })
  t.match(told(statusOf({ relay: set(2) }, inWorld)), { Degraded: 'True GlobalmasterNotReady' })
  t.match(told(statusOf({ relay: set(2), globalmaster: globalmaster(1) }, inWorld)), {
    Ready: 'True AsSpecified', Degraded: 'False AllNodesServe'
  })
})

t.test('the operator does not say what the globalmaster says', async t => {
  const status = { peers: [{ region: 'us' }], syncedPeers: '0/1', readyNodes: '1/2' }
  for (const written of [
    statusOf({}, { ...region, status }),
    refusedStatus({ ...region, status }, onRegion('Paused', true, 'PausedByAnnotation', ''), now)
  ]) {
    t.notOk('peers' in written)
    t.notOk('syncedPeers' in written)
    t.ok(written.readyNodes)
  }
})

t.test('nobody serves', async t => {
  t.match(told(statusOf({ pods: [] })), {
    Ready: 'False Degraded', Available: 'False NoNodeServes'
  })
})

t.test('the same world gives the same status; only a change of status has a new time', async t => {
  const first = statusOf({})
  const again = statusOf({}, { ...region, status: first }, later)
  t.same(again, first)
  const worse = statusOf({ pods: [pod(0, true)] }, { ...region, status: first }, later)
  const timeOf = (type: string) => worse.conditions?.find(
    condition => condition.type === type
  )?.lastTransitionTime
  t.equal(timeOf('Ready'), later)
  t.equal(timeOf('Available'), now)
})

t.test('a hundred and one pods are listed as a hundred and counted as they are', async t => {
  const status = statusOf({ pods: Array.from({ length: 101 }, (_, at) => pod(at, true)) })
  t.equal(status.nodes?.length, 100)
  t.equal(status.nodeCount, 101)
})

t.test('a refused spec leaves what is known of the nodes', async t => {
  const before = statusOf({})
  const status = refusedStatus({ ...region, status: before },
    onRegion('ConfigApplied', false, 'SpecInvalid', 'spec.nodes must be at least 1'), later)
  t.equal(status.readyNodes, '2/2')
  t.match(told(status), {
    ConfigApplied: 'False SpecInvalid',
    Ready: 'False ConfigurationRefused',
    Available: 'True NodesServe'
  })
})

t.test('the version of an image', async t => {
  t.equal(versionOf('ringcast:1.2.3'), '1.2.3')
  t.equal(versionOf('host:5000/ringcast'), 'latest')
  t.equal(versionOf('host:5000/ringcast:2'), '2')
  t.equal(versionOf('ringcast:2@sha256:abc'), 'sha256:abc')
})

t.test('messages are bounded, and reasons know whether a person is needed', async t => {
  const [condition] = mergeConditions(
    undefined, [onApp('Ready', false, 'SpecInvalid', 'x'.repeat(5000))], 1, now
  )
  t.equal(condition?.message.length, 1024)
  const { region: table } = conditionCatalogue
  t.ok(isTerminal(table, onRegion('ConfigApplied', false, 'SpecInvalid', '')))
  t.notOk(isTerminal(table, onRegion('Degraded', true, 'NatsNotReady', '')))
})
