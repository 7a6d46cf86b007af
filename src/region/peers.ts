/**
 * Of several rings that have one name, the one that counts; and which are in the world.
 */

import type { FarRing } from './far-ring.ts'
import { globalmasterLimits } from './globalmaster-ports.ts'
import { isMadeLater } from './namesakes.ts'
import type { Participation } from './peer-report.ts'

/** All rings of one name, and the one of them that counts. */
export interface Peer {
  readonly region: string
  readonly ring: FarRing | undefined
  readonly participation: Participation
}

const PARTICIPATIONS: readonly Participation[] =
  ['nameTaken', 'in', 'otherWorld', 'unknown', 'notInAWorld']

/** Of two of one name: who is in the world, and of those the one that was made later. */
export function isBefore(one: Peer, other: Peer): boolean {
  const rank = ({ ring, participation }: Peer): number =>
    ring === undefined ? Infinity : PARTICIPATIONS.indexOf(participation)
  if (rank(one) !== rank(other)) return rank(one) < rank(other)
  return isMadeLater(one.ring!, other.ring!)
}

/**
 * The rings of the world, ours among them, sorted; ours alone where its name is another's now. One
 * that has fallen silent takes it from nobody.
 */
export function uidsInWorld(
  peers: readonly Peer[], own: { readonly ringUid: string, readonly madeAtMs: number },
  nowMs: number
): string[] {
  const { ringUid: uid, madeAtMs } = own
  const isOurs = (peer: Peer): boolean => peer.participation === 'nameTaken'
  const isDisplaced = peers.some((peer) =>
    isOurs(peer) && nowMs < peer.ring!.heardAtMs + globalmasterLimits.retiredAfterMs &&
    isMadeLater(peer.ring!, { uid, madeAtMs }))
  if (isDisplaced) return [uid]
  const inWorld = peers.flatMap(({ ring, participation }) =>
    participation === 'in' && ring !== undefined ? [ring.uid] : [])
  return [uid, ...inWorld].sort()
}
