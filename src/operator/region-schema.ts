/*
What people write in a RealtimeRegion, and what the operator answers in its status.
*/

import { conditionsSchema } from './condition-schema.ts'
import {
  extraEnv, imagePullSecrets, quantity, resources, scheduling, service
} from './pod-schema.ts'
import { integer, list, map, numberOrText, record, text } from './schema.ts'
import type { ListSchema, RecordSchema, Rule } from './schema.ts'
import {
  peerRule, peersStatusFields, regionIdPattern, worldRules, worldSchema
} from './world-schema.ts'

/** Names of regions become host names and parts of pod names. */
export const regionNamePattern = '^[a-z]([-a-z0-9]*[a-z0-9])?$'
export const regionNameLengthMax = 40

/** Rules of the whole object: only here does CEL see the name. */
export const regionRules: Rule[] = [{
  cel: `self.metadata.name.matches('${regionNamePattern}') && ` +
    `size(self.metadata.name) <= ${regionNameLengthMax}`,
  message: 'the name must begin with a lower-case letter, have only lower-case letters, digits ' +
    `and -, and at most ${regionNameLengthMax} characters: pods and hosts are named after it`,
  holds: ({ metadata }: { metadata: { name: string } }) =>
    new RegExp(regionNamePattern).test(metadata.name) &&
    metadata.name.length <= regionNameLengthMax
}, peerRule]

interface RegionShape {
  redundancy: number
  nats: { type: string, managed?: { servers: number } }
}

const specRules: Rule[] = [{
  cel: 'has(self.region) == has(oldSelf.region) && ' +
    '(!has(self.region) || self.region == oldSelf.region)',
  message: 'region is immutable: connection keys and logs carry it'
}, {
  cel: "self.nats.type != 'Managed' || " +
    'self.redundancy <= (has(self.nats.managed) ? self.nats.managed.servers : 3)',
  message: 'redundancy cannot exceed nats.managed.servers: each copy lives on another server',
  holds: ({ redundancy, nats }: RegionShape) =>
    nats.type !== 'Managed' || redundancy <= (nats.managed?.servers ?? 3)
}, ...worldRules]

/** Options of a managed NATS; a region that sets none has their defaults. */
export const managedNatsSchema: RecordSchema = record('Options of a managed NATS.', {
  servers: integer('How many servers.', { choices: [1, 3, 5], default: 3 }),
  image: text('Image of nats-server; that of the operator when absent.',
    { minLength: 1, maxLength: 512 }),
  storage: storageSchema(),
  syncInterval: text('How often stored entries are forced to disk: always, or a duration such ' +
    'as 2m. By default always with one server, since there is no other copy, else 2m.',
  { pattern: '^(always|[1-9][0-9]*(ms|s|m|h))$', maxLength: 16 }),
  resources: resources('Resources of the nats-server container.',
    { requests: { cpu: '100m', memory: '128Mi' } }),
  scheduling: scheduling('Where the servers run.')
})

export const regionSpecSchema: RecordSchema = record('What the region should be.', {
  region: text('Identifier of the region, told to clients and to other regions. Immutable; the ' +
    'name of the object when absent.', {
    pattern: regionIdPattern, maxLength: 40
  }),
  nodes: integer('How many nodes (pods) the region has. All are alike: each accepts clients and ' +
    'masters channels.', { minimum: 1, maximum: 1000, default: 3 }),
  redundancy: integer('How many copies each partition log has. A publish that was acknowledged ' +
    'is not lost while a majority of its copies lives.', { choices: [1, 3, 5], default: 3 }),
  partitionCount: integer('Into how many partitions channels are hashed: the unit of ownership. ' +
    'Immutable.', {
    minimum: 16,
    maximum: 65536,
    default: 4096,
    rules: [{
      cel: 'self == oldSelf',
      message: 'partitionCount is immutable: every channel would move to another log'
    }]
  }),
  workers: numberOrText('Worker threads per node: auto (one per core available to the pod) or a ' +
    'number from 1 to 256.', {
    default: 'auto',
    maxLength: 4,
    rules: [{
      cel: "type(self) == int ? self >= 1 && self <= 256 : self == 'auto'",
      message: 'workers is auto or a number from 1 to 256',
      holds: (self: string | number) =>
        typeof self === 'number' ? self >= 1 && self <= 256 : self === 'auto'
    }]
  }),
  image: text('Image of the nodes; that of the operator when absent, so that upgrading the ' +
    'operator upgrades the region, one pod at a time.', { minLength: 1, maxLength: 512 }),
  imagePullPolicy: text('When the kubelet pulls the images of the region.',
    { choices: ['Always', 'IfNotPresent', 'Never'], default: 'IfNotPresent' }),
  imagePullSecrets: imagePullSecrets(),
  logLevel: text('How much the nodes log.', {
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], default: 'info'
  }),
  drain: record('How a node leaves: it hands over its channels, then tells its clients to ' +
    'reconnect elsewhere.', {
    timeoutSeconds: integer('How long that may take.',
      { minimum: 1, maximum: 3600, default: 20 }),
    terminationGracePeriodSeconds: integer('How long the kubelet waits before it kills the pod.',
      { minimum: 11, maximum: 7200, default: 60 })
  }, {
    default: {},
    rules: [{
      cel: 'self.terminationGracePeriodSeconds >= self.timeoutSeconds + 10',
      message: 'terminationGracePeriodSeconds must be at least timeoutSeconds + 10, or nodes are ' +
        'killed while they drain',
      holds: (self: { timeoutSeconds: number, terminationGracePeriodSeconds: number }) =>
        self.terminationGracePeriodSeconds >= self.timeoutSeconds + 10
    }]
  }),
  disruption: disruptionSchema(),
  resources: resources('Resources of the node container.',
    { requests: { cpu: '250m', memory: '256Mi' } }),
  nats: natsSchema(),
  world: worldSchema(),
  service: service('The Service that clients connect to.'),
  scheduling: scheduling('Where the nodes run.'),
  podTemplate: record('Labels and annotations that the pods of the nodes carry.', {
    labels: reservedKeysMap('More labels.', 63),
    annotations: reservedKeysMap('More annotations.', 4096)
  }),
  extraEnv: extraEnv(),
  networkPolicy: text('Managed makes NetworkPolicies: clients reach the public port, pods of the ' +
    'cluster the private one, nodes their NATS; nothing else.',
  { choices: ['None', 'Managed'], default: 'None' })
}, { rules: specRules, default: {} })

function reservedKeysMap (description: string, valueLengthMax: number) {
  return map(description, text('Its value.', { maxLength: valueLengthMax }), {
    maxProperties: 64,
    rules: [{
      cel: "self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('ringcast.dev/'))",
      message: 'keys beginning with app.kubernetes.io/ and ringcast.dev/ are set by the operator',
      holds: (self: Record<string, string>) => Object.keys(self).every(key =>
        !key.startsWith('app.kubernetes.io/') && !key.startsWith('ringcast.dev/'))
    }]
  })
}

function disruptionSchema (): RecordSchema {
  const amount = (what: string) => numberOrText(what, { pattern: '^[0-9]+%?$', maxLength: 8 })
  return record('The PodDisruptionBudget of the nodes: what evictions may take at once. One node ' +
    'when nothing is set.', {
    maxUnavailable: amount('How many nodes evictions may take down at once.'),
    minAvailable: amount('How many nodes evictions must leave.')
  }, {
    rules: [{
      cel: '!(has(self.maxUnavailable) && has(self.minAvailable))',
      message: 'set maxUnavailable or minAvailable, not both',
      holds: (self: { maxUnavailable?: unknown, minAvailable?: unknown }) =>
        self.maxUnavailable === undefined || self.minAvailable === undefined
    }]
  })
}

function natsSchema (): RecordSchema {
  return record('The NATS that carries the mesh and keeps the logs.', {
    type: text('Managed: the operator runs NATS for this region. External: the region uses one ' +
      'that exists, with JetStream.', { choices: ['Managed', 'External'], default: 'Managed' }),
    managed: managedNatsSchema,
    external: record('How to reach an existing NATS.', {
      urls: list('Addresses of its servers.', text('Such as nats://host:4222 or tls://host:4222.', {
        pattern: '^(nats|tls)://[^\\s/@,]+(:[0-9]+)?$', maxLength: 512
      }), { minItems: 1, maxItems: 16 }),
      secretName: text('Secret of the same namespace with the credentials: user and password, or ' +
        'token, or nats.creds.', { minLength: 1, maxLength: 253 }),
      logBytes: quantity('How much one copy of the logs and of persisted history may take; new ' +
        'publishes are refused above 80 %, to persisted channels above 70 %. Left to the limit ' +
        'of the NATS account when absent.')
    }, { required: ['urls'] })
  }, {
    default: {},
    rules: [{
      cel: "(self.type == 'External') == has(self.external)",
      message: 'external is required with type External and forbidden otherwise',
      holds: (self: { type: string, external?: unknown }) =>
        (self.type === 'External') === (self.external !== undefined)
    }, {
      cel: "self.type == 'Managed' || !has(self.managed)",
      message: 'managed needs type Managed',
      holds: (self: { type: string, managed?: unknown }) =>
        self.type === 'Managed' || self.managed === undefined
    }, {
      cel: 'self.type == oldSelf.type',
      message: 'nats.type is immutable: the logs would be left behind'
    }, {
      cel: "self.type != 'Managed' || oldSelf.type != 'Managed' || (has(self.managed) ? " +
        'self.managed.servers : 3) == (has(oldSelf.managed) ? oldSelf.managed.servers : 3)',
      message: 'nats.managed.servers is immutable: what is stored does not move by itself'
    }, {
      cel: "self.type != 'Managed' || oldSelf.type != 'Managed' || (has(self.managed) ? " +
        "self.managed.storage.type : 'Persistent') == (has(oldSelf.managed) ? " +
        "oldSelf.managed.storage.type : 'Persistent')",
      message: 'nats.managed.storage.type is immutable: what is stored would be left behind'
    }]
  })
}

function storageSchema (): RecordSchema {
  return record('Where the logs are kept.', {
    type: text('Persistent: a volume per server, which outlives the pod. Ephemeral: ' +
      'the pod only; ' +
      'fit for trials.', { choices: ['Persistent', 'Ephemeral'], default: 'Persistent' }),
    size: quantity('Size of the volume of each server, and bound of what is stored.', '10Gi'),
    storageClassName: text('StorageClass of the volumes; the default one of the cluster when ' +
      'absent.', { maxLength: 253 }),
    whenDeleted: text('What becomes of the volumes when the region is deleted.',
      { choices: ['Delete', 'Retain'], default: 'Delete' })
  }, {
    default: {},
    rules: [{
      cel: "self.type == 'Persistent' || !has(self.storageClassName)",
      message: 'storageClassName needs type Persistent',
      holds: (self: { type: string, storageClassName?: string }) =>
        self.type === 'Persistent' || self.storageClassName === undefined
    }]
  })
}

function nodesListSchema (): ListSchema {
  return list('The pods of the region; at most 100 are listed.', record('One node.', {
    podName: text('Name of the pod.'),
    podUID: text('Its uid.'),
    nodeName: text('Kubernetes node it runs on.'),
    image: text('Image it runs.'),
    revision: text('Revision of the StatefulSet it was made from.'),
    state: text('What it is doing.',
      { choices: ['Pending', 'Starting', 'Ready', 'Leaving', 'Failed'] })
  }, { required: ['podName', 'state'] }), { keys: ['podName'], maxItems: 100 })
}

export const regionStatusSchema: RecordSchema = record('What the region is, as last seen.', {
  observedGeneration: integer('Generation of the spec that this status speaks of.',
    { format: 'int64' }),
  conditions: conditionsSchema(),
  nodeCount: integer('How many nodes exist.'),
  readyNodeCount: integer('How many of them serve.'),
  updatedNodeCount: integer('How many of them run what the spec says.'),
  readyNodes: text('Ready and wanted nodes, as ready/wanted.'),
  selector: text('Label selector of the nodes, for autoscalers.'),
  region: text('Identifier of the region.'),
  version: text('Version (image tag or digest) that the spec asks of the nodes.'),
  endpoint: text('Address of the client Service within the cluster.'),
  nodes: nodesListSchema(),
  ...peersStatusFields,
  rollout: record('The last restart that the operator caused.', {
    podName: text('Pod that was restarted.'),
    reason: text('Why.', { choices: ['OutdatedNotReady', 'Outdated'] }),
    at: text('When.', { format: 'date-time' })
  })
})
