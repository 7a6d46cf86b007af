/**
 * The Kubernetes API as a command reaches it: a kubeconfig when one is named, else the pod's own
 * service account.
 */

import { KubeClient } from '../kube/client.ts'
import type { KubeClientOptions } from '../kube/client.ts'
import { inClusterCredentials, kubeconfigCredentials } from '../kube/credentials.ts'
import type { KubeObject, Resource } from '../kube/resource.ts'
import type { KubeConfig } from '../ops/config.ts'

export const PODS: Resource = {
  group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true
}
export const SECRETS: Resource = {
  group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true
}
export const CONFIG_MAPS: Resource = {
  group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true
}
export const RINGS: Resource = {
  group: 'ringcast.dev',
  version: 'v1alpha1',
  plural: 'realtimerings',
  kind: 'RealtimeRing',
  namespaced: true
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}

/** A client of the API server; throws an Error that says where it looked. */
export async function kubeClient(
  config: KubeConfig,
  userAgent: string,
  hooks: Pick<KubeClientOptions, 'onRequest' | 'onWarning'> = {}
): Promise<KubeClient> {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = config
  if (KUBECONFIG !== undefined) {
    const credentials = await kubeconfigCredentials({ path: KUBECONFIG })
    return new KubeClient({ credentials, userAgent, ...hooks })
  }
  if (KUBERNETES_SERVICE_HOST === undefined || KUBERNETES_SERVICE_PORT === undefined) {
    throw new Error('no Kubernetes API: KUBECONFIG is not set, and this is not a pod')
  }
  const host = KUBERNETES_SERVICE_HOST
  const port = KUBERNETES_SERVICE_PORT
  const credentials = await inClusterCredentials({ host, port })
  return new KubeClient({ credentials, userAgent, ...hooks })
}
