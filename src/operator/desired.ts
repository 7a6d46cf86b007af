/*
What a region should consist of: a pure function from its spec, and from the few facts of the world
that the spec leaves open, to manifests. Nothing here asks, waits or draws random numbers.
*/

import { apiVersionOf } from '../kube/resource.ts'
import type { KubeObject, OwnerReference, Resource } from '../kube/resource.ts'
import { nodeAccess } from './access.ts'
import { appsData } from './apps.ts'
import { digestOf } from './digest.ts'
import { globalmasterConfigMap, globalmasterManifests } from './globalmaster-manifests.ts'
import type { Manifest } from './manifest.ts'
import {
  annotations, apiVersion, objectLabels, ownedResources, regionNames
} from './names.ts'
import { natsConfiguration, natsManifests } from './nats-manifests.ts'
import type { NatsContext } from './nats-manifests.ts'
import { networkPolicies } from './network-manifests.ts'
import {
  nodeDisruptionBudget, nodeServices, nodeStatefulSet, ring
} from './node-manifests.ts'
import type { NatsCredentials, NodeContext } from './node-manifests.ts'
import { relayConfiguration, relayManifests, relaySecretEntries } from './relay-manifests.ts'
import type { RelayContext } from './relay-manifests.ts'
import type { RealtimeApp, RealtimeRegion, RegionSpec } from './spec.ts'
import { worldSettings } from './world.ts'
import type { WorldFacts } from './world.ts'

/** What a region gets when its spec does not say: the versions this operator was made for. */
export interface OperatorDefaults {
  nodeImage: string
  natsImage: string
}

/** What the spec leaves open. */
export interface Facts {
  /** Pods the StatefulSet of the nodes should have now (`plan.ts`). */
  replicas: number
  /** Text of `apps.json`, compiled from the apps of the region. */
  appsJson: string
  /** Entries of the Secret of a managed NATS: those that exist, or new ones. */
  natsSecret: Record<string, string>
  /** What the Secret of an external NATS holds, and a digest of it. */
  externalNats: { credentials: NatsCredentials, digest: string }
  /** Entries of the relay's own Secret: those that exist, or new ones; none without a relay. */
  relaySecret: Record<string, string>
  /** Absent: there is no world, or what the region has of relay and globalmaster stays. */
  world?: WorldFacts
  /** Text of `world.json` where they stay; absent where there is none. */
  heldWorldJson?: string
}

/** Every object of a region, owned by it, in the order in which they should appear. */
export function desiredManifests (
  region: RealtimeRegion, spec: RegionSpec, facts: Facts, defaults: OperatorDefaults
): Manifest[] {
  const name = `${region.metadata.name}`
  const namespace = `${region.metadata.namespace}`
  const isManaged = spec.nats.type === 'Managed'
  const context: NodeContext = {
    name,
    namespace,
    spec,
    defaults,
    replicas: facts.replicas,
    natsCredentials: isManaged ? 'password' : facts.externalNats.credentials,
    credentialsDigest: isManaged ? digestOf(facts.natsSecret) : facts.externalNats.digest
  }
  const manifests = [
    ring(context),
    ...nodeAccess(name, namespace, spec.world !== undefined),
    { ...secret(name, namespace, 'apps', {}), data: appsData(facts.appsJson) },
    ...(spec.world === undefined ? [] : [worldSettings(name, namespace, spec.world)]),
    ...natsObjects(context, facts),
    ...nodeServices(context),
    nodeDisruptionBudget(context),
    ...networkPolicies(name, namespace, spec),
    nodeStatefulSet(context),
    ...worldObjects(context, facts)
  ]
  return manifests.map(manifest => ownedBy(region, manifest))
}

function natsObjects (context: NodeContext, facts: Facts): Manifest[] {
  const { name, namespace, spec, defaults } = context
  if (spec.nats.type === 'External') return []
  const nats: Omit<NatsContext, 'configurationDigest'> = {
    name, namespace, spec, defaults, managed: spec.nats.managed
  }
  const { leafPassword } = facts.relaySecret
  const configurationDigest = digestOf({
    configuration: natsConfiguration(nats),
    credentials: facts.natsSecret,
    ...(leafPassword === undefined ? {} : { leafPassword })
  })
  return [
    ...relayObjects(context, facts),
    secret(name, namespace, 'nats', facts.natsSecret),
    ...natsManifests({ ...nats, configurationDigest })
  ]
}

/** The relay comes before the NATS that connects to it, and does not start without its Secret. */
function relayObjects (context: NodeContext, { relaySecret, world: facts }: Facts): Manifest[] {
  const { name, namespace, spec, defaults } = context
  const { world } = spec
  if (world?.relay === undefined) return []
  const own = secret(name, namespace, 'relay', relaySecret)
  if (facts === undefined) return [own]
  const gateways = facts.peers.flatMap(
    ({ region, address }) => address === undefined ? [] : [{ region, address }]
  )
  const { hasTls, secretDigest } = facts
  const relay: Omit<RelayContext, 'configurationDigest'> = {
    name, namespace, spec, world, relay: world.relay, defaults, gateways, hasTls
  }
  const configurationDigest = digestOf({
    configuration: relayConfiguration(relay), gateways, relaySecret, secretDigest
  })
  return [own, ...relayManifests({ ...relay, configurationDigest })]
}

function worldObjects (
  context: NodeContext, { world: facts, heldWorldJson }: Facts
): Manifest[] {
  const { name, namespace, spec: { world } } = context
  if (heldWorldJson !== undefined) return [globalmasterConfigMap(name, namespace, heldWorldJson)]
  return world === undefined || facts === undefined
    ? []
    : globalmasterManifests({ ...context, world, facts })
}

function secret (
  region: string, namespace: string, of: 'apps' | 'nats' | 'relay',
  entries: Record<string, string>
): Manifest {
  const { apps, natsSecret, relay } = regionNames(region)
  const name = { apps, nats: natsSecret, relay }[of]
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: objectLabels(region, of) },
    type: 'Opaque',
    data: encoded(entries)
  }
}

/** The Secret with the keys of an app. */
export function keysSecret (
  app: RealtimeApp, region: string, name: string, entries: Record<string, string>
): Manifest {
  const { namespace } = app.metadata
  return ownedBy(app, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { ...objectLabels(region, 'keys'), 'ringcast.dev/app': `${app.metadata.name}` }
    },
    type: 'Opaque',
    data: encoded(entries)
  })
}

/** Names of the entries of the managed NATS's Secret. */
export const natsSecretEntries = ['user', 'password', 'systemPassword', 'routePassword'] as const

/**
 * Credentials of the managed NATS: every entry that exists stays as it is.
 *
 * @param random text for a missing password. It must begin with a letter: nats-server reads it
 *   from its environment, where `123abc` would be taken for a number.
 */
export function natsSecretOf (
  existing: Record<string, string>, random: () => string
): Record<string, string> {
  return Object.fromEntries(natsSecretEntries.map(entry => [
    entry, existing[entry] ?? (entry === 'user' ? 'ringcast' : random())
  ]))
}

/** Credentials of the relay, like those of the managed NATS. */
export function relaySecretOf (
  existing: Record<string, string>, random: () => string
): Record<string, string> {
  return Object.fromEntries(relaySecretEntries.map(entry => [entry, existing[entry] ?? random()]))
}

function encoded (entries: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(
    ([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]
  ))
}

/** The entries of a Secret as texts. */
export function secretEntries (object: KubeObject | undefined): Record<string, string> {
  const { data = {} } = (object ?? {}) as { data?: Record<string, string> }
  return Object.fromEntries(Object.entries(data).map(
    ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]
  ))
}

/** The manifest with its owner and the digest of itself, ready to be applied. */
export function ownedBy (owner: KubeObject, manifest: Manifest): Manifest {
  const owned = {
    ...manifest,
    metadata: { ...manifest.metadata, ownerReferences: [ownerReference(owner)] }
  }
  return {
    ...owned,
    metadata: {
      ...owned.metadata,
      annotations: { ...owned.metadata.annotations, [annotations.applied]: digestOf(owned) }
    }
  }
}

function ownerReference (owner: KubeObject): OwnerReference {
  return {
    apiVersion,
    kind: owner.kind,
    name: `${owner.metadata.name}`,
    uid: `${owner.metadata.uid}`,
    controller: true,
    blockOwnerDeletion: true
  }
}

/** The resource through which a manifest is written. */
export function resourceOf (manifest: KubeObject): Resource {
  const found = ownedResources.find(
    resource => resource.kind === manifest.kind && apiVersionOf(resource) === manifest.apiVersion
  )
  if (found === undefined) throw new Error(`no resource is known for ${manifest.kind}`)
  return found
}
