/*
What everything is called: our API group, labels and annotations, the resources we watch and write,
and the names of the objects that belong to a region.
*/

import type { Resource } from '../kube/resource.ts'

export const group = 'ringcast.dev'
export const version = 'v1alpha1'
export const apiVersion = `${group}/${version}`

/** Owner of the fields that the operator applies. */
export const fieldManager = 'ringcast-operator'

/** Owner of the fields of a region's status that its globalmaster applies. */
export const globalmasterManager = 'ringcast-globalmaster'

export const labels = {
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  partOf: 'app.kubernetes.io/part-of',
  managedBy: 'app.kubernetes.io/managed-by',
  region: 'ringcast.dev/region',
  app: 'ringcast.dev/app'
} as const

export const annotations = {
  /** `true` on a region or app: the operator reports and changes nothing. */
  paused: 'ringcast.dev/paused',
  /** Digest of what the operator last applied, to notice fields it no longer wants. */
  applied: 'ringcast.dev/applied',
  /** `true` on a node's pod: the node hands over and waits; nodes read it, not the operator. */
  drain: 'ringcast.dev/drain',
  /** Digest of configuration that a pod reads only when it starts. */
  configuration: 'ringcast.dev/configuration'
} as const

function resource (apiGroup: string, kind: string, plural: string, apiGroupVersion = 'v1') {
  return { group: apiGroup, version: apiGroupVersion, kind, plural, namespaced: true }
}

export const regionResource: Resource =
  resource(group, 'RealtimeRegion', 'realtimeregions', version)
export const appResource: Resource = resource(group, 'RealtimeApp', 'realtimeapps', version)
export const podResource: Resource = resource('', 'Pod', 'pods')
export const secretResource: Resource = resource('', 'Secret', 'secrets')
export const statefulSetResource: Resource = resource('apps', 'StatefulSet', 'statefulsets')
export const deploymentResource: Resource = resource('apps', 'Deployment', 'deployments')
export const ringResource: Resource = resource(group, 'RealtimeRing', 'realtimerings', version)
/** A Lease changes every few seconds for as long as somebody holds it. */
export const leaseResource: Resource = resource('coordination.k8s.io', 'Lease', 'leases')

export const configMapResource: Resource = resource('', 'ConfigMap', 'configmaps')

/**
 * Every kind that the operator makes and looks after, in the order in which what is not wanted any
 * more is deleted: a globalmaster goes before the Lease and the relay that it needs.
 */
export const ownedResources: Resource[] = [
  ringResource,
  resource('', 'ServiceAccount', 'serviceaccounts'),
  resource('rbac.authorization.k8s.io', 'Role', 'roles'),
  resource('rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings'),
  configMapResource,
  secretResource,
  resource('', 'Service', 'services'),
  resource('policy', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  resource('networking.k8s.io', 'NetworkPolicy', 'networkpolicies'),
  deploymentResource,
  leaseResource,
  statefulSetResource
]

/** Names of the objects of a region. */
export interface RegionNames {
  /** StatefulSet, client Service, PodDisruptionBudget and RealtimeRing. */
  node: string
  /** Headless Service of the nodes. */
  nodes: string
  /** ServiceAccount, Role and RoleBinding of the nodes. */
  account: string
  /** Secret with the compiled apps. */
  apps: string
  /** StatefulSet, headless Service, ConfigMap and PodDisruptionBudget of the managed NATS. */
  nats: string
  /** Service through which nodes reach the managed NATS. */
  natsClient: string
  /** Secret with the credentials of the managed NATS. */
  natsSecret: string
  /** StatefulSet, headless Service, ConfigMap, Secret and PodDisruptionBudget of the relay. */
  relay: string
  /** Service through which the relays of other regions reach ours. */
  relayGateway: string
  /** Deployment, ServiceAccount, Role, RoleBinding, Lease and ConfigMap of the globalmaster. */
  globalmaster: string
  /** ConfigMap with what nodes are told of their part in the world. */
  world: string
}

export function regionNames (region: string): RegionNames {
  return {
    node: region,
    nodes: `${region}-nodes`,
    account: `${region}-node`,
    apps: `${region}-apps`,
    nats: `${region}-nats`,
    natsClient: `${region}-nats-client`,
    natsSecret: `${region}-nats`,
    relay: `${region}-relay`,
    relayGateway: `${region}-relay-gateway`,
    globalmaster: `${region}-globalmaster`,
    world: `${region}-world`
  }
}

export type Component = 'node' | 'nats' | 'apps' | 'keys' | 'relay' | 'globalmaster'

/** Labels of an object of a region; those of a pod too, but for what a selector must not hold. */
export function objectLabels (region: string, component: Component): Record<string, string> {
  return {
    [labels.name]: 'ringcast',
    [labels.instance]: region,
    [labels.component]: component,
    [labels.partOf]: 'ringcast',
    [labels.managedBy]: fieldManager,
    [labels.region]: region
  }
}

/** Labels by which pods are selected. They never change. */
export function selectorLabels (region: string, component: Component): Record<string, string> {
  return { [labels.component]: component, [labels.region]: region }
}

/** A selector as a text: `a=b,c=d`. */
export function selectorText (selector: Record<string, string>): string {
  return Object.entries(selector).map(([key, value]) => `${key}=${value}`).join(',')
}

/**
 * Watches see only what carries our label, so that foreign Secrets never enter our memory, but for
 * those that a region names (named-secrets.ts).
 */
export const ownedSelector = `${labels.managedBy}=${fieldManager}`
