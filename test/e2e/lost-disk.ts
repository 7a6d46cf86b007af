/**
 * The only copy of a log is gone with its disk: the region stands still and says why, until a
 * person accepts the loss in the way that the README tells; clients are told of it.
 */

import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import {
  annotations, podResource, regionResource, statefulSetResource
} from '../../src/operator/names.ts'
import { until } from '../chaos/patience.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { NAMESPACE, PodRegion, type RegionWish } from './pod-region.ts'

/** `spec` is that of a region of one nats-server with an Ephemeral disk. */
export async function loseDisk(
  t: Test, cluster: Cluster, kube: KubeClient, spec: RegionWish
): Promise<void> {
  const region = await PodRegion.start(t, cluster, kube, 'trial', spec)
  const channel = region.client(t, 0).channels.get('trial')
  const heard: string[] = []
  await channel.subscribe(({ data }) => void heard.push(data))
  let isToldOfLoss = false
  channel.on(['attached', 'update'], ({ resumed }) => {
    if (!resumed) isToldOfLoss = true
  })
  await channel.publish('n', 'before')
  await until('the first is heard', () => heard.length === 1)

  const [nats] = await region.pods('nats')
  await kube.remove(podResource, { namespace: NAMESPACE, name: nats?.metadata.name ?? '' })
  await until('another nats-server', async () => {
    const pods = await region.pods('nats')
    return pods.length === 1 && pods[0]!.metadata.uid !== nats?.metadata.uid
  })
  const crashed = await region.incarnationOf(0)
  await kube.remove(podResource, region.podTarget(0))
  await region.untilRemoved(crashed)
  await until('the node says why it waits', async () =>
    /is missing, though the ring's log was made/.test(await region.unreadyBecause(0) ?? ''))
  const published = channel.publish('n', 'after')
  await acceptLoss(region)
  await region.untilWhole()
  await published
  await until('the second is heard', () => heard.includes('after'))
  t.ok(isToldOfLoss, 'the subscriber is told that something may be missing')
  t.same(heard, ['before', 'after'])
}

async function acceptLoss({ cluster, kube, name, target }: PodRegion): Promise<void> {
  const pause = (paused: string | null): Promise<unknown> => kube.mergePatch(
    regionResource, target, { metadata: { annotations: { [annotations.paused]: paused } } }
  )
  await pause('true')
  await kube.mergePatch(statefulSetResource, target, { spec: { replicas: 0 } })
  await cluster.kubectl([
    'wait', '--for=delete', `pod/${name}-0`, '--namespace', NAMESPACE, '--timeout=60s'
  ])
  await cluster.kubectl([
    'patch', `realtimering/${name}`, '--namespace', NAMESPACE, '--subresource=status',
    '--type=json', '--patch=[{"op":"remove","path":"/status/log"}]'
  ])
  await pause(null)
}
