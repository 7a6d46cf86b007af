/**
 * `ringcast node`: one node of a region in Kubernetes.
 */

import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { NatsMesh } from '../bus/nats.ts'
import { type Environment, kubeConfig, type NodeConfig, nodeConfig } from '../ops/config.ts'
import { type Logger, makeLogger } from '../ops/notes.ts'
import { JetStreamScale } from '../store/jetstream-fill.ts'
import { keepStatsStream } from '../store/jetstream-stats.ts'
import { JetStreamStreams } from '../store/jetstream-streams.ts'
import { kubeClient } from './kube-access.ts'
import { KubeRingStore, watchApps, watchPods, watchWorldSettings } from './kube-ports.ts'
import { natsOptions } from './nats-access.ts'
import { type NodePorts, NodeRuntime } from './node-runtime.ts'

/** Runs until SIGTERM has drained the node. Throws an Error that names what is misconfigured. */
export async function nodeCommand(environment: Environment): Promise<void> {
  const config = nodeConfig(environment)
  const node = config.RINGCAST_POD_NAME
  const region = config.RINGCAST_REGION
  const logger = makeLogger(config.RINGCAST_LOG_LEVEL, { node, region })
  const client = await kubeClient(kubeConfig(environment), 'ringcast-node')
  const scope = {
    namespace: config.RINGCAST_NAMESPACE,
    region,
    ring: config.RINGCAST_RING,
    appsSecret: config.RINGCAST_APPS_SECRET,
    worldSettings: config.RINGCAST_WORLD_SETTINGS,
    node
  }
  const nats = await natsOptions(config)
  const ringStore = new KubeRingStore(client, scope)
  const workers = config.RINGCAST_WORKERS
  const former = config.RINGCAST_NATS_FORMER_SECRET
  const runtime = new NodeRuntime(
    {
      region,
      siteCode: config.RINGCAST_REGION_ID ?? region,
      redundancy: config.RINGCAST_REDUNDANCY,
      node,
      uid: config.RINGCAST_POD_UID,
      zone: config.RINGCAST_ZONE,
      workers: workers === 'auto' ? availableParallelism() : workers,
      publicHost: config.RINGCAST_HOST,
      publicPort: config.RINGCAST_PORT,
      privateHost: config.RINGCAST_HOST,
      privatePort: config.RINGCAST_PRIVATE_PORT,
      advertisedHost: config.RINGCAST_POD_IP,
      world: config.RINGCAST_WORLD,
      endpoint: config.RINGCAST_ENDPOINT,
      isDev: false,
      drainMs: config.RINGCAST_DRAIN_MS,
      secret: regionSecret(nats.password ?? nats.token ?? nats.credentials ?? region),
      formerSecrets: former === undefined ? [] : [regionSecret(former)]
    },
    {
      logger,
      ringStore,
      ringIdentity: (signal) => ringStore.identity(signal, logger),
      ...natsPorts(config, nats, logger),
      watchPods: (onPods, onAway) => watchPods(client, scope, logger, onPods, onAway),
      watchApps: (onApps) => watchApps(client, scope, logger, onApps),
      ...scope.worldSettings !== undefined && {
        watchSettings: (onSettings) => watchWorldSettings(client, scope, logger, onSettings)
      }
    }
  )
  const stopped = stopSignal()
  const started = runtime.start()
  await Promise.race([started, stopped])
  await stopped
  await runtime.drain()
  await runtime.stop()
  logger.info('stopped')
  process.exit(0)
}

/** What of a node's ports NATS is behind. */
function natsPorts(
  config: NodeConfig, nats: Awaited<ReturnType<typeof natsOptions>>, logger: Logger
): Pick<
  NodePorts<NatsMesh>, 'connectMesh' | 'logStreams' | 'logScale' | 'prepareStats' | 'workerMesh'
> {
  return {
    connectMesh: (onUpOrDown, signal) => {
      const events = {
        onUp: () => onUpOrDown(true),
        onDown: () => onUpOrDown(false),
        note: (text: string) => logger.warn(text)
      }
      return NatsMesh.connect({ ...nats, name: `${config.RINGCAST_POD_NAME}/main` }, events, signal)
    },
    logStreams: (mesh, prefix) => new JetStreamStreams(mesh.connection, prefix),
    logScale: (mesh, prefix) => {
      const bytesMax = config.RINGCAST_LOG_BYTES ?? Infinity
      return new JetStreamScale(mesh.connection, prefix, bytesMax)
    },
    prepareStats: (mesh, prefix, signal) => {
      const redundancy = config.RINGCAST_REDUNDANCY
      return keepStatsStream({ connection: mesh.connection, prefix, redundancy }, {
        note: (text) => logger.warn(text), signal
      })
    },
    workerMesh: () => ({ settings: { kind: 'nats', ...nats }, transfer: [] })
  }
}

/** Everybody who may be on the mesh may sign connection keys, and nobody else. */
function regionSecret(meshSecret: string): Uint8Array {
  return createHash('sha256').update(`ringcast connection keys\n${meshSecret}`).digest()
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}
