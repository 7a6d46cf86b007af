/**
 * How many are attached to a channel, by what they may do, and the frames that tell it (protocol
 * 7.10). Cost of a change: one encoding per format, wire name and choice of categories on a node,
 * whatever the number of attachments that are told.
 */

import type { Headcount, Occupancy, OccupancyTold } from '../peer/census-message.ts'
import type { Standing, Variant } from '../peer/message.ts'
import { Action, Flag, MessageAction } from '../wire/actions.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import { type Allocate, serialOf } from './encoding.ts'
import type { Row } from './seat.ts'

/** The name of messages that tell the occupancy. */
export const OCCUPANCY_NAME = '[meta]occupancy'

/** Nobody. */
export const EMPTY: Headcount = {
  connections: 0,
  publishers: 0,
  subscribers: 0,
  presenceConnections: 0,
  presenceSubscribers: 0,
  objectPublishers: 0,
  objectSubscribers: 0
}

/** The attachments of a group that are live. */
export function countSeats(rows: readonly Row[]): Headcount {
  const count = { ...EMPTY }
  for (const { live } of rows) {
    for (const { member: { modeBits } } of live) {
      count.connections++
      if ((modeBits & Flag.PUBLISH) !== 0) count.publishers++
      if ((modeBits & Flag.SUBSCRIBE) !== 0) count.subscribers++
      if ((modeBits & Flag.PRESENCE) !== 0) count.presenceConnections++
      if ((modeBits & Flag.PRESENCE_SUBSCRIBE) !== 0) count.presenceSubscribers++
      if ((modeBits & Flag.OBJECT_PUBLISH) !== 0) count.objectPublishers++
      if ((modeBits & Flag.OBJECT_SUBSCRIBE) !== 0) count.objectSubscribers++
    }
  }
  return count
}

/** All of them together. */
export function sumOf(counts: Iterable<Headcount>): Headcount {
  const sum = { ...EMPTY }
  for (const count of counts) {
    for (const metric of Object.keys(EMPTY) as (keyof Headcount)[]) sum[metric] += count[metric]
  }
  return sum
}

/** True if both say the same. */
export function isSameCount<T extends Headcount>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((metric) => a[metric] === b[metric])
}

/** The occupancy as the frames of one node, remembered while nothing changes. */
export class OccupancyFrames {
  readonly #allocate: Allocate
  #told: OccupancyTold | undefined
  #toldCount = 0
  #standing: Standing | undefined
  readonly #frames = new Map<string, Frame>()

  constructor(allocate: Allocate) {
    this.#allocate = allocate
  }

  /** The master tells; false if that is nothing new. */
  become(told: OccupancyTold): boolean {
    const former = this.#told?.occupancy
    if (former !== undefined && isSameCount(former, told.occupancy)) return false
    this.forget()
    this.#told = told
    this.#toldCount++
    return true
  }

  /** Nobody wants to know, so that nobody will tell what changes. */
  forget(): void {
    this.#told = undefined
    this.#frames.clear()
  }

  /**
   * The frame for attachments of this variant of a node that stands at `standing`; undefined for
   * those that do not want it, or while nothing is known. SDKs go on from its channelSerial, so it
   * is never that of an earlier place.
   */
  frame({ format, wireName, occupancy }: Variant, standing: Standing): Frame | undefined {
    if (occupancy === undefined || this.#told === undefined) return undefined
    if (this.#standing !== standing) this.#frames.clear()
    this.#standing = standing
    const key = `${format}|${occupancy}|${wireName}`
    let frame = this.#frames.get(key)
    if (frame === undefined) {
      frame = this.#encoded(format, wireName, occupancy, this.#told)
      this.#frames.set(key, frame)
    }
    return frame
  }

  #encoded(
    format: Variant['format'],
    wireName: string,
    categories: string,
    { epoch, timestamp, occupancy }: OccupancyTold
  ): Frame {
    const id = `occupancy:${epoch}:${timestamp}:${this.#toldCount}`
    const metrics = chosen(occupancy, categories)
    const message = {
      id: `${id}:0`,
      name: OCCUPANCY_NAME,
      action: MessageAction.META,
      timestamp,
      data: JSON.stringify({ metrics }),
      encoding: 'json'
    }
    return encodeFrame({
      action: Action.MESSAGE,
      id,
      channel: wireName,
      channelSerial: serialOf(this.#standing!),
      timestamp,
      messages: [message]
    }, format, this.#allocate)
  }
}

/** The metrics of the categories, which are separated by commas; none: all. */
function chosen(occupancy: Occupancy, categories: string): Partial<Occupancy> {
  if (categories === '') return occupancy
  const wanted = new Set(categories.split(','))
  return Object.fromEntries(Object.entries(occupancy).filter(([metric]) => wanted.has(metric)))
}
