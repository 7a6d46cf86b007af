/*
One good and one bad object for every rule of the schemas. The unit tests hold them against the
operator's own check; the system tests hold the same objects against a real API server.
*/

export interface RuleCase {
  kind: 'RealtimeRegion' | 'RealtimeApp' | 'RealtimeRing'
  /** The rule's message, or the part of the server's answer that names the field. */
  message: string
  name?: string
  good: object
  bad: object
  /** For rules about changes: what stood before. */
  before?: object
  /** Where the operator's own check puts the blame; absent for rules about changes. */
  path?: string
}

const region = (message: string, path: string | undefined, good: object, bad: object,
  rest: Partial<RuleCase> = {}): RuleCase =>
  ({ kind: 'RealtimeRegion', message, good, bad, ...rest, ...(path === undefined ? {} : { path }) })

const app = (message: string, path: string | undefined, good: object, bad: object,
  rest: Partial<RuleCase> = {}): RuleCase =>
  ({ kind: 'RealtimeApp', message, good, bad, ...rest, ...(path === undefined ? {} : { path }) })

const regionRef = { name: 'eu' }
const world = { name: 'acme', secretName: 'acme-world' }
const peer = { region: 'us', address: 'relay.us.example:7222' }
const relay = { advertise: 'relay.eu.example:7222' }
const external = { urls: ['nats://nats.example:4222'] }

/** The limits of an app: their least value is 1, and this their greatest. */
const greatest = {
  connectionCountMax: 10_000_000, channelCountMax: 100_000, publishRateMax: 1_000_000,
  channelPublishRateMax: 1_000_000, presenceMemberCountMax: 100_000
}

const limitCases = Object.entries(greatest).flatMap(([name, max]) => {
  const field = `spec.limits.${name}`
  const limit = (value: unknown): object => ({ regionRef, limits: { [name]: value } })
  return [
    app(field, field, limit(1), limit(0)), app(field, field, limit(max), limit(max + 1)),
    app(field, field, limit(2), limit(1.5)), app(field, field, limit(3), limit('many'))
  ]
})

export const ruleCases: RuleCase[] = [
  region('pods and hosts are named after it', 'metadata.name', {}, {}, { name: '1-bad' }),
  region('region is immutable', undefined, { region: 'eu-1' }, { region: 'eu-2' },
    { before: { region: 'eu-1' } }),
  region('redundancy cannot exceed nats.managed.servers', 'spec',
    { redundancy: 1, nats: { managed: { servers: 1 } } }, { redundancy: 5 }),
  region('partitionCount is immutable', undefined, { partitionCount: 64 }, { partitionCount: 128 },
    { before: { partitionCount: 64 } }),
  region('workers is auto or a number', 'spec.workers', { workers: 4 }, { workers: 'many' }),
  region('workers is auto or a number', 'spec.workers', { workers: 'auto' }, { workers: 257 }),
  region('terminationGracePeriodSeconds must be at least', 'spec.drain',
    { drain: { timeoutSeconds: 50, terminationGracePeriodSeconds: 60 } },
    { drain: { timeoutSeconds: 51, terminationGracePeriodSeconds: 60 } }),
  region('keys beginning with app.kubernetes.io/', 'spec.podTemplate.labels',
    { podTemplate: { labels: { 'example.com/team': 'a' } } },
    { podTemplate: { labels: { 'ringcast.dev/region': 'other' } } }),
  region('keys beginning with app.kubernetes.io/', 'spec.podTemplate.annotations',
    { podTemplate: { annotations: { 'example.com/team': 'a' } } },
    { podTemplate: { annotations: { 'app.kubernetes.io/name': 'other' } } }),
  region('set maxUnavailable or minAvailable, not both', 'spec.disruption',
    { disruption: { maxUnavailable: '30%' } },
    { disruption: { maxUnavailable: 1, minAvailable: 1 } }),
  region('names beginning with RINGCAST_', 'spec.extraEnv',
    { extraEnv: [{ name: 'TZ', value: 'UTC' }] },
    { extraEnv: [{ name: 'RINGCAST_PORT', value: '1' }] }),
  region('external is required with type External', 'spec.nats',
    { nats: { type: 'External', external } }, { nats: { type: 'External' } }),
  region('external is required with type External', 'spec.nats',
    { nats: { type: 'Managed' } }, { nats: { type: 'Managed', external } }),
  region('managed needs type Managed', 'spec.nats',
    { nats: { type: 'Managed', managed: {} } },
    { nats: { type: 'External', external, managed: {} } }),
  region('nats.type is immutable', undefined,
    { nats: { type: 'Managed' } }, { nats: { type: 'External', external } },
    { before: { nats: { type: 'Managed' } } }),
  region('nats.managed.servers is immutable', undefined,
    { nats: { managed: { servers: 3, syncInterval: '1m' } } },
    { nats: { managed: { servers: 5 } } },
    { before: {} }),
  region('nats.managed.storage.type is immutable', undefined,
    { nats: { managed: { storage: { type: 'Persistent' } } } },
    { nats: { managed: { storage: { type: 'Ephemeral' } } } }, { before: {} }),
  region('storageClassName needs type Persistent', 'spec.nats.managed.storage',
    { nats: { managed: { storage: { storageClassName: 'fast' } } } },
    { nats: { managed: { storage: { type: 'Ephemeral', storageClassName: 'fast' } } } }),
  region('nodePort and externalTrafficPolicy need', 'spec.service',
    { service: { type: 'NodePort', nodePort: 30080 } }, { service: { nodePort: 30080 } }),
  region('nodePort and externalTrafficPolicy need', 'spec.service',
    { service: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } },
    { service: { externalTrafficPolicy: 'Local' } }),
  region('loadBalancerClass needs type LoadBalancer', 'spec.service',
    { service: { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb' } },
    { service: { type: 'NodePort', loadBalancerClass: 'example.com/lb' } }),
  region('world.relay needs nats.type Managed', 'spec',
    { world, nats: { type: 'External', external } },
    { world: { ...world, relay: {} }, nats: { type: 'External', external } }),
  region('world.peers needs world.relay.advertise', 'spec',
    { world: { ...world, relay, peers: [peer] } }, { world: { ...world, peers: [peer] } }),
  region('world.peers need an address each', 'spec',
    { world: { ...world, peers: [{ region: 'us' }] }, nats: { type: 'External', external } },
    { world: { ...world, relay, peers: [{ region: 'us' }] } }),
  region('world.peers are the other regions', 'spec.world.peers',
    { world: { ...world, relay, peers: [peer] } },
    { world: { ...world, relay, peers: [peer] }, region: 'us' }),
  ...[[65_535, 65_536], [7222, 70_000], [1, 99_999]].flatMap(([good, bad]) => [
    region('the port is at most', 'spec.world.endpoint',
      { world: { ...world, endpoint: `eu.example:${good}` } },
      { world: { ...world, endpoint: `eu.example:${bad}` } }),
    region('the port is at most', 'spec.world.relay.advertise',
      { world: { ...world, relay: { advertise: `relay.eu.example:${good}` } } },
      { world: { ...world, relay: { advertise: `relay.eu.example:${bad}` } } }),
    region('the port is at most', 'spec.world.peers[0].address',
      { world: { ...world, relay, peers: [{ ...peer, address: `relay.us.example:${good}` }] } },
      { world: { ...world, relay, peers: [{ ...peer, address: `relay.us.example:${bad}` }] } })
  ]),
  region('spec.world.endpoint', 'spec.world.endpoint',
    { world: { ...world, endpoint: 'eu.example' } },
    { world: { ...world, endpoint: 'eu.example:0' } }),
  region('nodePort and externalTrafficPolicy need', 'spec.world.relay.service',
    { world: { ...world, relay: { service: { type: 'NodePort', nodePort: 30222 } } } },
    { world: { ...world, relay: { service: { nodePort: 30222 } } } }),
  region('loadBalancerClass needs type LoadBalancer', 'spec.world.relay.service',
    { world: { ...world, relay: { service: { type: 'LoadBalancer' } } } },
    { world: { ...world, relay: { service: { loadBalancerClass: 'example.com/lb' } } } }),
  app('* stands alone', 'spec.keys[0].capability.a',
    { regionRef, keys: [{ name: 'a', capability: { a: ['publish', 'subscribe'] } }] },
    { regionRef, keys: [{ name: 'a', capability: { a: ['*', 'publish'] } }] }),
  ...['', '[x', '[]a', '[meta]'].map(resource =>
    app('a resource is a pattern', 'spec.keys[0].capability',
      { regionRef, keys: [{ name: 'a', capability: { '[meta]*': ['*'], 'a:*': ['*'] } }] },
      { regionRef, keys: [{ name: 'a', capability: { [resource]: ['*'] } }] })),
  app('retention is 2m to 365d', 'spec.namespaces[0].retention',
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '2m' }] },
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '119s' }] }),
  app('retention is 2m to 365d', 'spec.namespaces[0].retention',
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '365d' }] },
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '8761h' }] }),
  app('spec.namespaces[0].retention', 'spec.namespaces[0].retention',
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '72h' }] },
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '3 days' }] }),
  app('retention needs persisted', 'spec.namespaces[0]',
    { regionRef, namespaces: [{ id: 'a', persisted: true, retention: '30d' }] },
    { regionRef, namespaces: [{ id: 'a', retention: '30d' }] }),
  app('batchingInterval and batchingPolicy need batchingEnabled', 'spec.namespaces[0]',
    { regionRef, namespaces: [{ id: 'a', batchingEnabled: true, batchingInterval: 20 }] },
    { regionRef, namespaces: [{ id: 'a', batchingInterval: 20 }] }),
  app('spec.namespaces[0].batchingPolicy', 'spec.namespaces[0].batchingPolicy',
    { regionRef, namespaces: [{ id: 'a', batchingEnabled: true, batchingPolicy: 'conflating' }] },
    { regionRef, namespaces: [{ id: 'a', batchingEnabled: true, batchingPolicy: 'other' }] }),
  app('spec.namespaces[1]', 'spec.namespaces[1]',
    { regionRef, namespaces: [{ id: 'a' }, { id: 'b' }] },
    { regionRef, namespaces: [{ id: 'a' }, { id: 'a' }] }),
  app('spec.limits.messageBytesMax', 'spec.limits.messageBytesMax',
    { regionRef, limits: { messageBytesMax: 262_144 } },
    { regionRef, limits: { messageBytesMax: 1_048_576 } }),
  ...limitCases,
  app('regionRef is immutable', undefined, { regionRef }, { regionRef: { name: 'us' } },
    { before: { regionRef } }),
  app('appId is immutable', undefined,
    { regionRef, appId: 'AbC123' }, { regionRef, appId: 'AbC124' },
    { before: { regionRef, appId: 'AbC123' } }),
  app('keysSecretName is immutable', undefined,
    { regionRef, keysSecretName: 'mine' }, { regionRef, keysSecretName: 'yours' },
    { before: { regionRef, keysSecretName: 'mine' } }),
  {
    kind: 'RealtimeRing',
    message: 'partitionCount is immutable',
    good: { partitionCount: 64 },
    bad: { partitionCount: 128 },
    before: { partitionCount: 64 }
  },
  // Bounds and choices of single fields, one of each sort.
  region('spec.nodes', 'spec.nodes', { nodes: 1 }, { nodes: 0 }),
  region('spec.redundancy', 'spec.redundancy', { redundancy: 1 }, { redundancy: 2 }),
  region('spec.logLevel', 'spec.logLevel', { logLevel: 'debug' }, { logLevel: 'loud' }),
  region('spec.region', 'spec.region', { region: 'eu-1' }, { region: 'EU_1' }),
  region('spec.resources.limits.memory', 'spec.resources.limits.memory',
    { resources: { limits: { memory: '1Gi' } } }, { resources: { limits: { memory: 'lots' } } }),
  region('spec.nats.external.urls[0]', 'spec.nats.external.urls[0]',
    { nats: { type: 'External', external } },
    { nats: { type: 'External', external: { urls: ['http://x'] } } }),
  region('spec.world.secretName', 'spec.world.secretName', { world }, { world: { name: 'acme' } }),
  region('spec.world.peers[1]', 'spec.world.peers[1]',
    { world: { ...world, relay, peers: [peer] } },
    { world: { ...world, relay, peers: [peer, peer] } }),
  region('spec.world.relay.advertise', 'spec.world.relay.advertise',
    { world: { ...world, relay } },
    { world: { ...world, relay: { advertise: 'relay.eu.example' } } }),
  ...([['drainedClientsPerSecond', 1, 0], ['lostRegionGraceSeconds', 0, 3_601]] as const)
    .map(([name, good, bad]) => region(`spec.world.limits.${name}`, `spec.world.limits.${name}`,
      { world: { ...world, limits: { [name]: good } } },
      { world: { ...world, limits: { [name]: bad } } })),
  region('spec.world.isDraining', 'spec.world.isDraining',
    { world: { ...world, isDraining: true } }, { world: { ...world, isDraining: 'yes' } }),
  app('spec.keys[1]', 'spec.keys[1]', { regionRef, keys: [{ name: 'a' }, { name: 'b' }] },
    { regionRef, keys: [{ name: 'a' }, { name: 'a' }] }),
  app('spec.keys[0].capability.a[0]', 'spec.keys[0].capability.a[0]',
    { regionRef, keys: [{ name: 'a', capability: { a: ['history'] } }] },
    { regionRef, keys: [{ name: 'a', capability: { a: ['fly'] } }] }),
  app('spec.regionRef', 'spec.regionRef', { regionRef }, {}),
  app('spec.appId', 'spec.appId', { regionRef, appId: 'AbC123' }, { regionRef, appId: 'abc' })
]
