/*
What the operator knows of the cluster: one list-watch per kind, and on top of it what it has just
written itself. A cache lags behind our own writes; a decision made on it would be made twice (a
second pod deleted, a scale-down undone). So an object we wrote stays as we wrote it until the
cache has caught up, and a pod we deleted counts as leaving.
*/

import { ListWatch } from '../kube/list-watch.ts'
import type { ChangeEvent, ListWatchMetrics } from '../kube/list-watch.ts'
import type { KubeClient } from '../kube/client.ts'
import { keyOf } from '../kube/resource.ts'
import type { KubeObject, ObjectName, Resource } from '../kube/resource.ts'
import {
  appResource, labels, ownedResources, ownedSelector, podResource, regionResource
} from './names.ts'

export interface InventoryOptions {
  client: KubeClient
  /** Absent: every namespace. */
  namespace?: string
  onChange: (resource: Resource, event: ChangeEvent<KubeObject>) => void
  onProblem: (resource: Resource, during: string, error: unknown) => void
  metricsOf?: (resource: Resource) => ListWatchMetrics
}

const watched: Array<{ resource: Resource, labelSelector?: string }> = [
  { resource: regionResource },
  { resource: appResource },
  { resource: podResource, labelSelector: `${labels.component}=node,${labels.region}` },
  ...ownedResources.map(resource => ({ resource, labelSelector: ownedSelector }))
]

export class Inventory {
  readonly #watches = new Map<string, ListWatch<KubeObject>>()
  /** By plural and key: newer than the cache, as far as we know. */
  readonly #written = new Map<string, KubeObject>()
  /** Uids of objects we have deleted and the cache still shows as whole. */
  readonly #deletedAt = new Map<string, string>()

  constructor (options: InventoryOptions) {
    for (const { resource, labelSelector } of watched) {
      this.#watches.set(resource.plural, new ListWatch<KubeObject>({
        client: options.client,
        resource,
        ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        onChange: event => {
          this.#forgetIfSeen(resource, event)
          options.onChange(resource, event)
        },
        onProblem: problem => options.onProblem(resource, problem.during, problem.error),
        ...(options.metricsOf === undefined ? {} : { metrics: options.metricsOf(resource) })
      }))
    }
  }

  start (): void {
    for (const watch of this.#watches.values()) watch.start()
  }

  stop (): void {
    for (const watch of this.#watches.values()) watch.stop()
  }

  /** Settles when every kind has been listed once: only then does absence mean anything. */
  async synced (): Promise<void> {
    await Promise.all([...this.#watches.values()].map(watch => watch.synced))
  }

  get<T extends KubeObject> (resource: Resource, target: ObjectName): T | undefined {
    const cached = this.#watch(resource).get(target)
    const written = this.#written.get(keyIn(resource, target))
    return this.#withDeletion(newer(cached, written)) as T | undefined
  }

  /** Objects of a kind in a namespace (in all that are watched), those just written included. */
  list<T extends KubeObject> (resource: Resource, namespace?: string): T[] {
    const found = new Map<string, KubeObject>()
    for (const object of this.#watch(resource).list()) {
      const isMeant = namespace === undefined || object.metadata.namespace === namespace
      if (isMeant) found.set(keyOf(object), object)
    }
    const prefix = `${resource.plural}/${namespace === undefined ? '' : `${namespace}/`}`
    for (const [key, written] of this.#written) {
      if (!key.startsWith(prefix)) continue
      const chosen = newer(found.get(keyOf(written)), written)
      if (chosen !== undefined) found.set(keyOf(written), chosen)
    }
    return [...found.values()].map(object => this.#withDeletion(object)) as T[]
  }

  /** Remembers an object as the server returned it from our write. */
  noteWritten (resource: Resource, object: KubeObject): void {
    const cached = this.#watch(resource).get(nameOf(object))
    if (newer(cached, object) === object && object !== cached) {
      this.#written.set(keyIn(resource, nameOf(object)), object)
    }
  }

  /** Remembers that an object was deleted, at a time written as in the API. */
  noteDeleted (resource: Resource, object: KubeObject, at: string): void {
    this.#written.delete(keyIn(resource, nameOf(object)))
    const { uid } = object.metadata
    if (uid !== undefined && this.#watch(resource).getByUid(uid) !== undefined) {
      this.#deletedAt.set(uid, at)
    }
  }

  #watch (resource: Resource): ListWatch<KubeObject> {
    const watch = this.#watches.get(resource.plural)
    if (watch === undefined) throw new Error(`${resource.plural} are not watched`)
    return watch
  }

  #withDeletion (object: KubeObject | undefined): KubeObject | undefined {
    const at = object === undefined ? undefined : this.#deletedAt.get(`${object.metadata.uid}`)
    if (object === undefined || at === undefined) return object
    return { ...object, metadata: { deletionTimestamp: at, ...object.metadata } }
  }

  #forgetIfSeen (resource: Resource, event: ChangeEvent<KubeObject>): void {
    const { object } = event
    const key = keyIn(resource, nameOf(object))
    const written = this.#written.get(key)
    const isOver = event.type === 'DELETED'
    if (written !== undefined && (isOver || newer(object, written) === object)) {
      this.#written.delete(key)
    }
    if (isOver || object.metadata.deletionTimestamp !== undefined) {
      this.#deletedAt.delete(`${object.metadata.uid}`)
    }
  }
}

/** True when a change touches only the status: nobody but its writer needs to act on it. */
export function isStatusOnly (event: ChangeEvent<KubeObject>): boolean {
  if (event.type !== 'MODIFIED') return false
  const [before, after] = [event.previous.metadata, event.object.metadata]
  return after.generation !== undefined && before.uid === after.uid &&
    before.generation === after.generation &&
    before.deletionTimestamp === after.deletionTimestamp &&
    sameJson(before.labels, after.labels) && sameJson(before.annotations, after.annotations) &&
    sameJson(before.ownerReferences, after.ownerReferences)
}

function sameJson (a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function nameOf (object: KubeObject): ObjectName {
  const { name = '', namespace } = object.metadata
  return namespace === undefined ? { name } : { name, namespace }
}

function keyIn (resource: Resource, { namespace, name }: ObjectName): string {
  return `${resource.plural}/${namespace ?? ''}/${name}`
}

/** Resource versions of one resource grow, as whole numbers. Equal versions: the first one. */
function newer (
  a: KubeObject | undefined, b: KubeObject | undefined
): KubeObject | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const [left, right] = [a, b].map(object => BigInt(object.metadata.resourceVersion ?? '0'))
  return left !== undefined && right !== undefined && right > left ? b : a
}
