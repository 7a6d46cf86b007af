/**
 * What globalmasters say to each other, on a subject that all of them hear. One message says
 * everything, every few seconds, and answers those of the others: it echoes when the last one of
 * each was sent, by its sender's own clock, and how long ago it came. So round trips are measured
 * without anybody's clock being compared with another's, and who is not echoed is not heard. And
 * what nodes tell their own, on a subject of their region.
 */

import type { RelayStanding } from './relay-gauge.ts'

/** The version of the message in this file. */
export const GLOBALMASTER_FORMAT_VERSION = 1

/** What stands for the world of a region that has left: no world is called like that. */
export const NO_WORLD = '-'

export interface Echo {
  /** Whose message it was. */
  readonly instance: string
  /** As that message said. */
  readonly sentAtMs: number
  /** How long ago it came, in milliseconds. */
  readonly heldMs: number
}

export interface GlobalmasterHello {
  readonly kind: 'globalmaster'
  readonly formatVersion: number
  /** Name of the world that its region is part of; `NO_WORLD` on the way out of one. */
  readonly world: string
  /** The name that its region has there. */
  readonly region: string
  /** The uid of its region's ring, and when that was made, in ms since the Unix epoch. */
  readonly ringUid: string
  readonly madeAtMs: number
  /** This process, and how often who leads had changed by then: of two that lead, the higher. */
  readonly instance: string
  readonly term: number
  /** By the sender's own clock, which is nobody else's; in milliseconds. */
  readonly sentAtMs: number
  readonly echoes: readonly Echo[]
  /** The uids of the rings that it holds to be in the world. */
  readonly roster: readonly string[]
  /** A digest of each app of its region, by the app's id. */
  readonly apps: ReadonlyMap<string, string>
  /** These are what was there last: which ones are now nobody could tell. */
  readonly areAppsUnknown?: boolean
}

/** How a node's relays stand to the ring with this uid (region/relay-gauge.ts). */
export interface RelayWord extends Omit<RelayStanding, 'region'> {
  readonly uid: string
}

/** What a node tells the globalmaster of its own region, every few seconds. */
export interface RelayWordsOfNode {
  readonly kind: 'relays'
  readonly formatVersion: number
  readonly incarnation: string
  /** Absent: somebody else is whom other regions' nodes speak to in any case. */
  readonly isFirst?: boolean
  readonly relays: readonly RelayWord[]
}
