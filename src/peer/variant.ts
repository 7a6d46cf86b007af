/**
 * How attachments want their frames, and frames as they are given them. Part of the messages in
 * peer/message.ts.
 */

import type { Frame } from '../wire/frame.ts'

/** How one set of attachments wants its frames: encoded alike, so encoded once. */
export interface Variant {
  readonly format: 'json' | 'msgpack'
  /** The channel's name exactly as the client wrote it, qualifiers included. */
  readonly wireName: string
  /** It is told the occupancy: of these categories, with commas between; empty: of all. */
  readonly occupancy?: string
  /** The expression in the name: only what it is true of is shown (wire/filter.ts). */
  readonly filter?: string
  /** Messages are shown as what differs from the one before, where that is less. */
  readonly delta?: true
  /** Its connection does not hear itself. */
  readonly isWithoutEcho?: true
}

/** A publication as a delta, for those who were given the one that it builds on last. */
export interface DeltaFrame {
  readonly frame: Frame
  readonly buildsOn: number
}

/** One publication, encoded once per variant that the receiving group uses. */
export interface BroadcastItem {
  readonly seq: number
  /** The publisher's connection, for those who do not want to hear themselves. */
  readonly connectionId: string | undefined
  /** Sparse, by variantId. */
  readonly frames: readonly (Frame | undefined)[]
  /** The same as deltas, sparse, by variantId. */
  readonly deltas?: readonly (DeltaFrame | undefined)[]
  /** True: the last of its messages is not in it, so that no delta builds on it. */
  readonly isCut?: boolean
  /** True for presence events, which are not for the same ears. */
  readonly isPresence?: boolean
}
