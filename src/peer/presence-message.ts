/**
 * What places say to each other of presence besides its changes, which are publishes: who is
 * present now, and whose members these are (rule 21). Part of the union in peer/message.ts.
 */

import type { Frame } from '../wire/frame.ts'
import type { Extras } from '../wire/protocol-message.ts'

/** Who speaks for members of a presence set (rule 21): a life of a worker, by which claim. */
export interface MemberOwner {
  readonly incarnation: string
  readonly worker: number
  readonly generation: number
  /** Of the connection (rule 20); 0 for one that was never taken over. */
  readonly claim: number
}

/** One member of a channel's presence set. */
export interface PresenceMember {
  readonly connectionId: string
  readonly clientId: string
  /** Of the event that made it what it is. */
  readonly id: string
  readonly timestamp: number
  readonly data: string | Uint8Array | undefined
  readonly encoding: string | undefined
  readonly extras: Extras | undefined
  readonly owner: MemberOwner
}

/**
 * The presence set as SYNC frames of one variant: none for an empty set, whose attachments need
 * not be told; `held` while the set is not whole: they come later, even for an empty set.
 */
export type Sync = 'held' | readonly Frame[]

/** `channel`: `appId/name`. */
interface OnChannel {
  readonly channel: string
}

/** LocalGroup → ChannelClient: an attachment of this variant waits to hear who is present. */
export interface SyncWanted extends OnChannel {
  readonly kind: 'syncWanted'
  readonly variantId: number
}

/** ChannelClient → LocalGroup: who is present, for all that wait to hear it. */
export interface Synced extends OnChannel {
  readonly kind: 'synced'
  /** Sparse, by variantId. */
  readonly frames: readonly (readonly Frame[] | undefined)[]
}

/** ChannelClient → LocalGroup: a new master wants to know whose members live here. */
export interface DeclareWanted extends OnChannel {
  readonly kind: 'declareWanted'
}

/** A member as its worker lists it. */
export interface ListedMember extends PresenceMember {
  /** Ops about it have no outcome yet: only the master, who has been given them, knows of it. */
  readonly isUndecided?: boolean
  /**
   * Another life has a higher claim on its connection: it may have left by that one's word, which
   * the log has, unless it has lost everything.
   */
  readonly isOverruled?: boolean
}

/** LocalGroup → ChannelClient: the complete list of the members that live here. */
export interface Declared extends OnChannel {
  readonly kind: 'declared'
  /** The life of the worker that says so. */
  readonly generation: number
  readonly members: readonly ListedMember[]
  /** False: the master may know nothing yet of some who are present; another list follows. */
  readonly isWhole: boolean
}

/** Master → ChannelClient: a part of the presence set, before `joined` or when it was held. */
export interface Members extends OnChannel {
  readonly kind: 'members'
  readonly joinNo: number
  /** The position at which these are present. */
  readonly seq: number
  readonly members: readonly PresenceMember[]
  readonly isFirst: boolean
  readonly isLast: boolean
}

/** ChannelClient → master: a part of the complete list of one worker's members (rule 21). */
export interface Declare extends OnChannel {
  readonly kind: 'declare'
  readonly epoch: number
  readonly worker: number
  readonly generation: number
  readonly members: readonly ListedMember[]
  readonly isFirst: boolean
  readonly isLast: boolean
}

/** Master → every node: all your channels of this partition are to join and to declare. */
export interface RollCalled {
  readonly kind: 'rollCalled'
  readonly partition: number
  readonly epoch: number
}

/** Node → master: they have. */
export interface RollAnswered {
  readonly kind: 'rollAnswered'
  readonly partition: number
  readonly epoch: number
}
