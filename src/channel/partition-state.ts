/**
 * The state of a partition as bytes: what a snapshot holds (rule 6). Messages are not in it, for
 * the tail of the log has them, but for those that the archive owes; what must outlive them is:
 * where each channel stands, its clock, its exact de-duplication, who is present, who holds which
 * connection, which nonces were used.
 *
 * Ids derived from connections stand in runs, by differences, since they come in order: a publish
 * takes about five bytes.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import { claimRecordFields, claimRecordFrom } from '../peer/claim-codec.ts'
import type { ClaimRecord } from '../peer/claim-message.ts'
import { type NonceRecord, nonceRecordFields, nonceRecordFrom } from '../peer/nonce-message.ts'
import {
  memberFields, memberFrom, originFields, originFrom, publicationFields, publicationFrom
} from '../peer/fields.ts'
import type { IdSpace, Origin, PresenceMember, Publication, Standing } from '../peer/message.ts'
import type { Tick } from '../wire/serial.ts'
import type { Parting } from './comeback.ts'
import type { Uncopied } from './copying.ts'
import type { KnownId } from './dedupe.ts'
import type { BornTrimmed } from './tail.ts'

const STATE_FORMAT_VERSION = 1

/** Where a channel was born (again): see ChannelMaster. */
export interface Birth {
  readonly seq: number
  /** Of one that had been let go: before this seq nothing of it is remembered. */
  readonly beginSeq?: number | undefined
  /** Of no channel that was let go before, anything stood after this entry. */
  readonly entry: number
}

/** Nothing of it that is remembered was born before this seq. */
export function beginSeqOf({ seq, beginSeq = seq }: Birth): number {
  return beginSeq
}

/** Since when all that was born on a channel, and outlasts its delivery, is kept for long. */
export interface KeptSince {
  /** After this seq. */
  readonly after: number
  /** This was the first one after that, if it is above. */
  readonly from: number
}

/** What is remembered of a channel that was let go. */
export interface Past {
  readonly beginSeq: number
  /** The last one that was born here, or a later seq; and when it was, or later; 0 for none. */
  readonly bornSeq: number
  readonly bornMs: number
  /** Nothing of it stands after this entry. */
  readonly entry: number
  readonly keptSince: KeptSince
  /** A relay of another region has listened to it. */
  readonly isSought: boolean
}

/** Where a channel stands when its master begins. */
export interface ChannelStart {
  readonly standing: Standing
  readonly birth: Birth
  /** True if nothing of it stood in the log. */
  readonly isBorn?: boolean
  /** True if nobody knew of it: no client that is there had joined it before. */
  readonly isNew?: boolean
  /** What was remembered of it, if it had been let go. */
  readonly past?: Past | undefined
  readonly parting?: Parting | undefined
}

/** What is known of those that were let go, and of which nothing is remembered. */
export interface Forgotten {
  /** Nothing of them stands after this entry. */
  readonly entry: number
  /** Nothing was born on them later than this that a region may have missed, in ms. */
  readonly ms: number
  /** Nothing was born on them later than this at all; undefined in states of former releases. */
  readonly bornMs?: number | undefined
}

export interface ChannelState {
  readonly channel: string
  readonly seq: number
  /** The epoch and the entry of the last publication. */
  readonly epoch: number
  readonly entry: number
  readonly birth: Birth
  /** The last tick of the channel's serials. */
  readonly tick: Tick
  readonly ids: readonly KnownId[]
  readonly members: readonly PresenceMember[]
  /** Committed, and not known to be in the archive (rule 22). */
  readonly unarchived: readonly Publication[]
  /** Of other regions that use it: how far what was born there is written here. */
  readonly origins: readonly Origin[]
  /** The last one that was born here. */
  readonly bornSeq: number
  /** Committed, to be acknowledged once another region has it, and not known to be there. */
  readonly uncopied: readonly Uncopied[]
  readonly keptSince: KeptSince
  /** When what was born here and is not held was, if that is known. */
  readonly bornTrimmed?: BornTrimmed | undefined
  /** A relay of another region has listened to it. */
  readonly isSought?: boolean
}

export interface PartitionState {
  /** A channel born again starts here. */
  readonly letGo: Birth
  readonly pasts: ReadonlyMap<string, Past>
  /** Where clients and relays of channels that were let go go on. */
  readonly partings: ReadonlyMap<string, Parting>
  readonly forgotten: Forgotten
  readonly channels: readonly ChannelState[]
  readonly claims: readonly ClaimRecord[]
  readonly nonces: readonly NonceRecord[]
}

/** Nothing has happened yet. */
export const emptyState: PartitionState = {
  letGo: { seq: 0, entry: 0 }, pasts: new Map(), partings: new Map(),
  forgotten: { entry: 0, ms: 0, bornMs: 0 }, channels: [], claims: [], nonces: []
}

const encoder = new Encoder()
const decoder = new Decoder()

/** The state as bytes. */
export function encodeState(
  { letGo, pasts, partings, forgotten, channels, claims, nonces }: PartitionState
): Uint8Array {
  const rows = channels.map((state) => {
    const { channel, seq, epoch, entry, birth, tick, ids, members, unarchived, origins } = state
    const row = [channel, seq, epoch, entry, birth.seq, birth.entry, tick.ms, tick.counter,
      runsOf(ids), members.map(memberFields)]
    const { uncopied, bornSeq, keptSince: { after, from }, bornTrimmed, isSought = false } = state
    // Without these it is taken for known that all was born here, and nothing kept for long.
    const isKnown = bornSeq !== seq || after < seq || birth.beginSeq !== undefined
    const isOfWorld = isSought || bornTrimmed !== undefined
    const isAlone = !isKnown && !isOfWorld && origins.length + uncopied.length === 0
    if (isAlone && unarchived.length === 0) return row
    const waiting = unarchived.map(publicationFields)
    if (isAlone) return [...row, waiting]
    const copies = uncopied.map(({ seq, id, idSpace }) => [seq, id, idSpace])
    const known = [...row, waiting, origins.map(originFields), bornSeq, copies, after, from,
      birth.beginSeq]
    return isOfWorld ? [...known, isSought, bornTrimmed?.ms, bornTrimmed?.through] : known
  })
  const claimRows = claims.map(claimRecordFields)
  const nonceRows = nonces.map(nonceRecordFields)
  return encoder.encode([
    STATE_FORMAT_VERSION, letGo.seq, letGo.entry, rows, claimRows, nonceRows,
    [...pasts].map(pastFields), forgotten.entry, forgotten.ms, [...partings].map(partingFields),
    forgotten.bornMs
  ])
}

/** The state in a snapshot's bytes; throws a RangeError for a format of a later release. */
export function decodeState(bytes: Uint8Array): PartitionState {
  const [version, seq, entry, rows, claimRows, ...more] = decoder.decode(bytes) as [
    number, number, number, never[][], unknown[][], unknown[][]?, PastFields[]?, number?, number?,
    PartingFields[]?, number?
  ]
  if (version !== STATE_FORMAT_VERSION) throw new RangeError(`state of format ${version}`)
  const channels = rows.map((row): ChannelState => ({
    channel: row[0]!,
    seq: row[1]!,
    epoch: row[2]!,
    entry: row[3]!,
    birth: { seq: row[4]!, entry: row[5]!, beginSeq: row[16] ?? undefined },
    tick: { ms: row[6]!, counter: row[7]! },
    ids: idsOf(row[8]!),
    members: (row[9]! as unknown[]).map(memberFrom),
    unarchived: ((row[10] ?? []) as unknown[]).map(publicationFrom),
    origins: ((row[11] ?? []) as unknown[]).map(originFrom),
    bornSeq: row[12] ?? row[1]!,
    uncopied: ((row[13] ?? []) as [number, string, IdSpace][])
      .map(([seq, id, idSpace]) => ({ seq, id, idSpace })),
    keptSince: { after: row[14] ?? row[1]!, from: row[15] ?? 0 },
    isSought: row[17] ?? false,
    bornTrimmed: (row[18] ?? null) === null ? undefined : { ms: row[18]!, through: row[19]! }
  }))
  const claims = claimRows.map(claimRecordFrom)
  const [nonceRows = [], pastRows = [], forgottenEntry = 0, ms = 0, partingRows = [], bornMs] = more
  return {
    letGo: { seq, entry }, pasts: new Map(pastRows.map(pastFrom)),
    partings: new Map(partingRows.map(partingFrom)),
    forgotten: { entry: forgottenEntry, ms, bornMs }, channels, claims,
    nonces: nonceRows.map(nonceRecordFrom)
  }
}

type PastFields = [
  channel: string, beginSeq: number, bornSeq: number, bornMs: number, entry: number,
  after: number, from: number, isSought: boolean
]

function pastFields([channel, past]: [string, Past]): PastFields {
  const { beginSeq, bornSeq, bornMs, entry, keptSince: { after, from }, isSought } = past
  return [channel, beginSeq, bornSeq, bornMs, entry, after, from, isSought]
}

function pastFrom(
  [channel, beginSeq, bornSeq, bornMs, entry, after, from, isSought]: PastFields
): [string, Past] {
  return [channel, {
    beginSeq, bornSeq, bornMs, entry, keptSince: { after, from }, isSought
  }]
}

type PartingFields = [channel: string, endSeq: number, sinceMs: number, origins: unknown[]]

function partingFields([channel, parting]: [string, Parting]): PartingFields {
  const { endSeq, sinceMs, origins } = parting
  return [channel, endSeq, sinceMs, origins.map(originFields)]
}

function partingFrom([channel, endSeq, sinceMs, origins]: PartingFields): [string, Parting] {
  return [channel, { endSeq, sinceMs, origins: origins.map(originFrom) }]
}

/** `[serial, ms, counter, messageCount]…` of one connection, the first two as differences. */
type Run = [connectionId: string, numbers: number[]]

type Other = [
  key: string, timestamp: number, counter: number, messageCount: number,
  connectionId?: string | null, msgSerial?: number | null, bornIn?: string
]

const DERIVED = /^([^~].*):(0|[1-9][0-9]{0,14})$/

/** Those alone that have lapsed are named once more. */
type Ids = [runs: Run[], others: Other[], lapsed?: string[]]

function runsOf(ids: readonly KnownId[]): Ids {
  const runs = new Map<string, { numbers: number[]; serial: number; ms: number }>()
  const others: Other[] = []
  const lapsed: string[] = []
  for (const { key, timestamp, counter, messageCount, turn, bornIn, isLapsed } of ids) {
    if (isLapsed === true) lapsed.push(key)
    const match = DERIVED.exec(key)
    if (match === null) {
      const said = turn === undefined ? [] as const : [turn.connectionId, turn.msgSerial] as const
      others.push(bornIn === undefined ? [key, timestamp, counter, messageCount, ...said]
        : [key, timestamp, counter, messageCount, null, null, bornIn])
      continue
    }
    const [, connectionId, digits] = match as unknown as [string, string, string]
    const serial = Number(digits)
    const run = runs.get(connectionId) ?? { numbers: [], serial: 0, ms: 0 }
    runs.set(connectionId, run)
    run.numbers.push(serial - run.serial, timestamp - run.ms, counter, messageCount)
    run.serial = serial
    run.ms = timestamp
  }
  const rows = [...runs].map(([connectionId, { numbers }]): Run => [connectionId, numbers])
  return lapsed.length === 0 ? [rows, others] : [rows, others, lapsed]
}

function idsOf([runs, others, lapsed = []]: Ids): KnownId[] {
  const ids = others.map(([key, timestamp, counter, messageCount, ...more]) => {
    const [connectionId, msgSerial, bornIn] = more
    const id: KnownId = { key, timestamp, counter, messageCount, ...(bornIn && { bornIn }) }
    if (typeof connectionId !== 'string' || typeof msgSerial !== 'number') return id
    return { ...id, turn: { connectionId, msgSerial } }
  })
  for (const [connectionId, numbers] of runs) {
    let serial = 0
    let timestamp = 0
    for (let at = 0; at < numbers.length; at += 4) {
      serial += numbers[at]!
      timestamp += numbers[at + 1]!
      const [counter, messageCount] = [numbers[at + 2]!, numbers[at + 3]!]
      ids.push({ key: `${connectionId}:${serial}`, timestamp, counter, messageCount })
    }
  }
  if (lapsed.length === 0) return ids
  const keys = new Set(lapsed)
  return ids.map((id) => keys.has(id.key) ? { ...id, isLapsed: true } : id)
}
