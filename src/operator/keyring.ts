/*
The apps of a region with their keys, as they stand in the cluster now. Both passes look through
this: that of the app, which makes the keys, and that of the region, which hands them to the nodes.
*/

import type { KubeObject } from '../kube/resource.ts'
import {
  appIdOf, appsJsonIn, compileApp, entriesOfCompiled, keyProblems, ownsAppId, parseAppsJson
} from './apps.ts'
import type { Claim, CompiledApp } from './apps.ts'
import { secretEntries } from './desired.ts'
import type { Inventory } from './inventory.ts'
import { appResource, regionNames, secretResource } from './names.ts'
import { parseApp } from './spec.ts'
import type { AppSpec, RealtimeApp } from './spec.ts'
import { isOwnedBy } from './writer.ts'
import type { Writer } from './writer.ts'

export interface Keyring {
  appId: string
  secretName: string
  /** Ours: the operator made it. Foreign: a person did. */
  secret: { state: 'absent' | 'ours' | 'foreign', entries: Record<string, string> }
}

/** Keys of one app. */
export async function keyringOf (
  writer: Writer, app: RealtimeApp, spec: AppSpec
): Promise<Keyring> {
  const { name = '', namespace = '' } = app.metadata
  const secretName = spec.keysSecretName ?? `${name}-keys`
  const secret = await writer.find<KubeObject>(
    secretResource, { metadata: { name: secretName, namespace } }
  )
  const entries = secretEntries(secret)
  return {
    appId: appIdOf(spec, namespace, name, entries),
    secretName,
    secret: {
      state: secret === undefined
        ? 'absent'
        : isOwnedBy(secret, app.metadata.uid) ? 'ours' : 'foreign',
      entries
    }
  }
}

/** Apps of a namespace that name this region. */
export function appsOf (
  inventory: Inventory, namespace: string, region: string
): RealtimeApp[] {
  return inventory.list<RealtimeApp>(appResource, namespace).filter(app => {
    const spec = app.spec as { regionRef?: { name?: unknown } } | undefined
    return spec?.regionRef?.name === region && app.metadata.deletionTimestamp === undefined
  })
}

/** What the nodes of a region were last given. */
export async function publishedApps (
  writer: Writer, namespace: string, region: string
): Promise<CompiledApp[]> {
  const name = regionNames(region).apps
  const secret = await writer.find<KubeObject & { data?: Record<string, string> }>(
    secretResource, { metadata: { name, namespace } }
  )
  return parseAppsJson(appsJsonIn(secret?.data))
}

/**
 * The apps that the nodes of a region should serve. One that has become unusable stays as it was
 * last published: a slip in an edit must not shut out the clients of a running app.
 */
export async function compileApps (
  writer: Writer, inventory: Inventory, namespace: string, region: string
): Promise<CompiledApp[]> {
  const published = new Map(
    (await publishedApps(writer, namespace, region)).map(app => [app.name, app])
  )
  const compiled: CompiledApp[] = []
  const apps = appsOf(inventory, namespace, region)
  for (const app of apps) {
    const current = await compiledOf(writer, app) ?? published.get(`${app.metadata.name}`)
    if (current !== undefined) compiled.push(current)
  }
  const claims = compiled.map(({ appId, name }) => claimOf(
    appId, apps.find(app => app.metadata.name === name)
  ))
  return compiled.filter((_, at) => {
    const claim = claims[at]
    return claim !== undefined && ownsAppId(claim, claims)
  })
}

async function compiledOf (writer: Writer, app: RealtimeApp): Promise<CompiledApp | undefined> {
  const parsed = parseApp(app)
  if (!parsed.isValid) return undefined
  const { appId, secret } = await keyringOf(writer, app, parsed.spec)
  const isClash = secret.state === 'foreign' && parsed.spec.keysSecretName === undefined
  if (isClash || keyProblems(parsed.spec, appId, secret.entries).length > 0) return undefined
  return compileApp(`${app.metadata.name}`, parsed.spec, appId, secret.entries)
}

export function claimOf (appId: string, app: KubeObject | undefined): Claim {
  return {
    appId,
    name: `${app?.metadata.name}`,
    createdAt: app?.metadata.creationTimestamp ?? ''
  }
}

/** Keys of an app as they were last published, to be taken back if their Secret is gone. */
export function lostEntries (
  published: CompiledApp[], app: RealtimeApp
): Record<string, string> {
  return entriesOfCompiled(published.find(({ name }) => name === app.metadata.name))
}
