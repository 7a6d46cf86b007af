/**
 * What each of several regions tells of a channel's past, put together in the one canonical order:
 * that of the serials, which no two items share, for they name the log that they are of. It ends
 * where the page is full, or where a region has told a part only and what follows may be its.
 *
 * What a client said in two regions under one id is told once, where it was first. Of what
 * regions keep because it was the last that was said, only the last is told, and only where nothing
 * was said since.
 */

import { archiveLimits } from '../base/archive-limits.ts'
import { messageSize } from '../wire/message.ts'
import type { Message, PresenceMessage } from '../wire/protocol-message.ts'

/** An item of history, and its place. */
export interface Told {
  readonly item: Message | PresenceMessage
  /** The serial of a message; what it would be, of an event. */
  readonly serial: string
  /** The record of the archive that it was read in. */
  readonly mark: number | undefined
}

/** What a region tells, behind what it has told before, in the order of reading. */
export interface Stretch {
  readonly region: string
  readonly items: readonly Told[]
  /** False: there may be more behind the last of them. */
  readonly isWhole: boolean
  /** It is kept only as long as nothing else is said. */
  readonly isOfLast: boolean
}

export interface MergedPage {
  readonly told: readonly Told[]
  /** By region: the last item that was told, or passed over; of those that have one. */
  readonly reached: ReadonlyMap<string, Told>
  /** False: there may be more behind the last of them. */
  readonly isWhole: boolean
}

/** A region, as far as it has been told. */
interface Head {
  readonly stretch: Stretch
  at: number
}

/** A page of them, in order of serials, newest or oldest first. */
export function mergeStretches(
  all: readonly Stretch[], isBackwards: boolean, limit: number
): MergedPage {
  const heads = withoutOldLasts(all).map((stretch): Head => ({ stretch, at: 0 }))
  const firsts = firstOfEach(heads)
  const told: Told[] = []
  const reached = new Map<string, Told>()
  let bytes = 0
  for (;;) {
    const head = nextOf(heads, isBackwards)
    if (head === undefined) return { told, reached, isWhole: !heads.some(isCut) }
    const { region } = head.stretch
    const next = head.stretch.items[head.at]!
    if ((firsts.get(next.item.id)?.region ?? region) === region) {
      bytes += messageSize(next.item)
      const isFull = told.length >= limit || bytes > archiveLimits.historyPageBytesMax
      if (isFull && told.length > 0) return { told, reached, isWhole: false }
      told.push(next)
    }
    head.at++
    reached.set(region, next)
  }
}

/** Whose item is next; undefined where nobody knows that, or there is none. */
function nextOf(heads: readonly Head[], isBackwards: boolean): Head | undefined {
  let first: Head | undefined
  for (const head of heads) {
    if (isCut(head)) return undefined
    const next = head.stretch.items[head.at]
    if (next === undefined) continue
    const other = first?.stretch.items[first.at]
    if (other === undefined || next.serial > other.serial === isBackwards) first = head
  }
  return first
}

/** True for a region that may have more, which it has not told. */
function isCut({ stretch: { items, isWhole }, at }: Head): boolean {
  return at === items.length && !isWhole
}

interface First {
  readonly region: string
  readonly serial: string
}

/** By id, where it was said first. */
function firstOfEach(heads: readonly Head[]): Map<string | undefined, First> {
  const firsts = new Map<string | undefined, First>()
  for (const { stretch: { region, items } } of heads) {
    for (const { item: { id }, serial } of items) {
      const former = firsts.get(id)
      const isFirst = former === undefined || serial < former.serial
      if (id !== undefined && isFirst) firsts.set(id, { region, serial })
    }
  }
  return firsts
}

function withoutOldLasts(stretches: readonly Stretch[]): Stretch[] {
  let newest = ''
  for (const { items } of stretches) {
    for (const { serial } of items) if (serial > newest) newest = serial
  }
  return stretches.map((stretch) => {
    const items = stretch.items.filter(({ serial }) => !stretch.isOfLast || serial === newest)
    return items.length === stretch.items.length ? stretch : { ...stretch, items }
  })
}
