/**
 * `ringcast operator` as it is configured by its environment.
 */

import { type Environment, operatorConfig } from '../ops/config.ts'
import { operatorCommand } from './operator.ts'

/** Runs the operator; throws an Error that names what is misconfigured. */
export async function runOperator(environment: Environment, version: string): Promise<void> {
  const config = operatorConfig(environment)
  await operatorCommand({
    cluster: clusterOf(config),
    namespace: config.RINGCAST_WATCH_NAMESPACE,
    operatorNamespace: config.RINGCAST_NAMESPACE,
    identity: `${config.RINGCAST_POD_NAME}_${config.RINGCAST_POD_UID}`,
    isElecting: config.RINGCAST_LEADER_ELECTION === 'true',
    nodeImage: config.RINGCAST_NODE_IMAGE,
    natsImage: config.RINGCAST_NATS_IMAGE,
    workerCount: config.RINGCAST_OPERATOR_WORKERS,
    healthPort: config.RINGCAST_PRIVATE_PORT,
    logLevel: config.RINGCAST_LOG_LEVEL,
    version
  })
}

function clusterOf(config: ReturnType<typeof operatorConfig>) {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = config
  if (KUBECONFIG !== undefined) return { type: 'kubeconfig', path: KUBECONFIG } as const
  if (KUBERNETES_SERVICE_HOST === undefined || KUBERNETES_SERVICE_PORT === undefined) {
    throw new Error('no Kubernetes API: KUBECONFIG is not set, and this is not a pod')
  }
  const host = KUBERNETES_SERVICE_HOST
  return { type: 'inCluster', host, port: KUBERNETES_SERVICE_PORT } as const
}
