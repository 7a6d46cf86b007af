import t from 'tap'
import { nextStep, replicasOf } from '../../../src/operator/plan.ts'
import type { Pod, StatefulSet, Step } from '../../../src/operator/plan.ts'

interface PodSketch { revision?: string, isReady?: boolean, isLeaving?: boolean }

function pod (ordinal: number, sketch: PodSketch = {}): Pod {
  const { revision = 'new', isReady = true, isLeaving = false } = sketch
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `eu-${ordinal}`,
      labels: { 'controller-revision-hash': revision },
      ...(isLeaving ? { deletionTimestamp: '2030-01-01T00:00:00Z' } : {})
    },
    status: { conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] }
  }
}

function set (replicas: number, generation = 1, observedGeneration = 1): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'eu', generation },
    spec: { replicas },
    status: { observedGeneration, updateRevision: 'new' }
  }
}

/** `restart eu-2`, as a line. */
function told (step: Step): string {
  switch (step.type) {
    case 'none': return 'none'
    case 'wait': return `wait: ${step.message}`
    case 'scale': return `scale ${step.replicas}`
    case 'scaleDownIfAllowed': return `ask ${step.pod.metadata.name}, scale ${step.replicas}`
    case 'restart': return `restart ${step.pod.metadata.name}: ${step.reason}`
    case 'restartIfAllowed': return `ask ${step.pod.metadata.name}, restart: ${step.reason}`
  }
}

const old: PodSketch = { revision: 'old' }
const sick: PodSketch = { isReady: false }
const leaving: PodSketch = { isLeaving: true }

const cases: Array<[string, number, StatefulSet | undefined, Pod[], string]> = [
  ['nothing exists', 3, undefined, [], 'wait: the StatefulSet is being made'],
  ['all is well', 3, set(3), [pod(0), pod(1), pod(2)], 'none'],
  ['scale up, though a pod is sick', 5, set(3), [pod(0), pod(1, sick), pod(2)], 'scale 5'],
  ['a change not yet seen by the controller', 3, set(3, 2, 1), [pod(0, old), pod(1), pod(2)],
    'wait: the StatefulSet controller has yet to see the last change'],
  ['outdated pods: the highest first', 3, set(3), [pod(0, old), pod(1, old), pod(2, old)],
    'ask eu-2, restart: Outdated'],
  ['outdated, beyond nine', 11, set(11),
    Array.from({ length: 11 }, (_, at) => pod(at, at < 10 ? old : {})).reverse(),
    'ask eu-9, restart: Outdated'],
  ['outdated, but another is sick', 3, set(3), [pod(0, old), pod(1, sick), pod(2, old)],
    'wait: eu-1 is not ready'],
  ['outdated, but another is missing', 3, set(3), [pod(0, old), pod(2, old)],
    'wait: 2 of 3 pods exist'],
  ['outdated, but another is leaving', 3, set(3), [pod(0, old), pod(1, leaving), pod(2, old)],
    'wait: eu-1 is leaving'],
  ['outdated and sick goes first, unasked', 3, set(3),
    [pod(0, old), pod(1, { ...old, ...sick }), pod(2, old)], 'restart eu-1: OutdatedNotReady'],
  ['outdated and sick, while a new one is still sick', 3, set(3),
    [pod(0, { ...old, ...sick }), pod(1, sick), pod(2, old)], 'restart eu-0: OutdatedNotReady'],
  ['outdated, sick and already leaving', 3, set(3),
    [pod(0, { ...old, ...sick, ...leaving }), pod(1), pod(2)], 'wait: eu-0 is leaving'],
  ['scale down asks the highest', 2, set(4), [pod(0), pod(1), pod(2), pod(3)],
    'ask eu-3, scale 3'],
  ['scale down waits for the sick', 2, set(4), [pod(0, sick), pod(1), pod(2), pod(3)],
    'wait: eu-0 is not ready'],
  ['scale down waits for the one that leaves', 2, set(3),
    [pod(0), pod(1), pod(2), pod(3, leaving)], 'wait: eu-3 is leaving'],
  ['scale down takes a sick highest unasked', 2, set(3), [pod(0), pod(1), pod(2, sick)],
    'scale 2'],
  ['scale down comes before a rollout', 2, set(3), [pod(0, old), pod(1, old), pod(2, old)],
    'ask eu-2, scale 2']
]

for (const [title, wanted, statefulSet, pods, expected] of cases) {
  t.test(title, async t => {
    t.equal(told(nextStep({ wanted, statefulSet, pods })), expected)
    t.equal(told(nextStep({ wanted, statefulSet, pods: pods.toReversed() })), expected,
      'whatever the order')
  })
}

t.test('the number of pods never falls by itself, and rises at once', async t => {
  t.equal(replicasOf({ wanted: 3, statefulSet: undefined, pods: [] }), 3)
  t.equal(replicasOf({ wanted: 2, statefulSet: set(4), pods: [] }), 4)
  t.equal(replicasOf({ wanted: 5, statefulSet: set(4), pods: [] }), 5)
})

t.test('from any state, steps lead to the wish, with at most one serving pod down', async t => {
  for (let seed = 0; seed < 500; seed++) {
    let world = worldOf(seed)
    const wanted = 1 + seed % 5
    let stepCount = 0
    for (; stepCount < 100; stepCount++) {
      const step = nextStep({ wanted, ...world })
      if (step.type === 'none') break
      const servingBefore = world.pods.filter(isServing).length
      world = afterStep(world, step)
      if (servingBefore - world.pods.filter(isServing).length > 1) t.fail(`seed ${seed}: two down`)
      // The controller and the kubelet do their part before the next look.
      if (step.type === 'wait') world = settled(world)
    }
    if (stepCount === 100) t.fail(`seed ${seed} never comes to rest`)
    if (world.pods.length !== wanted) t.fail(`seed ${seed}: ${world.pods.length} pods`)
  }
  t.pass('500 worlds')
})

interface World { statefulSet: StatefulSet, pods: Pod[] }

function worldOf (seed: number): World {
  const count = 1 + (seed * 7) % 6
  return {
    statefulSet: set(count),
    pods: Array.from({ length: count }, (_, at) => {
      const draw = (seed * 31 + at * 17) % 12
      return pod(at, {
        revision: draw % 2 === 0 ? 'old' : 'new', isReady: draw % 3 !== 0, isLeaving: draw === 5
      })
    })
  }
}

function isServing (candidate: Pod): boolean {
  return candidate.metadata.deletionTimestamp === undefined &&
    candidate.status?.conditions?.[0]?.status === 'True'
}

function afterStep (world: World, step: Step): World {
  if (step.type === 'restart' || step.type === 'restartIfAllowed') {
    return { ...world, pods: world.pods.filter(other => other !== step.pod) }
  }
  if (step.type !== 'scale' && step.type !== 'scaleDownIfAllowed') return world
  return {
    statefulSet: set(step.replicas),
    pods: world.pods.filter(({ metadata }) => Number(metadata.name?.slice(3)) < step.replicas)
  }
}

function settled ({ statefulSet, pods }: World): World {
  const replicas = statefulSet.spec?.replicas ?? 0
  const revisions = new Map(pods.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined
  ).map(({ metadata }) => [metadata.name, metadata.labels?.['controller-revision-hash']]))
  return {
    statefulSet,
    pods: Array.from({ length: replicas }, (_, at) =>
      pod(at, { revision: revisions.get(`eu-${at}`) ?? 'new' }))
  }
}
