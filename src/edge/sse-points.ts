/**
 * The id of an event says where each channel of its stream stands (protocol 18), so that a client
 * that shows its last one goes on after it, everywhere. To clients it is opaque.
 */

import { readJson } from '../wire/json.ts'

/** Where a channel stands: after a frame, and some of the items of the next one. */
export interface Point {
  readonly channelSerial: string
  readonly takenCount: number
  /** It was not told all that are present. */
  readonly isSyncing?: true | undefined
}

const ID = /^[A-Za-z0-9_-]{1,65536}$/

/** The id that says these. */
export function pointsId(points: ReadonlyMap<string, Point>): string {
  const fields = [...points].map(([channel, { channelSerial, takenCount, isSyncing }]) => (
    [channel, channelSerial, takenCount, ...(isSyncing === true ? [1] : [])]))
  return Buffer.from(JSON.stringify(fields)).toString('base64url')
}

/** What an id says; undefined for one that no server of ours gave. */
export function readPoints(id: string): Map<string, Point> | undefined {
  if (!ID.test(id)) return undefined
  const read = readJson(Buffer.from(id, 'base64url'))
  if (!read.ok || !Array.isArray(read.value)) return undefined
  const points = new Map<string, Point>()
  for (const each of read.value as unknown[]) {
    const [channel, channelSerial, takenCount, syncing] =
      Array.isArray(each) ? each as unknown[] : []
    const isPoint = typeof channel === 'string' && typeof channelSerial === 'string' &&
      Number.isSafeInteger(takenCount) && (takenCount as number) >= 0 &&
      (syncing === undefined || syncing === 1)
    if (!isPoint) return undefined
    const point = { channelSerial, takenCount: takenCount as number }
    points.set(channel, syncing === 1 ? { ...point, isSyncing: true } : point)
  }
  return points
}
