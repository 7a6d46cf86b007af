/*
One look at one RealtimeRegion: apply what the spec says, take the one next step, say how it is.

    read ─▶ paused? ─▶ invalid? ─▶ facts ─▶ apply ─▶ prune ─▶ plan ─▶ step ─▶ status

Each stage either goes on or ends the pass with a condition; whatever happens, the status is the
last thing written, and the next pass starts from the world as it then is. A region that runs is
not held up by what is wrong with its part in a world: relay and globalmaster stay as they are,
and the condition says so. Only what apps there are is told on. Nor is it by apps that are too
many: its nodes go on with those that they have, but for what was taken away.
*/

import type { KubeObject } from '../kube/resource.ts'
import { appsExcess, appsJsonOf } from './apps.ts'
import type { CompiledApp } from './apps.ts'
import { onRegion } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import { desiredManifests, natsSecretOf, relaySecretOf, secretEntries } from './desired.ts'
import type { Facts } from './desired.ts'
import { digestOf } from './digest.ts'
import { askAll } from './draining.ts'
import { inForceOf } from './in-force.ts'
import { compileApps, keptApps } from './keyring.ts'
import type { Manifest } from './manifest.ts'
import {
  annotations, configMapResource, deploymentResource, labels, podResource, regionNames,
  regionResource, secretResource, statefulSetResource
} from './names.ts'
import type { Component } from './names.ts'
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
import { takeBackPeers } from './unjudged.ts'
import { gatherHeldWorld, gatherWorld, withFormerWorld } from './world-facts.ts'

/** Nobody tells the operator how many clients are left. */
const drainingLookMs = 5_000

/** Moves one region one step towards its spec. Throws when the API server could not be asked. */
export async function reconcileRegion (
  context: PassContext, namespace: string, name: string
): Promise<Outlook> {
  const region = context.inventory.get<RealtimeRegion>(regionResource, { namespace, name })
  const isThere = region !== undefined && region.metadata.deletionTimestamp === undefined
  const outlook = isThere ? await passOver(context, region).catch(async (error: unknown) => {
    // Who judges no more does so too where nothing can be applied. The first error is told.
    await takeBackPeers(context, namespace, name).catch(() => {})
    throw error
  }) : {}
  const ofPeers = await takeBackPeers(context, namespace, name)
  const looks = [outlook, ofPeers].flatMap(({ afterMs }) => afterMs ?? [])
  return looks.length === 0 ? {} : { afterMs: Math.min(...looks) }
}

async function passOver (context: PassContext, region: RealtimeRegion): Promise<Outlook> {
  if (region.metadata.annotations?.[annotations.paused] === 'true') {
    return await pause(context, region)
  }
  const parsed = parseRegion(region, inForceOf(context.inventory, region))
  if (!parsed.isValid) {
    return await refuse(context, region, refusal(
      'SpecInvalid', describeViolations(parsed.violations)
    ))
  }
  const gathered = await gather(context, region, parsed.spec)
  if ('judgement' in gathered) return await refuse(context, region, gathered)
  const { spec, facts, isWorldHeld } = gathered
  const build = (replicas: number) => desiredManifests(
    region, spec, { ...facts, replicas }, context.defaults
  )
  const kept: Component[] = isWorldHeld ? ['relay', 'globalmaster'] : []
  const trouble = await applyAll(context, region, build(facts.replicas), kept)
  if (trouble !== undefined) return await refuse(context, region, trouble)
  return await advance(context, region, gathered, build)
}

async function advance (
  context: PassContext, region: RealtimeRegion, { spec, held }: Gathered,
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
    held,
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

/** What a pass applies. */
interface Gathered {
  /** As people wrote it, but for a world that cannot be had: that is as it was before. */
  spec: RegionSpec
  facts: Facts
  /** Relay and globalmaster stay as they are. */
  isWorldHeld: boolean
  /** What of the spec, or of the apps, is left out, and why. */
  held?: Judgement<'ConfigApplied'>
}

async function gather (
  context: PassContext, region: RealtimeRegion, wanted: RegionSpec
): Promise<Gathered | Refusal> {
  const situation = situationOf(context, region, wanted)
  const gathered = await gatherApps(context, region)
  if ('judgement' in gathered) return gathered
  const { apps, excess } = gathered
  const world = wanted.world === undefined
    ? undefined
    : await gatherWorld(context, region, wanted, wanted.world, apps)
  const isRefused = world !== undefined && 'judgement' in world
  // One that has not begun begins when it can be what it is to be.
  if (isRefused && situation.statefulSet === undefined) return world
  const spec = isRefused ? withFormerWorld(wanted, situation.statefulSet!) : wanted
  const nats = await natsFactsOf(context, region, spec)
  if ('judgement' in nats) return nats
  const facts = { ...nats, replicas: replicasOf(situation), appsJson: appsJsonOf(apps) }
  const tooMuch = excess === undefined ? [] : [excess.judgement]
  if (isRefused) {
    const heldWorldJson = spec.world === undefined
      ? undefined
      : await gatherHeldWorld(context, region, wanted.world!, apps)
    return {
      spec,
      facts: heldWorldJson === undefined ? facts : { ...facts, heldWorldJson },
      isWorldHeld: true,
      ...heldBy([...tooMuch, worldHeld(world, spec)])
    }
  }
  return {
    spec,
    facts: world === undefined ? facts : { ...facts, world },
    isWorldHeld: false,
    ...heldBy(tooMuch)
  }
}

/**
 * The apps that nodes are to be given now; `excess` where these are not all that people wrote.
 * Where nobody knows what they have they must not be told that this is nothing.
 */
async function gatherApps (
  { writer, inventory }: PassContext, { metadata }: RealtimeRegion
): Promise<{ apps: CompiledApp[], excess?: Refusal } | Refusal> {
  const { name = '', namespace = '' } = metadata
  const apps = await compileApps(writer, inventory, namespace, name)
  const bytes = appsExcess(appsJsonOf(apps))
  if (bytes === undefined) return { apps }
  const excess = refusal('AppsTooLarge', `the ${apps.length} apps of the region do not fit in ` +
    `one Secret (${bytes}); use another region; until then nodes learn of nothing new, and only ` +
    'what is taken away is')
  const kept = await keptApps(writer, namespace, name, apps)
  return kept === undefined ? excess : { apps: kept, excess }
}

/** One judgement that says what all of these say. */
function heldBy (
  judgements: readonly Judgement<'ConfigApplied'>[]
): { held?: Judgement<'ConfigApplied'> } {
  const [first, ...others] = judgements
  if (first === undefined) return {}
  const message = [first, ...others].map(each => each.message).join('; ')
  return { held: { ...first, message } }
}

function worldHeld (
  { judgement }: Refusal, { world }: RegionSpec
): Judgement<'ConfigApplied'> {
  const meanwhile = world === undefined
    ? 'it goes on without a world'
    : 'relay and globalmaster stay as they were'
  return { ...judgement, message: `${judgement.message}; until then ${meanwhile}` }
}

type NatsFacts = Pick<Facts, 'natsSecret' | 'externalNats' | 'relaySecret'>

async function natsFactsOf (
  context: PassContext, { metadata }: RealtimeRegion, { nats, world }: RegionSpec
): Promise<NatsFacts | Refusal> {
  const { writer, random } = context
  const { name = '', namespace = '' } = metadata
  if (nats.type === 'External') {
    const externalNats = await externalNatsOf(context, namespace, nats.external.secretName)
    return 'judgement' in externalNats
      ? externalNats
      : { natsSecret: {}, externalNats, relaySecret: {} }
  }
  const entriesOf = async (secretName: string) => secretEntries(await writer.find<KubeObject>(
    secretResource, { metadata: { name: secretName, namespace } }
  ))
  const names = regionNames(name)
  return {
    natsSecret: natsSecretOf(await entriesOf(names.natsSecret), random),
    externalNats: { credentials: 'none', digest: '' },
    relaySecret: world === undefined ? {} : relaySecretOf(await entriesOf(names.relay), random)
  }
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

/** Applies every manifest, and removes what is no longer among them and not of what is kept. */
async function applyAll (
  context: PassContext, region: RealtimeRegion, manifests: Manifest[], kept: Component[]
): Promise<Refusal | undefined> {
  const { writer } = context
  const clashes: string[] = []
  const refused: string[] = []
  let isReplaced = false
  // A globalmaster says that its region leaves when its ConfigMap goes: while NATS is as it was.
  const removed = await writer.prune(region, manifests, kept, [configMapResource])
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
  removed.push(...await writer.prune(region, manifests, kept))
  for (const object of removed) {
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

/** Records events where the region is ready, or is not, what it lacks, and how far it drains. */
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
  const [lackBefore, lack] = [region.status, status].map(of => conditionIn(of, 'ConfigApplied'))
  if (lack?.status === 'False' && lack.message !== lackBefore?.message) {
    context.tell(region, 'Warning', lack.reason, 'Apply', lack.message)
  }
  const [former, now] = [conditionIn(region.status, 'Draining'), conditionIn(status, 'Draining')]
  if (now === undefined || now.status === 'Unknown') return
  if (now.reason === (former?.reason ?? 'NotAsked')) return
  const isHeld = now.reason === 'NoOtherRegion'
  context.tell(region, isHeld ? 'Warning' : 'Normal', now.reason, 'Drain', now.message)
}
