/*
What the status of a region says, computed from what is seen. The same view of the world gives the
same status, byte for byte, so that writing it can be left out when nothing changed.
*/

import { mergeConditions, onRegion } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import { drainingOf } from './draining.ts'
import type { DrainSeen } from './draining.ts'
import { regionNames, selectorLabels, selectorText } from './names.ts'
import { isLeaving, isOutdated, isReady, revisionOf } from './plan.ts'
import type { Deployment, Pod, StatefulSet, Step } from './plan.ts'
import type {
  Condition, NodeStatus, RealtimeRegion, RegionSpec, RegionStatus, WorldStatus
} from './spec.ts'

/** Pods listed in a status; a hundred are some 30 kB. */
const nodesListedMax = 100

export interface Seen {
  statefulSet: StatefulSet | undefined
  pods: Pod[]
  /** The StatefulSet of a managed NATS. */
  nats: StatefulSet | undefined
  /** The StatefulSet of the relay and the Deployment of the globalmaster, in a world. */
  relay?: StatefulSet | undefined
  globalmaster?: Deployment | undefined
  /** While it is to send its clients to others: how far that has come. */
  drain?: DrainSeen | undefined
  /** What of the spec could not be applied, while the rest of it was. */
  held?: Judgement<'ConfigApplied'> | undefined
  step: Step
  /** What came of a step that had to ask: why not, for people. */
  refusal?: string
}

/** The status after a pass that could apply the spec. */
export function regionStatus (
  region: RealtimeRegion, spec: RegionSpec, image: string, seen: Seen, now: string
): RegionStatus {
  const { statefulSet, pods } = seen
  const { name = '', namespace = '' } = region.metadata
  const readyCount = pods.filter(isReady).length
  const generation = region.metadata.generation ?? 0
  const port = spec.service.port === 80 ? '' : `:${spec.service.port}`
  return {
    ...operatorPart(region.status),
    observedGeneration: generation,
    conditions: mergeConditions(
      formerConditions(region, spec), judge(spec, seen, readyCount), generation, now
    ),
    nodeCount: pods.filter(pod => !isLeaving(pod)).length,
    readyNodeCount: readyCount,
    updatedNodeCount: statefulSet === undefined
      ? 0
      : pods.filter(pod => !isLeaving(pod) && !isOutdated(pod, statefulSet)).length,
    readyNodes: `${readyCount}/${spec.nodes}`,
    selector: selectorText(selectorLabels(name, 'node')),
    region: spec.region,
    version: versionOf(image),
    endpoint: `http://${regionNames(name).node}.${namespace}.svc${port}`,
    nodes: nodesOf(pods)
  }
}

/** Those of before, without what is said of regions in a world alone. */
function formerConditions (
  { status }: RealtimeRegion, { world }: RegionSpec
): Condition[] | undefined {
  return world === undefined
    ? status?.conditions?.filter(({ type }) => type !== 'Draining')
    : status?.conditions
}

/** The status after a pass that could not apply the spec: only conditions change. */
export function refusedStatus (
  region: RealtimeRegion, judgement: Judgement, now: string
): RegionStatus {
  const generation = region.metadata.generation ?? 0
  const ready = judgement.type === 'Paused'
    ? []
    : [onRegion('Ready', false, 'ConfigurationRefused', judgement.message),
        onRegion('Paused', false, 'NotPaused', '')]
  return {
    ...operatorPart(region.status),
    observedGeneration: generation,
    conditions: mergeConditions(
      region.status?.conditions, [judgement, ...ready], generation, now
    )
  }
}

/** A status without what its globalmaster writes: whoever applies a field becomes its owner. */
export function operatorPart<Status extends WorldStatus> (
  status: Status | undefined
): Omit<Status, keyof WorldStatus> {
  const { peers: _, syncedPeers: __, ...rest } = status ?? {} as Status
  return rest
}

function judge (spec: RegionSpec, seen: Seen, readyCount: number): Judgement[] {
  const degraded = degradedOf(spec, seen, readyCount)
  const progressing = progressingOf(spec, seen, readyCount)
  return [
    readyOf(spec, seen, degraded, progressing, readyCount),
    readyCount > 0
      ? onRegion('Available', true, 'NodesServe', `${readyCount} nodes serve`)
      : onRegion('Available', false, 'NoNodeServes', 'no node serves yet'),
    progressing,
    degraded,
    seen.held ?? onRegion('ConfigApplied', true, 'Applied', 'every object is as the spec says'),
    ...(spec.world === undefined ? [] : [drainingOf(seen.drain)]),
    onRegion('Paused', false, 'NotPaused', '')
  ]
}

function readyOf (
  spec: RegionSpec, { held }: Seen, degraded: Judgement, progressing: Judgement,
  readyCount: number
): Judgement {
  if (readyCount < spec.nodes && degraded.status === 'True') {
    return onRegion('Ready', false, 'Degraded', degraded.message)
  }
  if (progressing.status === 'True') {
    return onRegion('Ready', false, 'Progressing', progressing.message)
  }
  if (degraded.status === 'True') {
    return onRegion('Ready', false, 'Degraded', degraded.message)
  }
  return held !== undefined
    ? onRegion('Ready', false, 'ConfigurationRefused', held.message)
    : onRegion('Ready', true, 'AsSpecified', `all ${spec.nodes} nodes serve`)
}

function degradedOf (spec: RegionSpec, seen: Seen, readyCount: number): Judgement {
  const { nats, pods } = seen
  if (spec.nats.type === 'Managed') {
    const { servers } = spec.nats.managed
    const ready = nats?.status?.readyReplicas ?? 0
    if (ready < servers) {
      return onRegion('Degraded', true, 'NatsNotReady', `${ready} of ${servers} NATS servers ready`)
    }
  }
  if (readyCount < spec.nodes) {
    const troubles = pods.map(troubleOf).filter(trouble => trouble !== undefined)
    const detail = troubles.length === 0 ? '' : `: ${troubles.slice(0, 3).join('; ')}`
    return onRegion('Degraded', true, 'NodesMissing',
      `${readyCount} of ${spec.nodes} nodes ready${detail}`)
  }
  return worldDegradedOf(spec, seen) ??
    onRegion('Degraded', false, 'AllNodesServe', `${readyCount} of ${spec.nodes} nodes ready`)
}

/** Clients of the region are served without both. */
function worldDegradedOf (
  { world }: RegionSpec, { relay, globalmaster }: Seen
): Judgement | undefined {
  if (world === undefined) return undefined
  const servers = world.relay?.servers ?? 0
  const ready = relay?.status?.readyReplicas ?? 0
  if (ready < servers) {
    return onRegion('Degraded', true, 'RelayNotReady', `${ready} of ${servers} relay servers ready`)
  }
  return (globalmaster?.status?.readyReplicas ?? 0) > 0
    ? undefined
    : onRegion('Degraded', true, 'GlobalmasterNotReady',
      'the globalmaster is not ready: what status.peers says may be old')
}

/** What keeps a pod from starting, as the kubelet says it. */
function troubleOf (pod: Pod): string | undefined {
  const reasons = (pod.status?.containerStatuses ?? [])
    .map(status => status.state?.waiting?.reason)
    .filter(reason => reason !== undefined && reason !== 'ContainerCreating')
  return reasons.length === 0 ? undefined : `${pod.metadata.name} ${reasons.join(', ')}`
}

function progressingOf (spec: RegionSpec, seen: Seen, readyCount: number): Judgement {
  const { step, refusal, statefulSet, pods } = seen
  const asked = refusal === undefined ? '' : ` (${refusal})`
  switch (step.type) {
    case 'none':
      return readyCount < spec.nodes
        ? onRegion('Progressing', true, 'Starting', 'nodes are starting')
        : onRegion('Progressing', false, 'Idle', 'nothing to do')
    case 'wait': {
      const isRolling = statefulSet !== undefined &&
        pods.some(pod => isOutdated(pod, statefulSet))
      return onRegion('Progressing', true, isRolling ? 'RollingOut' : 'Waiting', step.message)
    }
    case 'scale':
      return onRegion('Progressing', true, 'Scaling', `scaling to ${spec.nodes} nodes`)
    case 'scaleDownIfAllowed':
      return onRegion('Progressing', true, 'Scaling',
        `scaling to ${spec.nodes} nodes: ${step.pod.metadata.name} goes next${asked}`)
    case 'restart':
    case 'restartIfAllowed':
      return onRegion('Progressing', true, 'RollingOut',
        `${step.pod.metadata.name} restarts next${asked}`)
  }
}

function nodesOf (pods: Pod[]): NodeStatus[] {
  return pods
    .toSorted((a, b) => (`${a.metadata.name}` < `${b.metadata.name}` ? -1 : 1))
    .slice(0, nodesListedMax)
    .map(pod => ({
      podName: `${pod.metadata.name}`,
      ...defined({
        podUID: pod.metadata.uid,
        nodeName: pod.spec?.nodeName,
        image: pod.spec?.containers?.find(({ name }) => name === 'node')?.image,
        revision: revisionOf(pod)
      }),
      state: stateOf(pod)
    }))
}

function stateOf (pod: Pod): NodeStatus['state'] {
  if (isLeaving(pod)) return 'Leaving'
  if (isReady(pod)) return 'Ready'
  const { phase } = pod.status ?? {}
  if (phase === 'Failed' || troubleOf(pod) !== undefined) return 'Failed'
  return phase === 'Running' ? 'Starting' : 'Pending'
}

function defined<T extends object> (fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined)
  ) as Partial<T>
}

/** Tag or digest of an image; `latest` when it names neither. */
export function versionOf (image: string): string {
  const digest = image.indexOf('@')
  if (digest >= 0) return image.slice(digest + 1)
  const last = image.slice(image.lastIndexOf('/') + 1)
  const colon = last.indexOf(':')
  return colon < 0 ? 'latest' : last.slice(colon + 1)
}
