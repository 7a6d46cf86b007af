/*
NetworkPolicies, for regions that ask for them. They only narrow: whoever is not named is refused.
*/

import type { Manifest } from './manifest.ts'
import { objectLabels, regionNames, selectorLabels } from './names.ts'
import { privatePort, publicPort } from './node-manifests.ts'
import type { RegionSpec } from './spec.ts'

/** Policies of nodes and managed NATS; none unless the spec asks for them. */
export function networkPolicies (
  name: string, namespace: string, spec: RegionSpec
): Manifest[] {
  if (spec.networkPolicy === 'None') return []
  const names = regionNames(name)
  const policy = (policyName: string, component: 'node' | 'nats', ingress: object[]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: policyName, namespace, labels: objectLabels(name, component) },
    spec: {
      podSelector: { matchLabels: selectorLabels(name, component) },
      policyTypes: ['Ingress'],
      ingress
    }
  })
  const tcp = (...ports: number[]) => ports.map(port => ({ port, protocol: 'TCP' }))
  const pods = (component: 'node' | 'nats') => ({
    podSelector: { matchLabels: selectorLabels(name, component) }
  })
  const nodes = policy(names.node, 'node', [
    { ports: tcp(publicPort) },
    // Peers probe one another; the operator asks before it restarts; Prometheus scrapes. The last
    // two may live in any namespace, and the port is never behind the client Service.
    { ports: tcp(privatePort), from: [pods('node'), { namespaceSelector: {} }] }
  ])
  if (spec.nats.type === 'External') return [nodes]
  return [
    nodes,
    policy(names.nats, 'nats', [
      { ports: tcp(4222), from: [pods('node'), pods('nats')] },
      { ports: tcp(6222), from: [pods('nats')] },
      // The kubelet's probes come from the host and are not held back by policies.
      { ports: tcp(8222), from: [{ namespaceSelector: {} }] }
    ])
  ]
}
