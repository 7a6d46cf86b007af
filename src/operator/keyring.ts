/*
The apps of a region with their keys, as they stand in the cluster now. Both passes look through
this: that of the app, which makes the keys, and that of the region, which hands them to the nodes.
*/

import type { KubeObject } from '../kube/resource.ts'
import {
  appIdOf, appsIn, appsJsonIn, compileApp, entriesOfCompiled, keyProblems, ownsAppId
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
  return appsIn(await publishedJson(writer, namespace, region)) ?? []
}

async function publishedJson (
  writer: Writer, namespace: string, region: string
): Promise<string | undefined> {
  const name = regionNames(region).apps
  const secret = await writer.find<KubeObject & { data?: Record<string, string> }>(
    secretResource, { metadata: { name, namespace } }
  )
  return appsJsonIn(secret?.data)
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

/**
 * What nodes go on with while what they should serve (`wanted`) is more than they can be given:
 * nothing is added to what they have, but apps and keys that were taken away go all the same.
 * Undefined where nobody knows what they have.
 */
export async function keptApps (
  writer: Writer, namespace: string, region: string, wanted: readonly CompiledApp[]
): Promise<CompiledApp[] | undefined> {
  const published = appsIn(await publishedJson(writer, namespace, region))
  return published?.flatMap(app => {
    const now = wanted.find(({ name, appId }) => name === app.name && appId === app.appId)
    if (now === undefined) return []
    const secrets = new Map(now.keys.map(({ id, secret }) => [id, secret]))
    return [{ ...app, keys: app.keys.filter(({ id, secret }) => secrets.get(id) === secret) }]
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
