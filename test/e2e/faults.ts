/**
 * What is done to a region of real pods while it is published to. Each fault leaves the region
 * whole, with every channel acknowledging and delivering, or throws an Error that says what did
 * not come back.
 */

import { annotations, podResource, statefulSetResource } from '../../src/operator/names.ts'
import { pause, until } from '../chaos/patience.ts'
import {
  comesBack, type Fault, flows, leaves, measured, type Measured, open, type Scene as AnyScene,
  takenOver
} from '../chaos/scene.ts'
import type { PodRegion } from './pod-region.ts'

type Scene = AnyScene<PodRegion>

/** A pod that is cut off stays so for as long after others have gone on without it. */
const CUT_MS = 6_000
const ALONE_MS = 3_000
const ROLL_MS = 240_000

/** By name, in the order of a whole run; the second argument is the node it is done to. */
export const FAULTS: Readonly<Record<string, Fault<PodRegion>>> = {
  nothing: leftAlone,
  redundancy: redundancyChanged,
  delete: deleted,
  force: forced,
  crash: crashed,
  cut: cutOff,
  drain: drained,
  roll: rolled,
  scale: scaled
}

/** What this machine makes of the load alone: the figures of faults are to be read beside it. */
async function leftAlone(scene: Scene): Promise<Measured[]> {
  const before = await scene.region.untilWhole()
  const window = await open(scene, 'nothing happens')
  await pause(ALONE_MS)
  await flows(scene)
  return [measured(scene, window, { cause: 'none', before })]
}

/** `kubectl delete pod`. */
async function deleted(scene: Scene, index: number): Promise<Measured[]> {
  const left = await leaves(scene, index, async (region) => {
    await region.kube.remove(podResource, region.podTarget(index))
  })
  return [left, await comesBack(scene, index)]
}

/** `kubectl delete pod --force --grace-period=0`: its name is free before its process ends. */
async function forced(scene: Scene, index: number): Promise<Measured[]> {
  const { kube } = scene.region
  const target = scene.region.podTarget(index)
  const gone = await takenOver(scene, index, {
    cause: 'api fact',
    strike: async () => void await kube.remove(podResource, target, { gracePeriodSeconds: 0 })
  })
  return [gone, await comesBack(scene, index)]
}

/** kill -9 of the container's process; the kubelet starts it again in its pod. */
async function crashed(scene: Scene, index: number): Promise<Measured[]> {
  const gone = await takenOver(scene, index, {
    cause: 'api fact', strike: () => crash(scene.region, index)
  })
  return [gone, await comesBack(scene, index)]
}

/** Cut off the network both ways, the API and NATS included, and joined to it again. */
async function cutOff(scene: Scene, index: number): Promise<Measured[]> {
  const { cluster } = scene.region
  const { spec, status } = scene.region.pod(index)
  const [node, address] = [spec.nodeName ?? '', status?.podIP ?? '']
  const gone = await takenOver(scene, index, {
    cause: 'silence', strike: () => cluster.cutPod(node, address)
  })
  await pause(CUT_MS)
  await cluster.healPod(node, address)
  return [gone, await comesBack(scene, index)]
}

/** Emptied by annotation, its pod staying; then the annotation is taken away. */
async function drained(scene: Scene, index: number): Promise<Measured[]> {
  const { kube } = scene.region
  const target = scene.region.podTarget(index)
  const annotate = async (drain: string | null): Promise<void> => {
    const metadata = { annotations: { [annotations.drain]: drain } }
    await kube.mergePatch(podResource, target, { metadata })
  }
  const left = await leaves(scene, index, () => annotate('true'))
  await annotate(null)
  return [left, await comesBack(scene, index)]
}

/** `kubectl rollout restart`: the operator replaces one pod after the other, as they agree. */
async function rolled(scene: Scene): Promise<Measured[]> {
  const restart = 'kubectl.kubernetes.io/restartedAt'
  return [await replacesAll(scene, 'rolling restart', async ({ kube, target }) => {
    const template = { metadata: { annotations: { [restart]: new Date().toISOString() } } }
    await kube.mergePatch(statefulSetResource, target, { spec: { template } })
  })]
}

/** Every log gets three copies instead of one, and the nodes a new environment. */
async function redundancyChanged(scene: Scene): Promise<Measured[]> {
  const { region } = scene
  const ask = (): Promise<void> => region.patch({ redundancy: 3 })
  const result = await replacesAll(scene, 'redundancy 1 → 3', ask)
  const startMs = performance.now()
  await until('every stream has three current copies', async () => {
    const copies = await copiesOfStreams(region)
    return copies.length > 0 && copies.every((count) => count === 3)
  })
  const tookMs = Math.round(performance.now() - startMs)
  return [{ ...result, remark: `three current copies of every stream ${tookMs} ms later` }]
}

/** Three nodes, then five, with clients on the new ones, then three. */
async function scaled(scene: Scene): Promise<Measured[]> {
  const { region, gauge, load } = scene
  const { doors, size } = region
  const up = await resized(scene, size + 2)
  const moves = [[0, size], [1, size + 1]] as const
  for (const [index, other] of moves) {
    gauge.harm(region.hostOf(index))
    doors.detour(index, other)
    load.reconnect(index)
  }
  await load.settle()
  const down = await resized(scene, size)
  for (const [index] of moves) {
    doors.detour(index, undefined)
    gauge.heal(region.hostOf(index))
  }
  return [up, down]
}

async function resized(scene: Scene, size: number): Promise<Measured> {
  const { region } = scene
  const before = await region.untilWhole()
  const window = await open(scene, `from ${region.size} nodes to ${size}`)
  region.size = size
  await region.patch({ nodes: size })
  await region.untilWhole()
  await flows(scene)
  return measured(scene, window, { cause: 'plan', before })
}

/** Asks for something for which every pod is replaced. */
async function replacesAll(
  scene: Scene, name: string, ask: (region: PodRegion) => Promise<void>
): Promise<Measured> {
  const { region } = scene
  const before = await region.untilWhole()
  const uids = new Set((await region.pods('node')).map(({ metadata }) => metadata.uid))
  const window = await open(scene, name)
  await ask(region)
  await until('every pod is another', async () => {
    const pods = await region.pods('node')
    return pods.length === region.size && pods.every(({ metadata }) => !uids.has(metadata.uid))
  }, () => '', ROLL_MS)
  await region.untilWhole()
  await flows(scene)
  return measured(scene, window, { cause: 'plan', before })
}

/** kill -9 of the process of a pod's container. */
export async function crash(region: PodRegion, index: number): Promise<void> {
  const { spec, status } = region.pod(index)
  const id = status?.containerStatuses?.[0]?.containerID ?? ''
  await region.cluster.killContainer(spec.nodeName ?? '', id.replace(/^containerd:\/\//, ''))
}

interface StreamsReport {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly cluster?: {
        readonly leader?: string
        readonly replicas?: readonly { readonly current?: boolean }[]
      }
    }[]
  }[]
}

/** How many current copies each stream has, as the server at its head tells it. */
async function copiesOfStreams(region: PodRegion): Promise<readonly number[]> {
  const found: number[] = []
  for (const { metadata, status } of await region.pods('nats')) {
    const report = await monitorOf(region, status?.podIP ?? '')
    for (const { stream_detail: streams = [] } of report.account_details ?? []) {
      for (const { cluster } of streams) {
        if (cluster?.leader !== metadata.name) continue
        found.push(1 + (cluster?.replicas ?? []).filter(({ current }) => current).length)
      }
    }
  }
  return found
}

async function monitorOf({ cluster }: PodRegion, host: string): Promise<StreamsReport> {
  const forward = await cluster.forward({ host, port: 8222 })
  try {
    const url = `http://127.0.0.1:${forward.port}/jsz?accounts=true&streams=true`
    return await (await fetch(url)).json() as StreamsReport
  } finally {
    await forward.close()
  }
}
