/**
 * What follows for a node's workers from the world that their region is in: where clients reach the
 * regions, whether they send theirs to others, and how long members of a lost region stay.
 *
 * A region that is to drain sends its clients away only while another one is there for them: that
 * was heard of late, serves, and is not to drain as well. Each says of itself what it is to do, not
 * what it does: so two that are asked at once see it of each other, and both go on serving.
 */

import { limits } from '../base/limits.ts'
import type { View } from '../ring/view.ts'

/** What people say of it. It may change while nodes run. */
export interface WorldSettings {
  /** The region is to send its clients to the others. */
  readonly isToDrain: boolean
  /** So many a second, of all its nodes. */
  readonly drainedPerSecond: number
  /** So long members of a region stay that is lost. */
  readonly lostRegionGraceMs: number
}

export const usualSettings: WorldSettings = {
  isToDrain: false, drainedPerSecond: 500, lostRegionGraceMs: limits.regionGraceMs
}

/** Where clients reach a region. */
export interface RegionEndpoint {
  readonly region: string
  /** A host or host:port; empty where nobody said. */
  readonly endpoint: string
  /** Its clients are to go to others. */
  readonly isDraining: boolean
}

/** Whether the own region sends its clients away; `alone`: it is to, and there is no other one. */
export type Drain = 'none' | 'draining' | 'alone'

export interface WorldTerms {
  /** The own region's first, then the nearest first as far as that is known. */
  readonly endpoints: readonly RegionEndpoint[]
  readonly drain: Drain
  /** So many of each worker's clients are sent away a second; undefined: none. */
  readonly departuresPerSecond: number | undefined
  readonly lostRegionGraceMs: number
}

/** Another region, as it was heard last. */
export interface Neighbour {
  readonly region: string
  readonly uid: string
  readonly endpoint: string
  readonly isToDrain: boolean
  readonly view: View
  readonly heardAtMs: number
}

/** What the terms are made of. */
export interface TermsCase {
  readonly own: { readonly name: string; readonly endpoint: string }
  readonly settings: WorldSettings
  /** How many workers the own region has; 0 while that is not known. */
  readonly workerCount: number
  readonly neighbours: readonly Neighbour[]
  /** Uids of rings, the nearest first. */
  readonly nearness: readonly string[]
}

export function termsOf(
  { own, settings, workerCount, neighbours, nearness }: TermsCase, nowMs: number
): WorldTerms {
  const { isToDrain, drainedPerSecond, lostRegionGraceMs } = settings
  const isOther = neighbours.some((each) => takesClients(each, nowMs))
  const drain = !isToDrain ? 'none' : isOther ? 'draining' : 'alone'
  const rankOf = ({ uid }: Neighbour): number => {
    const at = nearness.indexOf(uid)
    return at < 0 ? Infinity : at
  }
  const others = neighbours.toSorted((a, b) => rankOf(a) === rankOf(b) ? 0 : rankOf(a) - rankOf(b))
  const isDraining = drain === 'draining'
  return {
    endpoints: [
      { region: own.name, endpoint: own.endpoint, isDraining },
      ...others.map((each) =>
        ({ region: each.region, endpoint: each.endpoint, isDraining: each.isToDrain }))
    ],
    drain,
    departuresPerSecond: isDraining && workerCount > 0 ? drainedPerSecond / workerCount : undefined,
    lostRegionGraceMs
  }
}

/** When what follows changes though nobody says anything; Infinity: it does not. */
export function termsEndMs(
  { settings, neighbours }: Pick<TermsCase, 'settings' | 'neighbours'>, nowMs: number
): number {
  if (!settings.isToDrain) return Infinity
  const ends = neighbours.map(({ heardAtMs }) => heardAtMs + limits.regionAwayMs)
  return Math.min(Infinity, ...ends.filter((endMs) => endMs > nowMs))
}

function takesClients({ isToDrain, view, heardAtMs }: Neighbour, nowMs: number): boolean {
  return !isToDrain && nowMs < heardAtMs + limits.regionAwayMs &&
    view.members.some(({ state }) => state === 'serving')
}
