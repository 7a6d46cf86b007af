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
import { publicationFields, publicationFrom } from '../peer/codec.ts'
import type { Publication } from '../peer/message.ts'

/** The version of the records that this release writes. */
export const LOG_FORMAT_VERSION = 1

/** A mastership begins: from here on only its appends are accepted. */
export interface EpochEntry {
  readonly kind: 'epoch'
  readonly epoch: number
  /** The log's unbroken history; minted when the log was found empty or rolled back. */
  readonly lineage: string
  readonly viewVersion: number
  readonly incarnation: string
  readonly workerGeneration: number
}

/** A publish of one channel. */
export interface PublicationEntry {
  readonly kind: 'publication'
  readonly channel: string
  readonly publication: Publication
}

export type Entry = EpochEntry | PublicationEntry

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

/** The append in a record's bytes, or undefined for what this release cannot read. */
export function decodeAppend(bytes: Uint8Array): Append | undefined {
  try {
    const fields = decoder.decode(bytes) as unknown[]
    if (!Array.isArray(fields) || fields[0] !== LOG_FORMAT_VERSION) return undefined
    const [, epoch, counter, previousSeq, firstEntry, snapshotSeq, encoded] = fields as [
      number,
      number,
      number,
      number,
      number,
      number,
      Uint8Array[]
    ]
    const entries = encoded.map(entryFrom)
    return { epoch, counter, previousSeq, firstEntry, snapshotSeq, entries }
  } catch {
    return undefined // Not a record of ours; the reader treats it as a broken chain.
  }
}

function entryFrom(bytes: Uint8Array): Entry {
  const fields = decoder.decode(bytes) as never[]
  if (fields[0] === KIND_EPOCH) {
    return {
      kind: 'epoch',
      epoch: fields[1]!,
      lineage: fields[2]!,
      viewVersion: fields[3]!,
      incarnation: fields[4]!,
      workerGeneration: fields[5]!
    }
  }
  if (fields[0] === KIND_PUBLICATION) {
    return { kind: 'publication', channel: fields[1]!, publication: publicationFrom(fields[2]) }
  }
  throw new RangeError(`unknown entry kind ${String(fields[0])}`)
}
