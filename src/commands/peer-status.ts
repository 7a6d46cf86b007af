/**
 * What a globalmaster reports, as it stands in the status of its region; and who writes it there.
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { KubeClient } from '../kube/client.ts'
import { mergeConditions } from '../operator/conditions.ts'
import { digestOf } from '../operator/digest.ts'
import { apiVersion, globalmasterManager, regionResource } from '../operator/names.ts'
import type { PeerStatus, RealtimeRegion, WorldStatus } from '../operator/spec.ts'
import type { FormerPeer, PeerReport } from '../region/globalmaster-ports.ts'

const RETRY_MS = 1_000
const RETRY_MAX_MS = 30_000
const CALL_MS = 5_000

/** When it was judged: the generation of the spec, and the time in ms since the Unix epoch. */
export interface Judged {
  readonly generation: number
  readonly wallMs: number
}

/**
 * The status that follows from reports and from the one before: what is not known yet leaves what
 * was said before as it is.
 */
export function worldStatusOf(
  reports: readonly PeerReport[], former: readonly PeerStatus[], judged: Judged
): WorldStatus {
  const before = new Map(former.map((peer) => [peer.region, peer]))
  const peers = reports.map((report) => peerStatusOf(report, before.get(report.region), judged))
  const participating = peers.filter((peer) => statusOf(peer, 'NotParticipating') !== 'True')
  const synced = participating.filter((peer) => statusOf(peer, 'Synced') === 'True')
  return { peers, syncedPeers: `${synced.length}/${participating.length}` }
}

function statusOf({ conditions = [] }: PeerStatus, type: string): string | undefined {
  return conditions.find((condition) => condition.type === type)?.status
}

function peerStatusOf(
  report: PeerReport, former: PeerStatus | undefined, { generation, wallMs }: Judged
): PeerStatus {
  const { region, object, ringUid, endpoint, isDraining, isInWorld } = report
  const { heardAgoMs, roundTripMs, lagMs } = report
  const conditions = former?.conditions ?? []
  // That nobody judged is over, whatever is known yet.
  const said = new Set(
    conditions.filter(({ reason }) => reason !== 'NotJudged').map(({ type }) => type))
  const judgements = report.judgements.filter(({ type, reason }) =>
    reason !== 'NotHeardYet' || !said.has(type))
  const lastHeardTime = heardAgoMs === undefined ? former?.lastHeardTime
    : timeOf(wallMs - heardAgoMs)
  return {
    region,
    ...(object !== undefined && { object }),
    ...(ringUid !== undefined && { ringUID: ringUid }),
    ...(endpoint !== '' && { endpoint }),
    ...(isDraining && { isDraining }),
    isInWorld,
    ...(lastHeardTime !== undefined && { lastHeardTime }),
    ...(roundTripMs !== undefined && { roundTripMs }),
    ...(lagMs !== undefined && { lagMs }),
    conditions: mergeConditions(conditions, [...judgements], generation, timeOf(wallMs))
  }
}

/** As the API writes it, in whole seconds. */
function timeOf(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** What a status says of the peers, at `wallMs`: where a new leader begins. */
export function formerPeersOf({ peers = [] }: WorldStatus, wallMs: number): FormerPeer[] {
  return peers.map(({ region, object, ringUID, isInWorld, lastHeardTime }) => {
    const heardAtMs = Date.parse(lastHeardTime ?? '')
    // Who wrote it may have had a clock that is ahead of ours.
    const heardAgoMs = Number.isNaN(heardAtMs) ? undefined : Math.max(0, wallMs - heardAtMs)
    return { region, object, ringUid: ringUID, isInWorld: isInWorld === true, heardAgoMs }
  })
}

export interface PeerStatusPorts {
  readonly client: KubeClient
  readonly region: { readonly namespace: string, readonly name: string }
  /** Asked before every write. */
  isLeader(): boolean
  /** Now, in ms since the Unix epoch. */
  wallMs(): number
  note(text: string): void
  onWritten?(): void
}

/** Writes the latest report, and nothing where it says what is there already. */
export class PeerStatusWriter {
  readonly #ports: PeerStatusPorts
  #latest: { readonly reports: readonly PeerReport[], readonly generation: number } | undefined
  #isWriting = false

  constructor(ports: PeerStatusPorts) {
    this.#ports = ports
  }

  /** What is there now; asks for as long as it takes, unless leadership is lost. */
  async read(): Promise<WorldStatus> {
    for (let attempt = 0; this.#ports.isLeader(); attempt++) {
      try {
        return (await this.#region())?.status ?? {}
      } catch (error) {
        this.#note('read', error)
        await pauseAfter(attempt)
      }
    }
    return {}
  }

  /**
   * Whether the region is gone or being deleted, for certain. What it names as its world may be
   * held, or not applied yet: its nodes go on in the former one.
   */
  async isGone(): Promise<boolean> {
    try {
      const live = await this.#region()
      return live === undefined || live.metadata.deletionTimestamp !== undefined
    } catch (error) {
      this.#note('read', error)
      return false
    }
  }

  write(reports: readonly PeerReport[], generation: number): void {
    this.#latest = { reports, generation }
    if (!this.#isWriting) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    for (let attempt = 0; this.#latest !== undefined && this.#ports.isLeader();) {
      const { reports, generation } = this.#latest
      try {
        await this.#writeOnce(reports, generation)
        attempt = 0
        if (this.#latest.reports === reports) this.#latest = undefined
      } catch (error) {
        this.#note('write', error)
        await pauseAfter(attempt++)
      }
    }
    this.#isWriting = false
  }

  async #writeOnce(reports: readonly PeerReport[], generation: number): Promise<void> {
    const { client, region, onWritten } = this.#ports
    const live = await this.#region()
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) return
    const { peers = [], syncedPeers } = live.status ?? {}
    const status = worldStatusOf(reports, peers, { generation, wallMs: this.#ports.wallMs() })
    if (digestOf(status) === digestOf({ peers, syncedPeers })) return
    if (!this.#ports.isLeader()) return
    const patch = { apiVersion, kind: regionResource.kind, metadata: region, status }
    await client.apply(regionResource, patch, {
      fieldManager: globalmasterManager, force: true, subresource: 'status', timeoutMs: CALL_MS
    })
    onWritten?.()
  }

  #region(): Promise<RealtimeRegion | undefined> {
    const { client, region } = this.#ports
    return client.get<RealtimeRegion>(regionResource, region, { timeoutMs: CALL_MS })
  }

  #note(what: string, error: unknown): void {
    this.#ports.note(`cannot ${what} the status of the region: ${String((error as Error).message)}`)
  }
}

async function pauseAfter(attempt: number): Promise<void> {
  await pause(Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** attempt))
}
