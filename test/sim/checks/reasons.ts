/**
 * Why a client is told that something may be missing, where regions may lose each other for long:
 * something that was said on the channel and that it has not heard is held no more where it was
 * said; or it comes from elsewhere, or back to a channel, while some region may not answer.
 */

import { limits } from '../../../src/base/limits.ts'
import { channelKey } from '../app.ts'
import { RESUMED, type SimClient } from '../clients.ts'
import type { Committed } from '../committed.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, META, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import { RETENTION_SLACK, wasLetGo } from './retention.ts'

/** After this relays have caught up, and masters that died have heirs. */
const SETTLED_MS = 30_000

export class Reasons {
  readonly #regions: readonly Region[]
  /** By client and channel: since when it is attached without a loss, and what it was told. */
  readonly #told = new Map<string, { readonly sinceMs: number; readonly ids: Set<string> }>()
  /** By region: when its nodes died. */
  readonly #deathsMs = new Map<Region, number[]>()
  /** How many losses were told, by why. */
  readonly counts = new Map<string, number>()

  constructor(regions: readonly Region[]) {
    this.#regions = regions
  }

  /** A node of the region dies, and others master what it did. */
  onDeath(region: Region): void {
    const deathsMs = this.#deathsMs.get(region) ?? []
    this.#deathsMs.set(region, [...deathsMs, region.world.nowMs])
  }

  /** A client is about to take this. */
  onTaking(client: SimClient, socket: SimSocket, message: Wire): void {
    const { channel = '', action, flags = 0, error, id } = message
    const state = client.channels.get(channel)?.state
    const key = `${client.name} ${channel}`
    if (action === Does.DETACHED) this.#told.delete(key)
    else if (action === Does.MESSAGE && message.messages?.[0]?.action !== META) {
      this.#told.get(key)?.ids.add(id!)
    } else if (action === Does.ATTACHED && (state === 'attaching' || state === 'attached')) {
      const told = this.#told.get(key)
      if ((flags & RESUMED) !== 0 && told !== undefined) return
      if (error !== undefined && told !== undefined) this.#mustHaveReason(socket, client, message)
      this.#told.set(key, { sinceMs: this.#regions[0]!.world.nowMs, ids: new Set() })
    }
  }

  #mustHaveReason(socket: SimSocket, client: SimClient, { channel, error }: Wire): void {
    const isBack = client.channels.get(channel!)!.state === 'attaching'
    const region = this.#regions.find(({ sockets }) => sockets.has(socket))!
    const why = this.#whyLost(client, region, channel!, isBack)
    if (why === undefined) {
      throw new Violation('reasons', `${client.name} (${socket.id}) is told of a loss on ` +
        `${channel}: ${error!.message}`)
    }
    const what = `${isBack ? 'back' : 'there'}: ${why}`
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  #whyLost(
    client: SimClient, here: Region, channel: string, isBack: boolean
  ): string | undefined {
    const { ids, sinceMs } = this.#told.get(`${client.name} ${channel}`)!
    const key = channelKey(channel)
    for (const region of this.#regions) {
      const lineage = region.ledger.lineageOf(key)
      const all = region.ledger.of(lineage, key)
      if (all.some((each) => !ids.has(each.id) && isOld(region, each))) return 'held no more'
      const last = all.at(-1)
      if (last !== undefined && wasLetGo(region, lineage, key, last.seq)) return 'let go'
    }
    if (this.#isUnknown(here, key, sinceMs)) return 'its master alone knew of it'
    const isSettled = here.abroad!.isWholeFor(SETTLED_MS)
    return isBack && !isSettled ? 'may not answer' : undefined
  }

  /** Nothing had been said on the channel in the region when a master of it ended. */
  #isUnknown(region: Region, key: string, sinceMs: number): boolean {
    const [first] = region.ledger.of(region.ledger.lineageOf(key), key)
    const firstMs = first?.atMs ?? Infinity
    return (this.#deathsMs.get(region) ?? []).some((atMs) =>
      atMs > sinceMs - SETTLED_MS && firstMs > Math.max(atMs, sinceMs))
  }
}

/** Held no more, or nearly so. */
function isOld({ world }: Region, { atMs, origin }: Committed): boolean {
  return origin === undefined && world.nowMs - atMs > limits.tailMs * RETENTION_SLACK
}
