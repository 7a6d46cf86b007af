/**
 * What the masters of a channel in two regions say to each other (docs/decisions/0024-regions.md).
 * The relay of one asks, as a ChannelClient asks its master; the master of the other tells it what
 * was born there, and nothing else. All of them name the region that speaks.
 */

import { countFields, countFrom } from './census-codec.ts'
import type { Headcount } from './census-message.ts'
import {
  type Fields, memberFields, memberFrom, originFields, originFrom, publicationFields,
  publicationFrom, standingFields, standingFrom
} from './fields.ts'
import type { MemberOwner, Origin, PresenceMember, Publication, Standing } from './message.ts'

interface OfRelay {
  /** `appId/name`. */
  readonly channel: string
  /** The region of whoever says it. */
  readonly region: string
}

/** Relay → master: tell me what is born with you, from here on. */
export interface RelayJoin extends OfRelay {
  readonly kind: 'relayJoin'
  /** The relay's own number, random per life. */
  readonly relayId: string
  /** Grows with every Join of this relay; answers to earlier ones are ignored. */
  readonly joinNo: number
  /** The view of the master's region by which it was found. */
  readonly viewVersion: number
  /** After this; absent for a relay that never was told anything. */
  readonly from: Standing | undefined
  /** Of one without `from`: what was born since then, by the clock of who asks; see `ageMs`. */
  readonly sinceMs: number
  /** It does not know who is present there. */
  readonly wantsMembers: boolean
  /** It wants to be told how many are attached there. */
  readonly wantsCount: boolean
  /**
   * So many ms ago that was, for clocks of regions differ. Undefined where it is no time, and of
   * former releases.
   */
  readonly ageMs?: number | undefined
  /** All that is missing is wanted, from the archive too, or else this; to former releases all. */
  readonly only?: RelayOnly | undefined
}

/** It goes on with what is held there, or only where there is nothing; or else it is broken. */
export type RelayOnly = 'held' | 'nothing'
/** In the order in which bytes name them. */
const ONLY: readonly (RelayOnly | undefined)[] = [undefined, 'held', 'nothing']

/** Relay → master: from now on I want to be told how many are attached there, or not any more. */
export interface RelayCountWanted extends OfRelay {
  readonly kind: 'relayCountWanted'
  readonly relayId: string
  readonly isWanted: boolean
}

/** Master → relay: so many are attached in this region. */
export interface RelayCount extends OfRelay {
  readonly kind: 'relayCount'
  readonly count: Headcount
}

/** Master → relay: a part of who is present there, before the `relayJoined` of the same number. */
export interface RelayMembers extends OfRelay {
  readonly kind: 'relayMembers'
  readonly relayId: string
  readonly joinNo: number
  readonly members: readonly PresenceMember[]
}

/** Master → relay: what is born after `standing` follows on this link. */
export interface RelayJoined extends OfRelay {
  readonly kind: 'relayJoined'
  readonly relayId: string
  readonly joinNo: number
  readonly epoch: number
  readonly standing: Standing
  /** True if `publications` are all that were born between what was asked for and `standing`. */
  readonly isContinuation: boolean
  readonly publications: readonly Publication[]
  /** False: this is a page of more; Join again from `standing`. */
  readonly isWhole: boolean
  /**
   * Who is present there: what was told before; or it is told at a later Join, of a later page or
   * once it is known here (`relayAgain`); or it stands in the `relayMembers` of this Join, and
   * nobody else is.
   */
  readonly members: 'kept' | 'later' | 'told'
  /** What is born here is acknowledged once it is written there: that is to be said. */
  readonly wantsWritten: boolean
}

/** Master → relay: nobody uses the channel here; whoever begins to will ask you. */
export interface RelayDormant extends OfRelay {
  readonly kind: 'relayDormant'
  readonly relayId: string
  readonly joinNo: number
  /**
   * Where the log ends, if something may be missing since what was asked for; undefined: nothing
   * is.
   */
  readonly anew: Standing | undefined
}

/** Master → relay: publications that were born here, in order. */
export interface RelayDeliver extends OfRelay {
  readonly kind: 'relayDeliver'
  readonly epoch: number
  /** The seq of the last one that was born before them in this epoch; or a lower one. */
  readonly after: number
  readonly publications: readonly Publication[]
}

/**
 * Master → relay: this mastership is over, or lets the channel go; or a link was reset. Without a
 * channel: whoever says it had forgotten the other's relays, of all its channels.
 */
export interface RelayAgain extends OfRelay {
  readonly kind: 'relayAgain'
}

/** Relay → master: nobody uses the channel with us any more. */
export interface RelayPart extends OfRelay {
  readonly kind: 'relayPart'
  readonly relayId: string
}

/** A part of a region's log, of what was born there, without a gap. */
export interface Stretch {
  readonly lineage: string
  /** It begins after this seq. */
  readonly after: number
  /** And ends with this one. */
  readonly seq: number
}

/** Relay → master: this of what was born with you is in our log. */
export interface RelayWritten extends OfRelay, Stretch {
  readonly kind: 'relayWritten'
}

/** Master → master in another region: take what is born here, though nobody uses it with you. */
export interface RelayHold extends OfRelay {
  readonly kind: 'relayHold'
  /** What came after this. */
  readonly since: Standing
}

/** What a relay gives on at once. */
export interface Relayed {
  /** Something before them may be missing. */
  readonly isBroken: boolean
  readonly publications: readonly Publication[]
  /** Where the last of them stands there, or what the other region's master said without any. */
  readonly standing: Standing
  /** All who are present there at this standing; undefined: nothing but what these change. */
  readonly members: readonly PresenceMember[] | undefined
}

/** Master → master in another region: what came after this place in your log? Is it of yours? */
export interface RelayAsk extends OfRelay {
  readonly kind: 'relayAsk'
  /** Chosen by who asks. */
  readonly askId: string
  readonly from: Standing
}

/** The answer. */
export interface RelayTold extends OfRelay {
  readonly kind: 'relayTold'
  readonly askId: string
  /** False: it is of another log, or not all that came after it is held. */
  readonly isContinuation: boolean
  /** What came after it, wherever that was born. */
  readonly publications: readonly Publication[]
  /** Where the last of them stands. */
  readonly standing: Standing
  /** False: there is more after them. */
  readonly isWhole: boolean
  /** How far this log has what was born in other regions. */
  readonly origins: readonly Origin[]
  /** The seq of the last one that was born here and is held; 0 for none. */
  readonly bornThrough: number
}

export type RelayToMaster = RelayJoin | RelayPart | RelayCountWanted | RelayWritten
/** What is said to a master. */
export type ToRelayed = RelayToMaster | RelayAsk | RelayHold
export type ToRelay =
  RelayJoined | RelayDormant | RelayDeliver | RelayAgain | RelayMembers | RelayCount
export type RelayMessage = ToRelayed | ToRelay | RelayTold

/** No incarnation of a node begins so: they begin with the names of pods. */
const REGION_MARK = '@'

/** Their kinds, in the order in which bytes name them; new ones come last. */
export const RELAY_KINDS = [
  'relayJoin', 'relayJoined', 'relayDormant', 'relayDeliver', 'relayAgain', 'relayPart',
  'relayMembers', 'relayAsk', 'relayTold', 'relayCountWanted', 'relayCount'
] as const satisfies readonly RelayMessage['kind'][]

/** Their numbers on the mesh are behind all others. */
export const COPY_KINDS = [
  'relayWritten', 'relayHold'
] as const satisfies readonly RelayMessage['kind'][]

const KINDS: readonly (string | undefined)[] = [...RELAY_KINDS, ...COPY_KINDS]

export function isRelayKind(kind: string | undefined): kind is RelayMessage['kind'] {
  return KINDS.includes(kind)
}

export function isRelayMessage(message: { readonly kind: string }): message is RelayMessage {
  return isRelayKind(message.kind)
}

const TO_MASTERS: readonly string[] = ['relayJoin', 'relayPart', 'relayCountWanted', 'relayAsk',
  'relayWritten', 'relayHold'] satisfies ToRelayed['kind'][]

/** True for what is no word to a master. */
export function isToRelay(message: { readonly kind: string }): message is ToRelay | RelayTold {
  const { kind } = message
  return isRelayKind(kind) && !TO_MASTERS.includes(kind)
}

/** Who speaks for the members of another region, whatever becomes of its nodes. */
export function regionOwner(region: string, claim: number): MemberOwner {
  return { incarnation: `${REGION_MARK}${region}`, worker: 0, generation: 0, claim }
}

/** The region that speaks for a member; undefined for the own one. */
export function regionOf({ incarnation }: Pick<MemberOwner, 'incarnation'>): string | undefined {
  return incarnation.startsWith(REGION_MARK) ? incarnation.slice(1) : undefined
}

/** Since when it wants what was born, by the clock that says `wallMs` now. */
export function sinceOf({ sinceMs, ageMs, only }: RelayJoin, wallMs: number): number {
  // Whether there was anything is asked of all time; former releases see when it was used first.
  if (only === 'nothing') return 1
  return ageMs === undefined ? sinceMs : Math.max(1, wallMs - ageMs)
}

/** The fields of one, without its kind. */
export function relayMessageFields(m: RelayMessage): Fields {
  const { channel, region } = m
  switch (m.kind) {
    case 'relayJoin':
      return [channel, region, m.relayId, m.joinNo, m.viewVersion, standingFields(m.from),
        m.sinceMs, m.wantsMembers, m.wantsCount, m.ageMs,
        ...(m.only === undefined ? [] : [ONLY.indexOf(m.only)])]
    case 'relayCountWanted':
      return [channel, region, m.relayId, m.isWanted]
    case 'relayCount':
      return [channel, region, countFields(m.count)]
    case 'relayJoined':
      return [channel, region, m.relayId, m.joinNo, m.epoch, standingFields(m.standing),
        m.isContinuation, m.isWhole, m.publications.map(publicationFields), m.members,
        m.wantsWritten]
    case 'relayMembers':
      return [channel, region, m.relayId, m.joinNo, m.members.map(memberFields)]
    case 'relayAsk':
      return [channel, region, m.askId, standingFields(m.from)]
    case 'relayTold':
      return [channel, region, m.askId, m.isContinuation, m.publications.map(publicationFields),
        standingFields(m.standing), m.isWhole, m.origins.map(originFields), m.bornThrough]
    case 'relayDormant': {
      const anew = m.anew === undefined ? [] : [standingFields(m.anew)]
      return [channel, region, m.relayId, m.joinNo, ...anew]
    }
    case 'relayDeliver':
      return [channel, region, m.epoch, m.after, m.publications.map(publicationFields)]
    case 'relayAgain':
      return [channel, region]
    case 'relayPart':
      return [channel, region, m.relayId]
    case 'relayWritten':
      return [channel, region, m.lineage, m.after, m.seq]
    case 'relayHold':
      return [channel, region, standingFields(m.since)]
  }
}

/** The inverse of `relayMessageFields`. */
export function relayMessageFrom(kind: RelayMessage['kind'], fields: Fields): RelayMessage {
  const [channel, region, ...f] = fields as [string, string, ...never[]]
  const said = { channel, region }
  switch (kind) {
    case 'relayJoin':
      return { kind, ...said, relayId: f[0]!, joinNo: f[1]!, viewVersion: f[2]!,
        from: f[3] === null ? undefined : standingFrom(f[3]), sinceMs: f[4]!, wantsMembers: f[5]!,
        wantsCount: f[6]!, ...((f[7] ?? null) === null ? {} : { ageMs: f[7]! }),
        ...(f[8] !== undefined && { only: ONLY[f[8]] }) }
    case 'relayCountWanted':
      return { kind, ...said, relayId: f[0]!, isWanted: f[1]! }
    case 'relayCount':
      return { kind, ...said, count: countFrom(f[0]) }
    case 'relayJoined':
      return { kind, ...said, relayId: f[0]!, joinNo: f[1]!, epoch: f[2]!,
        standing: standingFrom(f[3]), isContinuation: f[4]!, isWhole: f[5]!,
        publications: (f[6]! as unknown[]).map(publicationFrom), members: f[7]!,
        wantsWritten: f[8] === true }
    case 'relayMembers':
      return { kind, ...said, relayId: f[0]!, joinNo: f[1]!,
        members: (f[2]! as unknown[]).map(memberFrom) }
    case 'relayAsk':
      return { kind, ...said, askId: f[0]!, from: standingFrom(f[1]) }
    case 'relayTold':
      return { kind, ...said, askId: f[0]!, isContinuation: f[1]!,
        publications: (f[2]! as unknown[]).map(publicationFrom), standing: standingFrom(f[3]),
        isWhole: f[4]!, origins: (f[5]! as unknown[]).map(originFrom), bornThrough: f[6]! }
    case 'relayDormant':
      return { kind, ...said, relayId: f[0]!, joinNo: f[1]!,
        anew: f[2] === undefined ? undefined : standingFrom(f[2]) }
    case 'relayDeliver':
      return { kind, ...said, epoch: f[0]!, after: f[1]!,
        publications: (f[2]! as unknown[]).map(publicationFrom) }
    case 'relayAgain':
      return { kind, ...said }
    case 'relayPart':
      return { kind, ...said, relayId: f[0]! }
    case 'relayWritten':
      return { kind, ...said, lineage: f[0]!, after: f[1]!, seq: f[2]! }
    case 'relayHold':
      return { kind, ...said, since: standingFrom(f[0]) }
  }
}
