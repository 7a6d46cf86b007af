/*
Asks for what a region in a world needs besides its spec, and says what is wrong with it.
*/

import type { KubeObject } from '../kube/resource.ts'
import type { CompiledApp } from './apps.ts'
import { secretEntries } from './desired.ts'
import { digestOf } from './digest.ts'
import { worldEntry } from './globalmaster-manifests.ts'
import { configMapResource, regionNames, secretResource } from './names.ts'
import { refusal } from './pass.ts'
import type { PassContext, Refusal } from './pass.ts'
import type { StatefulSet } from './plan.ts'
import type { RealtimeRegion, RegionSpec, WorldSpec } from './spec.ts'
import {
  appDigestsOf, namesakeOf, ringOf, withApps, worldOfNodes, worldPeersOf
} from './world.ts'
import type { WorldFacts, WorldFile } from './world.ts'

interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}

/** It stands in addresses and in configurations: nothing in it may mean anything there. */
const passwordPattern = /^[A-Za-z0-9_-]{16,256}$/

const certificates = ['tls.crt', 'tls.key', 'ca.crt']

/** The facts, or what a person must mend. */
export async function gatherWorld (
  context: PassContext, region: RealtimeRegion, spec: RegionSpec, world: WorldSpec,
  apps: CompiledApp[]
): Promise<WorldFacts | Refusal> {
  const { inventory, writer } = context
  const { namespace = '', generation = 0 } = region.metadata
  const namesake = namesakeOf(inventory, region, spec, world)
  if (namesake !== undefined) {
    return refusal('WorldNameTaken',
      `${namesake} is ${spec.region} in the world ${world.name}; set another spec.region`)
  }
  const secret = await writer.find<KubeObject>(
    secretResource, { metadata: { name: world.secretName, namespace } }
  )
  const entries = secretEntries(secret)
  const lack = secret === undefined ? 'does not exist' : lackOf(entries, world)
  if (lack !== undefined) {
    return refusal('WorldSecretUnusable', `Secret ${world.secretName} ${lack}`)
  }
  const ring = ringOf(inventory, region)
  return {
    peers: worldPeersOf(inventory, region, spec, world),
    ...(ring === undefined ? {} : { ring }),
    generation,
    apps: appDigestsOf(apps, entries.password ?? ''),
    hasTls: certificates.every(entry => entries[entry] !== undefined),
    secretDigest: digestOf(entries)
  }
}

/**
 * `world.json` of a region whose part in a world stays as it was, with the apps there are now:
 * these do not stay. Undefined where it has none.
 */
export async function gatherHeldWorld (
  { inventory, writer }: PassContext, { metadata }: RealtimeRegion, world: WorldSpec,
  apps: CompiledApp[]
): Promise<string | undefined> {
  const { name = '', namespace = '' } = metadata
  const target = { namespace, name: regionNames(name).globalmaster }
  const text = inventory.get<ConfigMap>(configMapResource, target)?.data?.[worldEntry]
  if (text === undefined) return undefined
  const file = fileIn(text)
  if (file === undefined) return undefined
  const secret = await writer.find<KubeObject>(
    secretResource, { metadata: { name: world.secretName, namespace } }
  )
  const { password = '' } = secretEntries(secret)
  // The Secret may be another world's.
  const isUsable = file.world === world.name && passwordPattern.test(password)
  return withApps(file, isUsable ? appDigestsOf(apps, password) : undefined)
}

/** Undefined for what somebody else wrote. */
function fileIn (text: string): WorldFile | undefined {
  try {
    return (JSON.parse(text) as WorldFile | null) ?? undefined
  } catch {
    return undefined
  }
}

/**
 * The spec without what it says anew of a world that cannot be had: the region goes on in the
 * world that its nodes were last told of, or in none.
 */
export function withFormerWorld (spec: RegionSpec, nodes: StatefulSet): RegionSpec {
  const { world, ...rest } = spec
  const name = worldOfNodes(nodes)
  return world === undefined || name === undefined ? rest : { ...rest, world: { ...world, name } }
}

function lackOf (entries: Record<string, string>, world: WorldSpec): string | undefined {
  if (!passwordPattern.test(entries.password ?? '')) {
    return 'needs a password of 16 to 256 letters, digits, - and _'
  }
  if (world.relay === undefined) return undefined
  const missing = certificates.filter(entry => entries[entry] === undefined)
  if (missing.length === 0) return undefined
  if (missing.length < certificates.length) return `has no ${missing.join(' and no ')}`
  const isOpen = (world.peers ?? []).length > 0 || world.relay.service.type !== 'ClusterIP'
  return isOpen
    ? `has no ${certificates.join(', ')}, which the relays of other clusters must prove`
    : undefined
}
