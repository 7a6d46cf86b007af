/**
 * What the parts of a region say to each other about channels: one closed union. Between threads
 * of a node the same objects travel by structured clone, between nodes as MessagePack
 * (peer/codec.ts). They travel on links (peer/link.ts), in order; a link that lost something is
 * reset, and then the sender's parts say again what still matters.
 *
 * Three kinds of talk, in this order on the way of a publish:
 *   LocalGroup → ChannelClient   attach, detach, submit         (same node, any worker)
 *   ChannelClient → ChannelMaster  join, part, publish, backfill  (any node)
 *   and the answers back: attached, submitted, broadcast; joined, result, deliver, backfilled.
 *
 * Presence goes the same ways: its changes are publishes of another content, in the channel's one
 * order. What is said of it besides is who is a member now, and whose members these are (rule 21).
 *
 * Messages name their channel by key (`appId/name`), never by an id that a restart forgets; those
 * of a roll or a handover name the partition. Other talks have files of their own.
 */

import type { Frame } from '../wire/frame.ts'
import type { Rewind } from '../wire/params.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import type { Backfill, Backfilled } from './backfill-message.ts'
import type { CensusToClient, CensusToGroup, CensusToMaster, Counted } from './census-message.ts'
import type { ClaimMessage } from './claim-message.ts'
import type { CometMessage } from './comet-message.ts'
import type { ListenersMessage } from './listeners-message.ts'
import type { NonceMessage } from './nonce-message.ts'
import type { RevocationMessage } from './revocation-message.ts'
import type { Ask, QuestionMessage } from './question-message.ts'
import type {
  Declare, Declared, DeclareWanted, MemberOwner, Members, RollAnswered, RollCalled, Sync, Synced,
  SyncWanted
} from './presence-message.ts'
import type { RelayMessage, ToRelayed } from './relay-message.ts'
import type { Said } from './said.ts'
import type { BroadcastItem, Variant } from './variant.ts'

export type { Backfill, Backfilled, OlderPart } from './backfill-message.ts'
export type { BroadcastItem, DeltaFrame, Variant } from './variant.ts'
export type {
  Declare,
  Declared,
  DeclareWanted,
  MemberOwner,
  ListedMember,
  Members,
  PresenceMember,
  RollAnswered,
  RollCalled,
  Sync,
  Synced,
  SyncWanted
} from './presence-message.ts'

/** The version of these messages and of the batches that carry them. */
export const MESH_FORMAT_VERSION = 1

/** A point in a channel's order; comparable only inside one lineage (rule 5). */
export interface Position {
  readonly lineage: string
  readonly seq: number
}

/** Where somebody stands in a channel, with what proves or disproves a rollback (rule 4). */
export interface Standing extends Position {
  /** The epoch that wrote the entry at this position. */
  readonly epoch: number
  /** That entry's number in its partition's log. */
  readonly entry: number
}

/**
 * The key space of an id, so that nobody forges another connection's (rule 17): derived from a
 * connection, or chosen by a client, or given by a node to what it decides of itself. What masters
 * decide of themselves nobody repeats.
 */
export type IdSpace = 'connection' | 'client' | 'node' | 'master'

interface Named {
  /** `connectionId:msgSerial`, or the base id that the client chose. */
  readonly id: string
  readonly idSpace: IdSpace
  readonly connectionId: string | undefined
  /** Of its frame on that connection, where a client chose the id. */
  readonly msgSerial?: number
}

/** One publish as its session admitted it: what the master needs to know, and the bytes. */
export interface PublishOp extends Named {
  /** How many messages `payload` holds; 0 for presence, which has no serials. */
  readonly messageCount: number
  /** MessagePack of the messages, canonical form; encoded once, by the session's worker. */
  readonly payload: Uint8Array
  /** So many of the messages are for those who are there, and for no one who comes later. */
  readonly ephemeralCount?: number
  /** How many messages a second the app's channels may take, where it says. */
  readonly rateMax?: number
  /** Of presence: `payload` holds presence items, and this is who speaks for their members. */
  readonly owner?: MemberOwner
  /** How many members the app's channels may have, where it says. */
  readonly membersMax?: number
  /** Of what a client said, for statistics: how much it was, and where it came in. */
  readonly said?: Said
  /** Why it is refused unless it was taken before; then `payload` holds nothing. */
  readonly ifNew?: ErrorInfo
}

/** A committed publish: what the log holds and what every ChannelClient is given. */
export interface Publication extends Named {
  readonly seq: number
  /** The number of the log entry it stands in. */
  readonly entry: number
  /** Milliseconds since the Unix epoch; also the serials' time. */
  readonly timestamp: number
  /** Tells apart the publishes of one millisecond in the serials. */
  readonly counter: number
  readonly messageCount: number
  readonly payload: Uint8Array
  /** So many of the messages are no part of rewinds and history. */
  readonly ephemeralCount?: number
  /** Of presence: `payload` holds presence events, and this is who speaks for their members. */
  readonly owner?: MemberOwner
  /** Known to the master that wrote it, and to nobody else: the log does not hold it. */
  readonly said?: Said
  /** It is to stand in the archive, for so long (log/archive.ts). */
  readonly keptMs?: number | undefined
  /** It is to stand there until another one is published. */
  readonly isLastKept?: boolean | undefined
  /** It is acknowledged once another region has it. */
  readonly isGlobal?: boolean | undefined
  /** Where it was born, if that was in another region. */
  readonly origin?: Origin
  /** It says nothing but that something before it may be missing, which was born there. */
  readonly isBreak?: true
}

/** A region, and a place in its log. */
export interface Origin extends Standing {
  readonly region: string
}

/** What became of a publish. */
export type PublishOutcome =
  | {
      readonly kind: 'committed'
      readonly serials: readonly string[]
      /** Of presence: when its events are said to have been. */
      readonly timestamp?: number
    }
  | { readonly kind: 'refused'; readonly error: ErrorInfo }

interface OnChannel {
  /** `appId/name`. */
  readonly channel: string
}

/** LocalGroup → ChannelClient: an attachment wants to live from here on, or from `from`. */
export interface Attach extends OnChannel {
  readonly kind: 'attach'
  readonly attachId: number
  readonly variantId: number
  readonly variant: Variant
  readonly from: Standing | undefined
  /** Where it begins anew, `from` or not, it wants to be told the last messages first. */
  readonly rewind?: Rewind
  /** It wants to know who is present; nothing is for its ears, so that it can miss nothing. */
  readonly hearsPresence?: boolean
  readonly hearsNothing?: boolean
}

/** ChannelClient → LocalGroup: the answer to `attach`; later broadcasts are after `standing`. */
export interface Attached extends OnChannel {
  readonly kind: 'attached'
  readonly attachId: number
  readonly standing: Standing
  readonly isResumed: boolean
  /** Why a wanted continuation is not one. */
  readonly error: ErrorInfo | undefined
  /** What the attachment missed, or rewinds to, oldest first, encoded in its variant. */
  readonly backlog: readonly BroadcastItem[]
  /** Who is present at `standing`; absent: nobody, or it does not want to know. */
  readonly sync?: Sync
  /** How many are attached, for one that wants to know, if anybody does. */
  readonly occupancy?: Frame
  /** True: this is a page, up to `standing`; it is not live before it has asked for the rest. */
  readonly hasMore?: boolean
}

/** ChannelClient → LocalGroup: the attachment cannot be had (the master refuses or is lost). */
export interface AttachRefused extends OnChannel {
  readonly kind: 'attachRefused'
  readonly attachId: number
  readonly error: ErrorInfo
}

/** LocalGroup → ChannelClient: this attachment left before it was answered. */
export interface AttachGone extends OnChannel {
  readonly kind: 'attachGone'
  readonly attachId: number
}

/** LocalGroup → ChannelClient: nobody here is attached to the channel any more. */
export interface GroupEmpty extends OnChannel {
  readonly kind: 'groupEmpty'
}

/** LocalGroup → ChannelClient: nobody here wants frames of this variant any more. */
export interface VariantUnused extends OnChannel {
  readonly kind: 'variantUnused'
  readonly variantId: number
}

/** LocalGroup → ChannelClient: a publish of one of the node's sessions. */
export interface Submit extends OnChannel {
  readonly kind: 'submit'
  readonly submitId: number
  /** The outcomes of all submits up to this one are known to the group. */
  readonly answeredThrough: number
  /** It was submitted before: it may have been taken, and is not to be refused for a bound. */
  readonly isAgain?: true
  readonly op: PublishOp
}

/** ChannelClient → LocalGroup: the answer to `submit`. */
export interface Submitted extends OnChannel {
  readonly kind: 'submitted'
  readonly submitId: number
  readonly outcome: PublishOutcome
}

/** ChannelClient → LocalGroup: committed publications, in order, without a hole. */
export interface Broadcast extends OnChannel {
  readonly kind: 'broadcast'
  readonly standing: Standing
  readonly items: readonly BroadcastItem[]
}

/** ChannelClient → LocalGroup: messages may be missing before `standing`; say so to everybody. */
export interface ContinuityLost extends OnChannel {
  readonly kind: 'continuityLost'
  readonly standing: Standing
  readonly error: ErrorInfo
  /** Who is present now; frames sparse, by variantId. Absent: nobody. */
  readonly sync?: 'held' | readonly (readonly Frame[] | undefined)[]
}

/** ChannelClient → master: I have this channel's clients of my node; start me after `from`. */
export interface Join extends OnChannel {
  readonly kind: 'join'
  /** Grows with every Join of this client; answers to earlier ones are ignored. */
  readonly joinNo: number
  /** The client's own number, random per life: a client born anew is another one. */
  readonly clientId: string
  readonly viewVersion: number
  readonly from: Standing | undefined
  /** False for a client that only publishes: it is given no deliveries. */
  readonly wantsDeliveries: boolean
  /** True: it knows who was present at `from`, and needs to be told only what came after. */
  readonly hasMembers?: boolean
  /** It has publishes of before without an outcome: another master may have committed them. */
  readonly hasUnanswered?: boolean
}

/** Master → ChannelClient: deliveries after `standing` follow on this link. */
export interface Joined extends OnChannel {
  readonly kind: 'joined'
  readonly joinNo: number
  readonly epoch: number
  readonly standing: Standing
  /** True if `backlog` is everything between `from` and `standing`. */
  readonly isContinuation: boolean
  /** `backlog` begins after this seq: that of `from`, or later if nothing was between. */
  readonly startsAfter: number
  readonly backlog: readonly Publication[]
  /** False: `backlog` is a page of more; Join again from `standing`, nothing is delivered yet. */
  readonly isWhole: boolean
  /** The number that the master takes for the client's next op (rule 16). */
  readonly nextOpNo: number
  /**
   * Who is present at `standing`. `kept`: whom the client knew, with the backlog; `held`: nobody
   * can say yet; absent: whom the `members` before this message said.
   */
  readonly members?: 'kept' | 'held'
  /** True if members of the client's node are known: what it does not list any more leaves. */
  readonly hasYours?: boolean
}

/** Master → ChannelClient: ask there instead (rule 9); `master` absent while nobody is known. */
export interface NotMaster extends OnChannel {
  readonly kind: 'notMaster'
  readonly joinNo: number
  readonly viewVersion: number
}

/**
 * Master → ChannelClient: this mastership is over, look for the next one; or what was asked has no
 * place, or a link was reset, and it is to be asked again.
 */
export interface JoinAgain extends OnChannel {
  readonly kind: 'joinAgain'
  /** After a reset: for whom that client is gone, its Part was lost and is said again. */
  readonly clientId?: string
}

/** ChannelClient → master: no deliveries any more, and no further publishes of this client. */
export interface Part extends OnChannel {
  readonly kind: 'part'
  readonly clientId: string
}

/** ChannelClient → master: the `opNo`-th publish of this client in this epoch (rule 16). */
export interface Publish extends OnChannel {
  readonly kind: 'publish'
  readonly clientId: string
  readonly epoch: number
  readonly opNo: number
  /** The client has heard the outcome of every op up to this one. */
  readonly answeredThrough: number
  readonly op: PublishOp
}

/** Master → ChannelClient: what became of publish `opNo`. */
export interface Result extends OnChannel {
  readonly kind: 'result'
  readonly clientId: string
  readonly epoch: number
  readonly opNo: number
  readonly outcome: PublishOutcome
}

/** Master → ChannelClient: committed publications, in order. */
export interface Deliver extends OnChannel {
  readonly kind: 'deliver'
  readonly epoch: number
  readonly publications: readonly Publication[]
}

export type ToClientFromGroup =
  | Attach
  | AttachGone
  | GroupEmpty
  | VariantUnused
  | Submit
  | SyncWanted
  | Declared
  | Counted
export type ToGroup =
  | Attached
  | AttachRefused
  | Submitted
  | Broadcast
  | ContinuityLost
  | Synced
  | DeclareWanted
  | CensusToGroup
export type ToMaster =
  Join | Part | Publish | Backfill | Declare | CensusToMaster | Ask | ToRelayed
export type ToClientFromMaster =
  | Joined | NotMaster | JoinAgain | Result | Deliver | Backfilled | Members | CensusToClient
export type RollMessage = RollCalled | RollAnswered

/**
 * Former master → the one that the view names: I answer nobody any more (rule 12). That is so, too,
 * where the latter was taken for gone and serves (rule 10). Only a hint: how it is the log says.
 */
export interface HandedOver {
  readonly kind: 'handedOver'
  readonly partition: number
  /** The engine's sequence of the partition's last record, as far as the former master knows. */
  readonly lastSeq: number
}

/** Everything that travels on links between workers. */
export type PeerMessage =
  | ToClientFromGroup
  | ToGroup
  | ToMaster
  | ToClientFromMaster
  | RollMessage
  | HandedOver
  | ClaimMessage
  | ListenersMessage
  | CometMessage
  | NonceMessage
  | RevocationMessage
  | QuestionMessage
  | RelayMessage
