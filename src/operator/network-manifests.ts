/*
NetworkPolicies, for regions that ask for them. They only narrow: whoever is not named is refused.
*/

import type { Manifest } from './manifest.ts'
import { objectLabels, regionNames, selectorLabels } from './names.ts'
import type { Component } from './names.ts'
import { privatePort, publicPort } from './node-manifests.ts'
import { gatewayPort, leafPort } from './relay-manifests.ts'
import type { RegionSpec } from './spec.ts'

/** Policies of nodes, managed NATS, relay and globalmaster; none unless the spec asks for them. */
export function networkPolicies (
  name: string, namespace: string, spec: RegionSpec
): Manifest[] {
  if (spec.networkPolicy === 'None') return []
  const names = regionNames(name)
  const policy = (policyName: string, component: Component, ingress: object[]) => ({
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
  const pods = (component: Component) => ({
    podSelector: { matchLabels: selectorLabels(name, component) }
  })
  const nodes = policy(names.node, 'node', [
    { ports: tcp(publicPort) },
    // Peers probe one another; the operator asks before it restarts; Prometheus scrapes. The last
    // two may live in any namespace, and the port is never behind the client Service.
    { ports: tcp(privatePort), from: [pods('node'), { namespaceSelector: {} }] }
  ])
  const isInWorld = spec.world !== undefined
  const globalmaster = isInWorld
    ? [policy(names.globalmaster, 'globalmaster', [
        { ports: tcp(privatePort), from: [{ namespaceSelector: {} }] }
      ])]
    : []
  if (spec.nats.type === 'External') return [nodes, ...globalmaster]
  const servers = (of: 'nats' | 'relay', ...more: object[]) => policy(names[of], of, [
    ...more,
    { ports: tcp(6222), from: [pods(of)] },
    // The kubelet's probes come from the host and are not held back by policies.
    { ports: tcp(8222), from: [{ namespaceSelector: {} }] }
  ])
  const clients = [pods('node'), pods('nats'), ...(isInWorld ? [pods('globalmaster')] : [])]
  const relay = isInWorld
    ? [servers('relay',
        // Other regions come from anywhere, and prove who they are.
        { ports: tcp(gatewayPort) }, { ports: tcp(leafPort), from: [pods('nats')] })]
    : []
  return [
    nodes, servers('nats', { ports: tcp(4222), from: clients }), ...relay, ...globalmaster
  ]
}
