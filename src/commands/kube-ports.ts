/**
 * What a node learns from the Kubernetes API: the pods of its region, the RealtimeRing object, and
 * the apps that the operator compiled into one Secret.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { type AppConfig, wholeAppsOf } from '../auth/app.ts'
import type { KubeClient } from '../kube/client.ts'
import {
  isAlreadyExists,
  isConflict,
  isForbidden,
  isInvalid,
  isNotFound
} from '../kube/kube-error.ts'
import { ListWatch } from '../kube/list-watch.ts'
import type { KubeObject } from '../kube/resource.ts'
import type { PodFact, RingReading, RingWriting } from '../node/member-ports.ts'
import type { RingStore } from '../ops/member-pump.ts'
import type { Logger } from '../ops/notes.ts'
import { statusFromView, type View, viewFromStatus } from '../ring/view.ts'
import { appsJsonIn } from '../operator/apps.ts'
import { annotations } from '../operator/names.ts'
import { worldSettingsEntry } from '../operator/world.ts'
import { readWorldSettings } from '../ops/world-settings.ts'
import type { WorldSettings } from '../region/terms.ts'
import { CONFIG_MAPS, type ConfigMap, PODS, RINGS, SECRETS } from './kube-access.ts'
import type { PodWatch, RingIdentity } from './node-runtime.ts'

/** The container of a pod that runs `ringcast node`. */
const NODE_CONTAINER = 'node'
const RETRY_MS = 1_000
const CALL_MS = 5_000

interface ContainerState {
  terminated?: { finishedAt?: string }
}

interface ContainerStatus {
  name: string
  state?: ContainerState
  lastState?: ContainerState
}

interface Pod extends KubeObject {
  status?: {
    phase?: string
    podIP?: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: ContainerStatus[]
  }
}

interface RingObject extends KubeObject {
  spec?: { partitionCount?: number }
  status?: { version?: number }
}

interface Secret extends KubeObject {
  data?: Record<string, string>
}

/** Which objects are ours. */
export interface KubeScope {
  readonly namespace: string
  readonly region: string
  readonly ring: string
  readonly appsSecret: string
  /** The ConfigMap of the region's part in the world. */
  readonly worldSettings?: string | undefined
  /** Written into the ring's status as `updatedBy`. */
  readonly node: string
}

/** The RealtimeRing object as the ring's store: compare-and-swap on its resourceVersion. */
export class KubeRingStore implements RingStore {
  readonly #client: KubeClient
  readonly #scope: KubeScope

  constructor(client: KubeClient, scope: KubeScope) {
    this.#client = client
    this.#scope = scope
  }

  /** Which object it is; waits until somebody (the operator) has made it. */
  async identity(signal: AbortSignal, logger: Logger): Promise<RingIdentity> {
    for (;;) {
      signal.throwIfAborted()
      try {
        const object = await this.#get()
        const { uid, creationTimestamp = '' } = object?.metadata ?? {}
        if (uid !== undefined) return { uid, madeAtMs: Date.parse(creationTimestamp) || 0 }
        logger.warn({ ring: this.#scope.ring }, 'waiting for the RealtimeRing object')
      } catch (error) {
        logger.warn((error as Error).message)
      }
      await pause(RETRY_MS, undefined, { signal })
    }
  }

  async read(): Promise<RingReading> {
    try {
      const object = await this.#get()
      if (object === undefined) return { outcome: 'absent' }
      const resourceVersion = object.metadata.resourceVersion ?? ''
      const partitionCount = object.spec?.partitionCount ?? 0
      if (object.status?.version === undefined) {
        return { outcome: 'found', stored: { resourceVersion, partitionCount, view: undefined } }
      }
      const reading = viewFromStatus(object.status, { partitionCount })
      if (reading.outcome === 'malformed') {
        const { reason } = reading
        return { outcome: 'malformed', resourceVersion, partitionCount, reason }
      }
      return { outcome: 'found', stored: { resourceVersion, partitionCount, view: reading.view } }
    } catch (error) {
      return { outcome: 'failed', reason: (error as Error).message }
    }
  }

  async write(expected: string | undefined, view: View): Promise<RingWriting> {
    if (expected === undefined) {
      return { outcome: 'refused', reason: 'the RealtimeRing object is the operator\'s to make' }
    }
    const { namespace, ring, node } = this.#scope
    const object: RingObject = {
      apiVersion: 'ringcast.dev/v1alpha1',
      kind: 'RealtimeRing',
      metadata: { name: ring, namespace, resourceVersion: expected },
      spec: { partitionCount: view.partitionCount },
      status: statusFromView(view, node, new Date().toISOString())
    }
    try {
      const options = { subresource: 'status', timeoutMs: CALL_MS }
      const stored = await this.#client.replace(RINGS, object, options)
      return { outcome: 'written', resourceVersion: stored.metadata.resourceVersion ?? '' }
    } catch (error) {
      const reason = (error as Error).message
      if (isConflict(error)) return { outcome: 'conflict' }
      const isRefused = isForbidden(error) || isInvalid(error) || isNotFound(error)
      if (isRefused || isAlreadyExists(error)) return { outcome: 'refused', reason }
      return { outcome: 'unknown', reason }
    }
  }

  #get(): Promise<RingObject | undefined> {
    const { namespace, ring } = this.#scope
    return this.#client.get<RingObject>(RINGS, { namespace, name: ring }, { timeoutMs: CALL_MS })
  }
}

/** Watches the pods of the region; `onPods` is given the whole list after every change. */
export function watchPods(
  client: KubeClient,
  scope: KubeScope,
  logger: Logger,
  onPods: (pods: readonly PodFact[]) => void,
  onAway: () => void
): PodWatch {
  let hasSynced = false
  const tell = (): void => {
    if (hasSynced) onPods(facts())
  }
  const facts = (): PodFact[] => watch.list().map(podFact)
  const watch: ListWatch<Pod> = new ListWatch<Pod>({
    client,
    resource: PODS,
    namespace: scope.namespace,
    labelSelector: `ringcast.dev/region=${scope.region},app.kubernetes.io/component=node`,
    onChange: tell,
    onProblem: ({ during, error }) => {
      logger.warn({ during }, `watching pods: ${String((error as Error).message ?? error)}`)
      if (during !== 'handler') onAway()
    },
    metrics: {
      // A list that was read whole brings the API back, even if it changed nothing.
      onRelist: () => queueMicrotask(tell)
    }
  })
  watch.start()
  void watch.synced.then(() => {
    hasSynced = true
    tell()
  })
  return { stop: () => watch.stop(), list: () => watch.relist().then(facts) }
}

/** Watches the one Secret that holds the region's apps. */
export function watchApps(
  client: KubeClient,
  scope: KubeScope,
  logger: Logger,
  onApps: (apps: readonly AppConfig[]) => void
): () => void {
  const { namespace, appsSecret } = scope
  let isThere = false
  let apps: readonly AppConfig[] = []
  const watch = new ListWatch<Secret>({
    client,
    resource: SECRETS,
    namespace,
    fieldSelector: `metadata.name=${appsSecret}`,
    onChange: (event) => {
      // A Secret that is gone is somebody's mistake or a restore under way: the last apps stand.
      if (event.type === 'DELETED') return
      isThere = true
      const read = appsOf(event.object, apps, logger)
      if (read === undefined) return
      apps = read
      onApps(apps)
    },
    onProblem: ({ during, error }) => {
      logger.warn({ during }, `watching apps: ${String((error as Error).message ?? error)}`)
    }
  })
  watch.start()
  void watch.synced.then(() => {
    // One that is there and makes no sense does not say that there are none.
    if (!isThere) onApps([])
  })
  return () => watch.stop()
}

/** Watches the one ConfigMap that says what part the region has in the world. */
export function watchWorldSettings(
  client: KubeClient,
  { namespace, worldSettings }: KubeScope,
  logger: Logger,
  onSettings: (settings: WorldSettings) => void
): () => void {
  const watch = new ListWatch<ConfigMap>({
    client,
    resource: CONFIG_MAPS,
    namespace,
    fieldSelector: `metadata.name=${worldSettings}`,
    onChange: ({ type, object: { data } }) => {
      // What is gone is somebody's mistake: what was said last stands.
      if (type === 'DELETED') return
      try {
        onSettings(readWorldSettings(data?.[worldSettingsEntry] ?? ''))
      } catch (error) {
        const cause = String((error as Error).message)
        logger.warn(`${worldSettingsEntry} is not understood, its last text stands: ${cause}`)
      }
    },
    onProblem: ({ during, error }) => {
      logger.warn({ during }, `watching ${worldSettings}: ${String((error as Error).message)}`)
    }
  })
  watch.start()
  return () => watch.stop()
}

function podFact(pod: Pod): PodFact {
  const { metadata, status } = pod
  const phase = status?.phase ?? 'Unknown'
  return {
    node: metadata.name ?? '',
    uid: metadata.uid ?? '',
    phase,
    isReady: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
      ?? false,
    host: status?.podIP,
    zone: metadata.labels?.['topology.kubernetes.io/zone'] ?? '',
    isTerminating: metadata.deletionTimestamp !== undefined ||
      metadata.annotations?.[annotations.drain] === 'true',
    isTerminated: phase === 'Succeeded' || phase === 'Failed',
    containerEndedAtMs: lastEndOf(status?.containerStatuses ?? [])
  }
}

/** When the node's container last ended, now or in its life before. */
function lastEndOf(containers: readonly ContainerStatus[]): number | undefined {
  const node = containers.find(({ name }) => name === NODE_CONTAINER)
  const ends = [node?.state, node?.lastState]
    .map((state) => Date.parse(state?.terminated?.finishedAt ?? ''))
    .filter((endedAtMs) => !Number.isNaN(endedAtMs))
  return ends.length === 0 ? undefined : Math.max(...ends)
}

/** `known`: the apps before; undefined where nothing can be read. */
function appsOf(
  secret: Secret, known: readonly AppConfig[], logger: Logger
): readonly AppConfig[] | undefined {
  const text = appsJsonIn(secret.data)
  if (text === undefined) {
    logger.warn({ secret: secret.metadata.name }, 'the Secret has no apps.json')
    return undefined
  }
  try {
    const read = wholeAppsOf(JSON.parse(text), known)
    if (read === undefined) logger.warn('apps.json has no list of apps; the last apps stand')
    else if (read.problems.length > 0) {
      const { problems } = read
      logger.warn({ problems }, 'apps that are wrong stand as they were last, if they were')
    }
    return read?.apps
  } catch {
    // The parser's message would quote the text, and the text holds secrets.
    logger.warn('apps.json is not JSON; the last apps stand')
  }
  return undefined
}
