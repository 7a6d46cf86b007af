/*
The one next step that brings the pods of a region nearer to its spec. A pure function of what is
seen now, so it can be cut off anywhere and goes on by looking again: nothing is remembered.

  scale up    at once, however unhealthy the region is: more nodes never hurt
  heal        a pod of an old revision that does not serve is replaced first, without asking: it
              has nothing to lose, and a bad image must never block its own fix
  roll        serving pods of an old revision, one at a time, the highest ordinal first, only
              while every other pod serves, and only if the pod itself agrees
  scale down  one at a time, the highest ordinal, under the same conditions; turning back midway
              is only another wish for the number of nodes
*/

import type { KubeObject } from '../kube/resource.ts'

export interface Pod extends KubeObject {
  spec?: { nodeName?: string, containers?: Array<{ name: string, image?: string }> }
  status?: {
    phase?: string
    podIP?: string
    conditions?: Array<{ type: string, status: string }>
    containerStatuses?: Array<{ state?: { waiting?: { reason?: string } } }>
  }
}

export interface StatefulSet extends KubeObject {
  spec?: {
    replicas?: number
    template?: {
      spec?: {
        containers?: Array<{ name: string, env?: Array<{ name: string, value?: string }> }>
      }
    }
  }
  status?: {
    observedGeneration?: number
    updateRevision?: string
    readyReplicas?: number
    replicas?: number
  }
}

export interface Deployment extends KubeObject {
  status?: { readyReplicas?: number }
}

export type RestartReason = 'OutdatedNotReady' | 'Outdated'

export type Step =
  /** Everything is as it should be. */
  | { type: 'none' }
  /** Something is under way; the message says what, for people. */
  | { type: 'wait', message: string }
  /** Set the number of pods. */
  | { type: 'scale', replicas: number }
  /** Ask the highest pod whether it may go, then set the number of pods. */
  | { type: 'scaleDownIfAllowed', pod: Pod, replicas: number }
  | { type: 'restart', pod: Pod, reason: RestartReason }
  /** Ask the pod, then restart it. */
  | { type: 'restartIfAllowed', pod: Pod, reason: RestartReason }

export interface Situation {
  /** Nodes the spec wants. */
  wanted: number
  /** Undefined while it does not exist. */
  statefulSet: StatefulSet | undefined
  /** Pods of the StatefulSet, terminating ones included. */
  pods: Pod[]
}

/** How many pods the StatefulSet should have if nothing else happens. */
export function replicasOf ({ wanted, statefulSet }: Situation): number {
  const now = statefulSet?.spec?.replicas
  return now === undefined ? wanted : Math.max(now, wanted)
}

/** The next step, given what is seen. */
export function nextStep (situation: Situation): Step {
  const { wanted, statefulSet } = situation
  if (statefulSet === undefined) return { type: 'wait', message: 'the StatefulSet is being made' }
  const now = statefulSet.spec?.replicas ?? 0
  if (now < wanted) return { type: 'scale', replicas: wanted }
  if (!isObserved(statefulSet)) {
    return { type: 'wait', message: 'the StatefulSet controller has yet to see the last change' }
  }
  const pods = byOrdinal(situation.pods)
  const sick = pods.find(pod => isOutdated(pod, statefulSet) && !isReady(pod) && !isLeaving(pod))
  if (sick !== undefined) return { type: 'restart', pod: sick, reason: 'OutdatedNotReady' }
  const obstacle = obstacleOf(pods, now)
  if (now > wanted) return scaleDownStep(pods, now, obstacle)
  if (obstacle !== undefined) return { type: 'wait', message: obstacle }
  const outdated = pods.findLast(pod => isOutdated(pod, statefulSet))
  return outdated === undefined
    ? { type: 'none' }
    : { type: 'restartIfAllowed', pod: outdated, reason: 'Outdated' }
}

function scaleDownStep (pods: Pod[], now: number, obstacle: string | undefined): Step {
  const highest = pods.find(pod => ordinalOf(pod) === now - 1)
  // A pod that serves nobody may go whatever the others do; so may one that is not there.
  if (highest === undefined || (!isReady(highest) && !isLeaving(highest))) {
    return { type: 'scale', replicas: now - 1 }
  }
  if (obstacle !== undefined) return { type: 'wait', message: obstacle }
  return { type: 'scaleDownIfAllowed', pod: highest, replicas: now - 1 }
}

/** Why no serving pod may be taken down now. */
function obstacleOf (pods: Pod[], replicas: number): string | undefined {
  const leaving = pods.find(isLeaving)
  if (leaving !== undefined) return `${leaving.metadata.name} is leaving`
  if (pods.length < replicas) return `${pods.length} of ${replicas} pods exist`
  const unready = pods.find(pod => !isReady(pod))
  return unready === undefined ? undefined : `${unready.metadata.name} is not ready`
}

/** True once the StatefulSet controller answers for the present generation. */
function isObserved ({ metadata, status }: StatefulSet): boolean {
  return status?.observedGeneration !== undefined &&
    status.observedGeneration >= (metadata.generation ?? 0)
}

export function isReady (pod: Pod): boolean {
  return !isLeaving(pod) && (pod.status?.conditions ?? []).some(
    condition => condition.type === 'Ready' && condition.status === 'True'
  )
}

export function isLeaving (pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined
}

export function revisionOf (pod: Pod): string | undefined {
  return pod.metadata.labels?.['controller-revision-hash']
}

export function isOutdated (pod: Pod, statefulSet: StatefulSet): boolean {
  const target = statefulSet.status?.updateRevision
  return target !== undefined && revisionOf(pod) !== target
}

/** 2 for `eu-2`. */
export function ordinalOf (pod: Pod): number {
  const name = `${pod.metadata.name}`
  return Number(name.slice(name.lastIndexOf('-') + 1))
}

function byOrdinal (pods: Pod[]): Pod[] {
  return pods.toSorted((a, b) => ordinalOf(a) - ordinalOf(b))
}
