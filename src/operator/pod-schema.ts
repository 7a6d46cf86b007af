/*
The parts of Kubernetes' own pod template that a region lets people set, spelled out: a field the
schema does not know would be dropped by the API server in silence, and one it does not check would
fail later, in the StatefulSet, far from the person who wrote it.
*/

import { flag, integer, list, map, numberOrText, record, text } from './schema.ts'
import type { ListSchema, MapSchema, RecordSchema, Rule } from './schema.ts'

const quantityPattern = '^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$'

/** A Kubernetes quantity, such as `500m` or `1Gi`. */
export function quantity (description: string, fallback?: string) {
  return numberOrText(description, {
    pattern: quantityPattern,
    maxLength: 32,
    ...(fallback === undefined ? {} : { default: fallback })
  })
}

/** `resources` of a container. */
export function resources (description: string, fallback?: unknown): RecordSchema {
  const amounts = (what: string) => map(
    what, quantity('Amount of this resource.'), { maxProperties: 16 }
  )
  return record(description, {
    requests: amounts('What the scheduler sets aside, by resource name (cpu, memory, …).'),
    limits: amounts('What the container may use at most, by resource name.')
  }, fallback === undefined ? {} : { default: fallback })
}

export function nodeSelector (): MapSchema {
  return map('Labels a Kubernetes node must carry to run one of these pods.',
    text('Value of the label.', { maxLength: 63 }), { maxProperties: 32 })
}

export function tolerations (): ListSchema {
  return list('Taints of Kubernetes nodes that these pods put up with.', record(
    'One toleration.',
    {
      key: text('Key of the taint; empty with operator Exists tolerates every taint.',
        { maxLength: 317 }),
      operator: text('How the value is compared.', { choices: ['Exists', 'Equal'] }),
      value: text('Value of the taint, for operator Equal.', { maxLength: 63 }),
      effect: text('Effect tolerated; all when absent.',
        { choices: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] }),
      tolerationSeconds: integer('For how many seconds a NoExecute taint is put up with.',
        { format: 'int64' })
    }
  ), { maxItems: 32 })
}

export function topologySpread (): ListSchema {
  return list('How pods spread over zones and hosts. By default evenly over zones and hosts, ' +
    'as far as that is possible; an empty list turns spreading off.', record(
    'One constraint.',
    {
      topologyKey: text('Label of Kubernetes nodes that names the domain.',
        { minLength: 1, maxLength: 317 }),
      maxSkew: integer('By how many pods two domains may differ.', { minimum: 1, default: 1 }),
      whenUnsatisfiable: text('Whether a pod that cannot be placed evenly waits or goes anywhere.',
        { choices: ['DoNotSchedule', 'ScheduleAnyway'], default: 'ScheduleAnyway' }),
      minDomains: integer('How many domains there must be, with DoNotSchedule.', { minimum: 1 })
    },
    { required: ['topologyKey'] }
  ), { maxItems: 8 })
}

function requirements (what: string): ListSchema {
  return list(what, record('One requirement.', {
    key: text('Label key.', { maxLength: 317 }),
    operator: text('How the label relates to the values.',
      { choices: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'] }),
    values: list('Values compared with.', text('A value.', { maxLength: 63 }), { maxItems: 32 })
  }, { required: ['key', 'operator'] }), { maxItems: 16 })
}

function labelSelector (what: string): RecordSchema {
  return record(what, {
    matchLabels: map('Labels that must be equal.', text('Value of the label.', { maxLength: 63 }),
      { maxProperties: 16 }),
    matchExpressions: requirements('Requirements on labels.')
  })
}

function nodeTerm (what: string): RecordSchema {
  return record(what, {
    matchExpressions: requirements('Requirements on the labels of the Kubernetes node.'),
    matchFields: requirements('Requirements on its fields.')
  })
}

function podTerm (what: string): RecordSchema {
  return record(what, {
    topologyKey: text('Label of Kubernetes nodes that names the domain.',
      { minLength: 1, maxLength: 317 }),
    labelSelector: labelSelector('Pods looked for in that domain.'),
    namespaceSelector: labelSelector('Namespaces looked in; that of the region when absent.'),
    namespaces: list('Names of namespaces looked in.', text('A namespace.', { maxLength: 63 }),
      { maxItems: 16 })
  }, { required: ['topologyKey'] })
}

function weight () {
  return integer('How much this preference counts.', { minimum: 1, maximum: 100 })
}

function podAffinity (what: string): RecordSchema {
  return record(what, {
    requiredDuringSchedulingIgnoredDuringExecution: list(
      'What must hold for a pod to be placed.', podTerm('One term.'), { maxItems: 16 }
    ),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      'What is preferred.',
      record('One weighted term.', { weight: weight(), podAffinityTerm: podTerm('The term.') },
        { required: ['weight', 'podAffinityTerm'] }),
      { maxItems: 16 }
    )
  })
}

export function affinity (): RecordSchema {
  return record('Where pods are drawn to and kept from, as in any pod.', {
    nodeAffinity: record('Which Kubernetes nodes suit.', {
      requiredDuringSchedulingIgnoredDuringExecution: record('What a node must have.', {
        nodeSelectorTerms: list('One of these must hold.', nodeTerm('One term.'),
          { minItems: 1, maxItems: 16 })
      }, { required: ['nodeSelectorTerms'] }),
      preferredDuringSchedulingIgnoredDuringExecution: list(
        'What a node should have.',
        record('One weighted preference.',
          { weight: weight(), preference: nodeTerm('The preference.') },
          { required: ['weight', 'preference'] }),
        { maxItems: 16 }
      )
    }),
    podAffinity: podAffinity('Pods to be near to.'),
    podAntiAffinity: podAffinity('Pods to be away from.')
  })
}

/** Where pods may run. */
export function scheduling (description: string): RecordSchema {
  return record(description, {
    nodeSelector: nodeSelector(),
    tolerations: tolerations(),
    affinity: affinity(),
    topologySpread: topologySpread(),
    priorityClassName: text('PriorityClass of the pods.', { maxLength: 253 })
  })
}

export function imagePullSecrets (): ListSchema {
  return list('Secrets with credentials for the image registry.',
    record('Reference to a Secret of the same namespace.', {
      name: text('Name of the Secret.', { minLength: 1, maxLength: 253 })
    }, { required: ['name'] }), { keys: ['name'], maxItems: 8 })
}

/** Plain environment variables; values that are secret belong into a Secret. */
export function extraEnv (): ListSchema {
  return list('More environment variables for the node container.', record(
    'One variable.',
    {
      name: text('Its name.', { pattern: '^[A-Za-z_][A-Za-z0-9_]*$', maxLength: 128 }),
      value: text('Its value.', { maxLength: 4096 })
    },
    { required: ['name', 'value'] }
  ), {
    keys: ['name'],
    maxItems: 64,
    rules: [{
      cel: "self.all(v, !v.name.startsWith('RINGCAST_'))",
      message: 'names beginning with RINGCAST_ are set by the operator',
      holds: (self: Array<{ name: string }>) => self.every(v => !v.name.startsWith('RINGCAST_'))
    }]
  })
}

/** What a Service may say with which type. */
export const serviceRules: Rule[] = [{
  cel: "self.type != 'ClusterIP' || (!has(self.nodePort) && !has(self.externalTrafficPolicy))",
  message: 'nodePort and externalTrafficPolicy need type NodePort or LoadBalancer',
  holds: (self: { type: string, nodePort?: number, externalTrafficPolicy?: string }) =>
    self.type !== 'ClusterIP' ||
    (self.nodePort === undefined && self.externalTrafficPolicy === undefined)
}, {
  cel: "self.type == 'LoadBalancer' || !has(self.loadBalancerClass)",
  message: 'loadBalancerClass needs type LoadBalancer',
  holds: (self: { type: string, loadBalancerClass?: string }) =>
    self.type === 'LoadBalancer' || self.loadBalancerClass === undefined
}]

export function service (description: string): RecordSchema {
  return record(description, {
    type: text('How clients reach the region.',
      { choices: ['ClusterIP', 'NodePort', 'LoadBalancer'], default: 'ClusterIP' }),
    port: integer('Port of the Service.', { minimum: 1, maximum: 65535, default: 80 }),
    nodePort: integer('Port on every Kubernetes node, with type NodePort or LoadBalancer.',
      { minimum: 1, maximum: 65535 }),
    loadBalancerClass: text('Which load balancer implementation serves, with type LoadBalancer.',
      { maxLength: 317 }),
    externalTrafficPolicy: text('Whether traffic from outside may hop between Kubernetes nodes ' +
      '(Cluster) or keeps its source address (Local).', { choices: ['Cluster', 'Local'] }),
    isSessionSticky: flag('Whether a client address keeps to one pod. The comet and SSE ' +
      'transports of a region with several nodes want this.', { default: false }),
    annotations: map('Annotations of the Service, for cloud load balancers.',
      text('Value of the annotation.', { maxLength: 4096 }), { maxProperties: 64 })
  }, { default: {}, rules: serviceRules })
}
