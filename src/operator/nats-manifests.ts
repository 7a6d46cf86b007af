/*
The NATS that the operator runs for a region: nats-server with JetStream, one server or a cluster.

The account MESH carries the region's traffic; the account SYS is the servers' own. Routes between
servers have credentials too, so that nobody in the cluster can join them uninvited.
*/

import type { Manifest } from './manifest.ts'
import { annotations, objectLabels, regionNames, selectorLabels } from './names.ts'
import type { OperatorDefaults } from './desired.ts'
import { dedicatedSecurity, podSecurity, schedulingFields } from './pod.ts'
import { bytesOfQuantity } from './quantity.ts'
import { leafConfiguration, leafUrl } from './relay-manifests.ts'
import type { ManagedNats, RegionSpec } from './spec.ts'

const clientPort = 4222
const routePort = 6222
const monitorPort = 8222

export interface NatsContext {
  name: string
  namespace: string
  spec: RegionSpec
  managed: ManagedNats
  defaults: OperatorDefaults
  /** Digest of the configuration: servers read theirs only when they start. */
  configurationDigest: string
}

/** Everything of the managed NATS but its Secret. */
export function natsManifests (context: NatsContext): Manifest[] {
  return [
    natsConfigMap(context), ...natsServices(context),
    natsDisruptionBudget(context), natsStatefulSet(context)
  ]
}

/** Configuration of nats-server. Names that begin with $ come from the environment. */
export function natsConfiguration (context: Omit<NatsContext, 'configurationDigest'>): string {
  const { name, spec, managed } = context
  const sync = managed.syncInterval ?? (managed.servers === 1 ? 'always' : '2m')
  const lines = [
    'server_name: $POD_NAME',
    `port: ${clientPort}`,
    `http_port: ${monitorPort}`,
    // Batches between nodes are large; the default of 1 MB would split them.
    'max_payload: 8MB',
    'max_pending: 256MB',
    'write_deadline: "10s"',
    'ping_interval: "20s"',
    'lame_duck_grace_period: "2s"',
    'lame_duck_duration: "30s"',
    'jetstream {',
    '  store_dir: "/data"',
    `  domain: "${spec.region}"`,
    `  max_file_store: ${fileStoreBytes(managed)}`,
    `  sync_interval: ${sync === 'always' ? 'always' : `"${sync}"`}`,
    '}',
    'accounts {',
    '  MESH { jetstream: enabled, users: [{ user: $NATS_USER, password: $NATS_PASSWORD }] }',
    '  SYS { users: [{ user: "sys", password: $NATS_SYS_PASSWORD }] }',
    '}',
    'system_account: SYS'
  ]
  if (managed.servers > 1) {
    const routes = serverHosts(context).map((_, at) => `$ROUTE_${at}`)
    lines.push(
      'cluster {',
      `  name: "${name}"`,
      `  port: ${routePort}`,
      '  authorization { user: "route", password: $NATS_ROUTE_PASSWORD }',
      `  routes: [${routes.join(', ')}]`,
      '}'
    )
  }
  if (spec.world !== undefined) lines.push(...leafConfiguration())
  return lines.join('\n') + '\n'
}

/** A tenth of the volume stays free: a full disk stops JetStream in a way that is hard to mend. */
export function fileStoreBytes (managed: ManagedNats): number {
  return Math.floor(bytesOfQuantity(managed.storage.size) * 0.9)
}

function serverHosts ({ name, namespace, managed }: {
  name: string, namespace: string, managed: ManagedNats
}): string[] {
  const { nats } = regionNames(name)
  return Array.from(
    { length: managed.servers }, (_, at) => `${nats}-${at}.${nats}.${namespace}.svc`
  )
}

function natsConfigMap (context: NatsContext): Manifest {
  const { name, namespace } = context
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: regionNames(name).nats, namespace, labels: objectLabels(name, 'nats')
    },
    data: { 'nats.conf': natsConfiguration(context) }
  }
}

function natsServices ({ name, namespace }: NatsContext): Manifest[] {
  const names = regionNames(name)
  const selector = selectorLabels(name, 'nats')
  const port = (portName: string, number: number) => ({
    name: portName, port: number, targetPort: portName, protocol: 'TCP'
  })
  const metadata = { namespace, labels: objectLabels(name, 'nats') }
  return [{
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: names.natsClient },
    spec: { type: 'ClusterIP', selector, ports: [port('client', clientPort)] }
  }, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: names.nats },
    spec: {
      clusterIP: 'None',
      selector,
      // Servers must find each other before any of them can be ready.
      publishNotReadyAddresses: true,
      ports: [port('client', clientPort), port('route', routePort), port('monitor', monitorPort)]
    }
  }]
}

function natsDisruptionBudget ({ name, namespace }: NatsContext): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: regionNames(name).nats, namespace, labels: objectLabels(name, 'nats') },
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorLabels(name, 'nats') },
      unhealthyPodEvictionPolicy: 'AlwaysAllow'
    }
  }
}

/**
 * `RollingUpdate` here: a server restarts safely as soon as the one before it is ready, and its
 * readiness says that JetStream has caught up.
 */
function natsStatefulSet (context: NatsContext): Manifest {
  const { name, namespace, managed } = context
  const names = regionNames(name)
  const selector = selectorLabels(name, 'nats')
  const { storage } = managed
  const isPersistent = storage.type === 'Persistent'
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: names.nats, namespace, labels: objectLabels(name, 'nats') },
    spec: {
      replicas: managed.servers,
      serviceName: names.nats,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: storage.whenDeleted, whenScaled: 'Retain'
      },
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: objectLabels(name, 'nats'),
          annotations: { [annotations.configuration]: context.configurationDigest }
        },
        spec: natsPodSpec(context, selector)
      },
      ...(isPersistent ? { volumeClaimTemplates: [volumeClaim(managed)] } : {})
    }
  }
}

function volumeClaim ({ storage }: ManagedNats): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: storage.size } },
      ...(storage.storageClassName === undefined
        ? {}
        : { storageClassName: storage.storageClassName })
    }
  }
}

function natsPodSpec (context: NatsContext, selector: Record<string, string>): object {
  const { name, spec, managed, defaults } = context
  const isPersistent = managed.storage.type === 'Persistent'
  const health = (query: string) => ({
    httpGet: { path: `/healthz${query}`, port: 'monitor' }, timeoutSeconds: 5
  })
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurity(),
    ...schedulingFields(managed.scheduling, selector),
    ...(spec.imagePullSecrets === undefined ? {} : { imagePullSecrets: spec.imagePullSecrets }),
    containers: [{
      name: 'nats',
      image: managed.image ?? defaults.natsImage,
      imagePullPolicy: spec.imagePullPolicy,
      args: ['--config', '/etc/nats/nats.conf'],
      env: natsEnvironment(context),
      ports: [
        { name: 'client', containerPort: clientPort, protocol: 'TCP' },
        { name: 'route', containerPort: routePort, protocol: 'TCP' },
        { name: 'monitor', containerPort: monitorPort, protocol: 'TCP' }
      ],
      resources: managed.resources,
      securityContext: dedicatedSecurity(),
      volumeMounts: [
        { name: 'configuration', mountPath: '/etc/nats', readOnly: true },
        { name: 'data', mountPath: '/data' }
      ],
      startupProbe: { ...health(''), periodSeconds: 1, failureThreshold: 900 },
      readinessProbe: { ...health('?js-server-only=true'), periodSeconds: 5, failureThreshold: 3 },
      livenessProbe: { ...health('?js-enabled-only=true'), periodSeconds: 10, failureThreshold: 6 }
    }],
    volumes: [
      { name: 'configuration', configMap: { name: regionNames(name).nats } },
      ...(isPersistent
        ? []
        : [{ name: 'data', emptyDir: { sizeLimit: managed.storage.size } }])
    ]
  }
}

function natsEnvironment (context: NatsContext): object[] {
  const { name, managed, spec } = context
  const names = regionNames(name)
  const entry = (variable: string, key: string, secret = names.natsSecret) => ({
    name: variable, valueFrom: { secretKeyRef: { name: secret, key } }
  })
  const routes = managed.servers === 1
    ? []
    : serverHosts(context).map((host, at) => ({
        name: `ROUTE_${at}`,
        value: `"nats-route://route:$(NATS_ROUTE_PASSWORD)@${host}:${routePort}"`
      }))
  return [
    {
      name: 'POD_NAME',
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } }
    },
    entry('NATS_USER', 'user'),
    entry('NATS_PASSWORD', 'password'),
    entry('NATS_SYS_PASSWORD', 'systemPassword'),
    entry('NATS_ROUTE_PASSWORD', 'routePassword'),
    ...routes,
    ...(spec.world === undefined
      ? []
      : [
          entry('RELAY_PASSWORD', 'leafPassword', names.relay),
          { name: 'RELAY_URL', value: `"${leafUrl(context)}"` }
        ])
  ]
}
