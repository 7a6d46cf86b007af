/** What stands in the log of channels: committed publishes, and who is present after each. */

import { decode } from '@msgpack/msgpack'
import { limits } from '../../src/base/limits.ts'
import type { Append, PublicationEntry } from '../../src/log/entry.ts'
import type { Origin } from '../../src/peer/message.ts'
import type { Accepted } from './log.ts'
import { memberKeyOf, memberWords, Presence, type Shown, shownIn } from './presence-map.ts'
import type { WireItem, WirePresence } from './wire.ts'
import { Violation } from './world.ts'

/** A committed publish as the log has it. */
export interface Committed {
  readonly channel: string
  readonly lineage: string
  readonly seq: number
  readonly entry: number
  readonly epoch: number
  readonly id: string
  readonly idSpace: string
  readonly connectionId: string | undefined
  readonly timestamp: number
  readonly counter: number
  readonly atMs: number
  readonly bytes: number
  /** The engine's sequence of its record. */
  readonly logSeq: number
  /** Where it was born, if that was in another region. */
  readonly origin?: Origin | undefined
  /** Something that was born there before may be missing here. */
  readonly isBreak?: boolean | undefined
  /** The log has lost it since. */
  isLost: boolean
  /** The data of its messages; of presence, its events in words. */
  readonly texts: readonly string[]
  /** Of presence. */
  readonly events: readonly Shown[] | undefined
  /** Who is present after it. */
  present: PresentSet
}

/**
 * True if the id may be known no longer: its client chose it, so that it outlives its connection,
 * and it has had its time (rule 17).
 */
export function isOutlived(
  { idSpace, atMs }: Pick<Committed, 'idSpace' | 'atMs'>,
  nowMs: number
): boolean {
  return idSpace === 'client' && nowMs - atMs >= limits.idKeptMs
}

/** A presence set as the log has it at one moment, by member. */
export type PresentSet = ReadonlyMap<string, Shown>

export const NOBODY: PresentSet = new Map()

/** Presence events in words, as all must be shown them. */
export function eventWords(events: readonly Shown[]): string[] {
  return events.map((event) => `${event.action} ${memberWords(event)}`)
}

/** The publications of a record. */
export function publicationsOf(append: Append, accepted: Accepted, lineage: string): Committed[] {
  return append.entries.flatMap((entry, at) => {
    if (entry.kind !== 'publication') return []
    if (entry.publication.entry !== append.firstEntry + at) {
      const { publication, channel } = entry
      throw new Violation('ledger', `${channel}: entry ${publication.entry} stands elsewhere`)
    }
    return committedOf(entry, lineage, append.epoch, accepted)
  })
}

/** Who is present after these events. */
export function presentAfter(before: PresentSet, events: readonly Shown[] | undefined): PresentSet {
  if (events === undefined) return before
  const after = new Map(before)
  for (const event of events) {
    if (event.action === Presence.LEAVE) after.delete(memberKeyOf(event))
    else after.set(memberKeyOf(event), event)
  }
  return after
}

/** What was said in it, and not only repeated by servers or for a former state. */
export function newTextsOf({ texts, events }: Committed): readonly string[] {
  if (events === undefined) return texts
  return events.flatMap(({ action, data }) => (action === Presence.LEAVE ? [] : data))
}

/** What a publication says; `accepted`: where it stands. */
export function committedOf(
  { channel, publication }: PublicationEntry,
  lineage: string,
  epoch: number,
  { atMs, seq: logSeq }: Pick<Accepted, 'atMs' | 'seq'>
): Committed {
  const { payload, messageCount, owner, ...said } = publication
  const items = decode(payload) as (WireItem & WirePresence)[]
  const events = owner === undefined ? undefined
    : shownIn({ action: 0, ...said, presence: items })
  const texts = events === undefined ? items.map(({ data }) => data ?? '') : eventWords(events)
  if (messageCount !== (events === undefined ? texts.length : 0)) {
    throw new Violation('ledger', 'messages miscounted')
  }
  const bytes = payload.byteLength
  return { ...said, channel, lineage, epoch, atMs, bytes, logSeq, isLost: false, texts, events,
    present: NOBODY }
}
