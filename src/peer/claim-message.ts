/**
 * What workers say to each other about who holds a session (rule 20). The register of a connection
 * is the master of the partition that its connectionId falls into; a *claim* is a numbered holding
 * of the connection, an entry in that partition's log.
 *
 *   node → register   claim, prove          answered by claimGranted or claimRefused, and proved
 *   register → holder stillHeld             answered by holding, to whoever asked: a worker asks
 *                                           for a publish on behalf of the connection, too
 *   register → holder superseded            a higher claim is in the log
 *
 * `claim` and `prove` are sent again until they are answered; `superseded` is said again when a
 * link lost something, and by the register's next master.
 */

import type { ErrorInfo } from '../wire/protocol-message.ts'
import type { Place } from './place.ts'

/** One life of a worker: its heir at the same place is another one. */
export interface Life extends Place {
  readonly generation: number
}

/** What a register knows of a connection; it stands whole in each of its log entries. */
export interface ClaimRecord {
  readonly connectionId: string
  /** The highest claim that was granted, to `holder`, who asked for it as `claimId`. */
  readonly claim: number
  readonly claimId: string
  readonly holder: Life
  /** Keys of claims below this one are retired: their client has been seen with a newer one. */
  readonly proven: number
  /** Who held it before, latest first: they may not know yet that they do no longer. */
  readonly formers: readonly Place[]
  /** The requests that were granted before this one, latest first: they may be repeated yet. */
  readonly formerClaimIds: readonly string[]
  /** When a register last knew that `holder` has it, by its wall clock; 0: nobody has noted it. */
  readonly heldAtMs: number
}

/** What is known of what a connection's client has said. */
export interface Past {
  /** Publishes up to this msgSerial had no outcome in time (rule 18); −1: none. */
  readonly doubtfulThrough: number
  /** Frames up to this msgSerial were received; −1: none; undefined: nobody knows. */
  readonly saidThrough: number | undefined
}

interface OnConnection {
  readonly connectionId: string
}

/** Node → register: a client has come to me with a key of this connection. */
export interface Claim extends OnConnection {
  readonly kind: 'claim'
  /** Unique; a request that is sent again keeps it, and is never answered by a second claim. */
  readonly claimId: string
  /** The asking worker's. */
  readonly generation: number
  /** The claim that the key was issued for, and by whom. */
  readonly keyClaim: number
  readonly home: Life
  /** The register's lineage as the key knows it; undefined: it was issued without a register. */
  readonly lineage: string | undefined
  readonly viewVersion: number
}

/** Register → node: the connection is yours. */
export interface ClaimGranted extends OnConnection {
  readonly kind: 'claimGranted'
  readonly claimId: string
  readonly claim: number
  readonly lineage: string
  /** As the former holder told it. */
  readonly past: Past
}

/** Register → node: the connection cannot go on. */
export interface ClaimRefused extends OnConnection {
  readonly kind: 'claimRefused'
  readonly claimId: string
  readonly error: ErrorInfo
}

/** Register, or worker, → holder: does this life of yours hold the connection? */
export interface StillHeld extends OnConnection {
  readonly kind: 'stillHeld'
  readonly claimId: string
  readonly generation: number
  /** The request by which it came to hold it; undefined for a connection never claimed. */
  readonly heldAs: string | undefined
  /** True: and end it, for it cannot be resumed any more. */
  readonly mustEnd: boolean
}

/** What a place knows of a connection. */
export type Holding =
  | {
      /** It has a socket, or is parked. */
      readonly kind: 'held'
      readonly claim: number
      /** Its client has the key of this claim. */
      readonly isProven: boolean
      readonly past: Past
    }
  | { readonly kind: 'ended'; readonly error: ErrorInfo }
  /** The one asked about is gone; its heir has lived so long. */
  | { readonly kind: 'formerLife'; readonly livedMs: number }

/** Holder → who asked: the answer to `stillHeld`. */
export interface HoldingTold extends OnConnection {
  readonly kind: 'holding'
  readonly claimId: string
  readonly holding: Holding
}

/** Register → former holder: everything below `claim` is over. */
export interface Superseded extends OnConnection {
  readonly kind: 'superseded'
  readonly claim: number
}

/** Node → register: a frame came from who was given the key of this claim: older ones retire. */
export interface Prove extends OnConnection {
  readonly kind: 'prove'
  readonly claim: number
}

/** Register → node: it stands in the log. */
export interface Proved extends OnConnection {
  readonly kind: 'proved'
  readonly claim: number
}

export type ToRegister = Claim | Prove | HoldingTold
export type FromRegister = ClaimGranted | ClaimRefused | StillHeld | Superseded | Proved
export type ClaimMessage = ToRegister | FromRegister

export const CLAIM_KINDS = [
  'claim',
  'claimGranted',
  'claimRefused',
  'stillHeld',
  'holding',
  'superseded',
  'prove',
  'proved'
] as const satisfies readonly ClaimMessage['kind'][]

const claimKinds: ReadonlySet<string | undefined> = new Set(CLAIM_KINDS)

/** True if one of the two is the other, sent again. */
export function isSameRequest(a: Claim | Prove, b: Claim | Prove): boolean {
  if (a.kind === 'claim') return b.kind === 'claim' && a.claimId === b.claimId
  return b.kind === 'prove' && a.claim === b.claim
}

/** True for the name of one of these messages. */
export function isClaimKind(kind: string | undefined): kind is ClaimMessage['kind'] {
  return claimKinds.has(kind)
}

/** True for one of these messages among all others. */
export function isClaimMessage<T extends { readonly kind: string }>(
  message: T | ClaimMessage
): message is ClaimMessage {
  return claimKinds.has(message.kind)
}
