/*
What a region's globalmaster and relay are told of the world: the regions of this cluster that are
in the same one, those that the spec lists, and a digest of every app.
*/

import { createHmac } from 'node:crypto'
import type { KubeObject } from '../kube/resource.ts'
import type { CompiledApp } from './apps.ts'
import { canonical } from './digest.ts'
import { inForceOf } from './in-force.ts'
import type { Inventory } from './inventory.ts'
import type { Manifest } from './manifest.ts'
import {
  objectLabels, regionNames, regionResource, ringResource, statefulSetResource
} from './names.ts'
import { worldVariable } from './node-manifests.ts'
import type { StatefulSet } from './plan.ts'
import { relayAddress } from './relay-manifests.ts'
import { parseRegion } from './spec.ts'
import type { RealtimeRegion, RegionSpec, WorldSpec } from './spec.ts'

/** Which ring it is, and when it was made, in ms since the Unix epoch. */
export interface Ring { uid: string, madeAtMs: number }

/** Another region of the world, as far as it is known without being heard. */
export interface WorldPeer {
  /** Its identifier. */
  region: string
  /** Its RealtimeRegion, if that is in this cluster: namespace/name. */
  object?: string
  /** Its ring, with an object, once that is made. */
  ring?: Ring
  /** host:port of its relay; absent where it has none. */
  address?: string
}

/** What a spec with a world leaves open. */
export interface WorldFacts {
  peers: WorldPeer[]
  /** The own ring, once that is made. */
  ring?: Ring
  /** Generation of the RealtimeRegion. */
  generation: number
  /** By app id, a digest of all that clients could notice of it, its keys' secrets too. */
  apps: Record<string, string>
  /** Whether the Secret of the world has certificates, and a digest of it. */
  hasTls: boolean
  secretDigest: string
}

/** The other regions of the world, in the order of their identifiers, each once. */
export function worldPeersOf (
  inventory: Inventory, region: RealtimeRegion, spec: RegionSpec, world: WorldSpec
): WorldPeer[] {
  const peers = new Map<string, WorldPeer>()
  for (const mate of matesOf(inventory, region)) {
    if (mate.world !== world.name) continue
    const { name, namespace } = mate.object.metadata
    const { region: id } = mate
    if (id === spec.region || peers.has(id)) continue
    const ring = ringOf(inventory, mate.object)
    peers.set(id, {
      region: id,
      object: `${namespace}/${name}`,
      ...(ring === undefined ? {} : { ring }),
      ...(mate.hasRelay ? { address: relayAddress(`${name}`, `${namespace}`) } : {})
    })
  }
  for (const { region: id, address } of world.peers ?? []) {
    if (peers.has(id)) continue
    peers.set(id, { region: id, ...(address === undefined ? {} : { address }) })
  }
  return [...peers.values()].sort((a, b) => (a.region < b.region ? -1 : 1))
}

/** The ring of a region. */
export function ringOf (inventory: Inventory, { metadata }: RealtimeRegion): Ring | undefined {
  const { name = '', namespace = '' } = metadata
  const { uid, creationTimestamp = '' } =
    inventory.get(ringResource, { name, namespace })?.metadata ?? {}
  return uid === undefined ? undefined : { uid, madeAtMs: Date.parse(creationTimestamp) || 0 }
}

/**
 * Another region of the cluster that has the same identifier in the same world, or is to have it
 * there, before us.
 */
export function namesakeOf (
  inventory: Inventory, region: RealtimeRegion, spec: RegionSpec, world: WorldSpec
): string | undefined {
  const mate = matesOf(inventory, region).find(({ object, region: id, wanted, world: inForce }) =>
    id === spec.region && isOlder(object, region) && [wanted, inForce].includes(world.name))
  return mate && `${mate.object.metadata.namespace}/${mate.object.metadata.name}`
}

/** The world that an object names, whatever else its spec says. */
export function worldNameOf (object: KubeObject | undefined): string | undefined {
  const { spec } = (object ?? {}) as { spec?: { world?: { name?: unknown } } }
  const world = spec?.world
  return typeof world?.name === 'string' ? world.name : undefined
}

/** The world that nodes are told of. */
export function worldOfNodes (nodes: KubeObject): string | undefined {
  const { spec } = nodes as StatefulSet
  const container = spec?.template?.spec?.containers?.find(({ name }) => name === 'node')
  return container?.env?.find(variable => variable.name === worldVariable)?.value
}

/** Another region of the cluster that is in a world, or is to be. */
interface Mate {
  object: RealtimeRegion
  /** Its identifier. */
  region: string
  /** The world that it is to be in, if its spec says so. */
  wanted?: string
  /** Of one that runs, that of its nodes, until the one that its spec names can be had. */
  world: string | undefined
  hasRelay: boolean
}

/** The oldest first. */
function matesOf (inventory: Inventory, region: RealtimeRegion): Mate[] {
  return inventory.list<RealtimeRegion>(regionResource)
    .filter(({ metadata: { uid, deletionTimestamp } }) =>
      uid !== region.metadata.uid && deletionTimestamp === undefined)
    .sort((a, b) => (isOlder(a, b) ? -1 : 1))
    .flatMap(object => mateOf(inventory, object) ?? [])
}

/** One that runs stays what it is while its spec is invalid: its own pass leaves all as it is. */
function mateOf (inventory: Inventory, object: RealtimeRegion): Mate | undefined {
  const { metadata: { name = '', namespace = '' }, status } = object
  const parsed = parseRegion(object, inForceOf(inventory, object))
  const nodes = inventory.get(statefulSetResource, { name, namespace })
  if (parsed.isValid) {
    const { region, nats, world } = parsed.spec
    if (world === undefined) return undefined
    return {
      object,
      region,
      wanted: world.name,
      world: nodes === undefined ? world.name : worldOfNodes(nodes),
      hasRelay: nats.type === 'Managed'
    }
  }
  if (nodes === undefined || status?.region === undefined) return undefined
  const relay = inventory.get(statefulSetResource, { namespace, name: regionNames(name).relay })
  return {
    object, region: status.region, world: worldOfNodes(nodes), hasRelay: relay !== undefined
  }
}

function isOlder (a: RealtimeRegion, b: RealtimeRegion): boolean {
  const ageOf = ({ metadata }: RealtimeRegion) => metadata.creationTimestamp ?? ''
  const keyOf = ({ metadata }: RealtimeRegion) => `${metadata.namespace}/${metadata.name}`
  return ageOf(a) === ageOf(b) ? keyOf(a) < keyOf(b) : ageOf(a) < ageOf(b)
}

/**
 * A digest of each app that tells nothing of it to whoever lacks the world's password. What the
 * app's object is called is left out: it may have another name in every cluster.
 */
export function appDigestsOf (apps: CompiledApp[], password: string): Record<string, string> {
  const byName = <T>(list: T[], nameOf: (item: T) => string): T[] =>
    list.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  return Object.fromEntries(byName(apps, ({ appId }) => appId).map(
    ({ appId, name: _, keys, namespaces, ...rest }) => [appId, createHmac('sha256', password)
      .update(canonical({
        ...rest,
        keys: byName(keys, ({ id }) => id),
        namespaces: byName(namespaces as Array<{ id: string }>, ({ id }) => id)
      }))
      .digest('hex').slice(0, 16)]
  ))
}

/** Entry of the ConfigMap that nodes read. */
export const worldSettingsEntry = 'settings.json'

/** What nodes are told of their part in the world, and follow while they run. */
export function worldSettings (name: string, namespace: string, world: WorldSpec): Manifest {
  const { drainedClientsPerSecond, lostRegionGraceSeconds } = world.limits
  const settings = {
    isToDrain: world.isDraining,
    drainedPerSecond: drainedClientsPerSecond,
    lostRegionGraceMs: lostRegionGraceSeconds * 1000
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: regionNames(name).world, namespace, labels: objectLabels(name, 'node') },
    data: { [worldSettingsEntry]: JSON.stringify(settings) }
  }
}

/** What the globalmaster reads. */
export interface WorldFile {
  world: string
  region: string
  ring?: Ring
  generation: number
  unreachableAfterMs: number
  peers: Array<Pick<WorldPeer, 'region' | 'object' | 'ring'>>
  apps: Record<string, string>
  /** Whether these are what was there last. */
  areAppsUnknown?: boolean
}

/** The text of `world.json`. */
export function worldJsonOf (region: string, world: WorldSpec, facts: WorldFacts): string {
  const { peers, ring, generation, apps } = facts
  return JSON.stringify({
    world: world.name,
    region,
    ...(ring === undefined ? {} : { ring }),
    generation,
    unreachableAfterMs: world.limits.unreachableAfterSeconds * 1000,
    peers: peers.map(({ address: _, ...peer }) => peer),
    apps
  } satisfies WorldFile)
}

/** The same with the apps that there are now; undefined: nobody can tell. */
export function withApps (
  { areAppsUnknown: _, ...file }: WorldFile, apps: Record<string, string> | undefined
): string {
  const held = apps === undefined ? { ...file, areAppsUnknown: true } : { ...file, apps }
  return JSON.stringify(held satisfies WorldFile)
}
