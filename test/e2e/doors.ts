/**
 * Addresses of this machine's loopback, one for each pod of a region, that lead to whatever pod
 * has the name now: a client goes on knowing a node by its host when the pod is replaced.
 */

import type { Cluster } from '../cluster/cluster.ts'
import type { Target } from '../cluster/gateway.ts'
import type { Closing } from '../support/ably-clients.ts'
import { freePorts } from '../support/server-process.ts'
import { privatePort, publicPort } from '../../src/operator/node-manifests.ts'

/** Of two regions at once. */
let groupCount = 0

export class Doors {
  readonly #group = ++groupCount
  readonly #cluster: Cluster
  /** For the door of a pod, another pod that it leads to. */
  readonly #detours = new Map<number, number>()
  readonly #addressOf: (index: number) => string | undefined
  #publicPort = 0
  #privatePort = 0

  /** `addressOf` says where pod `index` is now, if it is anywhere. */
  constructor(cluster: Cluster, addressOf: (index: number) => string | undefined) {
    this.#cluster = cluster
    this.#addressOf = addressOf
  }

  /** Opens the doors of `count` pods, and one more to `service`, until `t` ends. */
  async open(t: Closing, count: number, service: Target): Promise<void> {
    const [outer = 0, inner = 0] = await freePorts(2)
    this.#publicPort = outer
    this.#privatePort = inner
    const open = async (host: string, port: number, aim: () => Target | undefined) => {
      const forward = await this.#cluster.forward(aim, { host, port })
      t.teardown(() => forward.close())
    }
    for (let index = 0; index < count; index++) {
      const host = this.hostOf(index)
      await open(host, outer, () => this.#target(this.#detours.get(index) ?? index, publicPort))
      await open(host, inner, () => this.#target(index, privatePort))
    }
    await open(this.serviceHost, outer, () => service)
  }

  hostOf(index: number): string {
    return `127.${20 + process.pid % 200}.${100 + this.#group}.${index + 1}`
  }

  /** The door of the Service, which leads anywhere. */
  get serviceHost(): string {
    return this.hostOf(99)
  }

  urlOf(index: number): string {
    return `http://${this.hostOf(index)}:${this.#publicPort}`
  }

  privateUrlOf(index: number): string {
    return `http://${this.hostOf(index)}:${this.#privatePort}`
  }

  /** From now on clients that knock at the door of `index` come to `other`; undefined ends it. */
  detour(index: number, other: number | undefined): void {
    if (other === undefined) this.#detours.delete(index)
    else this.#detours.set(index, other)
  }

  #target(index: number, port: number): Target | undefined {
    const host = this.#addressOf(index)
    return host === undefined ? undefined : { host, port }
  }
}
