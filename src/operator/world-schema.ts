/*
What people write of the world a region is part of, and what its globalmaster says of the others
in the status.
*/

import { conditionsSchema } from './condition-schema.ts'
import { resources, scheduling, serviceRules } from './pod-schema.ts'
import { flag, integer, list, map, record, text } from './schema.ts'
import type { ListSchema, RecordSchema, Rule } from './schema.ts'

/** Identifiers of regions: of this one and of its peers. */
export const regionIdPattern = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'
const addressPattern = '^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?:[1-9][0-9]{0,4}$'

const portMax = 65_535

/** Of a text that may end in a port; what else it is, its pattern says. */
const portRule: Rule = {
  cel: "!self.matches(':[1-9][0-9]{0,4}$') || " +
    `int(self.substring(self.lastIndexOf(':') + 1)) <= ${portMax}`,
  message: `the port is at most ${portMax}`,
  holds: (self: string) =>
    !self.includes(':') || Number(self.slice(self.lastIndexOf(':') + 1)) <= portMax
}

interface WorldShape {
  nats?: { type?: string }
  world?: { peers?: Array<{ address?: string }>, relay?: { advertise?: string } }
}

/** Rules between the world and the rest of a spec. */
export const worldRules: Rule[] = [{
  cel: "!has(self.world) || !has(self.world.relay) || self.nats.type == 'Managed'",
  message: 'world.relay needs nats.type Managed: an external NATS is joined by whoever runs it',
  holds: ({ nats, world }: WorldShape) => world?.relay === undefined || nats?.type === 'Managed'
}, {
  cel: "!has(self.world) || self.nats.type != 'Managed' || !has(self.world.peers) || " +
    'size(self.world.peers) == 0 || (has(self.world.relay) && has(self.world.relay.advertise))',
  message: 'world.peers needs world.relay.advertise: they must be able to connect back',
  holds: ({ nats, world }: WorldShape) => nats?.type !== 'Managed' ||
    (world?.peers ?? []).length === 0 || world?.relay?.advertise !== undefined
}, {
  cel: "!has(self.world) || self.nats.type != 'Managed' || !has(self.world.peers) || " +
    'self.world.peers.all(p, has(p.address))',
  message: 'world.peers need an address each: the relay connects to it',
  holds: ({ nats, world }: WorldShape) => nats?.type !== 'Managed' ||
    (world?.peers ?? []).every(({ address }) => address !== undefined)
}]

interface NamedRegion {
  metadata: { name: string }
  spec?: { region?: string, world?: { peers?: Array<{ region?: string }> } }
}

/** Only with the whole object does CEL know what the region is called. */
export const peerRule: Rule = {
  cel: '!has(self.spec) || !has(self.spec.world) || !has(self.spec.world.peers) || ' +
    'self.spec.world.peers.all(p, p.region != ' +
    '(has(self.spec.region) ? self.spec.region : self.metadata.name))',
  message: 'world.peers are the other regions, not this one',
  holds: ({ metadata, spec }: NamedRegion) => {
    const peers = spec?.world?.peers
    return !Array.isArray(peers) ||
      peers.every(peer => peer?.region !== (spec?.region ?? metadata.name))
  }
}

/** Options of the relay; a region that sets none has their defaults. */
export const relaySchema: RecordSchema = record('The nats-servers through which the region is ' +
  'joined with the others. They store nothing.', {
  servers: integer('How many servers.', { choices: [1, 2, 3], default: 2 }),
  advertise: text('Address, as host:port, at which relays of other clusters reach it: the port ' +
    'is that of the relay Service as seen from there (7222, its nodePort).',
  { pattern: addressPattern, maxLength: 259, rules: [portRule] }),
  service: relayService(),
  image: text('Image of nats-server; that of the operator when absent.',
    { minLength: 1, maxLength: 512 }),
  resources: resources('Resources of the nats-server container.',
    { requests: { cpu: '50m', memory: '64Mi' } }),
  scheduling: scheduling('Where the servers run.')
})

function relayService (): RecordSchema {
  return record('The Service that the relays of other regions connect to, on port 7222.', {
    type: text('How they reach it: ClusterIP from the same cluster only.',
      { choices: ['ClusterIP', 'NodePort', 'LoadBalancer'], default: 'ClusterIP' }),
    nodePort: integer('Port on every Kubernetes node, with type NodePort or LoadBalancer.',
      { minimum: 1, maximum: 65535 }),
    loadBalancerClass: text('Which load balancer implementation serves, with type LoadBalancer.',
      { maxLength: 317 }),
    externalTrafficPolicy: text('Whether traffic from outside may hop between Kubernetes nodes ' +
      '(Cluster) or keeps its source address (Local).', { choices: ['Cluster', 'Local'] }),
    annotations: map('Annotations of the Service, for cloud load balancers.',
      text('Value of the annotation.', { maxLength: 4096 }), { maxProperties: 64 })
  }, { default: {}, rules: serviceRules })
}

/** `spec.world`. */
export function worldSchema (): RecordSchema {
  return record('The world the region is part of: regions that subscribe to each other. Alone ' +
    'when absent. Regions of this cluster that name the same world find each other; those of ' +
    'other clusters are listed as peers.', {
    name: text('Name of the world.', {
      pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', minLength: 1, maxLength: 63
    }),
    secretName: text('Secret of the same namespace, with the same entries in every region of the ' +
      'world: password (16 to 256 letters, digits, - and _), and tls.crt, tls.key and ca.crt, ' +
      'without which no region of another cluster is let in.',
    { minLength: 1, maxLength: 253, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' }),
    peers: peersSchema(),
    endpoint: text('Where clients reach this region from anywhere: host or host:port. Clients of ' +
      'the other regions are told of it.', {
      pattern: '^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$', maxLength: 259,
      rules: [portRule]
    }),
    isDraining: flag('Whether the region sends its clients to the others, and takes no new ones, ' +
      'as long as another region is there for them. Its channels go on.', { default: false }),
    relay: relaySchema,
    globalmaster: record('The controller that keeps the list of regions.', {
      replicas: integer('How many there are; one of them acts.',
        { minimum: 1, maximum: 3, default: 1 }),
      resources: resources('Resources of its container.',
        { requests: { cpu: '50m', memory: '96Mi' } })
    }, { default: {} }),
    limits: record('Bounds.', {
      unreachableAfterSeconds: integer('After how long a silence a region counts as unreachable.',
        { minimum: 10, maximum: 600, default: 20 }),
      drainedClientsPerSecond: integer('How many clients a second are sent to other regions ' +
        'while isDraining is set, of all nodes together.',
      { minimum: 1, maximum: 100_000, default: 500 }),
      lostRegionGraceSeconds: integer('How long presence members of another region stay present ' +
        'here once it is lost.', { minimum: 0, maximum: 3600, default: 60 })
    }, { default: {} })
  }, { required: ['name', 'secretName'] })
}

function peersSchema (): ListSchema {
  return list('Regions of other clusters. Regions that one of them knows are found through it.',
    record('One region.', {
      region: text('Its identifier.', { pattern: regionIdPattern, maxLength: 40 }),
      address: text('Address of its relay, as host:port. Not needed with an external NATS.',
        { pattern: addressPattern, maxLength: 259, rules: [portRule] })
    }, { required: ['region'] }), { keys: ['region'], maxItems: 31 })
}

/** `status.peers` and what belongs to it: all of this is the globalmaster's, while there is one. */
export const peersStatusFields = {
  peers: list('The other regions of the world, and who else speaks there.', record('One region.', {
    region: text('Its identifier.'),
    object: text('Its RealtimeRegion, as namespace/name, if that is in this cluster.'),
    ringUID: text('Uid of its ring; a region that was made anew has another one.'),
    endpoint: text('Where clients reach it from anywhere, as it says.'),
    isDraining: flag('Whether it says that its clients are to go to other regions.'),
    isInWorld: flag('Whether the nodes of this region are told of it.'),
    lastHeardTime: text('When it was last heard, to some minutes while it is reachable.',
      { format: 'date-time' }),
    roundTripMs: integer('Round trip to its globalmaster, in milliseconds.'),
    lagMs: integer('The longer of two, in milliseconds: by how much that is above the least of ' +
      'the last minutes, and for how long the relay that is behind for longest has been so.'),
    conditions: conditionsSchema()
  }, { required: ['region'] }), { keys: ['region'], maxItems: 64 }),
  syncedPeers: text('Peers that are Synced and all that take part, as synced/all; ?/all while ' +
    'the globalmaster is away.')
}
