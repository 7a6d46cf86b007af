/** What is done to a region of one node and one nats-server: whatever is harmed, it all stops. */

import { podResource } from '../../src/operator/names.ts'
import { until } from '../chaos/patience.ts'
import { type Fault, flows, measured, type Measured, open, type Scene } from '../chaos/scene.ts'
import { crash } from './faults.ts'
import { NAMESPACE, type PodRegion } from './pod-region.ts'

/** By name, in the order of a whole run. */
export const ALONE_FAULTS: Readonly<Record<string, Fault<PodRegion>>> = {
  crash: (scene) => nodeReplaced(scene, 'the only node is killed', (region) => crash(region, 0)),
  delete: (scene) => nodeReplaced(scene, 'the only node is deleted', async (region) => {
    await region.kube.remove(podResource, region.podTarget(0))
  }),
  nats: natsReplaced
}

async function nodeReplaced(
  scene: Scene<PodRegion>, name: string, strike: (region: PodRegion) => Promise<void>
): Promise<Measured[]> {
  const { region } = scene
  const incarnation = await region.incarnationOf(0)
  const before = await region.untilWhole()
  const window = await open(scene, name, 0)
  await strike(region)
  await region.untilRemoved(incarnation)
  await region.untilWhole()
  scene.gauge.heal(region.hostOf(0))
  await flows(scene)
  return [measured(scene, window, { cause: 'none', before, victim: incarnation })]
}

/** The pod of the only nats-server is deleted; another starts on its disk. */
async function natsReplaced(scene: Scene<PodRegion>): Promise<Measured[]> {
  const { region } = scene
  const before = await region.untilWhole()
  const [pod] = await region.pods('nats')
  const window = await open(scene, 'the only nats-server is replaced')
  const name = pod?.metadata.name ?? ''
  await region.kube.remove(podResource, { namespace: NAMESPACE, name })
  await until('another nats-server', async () => {
    const pods = await region.pods('nats')
    return pods.some(({ metadata }) => metadata.uid !== pod?.metadata.uid)
  })
  await flows(scene)
  await region.untilWhole()
  return [measured(scene, window, { cause: 'none', before })]
}
