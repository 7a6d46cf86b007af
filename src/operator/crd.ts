/*
The CustomResourceDefinitions, as objects. `deploy/render.ts` writes them out as YAML.
*/

import { appSpecSchema, appStatusSchema } from './app-schema.ts'
import { group, version } from './names.ts'
import { regionRules, regionSpecSchema, regionStatusSchema } from './region-schema.ts'
import { ringSpecSchema, ringStatusSchema } from './ring-schema.ts'
import { toOpenApi } from './schema.ts'
import type { RecordSchema, Rule } from './schema.ts'

interface Column {
  name: string
  type: 'string' | 'integer' | 'date'
  jsonPath: string
  description: string
  /** 1 hides the column unless the output is wide. */
  priority?: number
}

interface Definition {
  kind: string
  plural: string
  shortName: string
  description: string
  spec: RecordSchema
  status: RecordSchema
  rules?: Rule[]
  columns: Column[]
  required?: string[]
  scale?: Record<string, string>
}

const age: Column = {
  name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Since when.'
}
const ready: Column = {
  name: 'Ready',
  type: 'string',
  jsonPath: ".status.conditions[?(@.type=='Ready')].status",
  description: 'Whether it serves as the spec says.'
}
const statusMessage: Column = {
  name: 'Status',
  type: 'string',
  jsonPath: ".status.conditions[?(@.type=='Ready')].message",
  description: 'What it is doing or lacks.'
}

const definitions: Definition[] = [{
  kind: 'RealtimeRegion',
  plural: 'realtimeregions',
  shortName: 'rtr',
  description: 'A RealtimeRegion is one realtime cluster: a ring of uniform nodes that accept ' +
    'clients and master channels, and the NATS that joins them.',
  spec: regionSpecSchema,
  status: regionStatusSchema,
  rules: regionRules,
  columns: [
    ready,
    statusMessage,
    {
      name: 'Nodes',
      type: 'string',
      jsonPath: '.status.readyNodes',
      description: 'Ready and wanted nodes.'
    },
    {
      name: 'Peers',
      type: 'string',
      jsonPath: '.status.syncedPeers',
      description: 'Other regions of the world in touch, and all that take part.'
    },
    {
      name: 'Version',
      type: 'string',
      jsonPath: '.status.version',
      description: 'Version asked of the nodes.'
    },
    {
      name: 'Endpoint',
      type: 'string',
      jsonPath: '.status.endpoint',
      description: 'Address within the cluster.',
      priority: 1
    },
    {
      name: 'Draining',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Draining')].status",
      description: 'Whether its clients are sent to other regions.',
      priority: 1
    },
    {
      name: 'Updated',
      type: 'integer',
      jsonPath: '.status.updatedNodeCount',
      description: 'Nodes that run what the spec says.',
      priority: 1
    },
    age
  ],
  scale: {
    specReplicasPath: '.spec.nodes',
    statusReplicasPath: '.status.nodeCount',
    labelSelectorPath: '.status.selector'
  }
}, {
  kind: 'RealtimeApp',
  plural: 'realtimeapps',
  shortName: 'rta',
  description: 'A RealtimeApp is a tenant of a region: its API keys and the rules of its channels.',
  spec: appSpecSchema,
  status: appStatusSchema,
  required: ['spec'],
  columns: [
    {
      name: 'Region',
      type: 'string',
      jsonPath: '.spec.regionRef.name',
      description: 'Region that serves it.'
    },
    { name: 'App-Id', type: 'string', jsonPath: '.status.appId', description: 'Its identifier.' },
    ready,
    statusMessage,
    {
      name: 'Keys-Secret',
      type: 'string',
      jsonPath: '.status.keysSecretName',
      description: 'Where its keys are.',
      priority: 1
    },
    age
  ]
}, {
  kind: 'RealtimeRing',
  plural: 'realtimerings',
  shortName: 'rtring',
  description: 'A RealtimeRing is the view that the nodes of a region agree on: who is in the ' +
    'ring and who masters which partition. Nodes write it; people only read it.',
  spec: ringSpecSchema,
  status: ringStatusSchema,
  columns: [
    { name: 'Version', type: 'integer', jsonPath: '.status.version', description: 'The view.' },
    {
      name: 'Members',
      type: 'integer',
      jsonPath: '.status.memberCount',
      description: 'How many nodes the view has.'
    },
    {
      name: 'Updated-By',
      type: 'string',
      jsonPath: '.status.updatedBy',
      description: 'Node that wrote the view.'
    },
    age
  ]
}]

/** The three definitions, in the order in which people meet them. */
export function customResourceDefinitions (): Array<Record<string, unknown>> {
  return definitions.map(customResourceDefinition)
}

function customResourceDefinition (definition: Definition): Record<string, unknown> {
  const { kind, plural, shortName } = definition
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      labels: { 'app.kubernetes.io/name': 'ringcast', 'app.kubernetes.io/part-of': 'ringcast' }
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['realtime']
      },
      versions: [{
        name: version,
        served: true,
        storage: true,
        additionalPrinterColumns: definition.columns,
        subresources: {
          status: {},
          ...(definition.scale === undefined ? {} : { scale: definition.scale })
        },
        schema: { openAPIV3Schema: rootSchema(definition) }
      }]
    }
  }
}

function rootSchema (definition: Definition): Record<string, unknown> {
  const { description, spec, status, rules, required } = definition
  return {
    type: 'object',
    description,
    ...(required === undefined ? {} : { required }),
    properties: {
      apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
      kind: { type: 'string', description: 'Kind of this object.' },
      metadata: { type: 'object' },
      spec: toOpenApi(spec),
      status: toOpenApi(status)
    },
    ...(rules === undefined
      ? {}
      : {
          'x-kubernetes-validations': rules.map(rule => ({
            rule: rule.cel, message: rule.message
          }))
        })
  }
}
