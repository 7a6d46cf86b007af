/**
 * `ringcast operator`: wires the controller to the API server, to a small port for probes and
 * metrics, and to the signals of the kubelet.
 */

import { pino } from 'pino'
import type { Logger } from 'pino'
import { KubeClient } from '../kube/client.ts'
import { inClusterCredentials, kubeconfigCredentials } from '../kube/credentials.ts'
import type { Credentials } from '../kube/credentials.ts'
import { OperatorController } from '../operator/controller.ts'
import { serveHealth } from './health.ts'
import { OperatorMeter } from './operator-meter.ts'

/** The name of the Lease that operators of one cluster compete for. */
const leaseName = 'ringcast-operator'

/** How long passes under way may take to end after SIGTERM. */
const stopTimeoutMs = 10_000

export interface OperatorCommandOptions {
  /** Where the API server is. */
  cluster:
    | { type: 'inCluster', host: string, port: string }
    | { type: 'kubeconfig', path: string, context?: string }
  /** Namespace looked after; every namespace when absent. */
  namespace?: string
  /** Namespace of the Lease. */
  operatorNamespace: string
  /** Unique among replicas and over restarts: pod name and uid. */
  identity: string
  /** False only where surely no other operator runs. */
  isElecting: boolean
  /** Image of nodes whose region does not name one. */
  nodeImage: string
  /** Image of nats-server where the region does not name one. */
  natsImage: string
  /** Regions and apps handled at once. */
  workerCount: number
  /** Port of /livez, /readyz and /metrics. */
  healthPort: number
  logLevel: string
  /** Of this program, for the user agent. */
  version: string
}

/**
 * Runs until SIGTERM or SIGINT, or until leadership is lost. Rejects with a sentence when it
 * cannot begin: a kubeconfig that cannot be read, a port in use. An API server that does not
 * answer is no reason to end: it is told and tried again.
 */
export async function operatorCommand (options: OperatorCommandOptions): Promise<void> {
  const log = pino({ level: options.logLevel, base: { role: 'operator' } })
  const meter = new OperatorMeter()
  const client = new KubeClient({
    credentials: await credentialsOf(options.cluster),
    userAgent: `ringcast-operator/${options.version}`,
    onRequest: report => meter.onRequest(report),
    onWarning: warning => log.warn({ warning }, `the API server warns: ${warning}`)
  })
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  const controller = makeController(options, client, log, meter, end)
  let hasSynced = false
  const server = await serveHealth(options.healthPort, {
    unreadyBecause: () => (hasSynced ? undefined : 'caches are filling'), metrics: meter
  })
  controller.synced().then(() => { hasSynced = true }, error => end(String(error)))
  controller.start()
  log.info({
    server: client.server,
    namespace: options.namespace ?? '(all)',
    healthPort: options.healthPort
  }, `watching ${client.server}`)
  process.once('SIGTERM', () => end(''))
  process.once('SIGINT', () => end(''))
  const lostBecause = await ended
  if (lostBecause !== '') {
    // Another may act already: nothing of ours may be written any more.
    log.error({ reason: lostBecause }, `leadership is lost: ${lostBecause}; ending`)
    process.exit(1)
  }
  await stopWithin(controller, log)
  server.close()
  server.closeAllConnections()
  client.close()
}

function makeController (
  options: OperatorCommandOptions, client: KubeClient, log: Logger, meter: OperatorMeter,
  onLost: (reason: string) => void
): OperatorController {
  const { namespace, nodeImage, natsImage, identity, workerCount } = options
  return new OperatorController({
    client,
    ...(namespace === undefined ? {} : { namespace }),
    defaults: { nodeImage, natsImage },
    log,
    identity,
    ...(options.isElecting
      ? { election: { namespace: options.operatorNamespace, name: leaseName } }
      : {}),
    onLost,
    workerCount,
    metrics: meter
  })
}

async function credentialsOf (cluster: OperatorCommandOptions['cluster']): Promise<Credentials> {
  return cluster.type === 'inCluster'
    ? await inClusterCredentials(cluster)
    : await kubeconfigCredentials(cluster)
}

async function stopWithin (controller: OperatorController, log: Logger): Promise<void> {
  const { promise: late, resolve: giveUp } = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => giveUp('late'), stopTimeoutMs)
  const outcome = await Promise.race([controller.stop(), late])
  clearTimeout(timer)
  if (outcome === 'late') {
    log.warn({}, `passes did not end within ${stopTimeoutMs} ms; ending without them`)
    process.exit(1)
  }
}
