/**
 * The id of an event says where each channel of its stream stands (protocol 18), so that a client
 * that shows its last one goes on after it, everywhere. To clients it is opaque.
 *
 * Within a frame it is the message that was told last, by its serial: serials sort in the order of
 * the channel, and whatever frames its client is told when it comes back (those of a batch come
 * one by one then), what it was told is known among them.
 */

import { readJson } from '../wire/json.ts'

/** Where a channel stands: after a frame, and some of the items that follow on it. */
export interface Point {
  /** Empty: nowhere yet; who comes back begins anew. */
  readonly channelSerial: string
  /** So many items of the next frame were told, where they have no serials. */
  readonly takenCount: number
  /** Messages were told up to the one of this serial. */
  readonly taken?: string | undefined
  /** It was not told all that are present. */
  readonly isSyncing?: true | undefined
  /** It was not told all that it rewinds to. */
  readonly isRewinding?: true | undefined
}

const ID = /^[A-Za-z0-9_-]{1,65536}$/
const SYNCING = 1
const REWINDING = 2

/** The id that says these. */
export function pointsId(points: ReadonlyMap<string, Point>): string {
  const fields = [...points].map(([channel, point]) => fieldsOf(channel, point))
  return Buffer.from(JSON.stringify(fields)).toString('base64url')
}

function fieldsOf(
  channel: string, { channelSerial, takenCount, taken, isSyncing, isRewinding }: Point
): unknown[] {
  const fields = [channel, channelSerial, takenCount]
  const marks = (isSyncing === true ? SYNCING : 0) | (isRewinding === true ? REWINDING : 0)
  if (taken !== undefined) return [...fields, marks, taken]
  return marks === 0 ? fields : [...fields, marks]
}

/** What an id says; undefined for one that no server of ours gave. */
export function readPoints(id: string): Map<string, Point> | undefined {
  if (!ID.test(id)) return undefined
  const read = readJson(Buffer.from(id, 'base64url'))
  if (!read.ok || !Array.isArray(read.value)) return undefined
  const points = new Map<string, Point>()
  for (const each of read.value as unknown[]) {
    const [channel, channelSerial, takenCount, marks = 0, taken] =
      Array.isArray(each) ? each as unknown[] : []
    if (typeof channel !== 'string' || typeof channelSerial !== 'string') return undefined
    if (!isCount(takenCount) || !isCount(marks) || marks > (SYNCING | REWINDING)) return undefined
    if (taken !== undefined && typeof taken !== 'string') return undefined
    points.set(channel, {
      channelSerial,
      takenCount,
      ...(taken === undefined ? {} : { taken }),
      ...((marks & SYNCING) === 0 ? {} : { isSyncing: true as const }),
      ...((marks & REWINDING) === 0 ? {} : { isRewinding: true as const })
    })
  }
  return points
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
