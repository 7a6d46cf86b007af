/*
The nodes of a region: one StatefulSet of uniform pods and what stands around it.

`OnDelete`, because the operator decides when a pod may restart: it asks the pod first (`plan.ts`).
`Parallel`, because nodes do not depend on one another's order, and a pod that cannot start must not
keep others from starting.
*/

import type { Manifest } from './manifest.ts'
import { exhaustive } from '../base/assert.ts'
import type { OperatorDefaults } from './desired.ts'
import { annotations, objectLabels, regionNames, selectorLabels } from './names.ts'
import { fileStoreBytes } from './nats-manifests.ts'
import { dedicatedSecurity, podSecurity, schedulingFields } from './pod.ts'
import { bytesOfQuantity } from './quantity.ts'
import type { RegionSpec } from './spec.ts'

export const publicPort = 8080
export const privatePort = 8081

/** Tells nodes in which world they are. */
export const worldVariable = 'RINGCAST_WORLD'

export interface NodeContext {
  name: string
  namespace: string
  spec: RegionSpec
  defaults: OperatorDefaults
  /** Pods wanted now; on the way down this is above `spec.nodes` for a while. */
  replicas: number
  /** What the Secret of an external NATS holds. */
  natsCredentials: NatsCredentials
  /** Digest of credentials that a node reads only when it starts. */
  credentialsDigest: string
}

/** What the way to the NATS of a region depends on. */
export type NatsAccess = Pick<NodeContext, 'name' | 'namespace' | 'spec' | 'natsCredentials'>

export type NatsCredentials = 'password' | 'token' | 'file' | 'none'

/** The StatefulSet of the nodes. */
export function nodeStatefulSet (context: NodeContext): Manifest {
  const { name, namespace, spec, replicas } = context
  const selector = selectorLabels(name, 'node')
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace, labels: objectLabels(name, 'node') },
    spec: {
      replicas,
      serviceName: regionNames(name).nodes,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      revisionHistoryLimit: 10,
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: { ...spec.podTemplate?.labels, ...objectLabels(name, 'node') },
          annotations: {
            ...spec.podTemplate?.annotations,
            [annotations.configuration]: context.credentialsDigest
          }
        },
        spec: nodePodSpec(context, selector)
      }
    }
  }
}

function nodePodSpec (context: NodeContext, selector: Record<string, string>): object {
  const { name, spec } = context
  return {
    serviceAccountName: regionNames(name).account,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: spec.drain.terminationGracePeriodSeconds,
    securityContext: podSecurity(),
    ...schedulingFields(spec.scheduling, selector),
    ...(spec.imagePullSecrets === undefined ? {} : { imagePullSecrets: spec.imagePullSecrets }),
    containers: [{
      name: 'node',
      image: imageOfNodes(context),
      imagePullPolicy: spec.imagePullPolicy,
      args: ['node'],
      env: nodeEnvironment(context),
      ports: [
        { name: 'public', containerPort: publicPort, protocol: 'TCP' },
        { name: 'private', containerPort: privatePort, protocol: 'TCP' }
      ],
      resources: spec.resources,
      securityContext: dedicatedSecurity(),
      volumeMounts: [
        { name: 'tmp', mountPath: '/tmp' },
        ...credentialsMount(context)
      ],
      ...probes()
    }],
    volumes: [{ name: 'tmp', emptyDir: {} }, ...credentialsVolume(context)]
  }
}

export function imageOfNodes ({ spec, defaults }: Pick<NodeContext, 'spec' | 'defaults'>): string {
  return spec.image ?? defaults.nodeImage
}

/**
 * Startup and liveness ask only whether the process turns: killing a pod because the API or NATS
 * is away would drop the very sockets it holds. Readiness is about being in the ring.
 */
export function probes (): object {
  const get = (path: string) => ({ httpGet: { path, port: 'private' } })
  return {
    startupProbe: { ...get('/livez'), periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 120 },
    livenessProbe: { ...get('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...get('/readyz'), periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 3 }
  }
}

function nodeEnvironment (context: NodeContext): object[] {
  const { name, spec } = context
  const field = (fieldPath: string) =>
    ({ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } })
  const names = regionNames(name)
  return [
    { name: 'RINGCAST_REGION', value: name },
    { name: 'RINGCAST_NAMESPACE', ...field('metadata.namespace') },
    { name: 'RINGCAST_POD_NAME', ...field('metadata.name') },
    { name: 'RINGCAST_POD_UID', ...field('metadata.uid') },
    { name: 'RINGCAST_POD_IP', ...field('status.podIP') },
    { name: 'RINGCAST_REGION_ID', value: spec.region },
    { name: 'RINGCAST_RING', value: name },
    { name: 'RINGCAST_APPS_SECRET', value: names.apps },
    { name: 'RINGCAST_PORT', value: String(publicPort) },
    { name: 'RINGCAST_PRIVATE_PORT', value: String(privatePort) },
    { name: 'RINGCAST_WORKERS', value: String(spec.workers) },
    { name: 'RINGCAST_REDUNDANCY', value: String(spec.redundancy) },
    { name: 'RINGCAST_LOG_LEVEL', value: spec.logLevel },
    { name: 'RINGCAST_DRAIN_MS', value: String(spec.drain.timeoutSeconds * 1000) },
    ...(spec.world === undefined
      ? []
      : [
          { name: worldVariable, value: spec.world.name },
          { name: 'RINGCAST_WORLD_SETTINGS', value: names.world }
        ]),
    ...(spec.world?.endpoint === undefined
      ? []
      : [{ name: 'RINGCAST_ENDPOINT', value: spec.world.endpoint }]),
    ...natsEnvironment(context),
    ...(spec.extraEnv ?? [])
  ]
}

/** Entry of the Secret of a NATS: what its password, token or credentials were before. */
const formerEntry = 'former'

const credentialsDirectory = '/etc/ringcast/nats'

/** What tells a program of ours how the NATS of its region is reached. */
export function natsEnvironment (
  { name, namespace, spec, natsCredentials }: NatsAccess
): object[] {
  const names = regionNames(name)
  const entry = (variable: string, secret: string, key: string) => ({
    name: variable, valueFrom: { secretKeyRef: { name: secret, key } }
  })
  // Whoever changes the secret may put the one before beside it.
  const former = (secret: string) => ({
    name: 'RINGCAST_NATS_FORMER_SECRET',
    valueFrom: { secretKeyRef: { name: secret, key: formerEntry, optional: true } }
  })
  if (spec.nats.type === 'Managed') {
    return [
      { name: 'RINGCAST_LOG_BYTES', value: String(fileStoreBytes(spec.nats.managed)) },
      { name: 'RINGCAST_NATS_URL', value: `nats://${names.natsClient}.${namespace}.svc:4222` },
      entry('RINGCAST_NATS_USER', names.natsSecret, 'user'),
      entry('RINGCAST_NATS_PASSWORD', names.natsSecret, 'password'),
      former(names.natsSecret)
    ]
  }
  const { urls, secretName = '', logBytes } = spec.nats.external
  const common = [{ name: 'RINGCAST_NATS_URL', value: urls.join(',') }]
  if (logBytes !== undefined) {
    common.push({ name: 'RINGCAST_LOG_BYTES', value: String(bytesOfQuantity(logBytes)) })
  }
  switch (natsCredentials) {
    case 'none':
      return common
    case 'password':
      return [
        ...common,
        entry('RINGCAST_NATS_USER', secretName, 'user'),
        entry('RINGCAST_NATS_PASSWORD', secretName, 'password'),
        former(secretName)
      ]
    case 'token':
      return [...common, entry('RINGCAST_NATS_TOKEN', secretName, 'token'), former(secretName)]
    case 'file':
      return [
        ...common,
        { name: 'RINGCAST_NATS_CREDS_FILE', value: `${credentialsDirectory}/nats.creds` },
        former(secretName)
      ]
    default:
      return exhaustive(natsCredentials, 'NATS credentials')
  }
}

export function credentialsMount ({ natsCredentials }: NatsAccess): object[] {
  return natsCredentials !== 'file'
    ? []
    : [{ name: 'nats', mountPath: credentialsDirectory, readOnly: true }]
}

export function credentialsVolume ({ spec, natsCredentials }: NatsAccess): object[] {
  if (natsCredentials !== 'file' || spec.nats.type !== 'External') return []
  const { secretName } = spec.nats.external
  return [{
    name: 'nats', secret: { secretName, items: [{ key: 'nats.creds', path: 'nats.creds' }] }
  }]
}

/** What of a Service says how it is balanced, where that is said. */
export function balancerFields (
  { loadBalancerClass, externalTrafficPolicy }:
  { loadBalancerClass?: string, externalTrafficPolicy?: string }
): object {
  return Object.fromEntries(Object.entries({ loadBalancerClass, externalTrafficPolicy })
    .filter(([, value]) => value !== undefined))
}

/** The Services of the nodes: one for clients, one that names each pod. */
export function nodeServices (context: NodeContext): Manifest[] {
  const { name, namespace, spec: { service } } = context
  const selector = selectorLabels(name, 'node')
  const names = regionNames(name)
  return [{
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: names.node,
      namespace,
      labels: objectLabels(name, 'node'),
      annotations: { ...service.annotations }
    },
    spec: {
      type: service.type,
      selector,
      sessionAffinity: service.isSessionSticky ? 'ClientIP' : 'None',
      ports: [{
        name: 'http',
        port: service.port,
        targetPort: 'public',
        protocol: 'TCP',
        // Meshes that guess the protocol would cut WebSockets with their HTTP timeouts.
        appProtocol: 'kubernetes.io/ws',
        ...(service.nodePort === undefined ? {} : { nodePort: service.nodePort })
      }],
      ...balancerFields(service)
    }
  }, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: names.nodes, namespace, labels: objectLabels(name, 'node') },
    spec: {
      clusterIP: 'None',
      selector,
      // Nodes probe one another while they start and while they leave.
      publishNotReadyAddresses: true,
      ports: [
        { name: 'public', port: publicPort, targetPort: 'public', protocol: 'TCP' },
        { name: 'private', port: privatePort, targetPort: 'private', protocol: 'TCP' }
      ]
    }
  }]
}

/** What evictions may take at once. A pod that does not serve never blocks one. */
export function nodeDisruptionBudget (context: NodeContext): Manifest {
  const { name, namespace, spec: { disruption } } = context
  const bound = disruption?.minAvailable !== undefined
    ? { minAvailable: disruption.minAvailable }
    : { maxUnavailable: disruption?.maxUnavailable ?? 1 }
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace, labels: objectLabels(name, 'node') },
    spec: {
      ...bound,
      selector: { matchLabels: selectorLabels(name, 'node') },
      unhealthyPodEvictionPolicy: 'AlwaysAllow'
    }
  }
}

/** The ring object. Its status belongs to the nodes. */
export function ring ({ name, namespace, spec }: NodeContext): Manifest {
  return {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRing',
    metadata: { name, namespace, labels: objectLabels(name, 'node') },
    spec: { partitionCount: spec.partitionCount }
  }
}
