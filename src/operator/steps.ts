/*
Takes the step that the plan names: the only place where pods are deleted and regions grow or
shrink.
*/

import { exhaustive } from '../base/assert.ts'
import type { Manifest } from './manifest.ts'
import { podResource } from './names.ts'
import type { PassContext } from './pass.ts'
import type { Pod, RestartReason, Step } from './plan.ts'
import type { RealtimeRegion, RegionStatus } from './spec.ts'

export interface Taken {
  /** When to look again, if nothing happens before. */
  afterMs: number
  /** Why a pod said no, for people. */
  refusal?: string
  rollout?: RegionStatus['rollout']
}

/** Nothing to do: look now and then, in case an event was lost. */
const restMs = 300_000
/** Something is under way; its end is an event, so this too is only in case one was lost. */
const actingMs = 10_000
/** A node that said no changes its mind without an event. */
const askAgainMs = 2_000

/**
 * Takes one step.
 *
 * @param statefulSetOf the StatefulSet of the nodes with another number of pods
 */
export async function takeStep (
  context: PassContext, region: RealtimeRegion, step: Step,
  statefulSetOf: (replicas: number) => Manifest
): Promise<Taken> {
  switch (step.type) {
    case 'none':
      return { afterMs: restMs }
    case 'wait':
      return { afterMs: actingMs }
    case 'scale':
      return await scale(context, region, step.replicas, statefulSetOf)
    case 'restart':
      return await restart(context, region, step.pod, step.reason)
    case 'scaleDownIfAllowed':
    case 'restartIfAllowed': {
      const answer = await context.askRestart(step.pod)
      if (!answer.isAllowed) return { afterMs: askAgainMs, refusal: answer.reason }
      return step.type === 'scaleDownIfAllowed'
        ? await scale(context, region, step.replicas, statefulSetOf)
        : await restart(context, region, step.pod, step.reason)
    }
    default:
      return exhaustive(step, 'step')
  }
}

async function scale (
  context: PassContext, region: RealtimeRegion, replicas: number,
  statefulSetOf: (replicas: number) => Manifest
): Promise<Taken> {
  await context.writer.scale(statefulSetOf(replicas))
  context.tell(region, 'Normal', 'Scaled', 'Scale', `the StatefulSet now has ${replicas} pods`)
  return { afterMs: actingMs }
}

async function restart (
  context: PassContext, region: RealtimeRegion, pod: Pod, reason: RestartReason
): Promise<Taken> {
  const why = reason === 'Outdated' ? 'its revision is outdated' : 'it is outdated and not ready'
  await context.writer.remove(podResource, pod, 'Background')
  context.tell(
    region, 'Normal', 'RestartedPod', 'Restart', `restarted ${pod.metadata.name}: ${why}`
  )
  return {
    afterMs: actingMs,
    rollout: { podName: `${pod.metadata.name}`, reason, at: context.now() }
  }
}
