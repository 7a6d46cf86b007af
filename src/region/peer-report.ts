/**
 * What a globalmaster says of another region: four conditions in the Kubernetes style. They are
 * judged from here alone: a region may be out of our reach and in that of others.
 *
 * - Unreachable: nothing of it is heard, or it does not hear us (a link that works one way).
 * - NotParticipating: it is there, and not in our world, or has a name that another one has.
 * - Drift: its apps are not ours, as its globalmaster says, if it was heard of late.
 * - Synced: none of the first two, each holds the other to be in the world, and relays run: our
 *   inboxes are reached from there, and no relay is behind for long, as our own nodes tell.
 *
 * What is not known yet is Unknown; who has said something before lets that stand.
 */

import { exhaustive } from '../base/assert.ts'
import type { FarRing } from './far-ring.ts'
import { globalmasterLimits } from './globalmaster-ports.ts'
import type { RelaysOfAll } from './relay-words.ts'

export type PeerCondition = 'Synced' | 'Unreachable' | 'Drift' | 'NotParticipating'

export interface PeerJudgement {
  readonly type: PeerCondition
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  /** For people. */
  readonly message: string
}

/** Whether a ring is one of the world's. */
export type Participation = 'in' | 'unknown' | 'otherWorld' | 'notInAWorld' | 'nameTaken'

/** What the judgement of a region rests on. */
export interface PeerCase {
  /** Undefined while nothing is known but that there should be one of this name. */
  readonly ring: FarRing | undefined
  readonly participation: Participation
  readonly ownUid: string
  readonly world: string
  readonly apps: ReadonlyMap<string, string>
  readonly areAppsUnknown: boolean
  /** Since when we listen, and since when we speak. */
  readonly listeningSinceMs: number
  readonly speakingSinceMs: number
  readonly unreachableAfterMs: number
  readonly nodesSilentAfterMs: number
}

/** Apps named in a message; of more it says how many. */
const APPS_NAMED_MAX = 5

/** All four conditions. */
export function judgePeer(peer: PeerCase, nowMs: number): PeerJudgement[] {
  const unreachable = unreachableOf(peer, nowMs)
  const notParticipating = notParticipatingOf(peer)
  return [
    syncedOf(peer, unreachable, notParticipating, nowMs), unreachable, driftOf(peer, nowMs),
    notParticipating
  ]
}

/** Whether its globalmaster was heard of late. */
export function isMasterHeard({ ring, unreachableAfterMs }: PeerCase, nowMs: number): boolean {
  return nowMs < (ring?.master?.heardAtMs ?? -Infinity) + unreachableAfterMs
}

function areNodesHeard({ ring, nodesSilentAfterMs }: PeerCase, nowMs: number): boolean {
  return nowMs < (ring?.nodesHeardAtMs ?? -Infinity) + nodesSilentAfterMs
}

function unreachableOf(peer: PeerCase, nowMs: number): PeerJudgement {
  const { ring, listeningSinceMs, speakingSinceMs, unreachableAfterMs } = peer
  const type = 'Unreachable'
  if (isMasterHeard(peer, nowMs)) {
    if (nowMs < ring!.hearsUsAtMs + unreachableAfterMs) {
      return { type, status: 'False', reason: 'Heard', message: 'it is heard and hears us' }
    }
    const sinceMs = Math.max(speakingSinceMs, ring!.master!.firstHeardAtMs, ring!.hearsUsAtMs)
    return nowMs >= sinceMs + unreachableAfterMs
      ? { type, status: 'True', reason: 'HearsUsNot', message: 'it is heard and does not hear us' }
      : notHeardYet(type)
  }
  if (areNodesHeard(peer, nowMs)) {
    return { type, status: 'False', reason: 'Heard', message: 'its nodes are heard' }
  }
  if (nowMs < listeningSinceMs + unreachableAfterMs) return notHeardYet(type)
  return { type, status: 'True', reason: 'Silent', message: 'nothing is heard of it' }
}

function notParticipatingOf({ participation, ring, world }: PeerCase): PeerJudgement {
  const type = 'NotParticipating'
  const message = `it is in the world ${world}`
  switch (participation) {
    case 'in':
      return { type, status: 'False', reason: 'Participates', message }
    case 'unknown':
      return notHeardYet(type)
    case 'otherWorld':
      return {
        type, status: 'True', reason: 'OtherWorld',
        message: `it is in the world ${ring?.master?.world}, not in ${world}`
      }
    case 'notInAWorld':
      return {
        type, status: 'True', reason: 'NotInAWorld',
        message: 'its nodes are heard, and no globalmaster says that it is in a world'
      }
    case 'nameTaken':
      return {
        type, status: 'True', reason: 'NameTaken',
        message: 'it has the name of this region; all others listen to the one that was made later'
      }
    default:
      return exhaustive(participation, 'participation')
  }
}

function driftOf(peer: PeerCase, nowMs: number): PeerJudgement {
  const { ring, apps, listeningSinceMs, unreachableAfterMs } = peer
  const type = 'Drift'
  if (!isMasterHeard(peer, nowMs)) {
    if (nowMs < listeningSinceMs + unreachableAfterMs) return notHeardYet(type)
    const message = 'its globalmaster is not heard, which alone says what apps are there'
    return { type, status: 'Unknown', reason: 'GlobalmasterSilent', message }
  }
  const where = peer.areAppsUnknown ? 'here' : ring!.master!.areAppsUnknown && 'there'
  if (where) {
    const message = `what apps there are ${where} is not known while spec.world is not applied`
    return { type, status: 'Unknown', reason: 'AppsUnknown', message }
  }
  const theirs = ring!.master!.apps
  const differing = [...new Set([...apps.keys(), ...theirs.keys()])]
    .filter((id) => apps.get(id) !== theirs.get(id)).sort()
  if (differing.length === 0) {
    const message = `${apps.size} apps are the same there`
    return { type, status: 'False', reason: 'AppsAgree', message }
  }
  const named = differing.slice(0, APPS_NAMED_MAX).map((id) => {
    if (!theirs.has(id)) return `${id} is not there`
    return apps.has(id) ? `${id} differs` : `${id} is only there`
  })
  const more = differing.length - named.length
  const message = named.join(', ') + (more > 0 ? `, and ${more} more` : '')
  return { type, status: 'True', reason: 'AppsDiffer', message }
}

function syncedOf(
  peer: PeerCase, unreachable: PeerJudgement, notParticipating: PeerJudgement, nowMs: number
): PeerJudgement {
  const type = 'Synced'
  for (const obstacle of [notParticipating, unreachable]) {
    if (obstacle.status !== 'True') continue
    return { type, status: 'False', reason: obstacle.type, message: obstacle.message }
  }
  if (unreachable.status === 'Unknown' || notParticipating.status === 'Unknown') {
    return notHeardYet(type)
  }
  if (!isMasterHeard(peer, nowMs)) {
    const message = 'its nodes are heard, its globalmaster is not'
    return { type, status: 'Unknown', reason: 'GlobalmasterSilent', message }
  }
  if (!areNodesHeard(peer, nowMs)) return nodesNotHeard(peer, nowMs)
  if (!peer.ring!.master!.roster.includes(peer.ownUid)) {
    const message = 'it does not hold this region to be in the world'
    return { type, status: 'False', reason: 'NotInItsWorld', message }
  }
  const inTouch: PeerJudgement =
    { type, status: 'True', reason: 'InTouch', message: 'each hears the other' }
  const relays = peer.ring!.relays.all(nowMs)
  return (relays && relaysAmiss(relays, peer, nowMs)) ?? inTouch
}

/** What keeps channels from being one though all announce themselves; undefined: nothing. */
function relaysAmiss(
  { heardAtMs, firstSinceMs, channels, behind, behindMs, isFull }: RelaysOfAll,
  { ring, unreachableAfterMs }: PeerCase, nowMs: number
): PeerJudgement | undefined {
  const [type, status] = ['Synced', 'False'] as const
  // What must come in calm comes to the first node alone, and not while the way is cut.
  const sinceMs = Math.max(heardAtMs, firstSinceMs, ring!.nodesHeardSinceMs)
  if (nowMs >= sinceMs + globalmasterLimits.inboxSilentAfterMs) {
    const message = 'it announces itself, but nothing that its nodes say to ours arrives, so no ' +
      'message, presence or revocation comes from there: see to it that NATS lets ' +
      'ringcast.*.*.in.> pass between the regions'
    return { type, status, reason: 'RelaysNotHeard', message }
  }
  if (heardAtMs === -Infinity && firstSinceMs !== Infinity) return notHeardYet(type)
  if (behindMs < unreachableAfterMs) return undefined
  const why = isFull
    ? 'the log of this region takes nothing (ringcast_log_full_streams: is it full?)'
    : 'they are not answered there, or there is much to catch up with'
  const message = `${roughly(behind)} of ${roughly(channels)} channels are not up to date with ` +
    `it, one of them for lagMs, so what is said there comes late or not at all: ${why}`
  return { type, status, reason: 'RelaysBehind', message }
}

/** It is written wherever it changes. */
function roughly(count: number): number {
  return Number(count.toPrecision(2))
}

function nodesNotHeard(peer: PeerCase, nowMs: number): PeerJudgement {
  const sinceMs = Math.max(peer.listeningSinceMs, peer.ring!.nodesHeardAtMs)
  if (nowMs < sinceMs + peer.nodesSilentAfterMs) return notHeardYet('Synced')
  const message = 'its globalmaster is heard, its nodes are not'
  return { type: 'Synced', status: 'False', reason: 'NodesNotHeard', message }
}

function notHeardYet(type: PeerCondition): PeerJudgement {
  const message = 'not enough is heard of it yet'
  return { type, status: 'Unknown', reason: 'NotHeardYet', message }
}
