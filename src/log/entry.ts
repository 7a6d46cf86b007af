/**
 * What stands in a partition's log. A record of the engine is one *append*: a head that makes the
 * chain provable (rules 2, 4 and 6), and the entries that waited for it together.
 *
 * Entries are numbered within the partition, one by one, across epochs; an append names the first
 * number it holds, the engine's sequence of the append before it, and where the last complete
 * snapshot begins, so that a hole shows although the engine's sequences are shared.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import { exhaustive } from '../base/assert.ts'
import { claimRecordFields, claimRecordFrom } from '../peer/claim-codec.ts'
import type { ClaimRecord } from '../peer/claim-message.ts'
import {
  ID_SPACES,
  originFields,
  originFrom,
  ownerFields,
  ownerFrom,
  publicationFields,
  publicationFrom
} from '../peer/fields.ts'
import { type NonceRecord, nonceRecordFields, nonceRecordFrom } from '../peer/nonce-message.ts'
import type { IdSpace, MemberOwner, Origin, Publication } from '../peer/message.ts'

/** The version of the records that this release writes. */
export const LOG_FORMAT_VERSION = 1

/** A mastership begins: from here on only its appends are accepted. */
export interface EpochEntry {
  readonly kind: 'epoch'
  readonly epoch: number
  /** The log's unbroken history; minted when the log was found empty or rolled back. */
  readonly lineage: string
  /** True if `lineage` begins here: nothing before this entry counts any more. */
  readonly startsLineage: boolean
  readonly viewVersion: number
  readonly incarnation: string
  readonly workerGeneration: number
}

/** A publish of one channel, of messages or of presence. */
export interface PublicationEntry {
  readonly kind: 'publication'
  readonly channel: string
  readonly publication: Publication
}

/** Who holds a connection from here on, or which of its keys are retired (rule 20). */
export interface ClaimEntry {
  readonly kind: 'claim'
  readonly record: ClaimRecord
}

/** A nonce of a token request was used; nobody else may use it. */
export interface NonceEntry {
  readonly kind: 'nonce'
  readonly record: NonceRecord
}

/**
 * A presence op that nobody sees, so that it has no place in the channel's order: members that
 * are present already have another owner, if any have (rule 21), and the op is taken (rule 17).
 */
export interface OwnershipEntry {
  readonly kind: 'ownership'
  readonly channel: string
  readonly id: string
  readonly idSpace: IdSpace
  readonly connectionId: string
  readonly clientIds: readonly string[]
  readonly owner: MemberOwner
}

/** From here on what is born there in another region is written here (docs/decisions/0024). */
export interface RelayEntry {
  readonly kind: 'relay'
  readonly channel: string
  readonly origin: Origin
}

/** Says nothing: that it is in the log proves that its writer still masters the partition. */
export interface ConfirmEntry {
  readonly kind: 'confirm'
}

/** A part of a snapshot: the masters' state after entry `asOf`, cut into chunks. */
export interface SnapshotChunkEntry {
  readonly kind: 'snapshot'
  /** Unique in the log; a snapshot that was begun and not ended is none. */
  readonly id: string
  readonly asOf: number
  /** Counts from 0. */
  readonly chunkNo: number
  readonly bytes: Uint8Array
}

/** Makes a snapshot whole, and carries on what epochs that are trimmed away have said. */
export interface SnapshotEndEntry {
  readonly kind: 'snapshotEnd'
  readonly id: string
  readonly chunkCount: number
  readonly digest: number
  readonly lineage: string
  /** Ended epochs with the number of their last entry, oldest first. */
  readonly epochEnds: readonly (readonly [epoch: number, lastEntry: number])[]
}

export type Entry =
  | EpochEntry
  | PublicationEntry
  | ClaimEntry
  | NonceEntry
  | OwnershipEntry
  | ConfirmEntry
  | RelayEntry
  | SnapshotChunkEntry
  | SnapshotEndEntry

/** One record: written whole or not at all. */
export interface Append {
  readonly epoch: number
  /** With `epoch`, the append's id: how a writer knows its own late append again. */
  readonly counter: number
  /** The engine's sequence of this partition's record before; 0 for none. */
  readonly previousSeq: number
  /** The number of the first of `entries`. */
  readonly firstEntry: number
  /** The engine's sequence where the last complete snapshot begins; 0 for none. */
  readonly snapshotSeq: number
  readonly entries: readonly Entry[]
}

const KIND_EPOCH = 0
const KIND_PUBLICATION = 1
const KIND_CONFIRM = 2
const KIND_SNAPSHOT = 3
const KIND_SNAPSHOT_END = 4
const KIND_CLAIM = 5
const KIND_OWNERSHIP = 6
const KIND_NONCE = 7
const KIND_RELAY = 8

const encoder = new Encoder()
const decoder = new Decoder()

/** One entry as bytes; the unit that a writer gathers into appends. */
export function encodeEntry(entry: Entry): Uint8Array {
  switch (entry.kind) {
    case 'epoch':
      return encoder.encode([
        KIND_EPOCH,
        entry.epoch,
        entry.lineage,
        entry.startsLineage,
        entry.viewVersion,
        entry.incarnation,
        entry.workerGeneration
      ])
    case 'publication':
      return encoder.encode([
        KIND_PUBLICATION,
        entry.channel,
        publicationFields(entry.publication)
      ])
    case 'claim':
      return encoder.encode([KIND_CLAIM, ...claimRecordFields(entry.record)])
    case 'nonce':
      return encoder.encode([KIND_NONCE, ...nonceRecordFields(entry.record)])
    case 'ownership': {
      const { channel, id, idSpace, connectionId, clientIds, owner } = entry
      const fields = [channel, id, ID_SPACES.indexOf(idSpace), connectionId, clientIds]
      return encoder.encode([KIND_OWNERSHIP, ...fields, ownerFields(owner)])
    }
    case 'relay':
      return encoder.encode([KIND_RELAY, entry.channel, originFields(entry.origin)])
    case 'confirm':
      return encoder.encode([KIND_CONFIRM])
    case 'snapshot': {
      const { id, asOf, chunkNo, bytes } = entry
      return encoder.encode([KIND_SNAPSHOT, id, asOf, chunkNo, bytes])
    }
    case 'snapshotEnd': {
      const { id, chunkCount, digest, lineage, epochEnds } = entry
      return encoder.encode([KIND_SNAPSHOT_END, id, chunkCount, digest, lineage, epochEnds])
    }
    default:
      return exhaustive(entry, 'log entry')
  }
}

/** A record's bytes from its head and its entries, encoded before by `encodeEntry`. */
export function encodeAppend(
  head: Omit<Append, 'entries'>,
  entries: readonly Uint8Array[]
): Uint8Array {
  return encoder.encode([
    LOG_FORMAT_VERSION,
    head.epoch,
    head.counter,
    head.previousSeq,
    head.firstEntry,
    head.snapshotSeq,
    entries
  ])
}

/**
 * The append in a record's bytes. `newer`: a later release wrote it, so it must not be passed
 * over; `garbage`: nobody of ours did.
 */
export type Decoded =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'newer'; readonly formatVersion: number }
  | { readonly kind: 'garbage' }

/** The append in a record's bytes; undefined for what this release cannot read. */
export function decodeAppend(bytes: Uint8Array): Append | undefined {
  const decoded = decodeRecord(bytes)
  return decoded.kind === 'append' ? decoded.append : undefined
}

/** Reads a record. */
export function decodeRecord(bytes: Uint8Array): Decoded {
  try {
    const fields = decoder.decode(bytes) as unknown[]
    if (!Array.isArray(fields) || typeof fields[0] !== 'number') return { kind: 'garbage' }
    const [formatVersion, ...rest] = fields as [number, ...unknown[]]
    if (formatVersion > LOG_FORMAT_VERSION) return { kind: 'newer', formatVersion }
    const [epoch, counter, previousSeq, firstEntry, snapshotSeq, encoded] = rest as [
      number,
      number,
      number,
      number,
      number,
      Uint8Array[]
    ]
    const entries = encoded.map(entryFrom)
    const head = { epoch, counter, previousSeq, firstEntry, snapshotSeq }
    return { kind: 'append', append: { ...head, entries } }
  } catch {
    return { kind: 'garbage' }
  }
}

function entryFrom(bytes: Uint8Array): Entry {
  const [kind, ...f] = decoder.decode(bytes) as [number, ...never[]]
  switch (kind) {
    case KIND_EPOCH:
      return { kind: 'epoch', epoch: f[0]!, lineage: f[1]!, startsLineage: f[2]!,
        viewVersion: f[3]!, incarnation: f[4]!, workerGeneration: f[5]! }
    case KIND_PUBLICATION:
      return { kind: 'publication', channel: f[0]!, publication: publicationFrom(f[1]) }
    case KIND_CLAIM:
      return { kind: 'claim', record: claimRecordFrom(f) }
    case KIND_NONCE:
      return { kind: 'nonce', record: nonceRecordFrom(f) }
    case KIND_OWNERSHIP:
      return { kind: 'ownership', channel: f[0]!, id: f[1]!, idSpace: ID_SPACES[f[2]!]!,
        connectionId: f[3]!, clientIds: f[4]!, owner: ownerFrom(f[5]) }
    case KIND_RELAY:
      return { kind: 'relay', channel: f[0]!, origin: originFrom(f[1]) }
    case KIND_CONFIRM:
      return { kind: 'confirm' }
    case KIND_SNAPSHOT:
      return { kind: 'snapshot', id: f[0]!, asOf: f[1]!, chunkNo: f[2]!, bytes: f[3]! }
    case KIND_SNAPSHOT_END:
      return { kind: 'snapshotEnd', id: f[0]!, chunkCount: f[1]!, digest: f[2]!,
        lineage: f[3]!, epochEnds: f[4]! }
    default:
      throw new RangeError(`unknown entry kind ${kind}`)
  }
}
