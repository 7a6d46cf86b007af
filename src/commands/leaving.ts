/**
 * When a region says that it leaves its world: as soon as the ConfigMap of its globalmaster is
 * gone. The operator deletes that first, and later what the word goes through: the relay, and the
 * link to it. At SIGTERM these have mostly got theirs, too.
 */

import type { KubeClient } from '../kube/client.ts'
import { KubeError } from '../kube/kube-error.ts'
import { regionResource } from '../operator/names.ts'
import type { RealtimeRegion } from '../operator/spec.ts'
import { worldNameOf } from '../operator/world.ts'

const CALL_MS = 5_000

export interface LeavingPorts {
  readonly client: Pick<KubeClient, 'get'>
  readonly region: { readonly namespace: string, readonly name: string }
  /** Whether the ConfigMap ever named a world. */
  isInWorld(): boolean
  /** Says so; called once. */
  leave(): void
}

/** Follows whether there is a ConfigMap, and what its end means. */
export class Leaving {
  readonly #ports: LeavingPorts
  #isConfigMapGone = false
  #hasLeft = false

  constructor(ports: LeavingPorts) {
    this.#ports = ports
  }

  get isConfigMapGone(): boolean {
    return this.#isConfigMapGone
  }

  /** Nothing is said for the region any more. */
  get hasLeft(): boolean {
    return this.#hasLeft
  }

  onConfigMap(): void {
    this.#isConfigMapGone = false
  }

  /** The ConfigMap alone may be gone by mistake: then its region is as it was, and so are we. */
  async onConfigMapGone(): Promise<void> {
    this.#isConfigMapGone = true
    if (!this.#ports.isInWorld() || !await this.#isOutOfIt()) return
    if (!this.#isConfigMapGone || this.#hasLeft) return
    this.#hasLeft = true
    this.#ports.leave()
  }

  /** Another world that the region names may be held: meanwhile it is where it was. */
  async #isOutOfIt(): Promise<boolean> {
    const { client, region } = this.#ports
    try {
      const live = await client.get<RealtimeRegion>(regionResource, region, { timeoutMs: CALL_MS })
      return worldNameOf(live) === undefined || live?.metadata.deletionTimestamp !== undefined
    } catch (error) {
      // Our ServiceAccount or Role is gone, too.
      return error instanceof KubeError && (error.status === 401 || error.status === 403)
    }
  }
}
