/**
 * The port to the archive, where the messages of persisted channels are kept for long (rule 22),
 * and what stands in it. Asked and answered like the log (port.ts), with tickets.
 *
 * The archive has a *shelf* for what each channel keeps: a sequence of records, numbered by the
 * engine, growing and not by one. Only compare-and-append writes, per shelf; a record goes when
 * its time is over. The partition's log is the truth and the fence: a record holds nothing that
 * is not committed there, and a late one of a former master is as good as ours.
 *
 * Each record names the one before it, so that a hole shows, and one that lies about a page
 * earlier, so that reading backwards costs no more than reading forwards.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import { publicationFields, publicationFrom } from '../peer/fields.ts'
import type { Publication } from '../peer/message.ts'
import type { Tick } from '../wire/serial.ts'
import type { AppendOutcome, LogRecord, ReadOutcome } from './port.ts'

/** What is kept of a channel: what was said, what of it was the last, and who came and went. */
export const SHELF_KINDS = ['messages', 'last', 'presence'] as const

export type ShelfKind = (typeof SHELF_KINDS)[number]

/** Where a channel's records stand. */
export interface Shelf {
  readonly partition: number
  /** `appId/name`. */
  readonly channel: string
  readonly of: ShelfKind
}

/** One record, by the word of who decides about appends: no copy that may lag. */
export type RecordOutcome =
  | { readonly kind: 'record'; readonly record: LogRecord | undefined }
  | { readonly kind: 'unreadable'; readonly reason: string }

export type ArchiveRequest =
  /** The shelf's last record. */
  | { readonly kind: 'last'; readonly ticket: number; readonly shelf: Shelf }
  /** The first with `seq` at least this. */
  | {
      readonly kind: 'next'
      readonly ticket: number
      readonly shelf: Shelf
      readonly from: number
    }
  | {
      readonly kind: 'page'
      readonly ticket: number
      readonly shelf: Shelf
      /** Records with `seq` at least this, oldest first, at most `countMax`; of any copy. */
      readonly from: number
      readonly countMax: number
    }
  | {
      readonly kind: 'append'
      readonly ticket: number
      readonly shelf: Shelf
      /** The shelf's last record as the caller knows it; 0 for none. */
      readonly expectedSeq: number
      readonly bytes: Uint8Array
      /** How long the record is to be kept. */
      readonly keptMs: number
    }
  /** Lets go the shelf's records with a `seq` below this; it may come to nothing. */
  | {
      readonly kind: 'trim'
      readonly ticket: number
      readonly shelf: Shelf
      readonly below: number
    }

export type ArchiveAnswer =
  | { readonly kind: 'record'; readonly ticket: number; readonly outcome: RecordOutcome }
  | { readonly kind: 'page'; readonly ticket: number; readonly outcome: ReadOutcome }
  | { readonly kind: 'append'; readonly ticket: number; readonly outcome: AppendOutcome }
  | { readonly kind: 'trimmed'; readonly ticket: number }

/** A request without its ticket. */
export type ArchiveAsk =
  | Omit<ArchiveRequest & { kind: 'last' }, 'ticket'>
  | Omit<ArchiveRequest & { kind: 'next' }, 'ticket'>
  | Omit<ArchiveRequest & { kind: 'page' }, 'ticket'>
  | Omit<ArchiveRequest & { kind: 'append' }, 'ticket'>
  | Omit<ArchiveRequest & { kind: 'trim' }, 'ticket'>

/** Where core parts leave their questions to the archive. */
export interface ArchiveOutbox {
  /** Asks; `onAnswer` is called in the turn that brings the answer, at most once. */
  askArchive(request: ArchiveAsk, onAnswer: (answer: ArchiveAnswer) => void): void
}

/** One record. */
export interface Archived {
  /** Of the log that the publications stood in. */
  readonly lineage: string
  readonly epoch: number
  /** The shelf's record before this one; 0 for none. */
  readonly before: number
  /** A record about a page earlier, and how many there are from it to this one; 0 for none. */
  readonly back: number
  readonly backCount: number
  /** In order; none in a record that only says that a lineage has begun. */
  readonly publications: readonly Publication[]
  /** The last tick of serials up to here. */
  readonly tick: Tick
}

const FORMAT_VERSION = 1
const encoder = new Encoder()
const decoder = new Decoder()

/** A record's bytes; the channel's name is there for people. */
export function encodeArchived(channel: string, record: Archived): Uint8Array {
  const { lineage, epoch, before, back, backCount, publications, tick } = record
  const rows = publications.map(publicationFields)
  return encoder.encode([FORMAT_VERSION, channel, lineage, epoch, before, back, backCount,
    tick.ms, tick.counter, rows])
}

/** The record in these bytes; undefined for what this release cannot read. */
export function decodeArchived(bytes: Uint8Array): Archived | undefined {
  try {
    const fields = decoder.decode(bytes) as [
      number, string, string, number, number, number, number, number, number, unknown[]
    ]
    const [version, , lineage, epoch, before, back, backCount, ms, counter, rows] = fields
    if (version !== FORMAT_VERSION) return undefined
    const publications = rows.map(publicationFrom)
    return { lineage, epoch, before, back, backCount, publications, tick: { ms, counter } }
  } catch {
    return undefined // Nobody of ours wrote it.
  }
}
