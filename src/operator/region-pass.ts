/*
One look at one RealtimeRegion: apply what the spec says, take the one next step, say how it is.

    read ─▶ paused? ─▶ invalid? ─▶ facts ─▶ apply ─▶ prune ─▶ plan ─▶ step ─▶ status

Each stage either goes on or ends the pass with a condition; whatever happens, the status is the
last thing written, and the next pass starts from the world as it then is.
*/

import type { KubeObject } from '../kube/resource.ts'
import { appsExcess, appsJsonOf } from './apps.ts'
import { onRegion } from './conditions.ts'
import { desiredManifests, natsSecretOf, secretEntries } from './desired.ts'
import type { Facts } from './desired.ts'
import { digestOf } from './digest.ts'
import { askAll } from './draining.ts'
import { compileApps } from './keyring.ts'
import type { Manifest } from './manifest.ts'
import {
  annotations, deploymentResource, labels, podResource, regionNames, regionResource, ringResource,
  secretResource, statefulSetResource
} from './names.ts'
import { imageOfNodes } from './node-manifests.ts'
import type { NatsCredentials } from './node-manifests.ts'
import { refusal } from './pass.ts'
import type { Outlook, PassContext, Refusal } from './pass.ts'
import { nextStep, replicasOf } from './plan.ts'
import type { Deployment, Pod, Situation, StatefulSet } from './plan.ts'
import { describeViolations, parseRegion } from './spec.ts'
import type { RealtimeRegion, RegionSpec, RegionStatus } from './spec.ts'
import { refusedStatus, regionStatus } from './status.ts'
import { takeStep } from './steps.ts'
import { gatherWorld } from './world-facts.ts'

/** Nobody tells the operator how many clients are left. */
const drainingLookMs = 5_000

/** Moves one region one step towards its spec. Throws when the API server could not be asked. */
export async function reconcileRegion (
  context: PassContext, namespace: string, name: string
): Promise<Outlook> {
  const { inventory } = context
  const region = inventory.get<RealtimeRegion>(regionResource, { namespace, name })
  if (region === undefined || region.metadata.deletionTimestamp !== undefined) return {}
  if (region.metadata.annotations?.[annotations.paused] === 'true') {
    return await pause(context, region)
  }
  const parsed = parseRegion(region, inForceOf(context, region))
  if (!parsed.isValid) {
    return await refuse(context, region, refusal(
      'SpecInvalid', describeViolations(parsed.violations)
    ))
  }
  const { spec } = parsed
  const facts = await gatherFacts(context, region, spec)
  if ('judgement' in facts) return await refuse(context, region, facts)
  const build = (replicas: number) => desiredManifests(
    region, spec, { ...facts, replicas }, context.defaults
  )
  const trouble = await applyAll(context, region, build(facts.replicas))
  if (trouble !== undefined) return await refuse(context, region, trouble)
  return await advance(context, region, spec, build)
}

async function advance (
  context: PassContext, region: RealtimeRegion, spec: RegionSpec,
  build: (replicas: number) => Manifest[]
): Promise<Outlook> {
  const { inventory, writer, defaults } = context
  const { name = '', namespace = '' } = region.metadata
  const situation = situationOf(context, region, spec)
  const step = nextStep(situation)
  const taken = await takeStep(context, region, step, replicas => {
    const manifest = build(replicas).find(
      ({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === name
    )
    if (manifest === undefined) throw new Error('a region without a StatefulSet')
    return manifest
  })
  const seen = {
    ...situationOf(context, region, spec),
    step,
    nats: inventory.get<StatefulSet>(
      statefulSetResource, { namespace, name: regionNames(name).nats }
    ),
    relay: inventory.get<StatefulSet>(
      statefulSetResource, { namespace, name: regionNames(name).relay }
    ),
    globalmaster: inventory.get<Deployment>(
      deploymentResource, { namespace, name: regionNames(name).globalmaster }
    ),
    drain: await askAll(context, situation.pods, spec.world),
    ...(taken.refusal === undefined ? {} : { refusal: taken.refusal })
  }
  const status: RegionStatus = {
    ...regionStatus(region, spec, imageOfNodes({ spec, defaults }), seen, context.now()),
    ...(taken.rollout === undefined ? {} : { rollout: taken.rollout })
  }
  if (await writer.status(regionResource, region, status)) {
    tellOfChange(context, region, status)
  }
  if (spec.world === undefined) await writer.forgetPeers(region)
  return {
    afterMs: seen.drain === undefined ? taken.afterMs : Math.min(taken.afterMs, drainingLookMs)
  }
}

function inForceOf (
  { inventory }: PassContext, region: RealtimeRegion
): { region?: string, partitionCount?: number } {
  const { name = '', namespace = '' } = region.metadata
  const ring = inventory.get<KubeObject & { spec?: { partitionCount?: number } }>(
    ringResource, { namespace, name }
  )
  const partitionCount = ring?.spec?.partitionCount
  const identifier = region.status?.region
  return {
    ...(identifier === undefined ? {} : { region: identifier }),
    ...(partitionCount === undefined ? {} : { partitionCount })
  }
}

function situationOf (
  { inventory }: PassContext, region: RealtimeRegion, spec: RegionSpec
): Situation {
  const { name = '', namespace = '' } = region.metadata
  return {
    wanted: spec.nodes,
    statefulSet: inventory.get<StatefulSet>(statefulSetResource, { namespace, name }),
    pods: inventory.list<Pod>(podResource, namespace).filter(
      ({ metadata }) => metadata.labels?.[labels.region] === name &&
        metadata.ownerReferences?.some(({ kind }) => kind === 'StatefulSet') === true
    )
  }
}

async function gatherFacts (
  context: PassContext, region: RealtimeRegion, spec: RegionSpec
): Promise<Facts | Refusal> {
  const { writer, inventory } = context
  const { name = '', namespace = '' } = region.metadata
  const apps = await compileApps(writer, inventory, namespace, name)
  const appsJson = appsJsonOf(apps)
  const excess = appsExcess(appsJson)
  if (excess !== undefined) {
    return refusal('AppsTooLarge', `the ${apps.length} apps of the region do not fit in one ` +
      `Secret (${excess}); use another region`)
  }
  const replicas = replicasOf(situationOf(context, region, spec))
  const world = spec.world === undefined
    ? undefined
    : await gatherWorld(context, region, spec, spec.world, apps)
  if (world !== undefined && 'judgement' in world) return world
  const common = { replicas, appsJson, ...(world === undefined ? {} : { world }) }
  const none = { credentials: 'none', digest: '' } as const
  if (spec.nats.type === 'External') {
    const externalNats = await externalNatsOf(context, namespace, spec.nats.external.secretName)
    return 'judgement' in externalNats
      ? externalNats
      : { ...common, natsSecret: {}, externalNats }
  }
  const existing = await writer.find<KubeObject>(
    secretResource, { metadata: { name: regionNames(name).natsSecret, namespace } }
  )
  const natsSecret = natsSecretOf(secretEntries(existing), context.random)
  return { ...common, natsSecret, externalNats: none }
}

async function externalNatsOf (
  { writer }: PassContext, namespace: string, secretName: string | undefined
): Promise<Facts['externalNats'] | Refusal> {
  if (secretName === undefined) return { credentials: 'none', digest: '' }
  const secret = await writer.find<KubeObject>(
    secretResource, { metadata: { name: secretName, namespace } }
  )
  const entries = secretEntries(secret)
  const credentials = credentialsIn(entries)
  if (secret === undefined || credentials === undefined) {
    const lack = secret === undefined
      ? 'does not exist'
      : 'has neither user and password, nor token, nor nats.creds'
    return refusal('NatsSecretMissing', `Secret ${secretName} ${lack}`)
  }
  return { credentials, digest: digestOf(entries) }
}

function credentialsIn (entries: Record<string, string>): NatsCredentials | undefined {
  if (entries['nats.creds'] !== undefined) return 'file'
  if (entries.user !== undefined && entries.password !== undefined) return 'password'
  return entries.token === undefined ? undefined : 'token'
}

/** Applies every manifest, then removes what is no longer among them. */
async function applyAll (
  context: PassContext, region: RealtimeRegion, manifests: Manifest[]
): Promise<Refusal | undefined> {
  const { writer } = context
  const clashes: string[] = []
  const refused: string[] = []
  let isReplaced = false
  for (const manifest of manifests) {
    const what = `${manifest.kind} ${manifest.metadata.name}`
    const applied = await writer.apply(manifest)
    if (applied.outcome === 'created' || applied.outcome === 'updated') {
      const verb = applied.outcome === 'created' ? 'Created' : 'Updated'
      context.tell(region, 'Normal', verb, 'Apply', `${verb.toLowerCase()} ${what}`)
    }
    if (applied.outcome === 'replaced') {
      isReplaced = true
      context.tell(region, 'Normal', 'Replaced', 'Apply',
        `${what} is made anew for a change of an immutable field; its pods stay`)
    }
    if (applied.outcome === 'clash') clashes.push(what)
    if (applied.outcome === 'refused') refused.push(`${what}: ${applied.message}`)
  }
  for (const object of await writer.prune(region, manifests)) {
    context.tell(region, 'Normal', 'Removed', 'Prune',
      `removed ${object.kind} ${object.metadata.name}`)
  }
  if (clashes.length > 0) {
    return {
      ...refusal('NameClash', `${clashes.join(', ')} exist and belong to somebody else`),
      afterMs: 30_000
    }
  }
  if (refused.length > 0) {
    return { ...refusal('Refused', refused.join('; ')), afterMs: 60_000 }
  }
  return isReplaced
    ? { ...refusal('Refused', 'an object is being made anew'), afterMs: 100 }
    : undefined
}

async function refuse (
  context: PassContext, region: RealtimeRegion, { judgement, afterMs }: Refusal
): Promise<Outlook> {
  const status = refusedStatus(region, judgement, context.now())
  if (await context.writer.status(regionResource, region, status)) {
    context.tell(region, 'Warning', judgement.reason, 'Apply', judgement.message)
  }
  return afterMs === undefined ? {} : { afterMs }
}

async function pause (context: PassContext, region: RealtimeRegion): Promise<Outlook> {
  const message = `the annotation ${annotations.paused} holds the operator back`
  const status = refusedStatus(
    region, onRegion('Paused', true, 'PausedByAnnotation', message), context.now()
  )
  if (await context.writer.status(regionResource, region, status)) {
    context.tell(region, 'Normal', 'Paused', 'Pause', message)
  }
  return {}
}

/** Records events where the region is ready, or not any more, and of how far it drains. */
function tellOfChange (
  context: PassContext, region: RealtimeRegion, status: RegionStatus
): void {
  const conditionIn = (of: RegionStatus | undefined, wanted: string) => of?.conditions?.find(
    ({ type }) => type === wanted
  )
  const [before, after] = [conditionIn(region.status, 'Ready'), conditionIn(status, 'Ready')]
  if (after !== undefined && before?.status !== after.status) {
    const isReady = after.status === 'True'
    context.tell(region, isReady ? 'Normal' : 'Warning',
      isReady ? 'Ready' : 'NotReady', 'Reconcile', after.message)
  }
  const [former, now] = [conditionIn(region.status, 'Draining'), conditionIn(status, 'Draining')]
  if (now === undefined || now.status === 'Unknown') return
  if (now.reason === (former?.reason ?? 'NotAsked')) return
  const isHeld = now.reason === 'NoOtherRegion'
  context.tell(region, isHeld ? 'Warning' : 'Normal', now.reason, 'Drain', now.message)
}
