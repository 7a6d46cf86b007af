/**
 * What the main threads of a region's nodes say to each other about who is there. One closed
 * union of plain objects (every value survives JSON), because these messages are what nodes of
 * different releases must understand first.
 *
 * | message     | from → to                     | why                                            |
 * |-------------|-------------------------------|------------------------------------------------|
 * | hello       | candidate, joining → all      | I exist and want in; my own record             |
 * | leaving     | leaving → all                 | move my partitions; then: nothing is left      |
 * | beat        | member → its watchers         | I live; my workers; what I know, as digests    |
 * | beatAck     | watcher → member              | I heard you; what I know, as digests           |
 * | settled     | receiver → who may propose    | I have what this view gave me, and read ahead  |
 * | suspicions  | watcher → all                 | the whole list of those whose beats I miss     |
 * | refute      | suspect → all                 | I live                                         |
 * | viewDelta   | writer → all, or as an answer | a view that is surely written                  |
 * | viewPull    | who is behind → who is ahead  | give me what leads from my view to yours       |
 * | viewFull    | answer to viewPull            | the whole view, where no delta leads to it     |
 * | generations | a node → all, or as an answer | generations of the workers of some nodes       |
 * | generationsPull | whose digest differs → other | tell me the generations you know           |
 *
 * None of them is relied on to arrive: each states a level, is said again while it matters, and
 * may come twice or out of order without harm. The types of a member and of a delta stand here
 * because they travel; `ring/` gives them their meaning.
 */

/** The version of the messages in this file. */
export const MEMBERSHIP_FORMAT_VERSION = 1

/** One node of the ring as the view lists it. */
export interface Member {
  /** The pod's name. */
  readonly node: string
  /** The pod's uid. */
  readonly uid: string
  /** Random per start of the process: a restarted node is another member. */
  readonly incarnation: string
  /** Milliseconds since the Unix epoch by that node's clock; orders the starts of one pod. */
  readonly startedAt: number
  /** How many worker threads it runs. */
  readonly workers: number
  readonly zone: string
  /** The newest mesh protocol it speaks; a region speaks the lowest of its members. */
  readonly meshVersion: number
  readonly state: 'joining' | 'serving' | 'leaving'
  /** Where its private port answers probes. */
  readonly host: string
  readonly privatePort: number
}

/** A removed incarnation: it never returns (rule 7). */
export interface Tombstone {
  readonly node: string
  readonly incarnation: string
  /** Milliseconds since the Unix epoch, by the clock of the node that removed it. */
  readonly removedAtMs: number
}

/**
 * The partitions' logs: in how many streams, with how many copies. The generation is random and
 * part of the streams' names, so that no log is ever taken for one that was there before.
 */
export interface LogPlan {
  readonly generation: string
  /** A partition is kept in stream `partition % streamCount`. */
  readonly streamCount: number
  /** Copies of each stream, each on another server. */
  readonly redundancy: number
  /** While the streams are being made: the one incarnation that may make them. */
  readonly maker?: string
}

/** Partitions that one member is to master from the next view on (ring/handover.ts). */
export interface Handover {
  /** The incarnation of the receiver. */
  readonly to: string
  readonly partitions: readonly number[]
}

/** A whole view as plain data; `assignment` is the table in base64, 16 bits per cell, LE. */
export interface ViewRecord {
  readonly version: number
  readonly partitionCount: number
  readonly successorCount: number
  readonly members: readonly Member[]
  readonly tombstones: readonly Tombstone[]
  readonly assignment: string
  readonly log?: LogPlan
  /** Absent for none. */
  readonly handovers?: readonly Handover[]
}

/** What changes between two views; meaningful only on exactly the view it starts from. */
export interface ViewDelta {
  readonly fromVersion: number
  readonly fromDigest: number
  readonly version: number
  /** The digest of the result, so that a wrong result is noticed and never used. */
  readonly digest: number
  /** Incarnations that are no longer listed. */
  readonly removed: readonly string[]
  /** Records that changed, in their old places, and new ones, after the others in this order. */
  readonly changed: readonly Member[]
  readonly tombstones: readonly Tombstone[]
  /** Incarnations whose tombstones were let go. */
  readonly forgotten: readonly string[]
  /** Cells that differ once the kept members are renumbered, or the table when that is less. */
  readonly table:
    | { readonly kind: 'cells'; readonly pairs: readonly number[] }
    | { readonly kind: 'whole'; readonly assignment: string }
  /** As it is after the change; absent for none. */
  readonly log?: LogPlan
  readonly handovers?: readonly Handover[]
}

/** Who speaks. */
export interface Sender {
  readonly node: string
  readonly uid: string
  readonly incarnation: string
}

/** One worker thread as its main thread sees it (rule 11). */
export interface WorkerState {
  /** Grows with each start of the worker at this index. */
  readonly generation: number
  /** False once it made no turn for the named time. */
  readonly isTurning: boolean
  readonly isMeshUp: boolean
}

/** The generations of one node's workers; a higher version is newer. */
export interface GenerationsEntry {
  readonly incarnation: string
  readonly version: number
  readonly generations: readonly number[]
}

interface Envelope {
  readonly formatVersion: number
  /** The version of the view that the sender holds; 0 for none. */
  readonly viewVersion: number
  readonly sender: Sender
}

/** What two nodes compare to learn whether one of them is behind. */
export interface Digests {
  /** The digest of the sender's view; 0 for none. */
  readonly viewDigest: number
  /** The digest of all the worker generations it knows. */
  readonly generationsDigest: number
}

export interface Hello extends Envelope {
  readonly kind: 'hello'
  readonly member: Member
  readonly generations: GenerationsEntry
}

export interface Leaving extends Envelope {
  readonly kind: 'leaving'
  /** True once nothing is left on it, so that it can be removed. */
  readonly isHandedOver: boolean
}

export interface Beat extends Envelope, Digests {
  readonly kind: 'beat'
  readonly beatNo: number
  readonly workers: readonly WorkerState[]
}

export interface BeatAck extends Envelope, Digests {
  readonly kind: 'beatAck'
  readonly beatNo: number
}

/**
 * The sender masters what the view of the envelope has given it, and has read the logs of what it
 * announces: the next step may come.
 */
export interface Settled extends Envelope {
  readonly kind: 'settled'
}

/** One node whose beats the sender misses. */
export interface Suspicion {
  readonly incarnation: string
  /** True if its private port gave no answer either: only then it counts as evidence (rule 8). */
  readonly isProbeFailed: boolean
}

export interface Suspicions extends Envelope {
  readonly kind: 'suspicions'
  /** All of them: who is not listed is not (or no longer) suspected by the sender. */
  readonly suspects: readonly Suspicion[]
}

export interface Refute extends Envelope {
  readonly kind: 'refute'
}

export interface ViewDeltaMessage extends Envelope {
  readonly kind: 'viewDelta'
  readonly delta: ViewDelta
}

export interface ViewPull extends Envelope {
  readonly kind: 'viewPull'
  readonly viewDigest: number
}

export interface ViewFull extends Envelope {
  readonly kind: 'viewFull'
  readonly view: ViewRecord
}

export interface Generations extends Envelope {
  readonly kind: 'generations'
  readonly entries: readonly GenerationsEntry[]
}

export interface GenerationsPull extends Envelope {
  readonly kind: 'generationsPull'
}

/** Everything the main threads say to each other. */
export type MembershipMessage =
  | Hello
  | Leaving
  | Beat
  | BeatAck
  | Settled
  | Suspicions
  | Refute
  | ViewDeltaMessage
  | ViewPull
  | ViewFull
  | Generations
  | GenerationsPull

/** A message without its envelope, which the sending node adds. */
export type MembershipBody = WithoutEnvelope<MembershipMessage>

type WithoutEnvelope<M> = M extends Envelope ? Omit<M, keyof Envelope> : never
