/*
What a globalmaster says of other regions stands in the status of its own for as long as nobody
says something else. While there is no globalmaster that would be what was true once, so the
operator says that nobody knows; whoever leads next writes over it.

Whether one acts shows in its Lease alone: one that is not ready, for its NATS is away, may judge
all the same, and one that is ready may not.
*/

import type { KubeObject } from '../kube/resource.ts'
import { conditionCatalogue, mergeConditions } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import { digestOf } from './digest.ts'
import {
  deploymentResource, leaseResource, regionNames, regionResource
} from './names.ts'
import type { Outlook, PassContext } from './pass.ts'
import type { Deployment } from './plan.ts'
import type { RealtimeRegion, WorldStatus } from './spec.ts'

/** A new leader is there, and has said its first word, in half of that. */
export const unjudgedAfterMs = 60_000

/** A Lease that is renewed, or is no more, is no event, and whoever is ready may judge or not. */
const lookMs = 120_000

interface Lease extends KubeObject {
  spec?: { holderIdentity?: string, renewTime?: string }
}

/** For how long Leases have been seen to stand still: no two clocks are compared. */
export class LeaseAges {
  readonly #nowMs: () => number
  /** By namespace/name. */
  readonly #seen = new Map<string, { record: string, sinceMs: number }>()

  /** `nowMs` is monotonic. */
  constructor (nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** In ms, since this Lease was first seen as it is now; one that is not there ages as well. */
  ageMs (key: string, lease: Lease | undefined): number {
    const { holderIdentity, renewTime } = lease?.spec ?? {}
    const record = `${lease?.metadata.uid} ${holderIdentity} ${renewTime}`
    const nowMs = this.#nowMs()
    const seen = this.#seen.get(key)
    if (seen?.record === record) return nowMs - seen.sinceMs
    this.#seen.set(key, { record, sinceMs: nowMs })
    return 0
  }

  forget (key: string): void {
    this.#seen.delete(key)
  }
}

/**
 * Takes back what a status says of peers, once nobody has judged them for a while. Throws when the
 * API server could not be asked. Says when to look again, while there are peers.
 */
export async function takeBackPeers (
  context: PassContext, namespace: string, name: string
): Promise<Outlook> {
  const { inventory, writer, leases, peersUnjudgedAfterMs, now } = context
  const region = inventory.get<RealtimeRegion>(regionResource, { namespace, name })
  const { peers, syncedPeers } = region?.status ?? {}
  const target = { namespace, name: regionNames(name).globalmaster }
  const key = `${namespace}/${target.name}`
  const isLeaving = region?.metadata.deletionTimestamp !== undefined
  if (region === undefined || isLeaving || (peers ?? syncedPeers) === undefined) {
    leases.forget(key)
    return {}
  }
  const ageMs = leases.ageMs(key, inventory.get<Lease>(leaseResource, target))
  if (ageMs < peersUnjudgedAfterMs) {
    const deployment = inventory.get<Deployment>(deploymentResource, target)
    const isReady = (deployment?.status?.readyReplicas ?? 0) > 0
    return { afterMs: isReady ? lookMs : peersUnjudgedAfterMs - ageMs }
  }
  const status = unjudged({ ...region.status }, region.metadata.generation ?? 0, now())
  if (digestOf(status) === digestOf({ peers, syncedPeers })) return { afterMs: lookMs }
  // By a cache that lags, what has just been said would be taken back.
  const lease = await writer.live<Lease>(leaseResource, target)
  if (leases.ageMs(key, lease) === 0) return { afterMs: peersUnjudgedAfterMs }
  await writer.peers(region, status)
  return { afterMs: lookMs }
}

const message = 'the globalmaster of this region is away: nobody judges'

/** The same peers, with nothing said of how they are. */
export function unjudged (
  { peers = [], syncedPeers = '' }: WorldStatus, generation: number, now: string
): WorldStatus {
  const judgements: Judgement[] = Object.keys(conditionCatalogue.peer).map(
    type => ({ type, status: 'Unknown', reason: 'NotJudged', message }))
  return {
    peers: peers.map(({ roundTripMs: _, lagMs: __, ...peer }) => ({
      ...peer, conditions: mergeConditions(peer.conditions, judgements, generation, now)
    })),
    syncedPeers: `?/${syncedPeers.slice(syncedPeers.indexOf('/') + 1)}`
  }
}
