/**
 * Long lists in parts: what travels between places, stands in one log entry, or is shown to a
 * client in one frame is bounded, whatever a set has come to.
 */

import { limits } from '../base/limits.ts'
import type { Declare, Declared, PresenceMember, Members } from '../peer/message.ts'
import { messageSize } from '../wire/message.ts'

/** Cuts a list into parts within both bounds of a page; an empty list is one empty part. */
export function pagesOf<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const pages: T[][] = []
  let page: T[] = []
  let bytes = 0
  for (const item of items) {
    const size = bytesOf(item)
    const isFull = page.length === limits.presencePageMax ||
      bytes + size > limits.presencePageBytesMax
    if (isFull && page.length > 0) {
      pages.push(page)
      page = []
      bytes = 0
    }
    page.push(item)
    bytes += size
  }
  if (page.length > 0 || pages.length === 0) pages.push(page)
  return pages
}

/** About how many bytes an item, a member or an event, takes. */
export function itemBytes(item: Parameters<typeof messageSize>[0]): number {
  return 200 + messageSize(item)
}

/** A presence set for a ChannelClient, in parts. */
export function memberParts(
  channel: string,
  joinNo: number,
  seq: number,
  present: readonly PresenceMember[]
): Members[] {
  const pages = pagesOf(present, itemBytes)
  return pages.map((members, no) => {
    const part = { members, isFirst: no === 0, isLast: no === pages.length - 1 }
    return { kind: 'members', channel, joinNo, seq, ...part }
  })
}

/** What a worker's group has declared, for the master, in parts. */
export function declareParts(declared: Declared, epoch: number, worker: number): Declare[] {
  const { channel, generation } = declared
  const pages = pagesOf(declared.members, itemBytes)
  return pages.map((members, no) => {
    const part = { members, isFirst: no === 0, isLast: no === pages.length - 1 }
    return { kind: 'declare', channel, epoch, worker, generation, ...part }
  })
}
