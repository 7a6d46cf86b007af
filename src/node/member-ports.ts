/**
 * The only ways into and out of a node's membership (node/member.ts). The shell on the main
 * thread performs the outputs and answers every ticket exactly once, however late; what it cannot
 * find out it answers as `failed` or `unknown`, never with silence.
 */

import type { LogPlan, MembershipMessage, Member, WorkerState } from '../peer/membership.ts'
import type { PodFact } from '../ring/roster.ts'
import type { View } from '../ring/view.ts'

export type { LogPlan } from '../peer/membership.ts'
export type { PodFact } from '../ring/roster.ts'

/** The RealtimeRing object as it was read. */
export interface StoredRing {
  readonly resourceVersion: string
  /** From its spec. */
  readonly partitionCount: number
  /** Undefined while nobody wrote a status. */
  readonly view: View | undefined
}

/** The answer to `readRing`. */
export type RingReading =
  | { readonly outcome: 'found'; readonly stored: StoredRing }
  | { readonly outcome: 'absent' }
  /** It is there, but its status is none of ours (ring/view.ts says why). */
  | {
    readonly outcome: 'malformed'
    readonly resourceVersion: string
    readonly partitionCount: number
    readonly reason: string
  }
  /** The API cannot be read. */
  | { readonly outcome: 'failed'; readonly reason: string }

/** The answer to `writeRing`. */
export type RingWriting =
  | { readonly outcome: 'written'; readonly resourceVersion: string }
  /** Somebody else wrote first: nothing of ours is stored. */
  | { readonly outcome: 'conflict' }
  /** Surely not stored, and not by a race: forbidden, invalid, gone. */
  | { readonly outcome: 'refused'; readonly reason: string }
  /** Perhaps stored: time-out, broken connection, 5xx. */
  | { readonly outcome: 'unknown'; readonly reason: string }

/**
 * The answer to `probe`: `alive` and `noMesh` are the probed incarnation's own words about its
 * mesh, `silent` is no answer in time, `refused` a refused connection, `otherIncarnation` the
 * words of a process that took its place.
 */
export type ProbeOutcome = 'alive' | 'noMesh' | 'silent' | 'refused' | 'otherIncarnation'

/** Everything that can happen to a node's membership. */
export type MemberInput =
  /**
   * All pods of the region, whole; given again after every change. `isAsked`: this list answers
   * `listPods`, so it was begun after that.
   */
  | { readonly kind: 'pods'; readonly pods: readonly PodFact[]; readonly isAsked?: boolean }
  /** The API cannot be watched; the last list stands until the next. */
  | { readonly kind: 'podsAway' }
  | { readonly kind: 'mesh'; readonly isUp: boolean }
  | { readonly kind: 'peer'; readonly message: MembershipMessage }
  /** Some other message or log entry carried this view version; `from` may be asked for it. */
  | { readonly kind: 'heardView'; readonly version: number; readonly from: string | undefined }
  | { readonly kind: 'ringRead'; readonly ticket: number; readonly reading: RingReading }
  | { readonly kind: 'ringWritten'; readonly ticket: number; readonly writing: RingWriting }
  | { readonly kind: 'probed'; readonly ticket: number; readonly outcome: ProbeOutcome }
  /** All workers of this node, by index; given again after every change. */
  | { readonly kind: 'workers'; readonly workers: readonly WorkerState[] }
  /** The streams of this generation have leaders, and all their copies are current. */
  | { readonly kind: 'logMade'; readonly generation: string }
  /**
   * All workers master what the view of this version has given this node, and have read the logs
   * of what it announces.
   */
  | { readonly kind: 'settled'; readonly viewVersion: number }
  /** This node shall leave the ring. */
  | { readonly kind: 'drain' }
  /** Nothing is left on this node: it can be taken out of the view. */
  | { readonly kind: 'handedOver' }
  /** The time that `nextDeadlineMs` named has come. */
  | { readonly kind: 'deadline' }

/**
 * ```
 * waiting ─ring read, mesh up, own pod seen─▶ candidate ─listed─▶ joining ─confirmed─▶ serving
 *    ▲──────── any of them lost ────────────────┘                    │                    │
 *                                           drain or pod terminating └──▶ leaving ◀───────┘
 *                                                     out of the view, or too long │
 * removed ◀─ out of the view unasked, or cut off ─ joining, serving                ▼
 *                                                                                 left
 * ```
 * `removed` and `left` are final: the shell ends the process, or starts a new incarnation.
 */
export type Standing =
  | 'waiting' | 'candidate' | 'joining' | 'serving' | 'leaving' | 'left' | 'removed'

/** Everything a node's membership asks its shell to do. */
export type MemberOutput =
  /** `to` is an incarnation; `all` is every node of the region, listed or not, but this one. */
  | { readonly kind: 'send'; readonly to: string; readonly message: MembershipMessage }
  | { readonly kind: 'readRing'; readonly ticket: number }
  /** List the pods anew, since what a watch says may be old; `pods` follows, however late. */
  | { readonly kind: 'listPods' }
  /** Store `view` if the object is still the one expected; undefined: make it, if it is absent. */
  | {
    readonly kind: 'writeRing'
    readonly ticket: number
    readonly expected: string | undefined
    readonly view: View
  }
  | {
    readonly kind: 'probe'
    readonly ticket: number
    readonly host: string
    readonly privatePort: number
    readonly incarnation: string
  }
  | Adopt
  /**
   * See to the log's streams: make them, if the plan names a maker (it is this node then), else
   * only give them as many copies as it says. `logMade` follows, however late; the shell tries
   * for as long as nothing newer is asked.
   */
  | { readonly kind: 'makeLog'; readonly plan: LogPlan }
  | { readonly kind: 'standing'; readonly standing: Standing; readonly reason: string }
  | {
    readonly kind: 'note'
    readonly level: 'info' | 'warn' | 'error'
    readonly text: string
    readonly fields: Readonly<Record<string, string | number | boolean>>
  }

/** What the rest of the node shall believe from now on. */
export interface Adopt {
  readonly kind: 'adopt'
  readonly view: View
  /** By incarnation, the generations of its workers as far as they were heard. */
  readonly generations: ReadonlyMap<string, readonly number[]>
  /**
   * Listed members that are believed gone, though the view cannot be written yet: their
   * partitions' next owners may take over meanwhile (rule 10).
   */
  readonly gone: ReadonlySet<string>
}

/** Where outputs go, in order; the shell performs them after the turn. */
export interface MemberOutbox {
  push(output: MemberOutput): void
}

/** This node as it would be listed. */
export type MemberIdentity = Omit<Member, 'state'>
