/**
 * What places say to each other about how many are attached to a channel (protocol 7.10). Nobody
 * counts unless somebody wants to know: the master asks for a census only while a ChannelClient
 * wants occupancy, or a status is being asked for.
 *
 *   ChannelClient ──occupancyWanted──▶ master ──censusWanted──▶ every ChannelClient
 *     ──countWanted──▶ LocalGroups ──counted──▶ ChannelClient ──census──▶ master
 *     ──occupancy──▶ who wanted it ──occupied──▶ LocalGroups
 *
 * Each message states a level: repeated it changes nothing, and after a link reset or a change of
 * master everything is said again.
 */

import type { Frame } from '../wire/frame.ts'

interface OnChannel {
  /** `appId/name`. */
  readonly channel: string
}

/** Attachments, and those of them that have a mode. */
export interface Headcount {
  readonly connections: number
  readonly publishers: number
  readonly subscribers: number
  readonly presenceConnections: number
  readonly presenceSubscribers: number
  readonly objectPublishers: number
  readonly objectSubscribers: number
}

/** The metrics of a channel, by the names that clients know (protocol 14.4). */
export interface Occupancy extends Headcount {
  /** Entries of the presence set. */
  readonly presenceMembers: number
}

/** ChannelClient → LocalGroup: count your attachments, and again whenever they change; or stop. */
export interface CountWanted extends OnChannel {
  readonly kind: 'countWanted'
  readonly isWanted: boolean
}

/** LocalGroup → ChannelClient: so many are attached here. */
export interface Counted extends OnChannel {
  readonly kind: 'counted'
  readonly count: Headcount
  /** False: changes will not be told, for nobody has asked, as far as the group knows. */
  readonly goesOn: boolean
}

/** ChannelClient → master: some of mine want to be told the occupancy; or none does any more. */
export interface OccupancyWanted extends OnChannel {
  readonly kind: 'occupancyWanted'
  readonly clientId: string
  readonly epoch: number
  readonly isWanted: boolean
}

/** Master → ChannelClient: tell how many are attached at your node, and each change; or stop. */
export interface CensusWanted extends OnChannel {
  readonly kind: 'censusWanted'
  readonly epoch: number
  readonly isWanted: boolean
}

/** ChannelClient → master: so many are attached at my node. */
export interface Census extends OnChannel {
  readonly kind: 'census'
  readonly clientId: string
  readonly epoch: number
  readonly count: Headcount
}

/** Master → ChannelClient: what all nodes have counted. */
export interface OccupancyTold extends OnChannel {
  readonly kind: 'occupancy'
  readonly epoch: number
  readonly occupancy: Occupancy
  /** When, in milliseconds since the Unix epoch. */
  readonly timestamp: number
}

/** ChannelClient → LocalGroup: the occupancy, for attachments that want to be told. */
export interface Occupied extends OnChannel {
  readonly kind: 'occupied'
  /** Sparse, by variantId. */
  readonly frames: readonly (Frame | undefined)[]
}

export type CensusToGroup = CountWanted | Occupied
export type CensusToMaster = OccupancyWanted | Census
export type CensusToClient = CensusWanted | OccupancyTold
/** What of it crosses the mesh. */
export type CensusMessage = CensusToMaster | CensusToClient

export const CENSUS_KINDS = [
  'occupancyWanted',
  'censusWanted',
  'census',
  'occupancy'
] as const satisfies readonly CensusMessage['kind'][]

const censusKinds: ReadonlySet<string | undefined> = new Set(CENSUS_KINDS)

/** True for a kind of message that crosses the mesh. */
export function isCensusKind(kind: string | undefined): kind is CensusMessage['kind'] {
  return censusKinds.has(kind)
}

/** True for a message that crosses the mesh. */
export function isCensusMessage<T extends { readonly kind: string }>(
  message: T
): message is Extract<T, CensusMessage> {
  return censusKinds.has(message.kind)
}
