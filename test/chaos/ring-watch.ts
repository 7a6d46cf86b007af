/** The ring of a region as the API tells it: every view, and when it was first seen. */

import { partitionOf } from '../../src/base/hash.ts'
import { RINGS } from '../../src/commands/kube-access.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject, ObjectName } from '../../src/kube/resource.ts'
import { masterOf, type View, viewFromStatus } from '../../src/ring/view.ts'
import type { Closing } from '../support/ably-clients.ts'
import { until } from './patience.ts'

const VIEW_MS = 200

/** One view, and when it was first seen in the API. */
export interface Seen {
  readonly atMs: number
  readonly view: View
}

interface Ring extends KubeObject {
  readonly spec: { readonly partitionCount: number }
  readonly status?: object
}

export class RingWatch {
  /** All views so far. */
  readonly views: Seen[] = []
  readonly #client: KubeClient
  readonly #target: ObjectName
  readonly #appId: string

  constructor(client: KubeClient, target: ObjectName, appId: string) {
    this.#client = client
    this.#target = target
    this.#appId = appId
  }

  /** Looks again and again, until `t` ends. */
  keepLooking(t: Closing): void {
    const looking = setInterval(() => {
      // The API is away only while a fault has it so, or at the end, when nobody asks any more.
      void this.view().catch(() => undefined)
    }, VIEW_MS)
    t.teardown(() => clearInterval(looking))
  }

  /** The newest view; noted among all of them. */
  async view(): Promise<View | undefined> {
    const object = await this.#client.get<Ring>(RINGS, this.#target)
    if (object?.status === undefined) return undefined
    const reading = viewFromStatus(object.status, object.spec)
    if (reading.outcome === 'malformed') throw new Error(`the ring: ${reading.reason}`)
    const { view } = reading
    const last = this.views.at(-1)?.view.version ?? 0
    if (view.version > last) this.views.push({ atMs: performance.now(), view })
    return view
  }

  /** Waits until the ring does not list this incarnation. */
  async untilRemoved(incarnation: string): Promise<View> {
    return await until(`${incarnation} is removed`, async () => {
      const view = await this.view()
      const isListed = view?.members.some((member) => member.incarnation === incarnation)
      return isListed === false && view
    })
  }

  masterOf(channel: string, view: View): string | undefined {
    const partition = partitionOf(`${this.#appId}/${channel}`, view.partitionCount)
    return masterOf(partition, view)?.incarnation
  }
}

/** Why `incarnation` was removed, in the words of whoever proposed it; `logs` are the nodes'. */
export function evidenceIn(logs: string, incarnation: string): string {
  const pattern = new RegExp(`proposing view \\d+: .*?${incarnation} gone \\(([^)]*)\\)`)
  return pattern.exec(logs)?.[1] ?? 'nobody said why'
}
