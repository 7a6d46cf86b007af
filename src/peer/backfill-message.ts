/**
 * What a ChannelClient asks a master for one of its attachments: what it missed, or what was last
 * said on the channel.
 */

import type { Rewind } from '../wire/params.ts'
import type { Publication, Standing } from './message.ts'

/**
 * ChannelClient → master: what is there after `from`? For one attachment that is behind. Without
 * `from`: what are the last messages? For one that rewinds.
 */
export interface Backfill {
  readonly kind: 'backfill'
  readonly channel: string
  readonly clientId: string
  readonly requestNo: number
  readonly epoch: number
  readonly from: Standing | undefined
  readonly rewind?: Rewind
}

/** Master → ChannelClient: what came after `from`, or that it is gone. */
export interface Backfilled {
  readonly kind: 'backfilled'
  readonly channel: string
  readonly clientId: string
  readonly requestNo: number
  readonly epoch: number
  readonly isContinuation: boolean
  /** Where the last of `publications` leads; there may be more after it. */
  readonly standing: Standing
  readonly publications: readonly Publication[]
  /** What the archive has of a rewind, or another region's log of what was missed, before them. */
  readonly older?: readonly OlderPart[]
  /** `standing` is a place in that region's log, from which the rest is to be asked for. */
  readonly isElsewhere?: boolean
}

/** Publications of one lineage, oldest first. */
export interface OlderPart {
  readonly lineage: string
  readonly publications: readonly Publication[]
}
