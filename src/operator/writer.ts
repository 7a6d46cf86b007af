/*
Every change the operator makes to the cluster goes through here: refused at once when we are not
the leader, left out when it would change nothing, and remembered in the inventory.
*/

import type { KubeClient } from '../kube/client.ts'
import { KubeError } from '../kube/kube-error.ts'
import type { KubeObject, ObjectName, Resource } from '../kube/resource.ts'
import { isContained } from './compare.ts'
import { resourceOf } from './desired.ts'
import { digestOf } from './digest.ts'
import type { Inventory } from './inventory.ts'
import type { Manifest } from './manifest.ts'
import {
  annotations, fieldManager, globalmasterManager, labels, ownedResources, regionResource,
  statefulSetResource
} from './names.ts'
import type { Component } from './names.ts'
import type { RealtimeRegion, WorldStatus } from './spec.ts'
import { operatorPart } from './status.ts'

/** Another replica acts now; whatever was under way ends here. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError'
  constructor () { super('this operator is not the leader') }
}

export type Applied =
  | { outcome: 'unchanged', object: KubeObject }
  | { outcome: 'created' | 'updated', object: KubeObject }
  /** An immutable field differs; the object is gone, its pods are not: the next pass makes it. */
  | { outcome: 'replaced' }
  /** An object of that name belongs to somebody else, and stays as it is. */
  | { outcome: 'clash' }
  /** The server will not have it: invalid, forbidden, over quota. */
  | { outcome: 'refused', message: string }

export interface WriterOptions {
  client: KubeClient
  inventory: Inventory
  isLeader: () => boolean
  /** Now, as written into objects. */
  now: () => string
}

export class Writer {
  readonly #options: WriterOptions

  constructor (options: WriterOptions) {
    this.#options = options
  }

  /**
   * Makes the cluster hold `manifest`, which carries its owner. Throws `KubeError` when the server
   * could not be asked, `NotLeaderError` when it must not be.
   */
  async apply (manifest: Manifest): Promise<Applied> {
    const resource = resourceOf(manifest)
    const live = await this.find(resource, manifest)
    if (live !== undefined && !isOwnedBy(live, ownerUidOf(manifest))) return { outcome: 'clash' }
    if (live !== undefined && isApplied(manifest, live)) {
      return { outcome: 'unchanged', object: live }
    }
    try {
      const object = await this.#client().apply<KubeObject>(
        resource, manifest, { fieldManager, force: true }
      )
      this.#options.inventory.noteWritten(resource, object)
      return { outcome: live === undefined ? 'created' : 'updated', object }
    } catch (error) {
      if (!(error instanceof KubeError)) throw error
      if (live !== undefined && isImmutableField(error)) {
        await this.remove(resource, live, 'Orphan')
        return { outcome: 'replaced' }
      }
      if (error.status === 422 || error.status === 403 || error.status === 400) {
        return { outcome: 'refused', message: error.message }
      }
      throw error
    }
  }

  /**
   * The live object of that name. What the cache does not hold is asked for: it may be there
   * without our label, and then it must not be overwritten.
   */
  async find<T extends KubeObject> (
    resource: Resource, { metadata: { name = '', namespace = '' } }: Pick<KubeObject, 'metadata'>
  ): Promise<T | undefined> {
    const { inventory, client } = this.#options
    return inventory.get<T>(resource, { name, namespace }) ??
      await client.get<T>(resource, { name, namespace })
  }

  /** The object as the server has it, whatever the cache holds. */
  async live<T extends KubeObject> (
    resource: Resource, target: ObjectName
  ): Promise<T | undefined> {
    return await this.#options.client.get<T>(resource, target)
  }

  /**
   * Deletes what `owner` has of these kinds and does not want any more, but for what is of a
   * component that is kept as it is. Returns what was deleted.
   */
  async prune (
    owner: KubeObject, wanted: Manifest[], kept: readonly Component[] = [],
    resources: readonly Resource[] = ownedResources
  ): Promise<KubeObject[]> {
    const { inventory } = this.#options
    const names = new Set(wanted.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
    const components: readonly string[] = kept
    const removed: KubeObject[] = []
    for (const resource of resources) {
      for (const object of inventory.list(resource, `${owner.metadata.namespace}`)) {
        if (!isOwnedBy(object, owner.metadata.uid)) continue
        if (names.has(`${resource.kind}/${object.metadata.name}`)) continue
        if (components.includes(`${object.metadata.labels?.[labels.component]}`)) continue
        if (object.metadata.deletionTimestamp !== undefined) continue
        await this.remove(resource, object, 'Background')
        removed.push(object)
      }
    }
    return removed
  }

  /** Deletes this very object, never one that has taken its name meanwhile. */
  async remove (
    resource: Resource, object: KubeObject, propagation: 'Orphan' | 'Background'
  ): Promise<void> {
    const { name = '', namespace = '', uid = '' } = object.metadata
    await this.#client().remove(
      resource, { name, namespace }, { propagation, preconditions: { uid } }
    )
    this.#options.inventory.noteDeleted(resource, object, this.#options.now())
  }

  /** Sets how many pods a StatefulSet has; the rest of it stays as it was applied. */
  async scale (manifest: Manifest): Promise<void> {
    const object = await this.#client().apply<KubeObject>(
      statefulSetResource, manifest, { fieldManager, force: true }
    )
    this.#options.inventory.noteWritten(statefulSetResource, object)
  }

  /** Writes a status, unless it says what is there already. True when it was written. */
  async status (resource: Resource, object: KubeObject, status: object): Promise<boolean> {
    const { status: before } = object as { status?: object }
    if (digestOf(operatorPart(before)) === digestOf(status)) return false
    await this.#applyStatus(resource, object, status, fieldManager)
    return true
  }

  /** Takes what a globalmaster has left in the status of a region that has none any more. */
  async forgetPeers (region: RealtimeRegion): Promise<void> {
    if (region.status?.peers === undefined && region.status?.syncedPeers === undefined) return
    await this.#applyStatus(regionResource, region, {}, globalmasterManager)
  }

  /**
   * Speaks for a globalmaster that does not: all of its part of a status. Throws `KubeError` where
   * the region is not any more what was looked at.
   */
  async peers (region: RealtimeRegion, status: WorldStatus): Promise<void> {
    const { resourceVersion } = region.metadata
    await this.#applyStatus(
      regionResource, region, status, globalmasterManager, { resourceVersion }
    )
  }

  async #applyStatus (
    resource: Resource, object: KubeObject, status: object, manager: string,
    precondition: { resourceVersion?: string | undefined } = {}
  ): Promise<void> {
    const { apiVersion, kind, metadata: { name, namespace } } = object
    const metadata = { name, namespace, ...precondition }
    const patch = { apiVersion, kind, metadata, status } as KubeObject
    const written = await this.#client().apply<KubeObject>(
      resource, patch, { fieldManager: manager, force: true, subresource: 'status' }
    )
    this.#options.inventory.noteWritten(resource, written)
  }

  #client (): KubeClient {
    if (!this.#options.isLeader()) throw new NotLeaderError()
    return this.#options.client
  }
}

/** True when the live object holds all of the manifest, and nothing we applied before it. */
export function isApplied (manifest: Manifest, live: KubeObject): boolean {
  const digest = (object: KubeObject) => object.metadata.annotations?.[annotations.applied]
  return digest(manifest) === digest(live) && isContained(manifest, live)
}

export function isOwnedBy (object: KubeObject, uid: string | undefined): boolean {
  return uid !== undefined && (object.metadata.ownerReferences ?? []).some(
    reference => reference.controller === true && reference.uid === uid
  )
}

function ownerUidOf (manifest: Manifest): string | undefined {
  return manifest.metadata.ownerReferences?.[0]?.uid
}

/** The server's answer to a change of what a StatefulSet (or a RoleBinding) may never change. */
function isImmutableField (error: KubeError): boolean {
  return error.status === 422 &&
    /updates to statefulset spec for fields other than|cannot change roleRef/.test(error.message)
}
