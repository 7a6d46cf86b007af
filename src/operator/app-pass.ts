/*
One look at one RealtimeApp: its keys are made, and its status says whether the nodes know them.
*/

import type { KubeObject } from '../kube/resource.ts'
import { compileApp, keyEntries, keyProblems, ownsAppId } from './apps.ts'
import { mergeConditions, onApp } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import { keysSecret } from './desired.ts'
import { appsOf, claimOf, keyringOf, lostEntries, publishedApps } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { annotations, appResource, regionResource } from './names.ts'
import type { Outlook, PassContext } from './pass.ts'
import { describeViolations, parseApp } from './spec.ts'
import type { AppSpec, AppStatus, RealtimeApp } from './spec.ts'

/** No watch sees Secrets of others, and what changes there is to be known to nodes in 5 s. */
const foreignLookMs = 2_000

/** What a pass found, for the status. */
interface Finding extends Outlook {
  judgements: Judgement[]
  known?: Partial<AppStatus>
}

/** Moves one app one step towards its spec. Throws when the API server could not be asked. */
export async function reconcileApp (
  context: PassContext, namespace: string, name: string
): Promise<Outlook> {
  const app = context.inventory.get<RealtimeApp>(appResource, { namespace, name })
  if (app === undefined || app.metadata.deletionTimestamp !== undefined) return {}
  const { judgements, known, afterMs } = await examine(context, app)
  const generation = app.metadata.generation ?? 0
  const status: AppStatus = {
    ...app.status,
    ...known,
    observedGeneration: generation,
    conditions: mergeConditions(app.status?.conditions, judgements, generation, context.now())
  }
  if (await context.writer.status(appResource, app, status)) {
    tellOfChange(context, app, judgements)
  }
  return afterMs === undefined ? {} : { afterMs }
}

async function examine (context: PassContext, app: RealtimeApp): Promise<Finding> {
  if (app.metadata.annotations?.[annotations.paused] === 'true') {
    const message = `the annotation ${annotations.paused} holds the operator back`
    return { judgements: [onApp('Paused', true, 'PausedByAnnotation', message)] }
  }
  const parsed = parseApp(app)
  if (!parsed.isValid) {
    return { judgements: notReady('SpecInvalid', describeViolations(parsed.violations)) }
  }
  const { spec } = parsed
  const { writer } = context
  const { namespace = '' } = app.metadata
  const published = await publishedApps(writer, namespace, spec.regionRef.name)
  const before = await keyringOf(writer, app, spec)
  if (before.secret.state === 'foreign') {
    return foreignKeys(context, app, spec, before)
  }
  const lost = before.secret.state === 'absent' ? lostEntries(published, app) : {}
  const appId = spec.appId ??
    (before.secret.state === 'absent' ? app.status?.appId : undefined) ?? before.appId
  const entries = keyEntries(spec, appId, before.secret.entries, lost, context.random)
  const applied = await writer.apply(
    keysSecret(app, spec.regionRef.name, before.secretName, entries)
  )
  if (applied.outcome === 'refused') {
    return { judgements: notReady('KeysUnusable', applied.message), afterMs: 60_000 }
  }
  if (applied.outcome === 'created') {
    context.tell(app, 'Normal', 'KeysMade', 'Reconcile',
      `made ${Object.keys(entries).length} keys in Secret ${before.secretName}`)
  }
  const secret = { ...before.secret, entries }
  return await served(context, app, spec, { ...before, appId, secret })
}

/** Keys in a Secret that a person made: read, never written. */
async function foreignKeys (
  context: PassContext, app: RealtimeApp, spec: AppSpec, keyring: Keyring
): Promise<Finding> {
  if (spec.keysSecretName === undefined) {
    return {
      judgements: notReady('NameClash', `Secret ${keyring.secretName} belongs to somebody else; ` +
        'name it in keysSecretName to use its keys'),
      afterMs: 30_000
    }
  }
  const problems = keyProblems(spec, keyring.appId, keyring.secret.entries)
  const finding = problems.length === 0 ? await served(context, app, spec, keyring) : {
    judgements: notReady('KeysUnusable', `Secret ${keyring.secretName}: ${problems.join('; ')}`)
  }
  return { ...finding, afterMs: foreignLookMs }
}

async function served (
  { writer, inventory, wakeRegion }: PassContext, app: RealtimeApp, spec: AppSpec, keyring: Keyring
): Promise<Finding> {
  const { namespace = '', name = '' } = app.metadata
  const { appId, secretName, secret } = keyring
  const known = { appId, keysSecretName: secretName, keyCount: spec.keys.length }
  const region = spec.regionRef.name
  if (inventory.get(regionResource, { namespace, name: region }) === undefined) {
    return { judgements: notReady('RegionMissing', `no RealtimeRegion ${region}`), known }
  }
  const claims = appsOf(inventory, namespace, region)
    .map(other => claimOf(other === app ? appId : other.status?.appId ?? '', other))
  if (!ownsAppId(claimOf(appId, app), claims)) {
    return { judgements: notReady('AppIdTaken', `another app already has the id ${appId}`), known }
  }
  const published = (await publishedApps(writer, namespace, region))
    .find(other => other.name === name && other.appId === appId)
  const wanted = compileApp(name, spec, appId, secret.entries)
  if (JSON.stringify(published) !== JSON.stringify(wanted)) {
    wakeRegion(namespace, region)
    return { judgements: notReady('NotPublished', 'the nodes have yet to be told'), known }
  }
  return {
    judgements: [
      onApp('Ready', true, 'Served', `${spec.keys.length} keys are served`),
      onApp('Paused', false, 'NotPaused', '')
    ],
    known
  }
}

function notReady (
  reason: Parameters<typeof onApp<'Ready'>>[2], message: string
): Judgement[] {
  return [onApp('Ready', false, reason, message), onApp('Paused', false, 'NotPaused', '')]
}

const warnings = new Set(['SpecInvalid', 'KeysUnusable', 'AppIdTaken', 'NameClash'])

function tellOfChange (context: PassContext, app: KubeObject, judgements: Judgement[]): void {
  for (const { reason, message } of judgements) {
    if (warnings.has(reason)) context.tell(app, 'Warning', reason, 'Reconcile', message)
  }
}
