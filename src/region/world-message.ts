/**
 * What regions tell each other of themselves, and what a globalmaster tells the nodes of its own
 * region of all of them (docs/decisions/0024-regions.md). Said between main threads:
 *
 * | message | from → to                                       | why                           |
 * |---------|-------------------------------------------------|-------------------------------|
 * | region  | first serving member of a region → all nodes    | we are there, and who we are  |
 * | still   | the same → all nodes                            | nothing is new since then     |
 * | ask     | a node that missed that → all nodes             | say all of it again           |
 * | roster  | globalmaster → the nodes of its region          | these regions are the world   |
 *
 * Each states a level and is said again and again: none is relied on to arrive. The whole of a
 * region grows with its nodes, and so does the number of those who hear it; so it is said after
 * changes and to who asks, and not again and again.
 */

import type { ViewRecord } from '../peer/membership.ts'

/** The version of the messages in this file. */
export const WORLD_FORMAT_VERSION = 1

/** Which region it is, and how it is reached. */
export interface RegionIdentity {
  /** The name that it has in the world, which clients see as siteCode. */
  readonly name: string
  /** The name of its object, where it runs. */
  readonly ownName: string
  /** The uid of its ring: a region that was made anew has another one. */
  readonly uid: string
  /** When that ring was made, in ms since the Unix epoch, by the clock of its API server. */
  readonly madeAtMs: number
  /** What the subjects of its mesh begin with (bus/subjects.ts). */
  readonly prefix: string
  /** Where clients reach it from anywhere; empty where nobody said. */
  readonly endpoint: string
  /** The world that it is part of; nodes of former releases do not say it. */
  readonly world?: string
  /** It is to send its clients to others, whether it can or not. */
  readonly isToDrain?: boolean
}

/** By uid: the name of a region that is not heard, and for how many ms it was not. */
export type SilentRegion = readonly [uid: string, name: string, silentMs: number]

/** What the nodes of the region itself hear of it, too. */
interface SaidAtHome extends RegionIdentity {
  /** Who began while these were silent does not know them; absent for none. */
  readonly absent?: readonly SilentRegion[]
}

/** A region says who is there. */
export interface Announcement extends SaidAtHome {
  readonly kind: 'region'
  readonly formatVersion: number
  /** Not judged by the codec: `viewFromRecord` (ring/view.ts) does. */
  readonly view: ViewRecord
  /** By incarnation, the generations of its workers as far as they were heard. */
  readonly generations: readonly (readonly [string, readonly number[]])[]
}

/** A region says that it is there, and nothing has changed. */
export interface Still extends SaidAtHome {
  readonly kind: 'still'
  readonly formatVersion: number
  readonly viewVersion: number
  /** Of its last announcement (region/announced.ts). */
  readonly digest: number
}

/** Somebody has not heard the last announcement of the region with this uid. */
export interface Ask {
  readonly kind: 'ask'
  readonly formatVersion: number
  readonly uid: string
}

/** Which regions are in the world, those that cannot be reached too. */
export interface WorldRoster {
  readonly kind: 'roster'
  readonly formatVersion: number
  /** When it was made, in ms since the Unix epoch: a later one takes the place of an earlier. */
  readonly madeAtMs: number
  /** The uids of their rings, the nearest first; our own may be among them, or not. */
  readonly uids: readonly string[]
  /** The names of their regions, in the same order; globalmasters of earlier releases say none. */
  readonly names?: readonly string[]
}

/** What is said to the nodes of all regions. */
export type RegionMessage = Announcement | Still | Ask
export type WorldMessage = RegionMessage | WorldRoster
