/*
The relay of a region that is part of a world: nats-servers without JetStream, between the region's
own NATS and the relays of the other regions.

    NATS of eu ──leaf link──▶ relay of eu ◀══gateways══▶ relay of us ◀──leaf link── NATS of us

Gateways between the servers that hold the logs would put all regions' JetStreams under one leader,
which a region that is cut off would lose. Over the leaf link goes the account MESH alone, and of
it what is the mesh's. Relays tell each other whom they know: a region needs to be known to one.
*/

import type { OperatorDefaults } from './desired.ts'
import type { Manifest } from './manifest.ts'
import { annotations, objectLabels, regionNames, selectorLabels } from './names.ts'
import { balancerFields } from './node-manifests.ts'
import { dedicatedSecurity, podSecurity, schedulingFields } from './pod.ts'
import type { RegionSpec, RelaySpec, WorldSpec } from './spec.ts'

export const leafPort = 7422
export const gatewayPort = 7222
const routePort = 6222
const monitorPort = 8222

/**
 * What crosses between regions (bus/subjects.ts): the inboxes of places, and what regions and their
 * globalmasters say of themselves. Logs do not, so nobody elsewhere can append to them.
 */
const crossingSubjects = ['ringcast.world', 'ringcast.globalmasters', 'ringcast.*.*.in.>']

/** Longer than any outage that heals without hands: a second or more lies between two tries. */
const gatewayTriesMax = 10_000_000

export interface RelayContext {
  name: string
  namespace: string
  spec: RegionSpec
  world: WorldSpec
  relay: RelaySpec
  defaults: OperatorDefaults
  /** Relays of other regions, by the regions' identifiers. */
  gateways: Array<{ region: string, address: string }>
  /** Whether the Secret of the world has certificates. */
  hasTls: boolean
  /** Digest of the configuration and the Secrets: servers read theirs only when they start. */
  configurationDigest: string
}

/** Everything of the relay but its Secret. */
export function relayManifests (context: RelayContext): Manifest[] {
  return [
    relayConfigMap(context), ...relayServices(context),
    relayDisruptionBudget(context), relayStatefulSet(context)
  ]
}

/** Names of the entries of the relay's own Secret. */
export const relaySecretEntries = ['leafPassword', 'systemPassword', 'routePassword'] as const

/** Where the servers of the region's own NATS reach the relay; the password is a variable. */
export function leafUrl ({ name, namespace }: { name: string, namespace: string }): string {
  const host = `${regionNames(name).relay}.${namespace}.svc`
  return `nats-leaf://leaf:$(RELAY_PASSWORD)@${host}:${leafPort}`
}

/** What the configuration of the region's own NATS has in a world. */
export function leafConfiguration (): string[] {
  return ['leafnodes {', '  remotes: [{ account: MESH, urls: [$RELAY_URL] }]', '}']
}

/** Where relays of the same cluster reach the one of a region. */
export function relayAddress (name: string, namespace: string): string {
  return `${regionNames(name).relayGateway}.${namespace}.svc:${gatewayPort}`
}

/** NATS refuses a leaf link between clusters of one name, and the region's own has its name. */
function gatewayName (region: string): string {
  return `relay-${region}`
}

/** Configuration of nats-server. Names that begin with $ come from the environment. */
export function relayConfiguration (context: Omit<RelayContext, 'configurationDigest'>): string {
  const { name, namespace, spec, relay, gateways, hasTls } = context
  const crossing = JSON.stringify(crossingSubjects)
  const own = gatewayName(spec.region)
  const remotes = gateways.map(({ region }, at) =>
    `    { name: "${gatewayName(region)}", urls: [$GATEWAY_${at}] }`)
  const lines = [
    'server_name: $SERVER_NAME',
    // Nobody is a client of a relay.
    'listen: "127.0.0.1:4222"',
    // The kubelet looks there; without a host it would be that of clients.
    `http: "0.0.0.0:${monitorPort}"`,
    'max_payload: 8MB',
    'max_pending: 256MB',
    'write_deadline: "10s"',
    // A link between regions may be half open.
    'ping_interval: "5s"',
    'ping_max: 2',
    'lame_duck_grace_period: "2s"',
    'lame_duck_duration: "30s"',
    'accounts {',
    '  MESH { users: [{ user: "leaf", password: $LEAF_PASSWORD,',
    `    permissions: { publish: ${crossing}, subscribe: ${crossing} } }] }`,
    '  SYS { users: [{ user: "sys", password: $SYSTEM_PASSWORD }] }',
    '}',
    'system_account: SYS',
    'leafnodes {',
    `  port: ${leafPort}`,
    '}',
    'gateway {',
    `  name: "${own}"`,
    `  port: ${gatewayPort}`,
    `  advertise: "${relay.advertise ?? relayAddress(name, namespace)}"`,
    '  authorization { user: "gateway", password: $WORLD_PASSWORD }',
    // Without it a region that another one told of is given up at the first failure.
    `  connect_retries: ${gatewayTriesMax}`,
    ...(hasTls ? [tlsConfiguration] : []),
    ...(remotes.length === 0 ? [] : ['  gateways: [', remotes.join(',\n'), '  ]']),
    '}'
  ]
  if (relay.servers > 1) {
    const routes = serverHosts(context).map((_, at) => `$ROUTE_${at}`)
    lines.push(
      'cluster {',
      `  name: "${own}"`,
      `  port: ${routePort}`,
      '  authorization { user: "route", password: $ROUTE_PASSWORD }',
      `  routes: [${routes.join(', ')}]`,
      '}'
    )
  }
  return lines.join('\n') + '\n'
}

const tlsDirectory = '/etc/nats-tls'
const tlsConfiguration = `  tls { cert_file: "${tlsDirectory}/tls.crt", ` +
  `key_file: "${tlsDirectory}/tls.key", ca_file: "${tlsDirectory}/ca.crt", verify: true, ` +
  'timeout: 5 }'

function serverHosts ({ name, namespace, relay }: {
  name: string, namespace: string, relay: RelaySpec
}): string[] {
  const service = regionNames(name).relay
  return Array.from(
    { length: relay.servers }, (_, at) => `${service}-${at}.${service}.${namespace}.svc`
  )
}

function relayConfigMap (context: RelayContext): Manifest {
  const { name, namespace } = context
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: regionNames(name).relay, namespace, labels: objectLabels(name, 'relay')
    },
    data: { 'nats.conf': relayConfiguration(context) }
  }
}

function relayServices ({ name, namespace, relay: { service } }: RelayContext): Manifest[] {
  const names = regionNames(name)
  const selector = selectorLabels(name, 'relay')
  const port = (portName: string, number: number) => ({
    name: portName, port: number, targetPort: portName, protocol: 'TCP'
  })
  const metadata = { namespace, labels: objectLabels(name, 'relay') }
  return [{
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: names.relay },
    spec: {
      clusterIP: 'None',
      selector,
      // Servers must find each other before any of them can be ready.
      publishNotReadyAddresses: true,
      ports: [port('leaf', leafPort), port('route', routePort), port('monitor', monitorPort)]
    }
  }, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: names.relayGateway, annotations: { ...service.annotations } },
    spec: {
      type: service.type,
      selector,
      ports: [{
        ...port('gateway', gatewayPort),
        ...(service.nodePort === undefined ? {} : { nodePort: service.nodePort })
      }],
      ...balancerFields(service)
    }
  }]
}

function relayDisruptionBudget ({ name, namespace }: RelayContext): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: regionNames(name).relay, namespace, labels: objectLabels(name, 'relay') },
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorLabels(name, 'relay') },
      unhealthyPodEvictionPolicy: 'AlwaysAllow'
    }
  }
}

/** One server after the other: meanwhile links go over those that run. */
function relayStatefulSet (context: RelayContext): Manifest {
  const { name, namespace, relay } = context
  const names = regionNames(name)
  const selector = selectorLabels(name, 'relay')
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: names.relay, namespace, labels: objectLabels(name, 'relay') },
    spec: {
      replicas: relay.servers,
      serviceName: names.relay,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: objectLabels(name, 'relay'),
          annotations: { [annotations.configuration]: context.configurationDigest }
        },
        spec: relayPodSpec(context, selector)
      }
    }
  }
}

function relayPodSpec (context: RelayContext, selector: Record<string, string>): object {
  const { name, spec, relay, world, defaults, hasTls } = context
  const health = { httpGet: { path: '/healthz', port: 'monitor' }, timeoutSeconds: 5 }
  const port = (portName: string, containerPort: number) => ({
    name: portName, containerPort, protocol: 'TCP'
  })
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurity(),
    ...schedulingFields(relay.scheduling, selector),
    ...(spec.imagePullSecrets === undefined ? {} : { imagePullSecrets: spec.imagePullSecrets }),
    containers: [{
      name: 'relay',
      image: relay.image ?? defaults.natsImage,
      imagePullPolicy: spec.imagePullPolicy,
      args: ['--config', '/etc/nats/nats.conf'],
      env: relayEnvironment(context),
      ports: [
        port('leaf', leafPort), port('gateway', gatewayPort), port('route', routePort),
        port('monitor', monitorPort)
      ],
      resources: relay.resources,
      securityContext: dedicatedSecurity(),
      volumeMounts: [
        { name: 'configuration', mountPath: '/etc/nats', readOnly: true },
        ...(hasTls ? [{ name: 'tls', mountPath: tlsDirectory, readOnly: true }] : [])
      ],
      startupProbe: { ...health, periodSeconds: 1, failureThreshold: 120 },
      readinessProbe: { ...health, periodSeconds: 5, failureThreshold: 3 },
      livenessProbe: { ...health, periodSeconds: 10, failureThreshold: 6 }
    }],
    volumes: [
      { name: 'configuration', configMap: { name: regionNames(name).relay } },
      ...(hasTls
        ? [{
            name: 'tls',
            secret: {
              secretName: world.secretName,
              items: ['tls.crt', 'tls.key', 'ca.crt'].map(key => ({ key, path: key }))
            }
          }]
        : [])
    ]
  }
}

/**
 * nats-server reads what comes from the environment as a part of its configuration: what is a text
 * there has quotes of its own, or `123abc` would be taken for a number.
 */
function relayEnvironment (context: RelayContext): object[] {
  const { name, spec, world, relay, gateways } = context
  const entry = (variable: string, secret: string, key: string) => ({
    name: variable, valueFrom: { secretKeyRef: { name: secret, key } }
  })
  const own = regionNames(name).relay
  const routes = relay.servers === 1 ? [] : serverHosts(context)
  return [
    {
      name: 'POD_NAME',
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } }
    },
    // Servers are told apart by their names in the whole world.
    { name: 'SERVER_NAME', value: `"${spec.region}.$(POD_NAME)"` },
    entry('LEAF_PASSWORD', own, 'leafPassword'),
    entry('SYSTEM_PASSWORD', own, 'systemPassword'),
    entry('ROUTE_PASSWORD', own, 'routePassword'),
    entry('WORLD_PASSWORD_TEXT', world.secretName, 'password'),
    { name: 'WORLD_PASSWORD', value: '"$(WORLD_PASSWORD_TEXT)"' },
    ...gateways.map(({ address }, at) => ({
      name: `GATEWAY_${at}`, value: `"nats://gateway:$(WORLD_PASSWORD_TEXT)@${address}"`
    })),
    ...routes.map((host, at) => ({
      name: `ROUTE_${at}`, value: `"nats-route://route:$(ROUTE_PASSWORD)@${host}:${routePort}"`
    }))
  ]
}
