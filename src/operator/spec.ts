/*
From the objects people write to specs the rest of the operator can rely on: defaulted and checked
by the same schema as the CRD. The API server has normally done both already; an object written
before a CRD was upgraded, or with an older CRD installed, comes through here unharmed.
*/

import type { KubeObject } from '../kube/resource.ts'
import { appSpecSchema } from './app-schema.ts'
import { managedNatsSchema, regionRules, regionSpecSchema } from './region-schema.ts'
import { withDefaults } from './schema.ts'
import { peerRule, relaySchema } from './world-schema.ts'
import { violationsOf } from './violations.ts'
import type { Violation } from './violations.ts'

export interface Resources {
  requests?: Record<string, string | number>
  limits?: Record<string, string | number>
}

export interface TopologySpread {
  topologyKey: string
  maxSkew: number
  whenUnsatisfiable: string
  minDomains?: number
}

export interface Scheduling {
  nodeSelector?: Record<string, string>
  tolerations?: object[]
  affinity?: object
  topologySpread?: TopologySpread[]
  priorityClassName?: string
}

export interface ManagedNats {
  servers: number
  image?: string
  storage: {
    type: 'Persistent' | 'Ephemeral'
    size: string | number
    storageClassName?: string
    whenDeleted: 'Delete' | 'Retain'
  }
  syncInterval?: string
  resources: Resources
  scheduling?: Scheduling
}

export interface ExternalNats {
  urls: string[]
  secretName?: string
  logBytes?: string | number
}

export type NatsSpec =
  | { type: 'Managed', managed: ManagedNats }
  | { type: 'External', external: ExternalNats }

/** How the relays of other regions reach ours. */
export interface RelaySpec {
  servers: number
  advertise?: string
  service: {
    type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
    nodePort?: number
    loadBalancerClass?: string
    externalTrafficPolicy?: string
    annotations?: Record<string, string>
  }
  image?: string
  resources: Resources
  scheduling?: Scheduling
}

export interface WorldSpec {
  name: string
  secretName: string
  peers?: Array<{ region: string, address?: string }>
  endpoint?: string
  isDraining: boolean
  /** Never absent here with a managed NATS. */
  relay?: RelaySpec
  globalmaster: { replicas: number, resources: Resources }
  limits: {
    unreachableAfterSeconds: number
    drainedClientsPerSecond: number
    lostRegionGraceSeconds: number
  }
}

export interface RegionSpec {
  /** Never absent here: the object's name stands in. */
  region: string
  nodes: number
  redundancy: number
  partitionCount: number
  workers: 'auto' | number
  image?: string
  imagePullPolicy: string
  imagePullSecrets?: Array<{ name: string }>
  logLevel: string
  drain: { timeoutSeconds: number, terminationGracePeriodSeconds: number }
  disruption?: { maxUnavailable?: string | number, minAvailable?: string | number }
  resources: Resources
  nats: NatsSpec
  world?: WorldSpec
  service: {
    type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
    port: number
    nodePort?: number
    loadBalancerClass?: string
    externalTrafficPolicy?: string
    isSessionSticky: boolean
    annotations?: Record<string, string>
  }
  scheduling?: Scheduling
  podTemplate?: { labels?: Record<string, string>, annotations?: Record<string, string> }
  extraEnv?: Array<{ name: string, value: string }>
  networkPolicy: 'None' | 'Managed'
}

export interface KeySpec {
  name: string
  capability: Record<string, string[]>
  revocableTokens: boolean
}

export interface AppSpec {
  regionRef: { name: string }
  appId?: string
  keys: KeySpec[]
  keysSecretName?: string
  tlsOnly?: boolean
  namespaces?: Array<{ id: string } & Record<string, unknown>>
  limits?: Record<string, number>
}

/** A condition as it stands in a status. */
export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
  lastTransitionTime: string
  observedGeneration?: number
}

export interface NodeStatus {
  podName: string
  podUID?: string
  nodeName?: string
  image?: string
  revision?: string
  state: 'Pending' | 'Starting' | 'Ready' | 'Leaving' | 'Failed'
}

/** What the globalmaster of a region says of another one. */
export interface PeerStatus {
  region: string
  object?: string
  ringUID?: string
  endpoint?: string
  isDraining?: boolean
  isInWorld?: boolean
  lastHeardTime?: string
  roundTripMs?: number
  lagMs?: number
  conditions?: Condition[]
}

/** The part of a region's status that its globalmaster writes, and nobody else. */
export interface WorldStatus {
  peers?: PeerStatus[]
  syncedPeers?: string
}

export interface RegionStatus extends WorldStatus {
  observedGeneration?: number
  conditions?: Condition[]
  nodeCount?: number
  readyNodeCount?: number
  updatedNodeCount?: number
  readyNodes?: string
  selector?: string
  region?: string
  version?: string
  endpoint?: string
  nodes?: NodeStatus[]
  rollout?: { podName: string, reason: string, at: string }
}

export interface AppStatus {
  observedGeneration?: number
  conditions?: Condition[]
  appId?: string
  keysSecretName?: string
  keyCount?: number
}

export interface RealtimeRegion extends KubeObject {
  spec?: unknown
  status?: RegionStatus
}

export interface RealtimeApp extends KubeObject {
  spec?: unknown
  status?: AppStatus
}

export type Parsed<Spec> =
  | { isValid: true, spec: Spec }
  | { isValid: false, violations: Violation[] }

/**
 * The spec of a region, defaulted. What is immutable is held against what is in force: the server
 * judges that too, but not for an object deleted and made again while its ring still stands.
 *
 * @param inForce the region's identifier and partition count as they are used now, if they are
 */
export function parseRegion (
  region: RealtimeRegion, inForce: { region?: string, partitionCount?: number } = {}
): Parsed<RegionSpec> {
  const value = withDefaults(regionSpecSchema, region.spec)
  const violations = violationsOf(regionSpecSchema, value, 'spec')
  for (const rule of regionRules) {
    const holds = rule.holds as ((self: unknown) => boolean) | undefined
    if (holds !== undefined && !holds(region)) {
      const path = rule === peerRule ? 'spec.world.peers' : 'metadata.name'
      violations.push({ path, message: rule.message })
    }
  }
  if (violations.length > 0) return { isValid: false, violations }
  const spec = complete(value as RegionSpec, `${region.metadata.name}`)
  for (const name of ['region', 'partitionCount'] as const) {
    const now = inForce[name]
    if (now !== undefined && now !== spec[name]) {
      violations.push({ path: `spec.${name}`, message: `is immutable; ${now} is in force` })
    }
  }
  return violations.length > 0 ? { isValid: false, violations } : { isValid: true, spec }
}

/** The spec of an app, defaulted. */
export function parseApp (app: RealtimeApp): Parsed<AppSpec> {
  const value = withDefaults(appSpecSchema, app.spec)
  const violations = violationsOf(appSpecSchema, value, 'spec')
  return violations.length > 0
    ? { isValid: false, violations }
    : { isValid: true, spec: value as AppSpec }
}

/** For a condition: every offending path with what must hold there, as far as there is room. */
export function describeViolations (violations: Violation[]): string {
  const shown = violations.slice(0, 10).map(({ path, message }) => `${path} ${message}`)
  const more = violations.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

/** Fills in what a schema default cannot say: it depends on other fields. */
function complete (spec: RegionSpec, name: string): RegionSpec {
  return {
    ...spec,
    region: spec.region ?? name,
    nats: completeNats(spec.nats),
    ...(spec.world === undefined ? {} : { world: completeWorld(spec.world, spec.nats) })
  }
}

function completeWorld (world: WorldSpec, nats: NatsSpec): WorldSpec {
  if (nats.type === 'External') return world
  return { ...world, relay: withDefaults(relaySchema, world.relay ?? {}) as RelaySpec }
}

function completeNats (nats: NatsSpec): NatsSpec {
  if (nats.type === 'External') return nats
  const managed = withDefaults(managedNatsSchema, nats.managed ?? {}) as ManagedNats
  return { type: 'Managed', managed }
}
