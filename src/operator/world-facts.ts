/*
Asks for what a region in a world needs besides its spec, and says what is wrong with it.
*/

import type { KubeObject } from '../kube/resource.ts'
import type { CompiledApp } from './apps.ts'
import { relaySecretOf, secretEntries } from './desired.ts'
import { digestOf } from './digest.ts'
import { regionNames, secretResource } from './names.ts'
import { refusal } from './pass.ts'
import type { PassContext, Refusal } from './pass.ts'
import type { RealtimeRegion, RegionSpec, WorldSpec } from './spec.ts'
import { appDigestsOf, namesakeOf, ringOf, worldPeersOf } from './world.ts'
import type { WorldFacts } from './world.ts'

/** It stands in addresses and in configurations: nothing in it may mean anything there. */
const passwordPattern = /^[A-Za-z0-9_-]{16,256}$/

const certificates = ['tls.crt', 'tls.key', 'ca.crt']

/** The facts, or what a person must mend. */
export async function gatherWorld (
  context: PassContext, region: RealtimeRegion, spec: RegionSpec, world: WorldSpec,
  apps: CompiledApp[]
): Promise<WorldFacts | Refusal> {
  const { inventory, writer, random } = context
  const { name = '', namespace = '', generation = 0 } = region.metadata
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
  const own = await writer.find<KubeObject>(
    secretResource, { metadata: { name: regionNames(name).relay, namespace } }
  )
  const ring = ringOf(inventory, region)
  return {
    peers: worldPeersOf(inventory, region, spec, world),
    ...(ring === undefined ? {} : { ring }),
    generation,
    apps: appDigestsOf(apps, entries.password ?? ''),
    relaySecret: world.relay === undefined ? {} : relaySecretOf(secretEntries(own), random),
    hasTls: certificates.every(entry => entries[entry] !== undefined),
    secretDigest: digestOf(entries)
  }
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
