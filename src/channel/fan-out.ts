/**
 * The last fan-out: a publication, or an event of presence, to everybody who is seated in a group.
 *
 * Cost of one publication for n live seats in a row: n calls that compare two fields and append
 * one pointer; no allocation, no encoding, no closure. What was told is counted once per row.
 */

import type { Traffic, Traffics } from '../base/meter.ts'
import type { Tally } from '../base/tally.ts'
import type { BroadcastItem } from '../peer/message.ts'
import type { Frame } from '../wire/frame.ts'
import { toldAfter } from './quiet.ts'
import { giveItem, type Row, type Seat } from './seat.ts'

/** Gives the item to those live seats that are to hear it. */
export function fanOut(
  rows: readonly Row[], item: BroadcastItem, tally: Tally, told: Traffics
): void {
  const { connectionId, frames, isPresence } = item
  if (isPresence === true) {
    for (const row of rows) {
      if (frames[row.variantId] === undefined) continue
      row.isPresenceTold = true
      for (const seat of row.live) give(seat, item, told)
    }
    return
  }
  for (const row of rows) {
    const frame = frames[row.variantId]
    if (frame === undefined) continue
    row.messagesTold = toldAfter(row.messagesTold, connectionId)
    const { live } = row
    tally.deliveryCount += live.length
    if (row.variant.delta === true) {
      for (const seat of live) give(seat, item, told)
      continue
    }
    let heardCount = 0
    for (let at = 0; at < live.length; at++) {
      const { member } = live[at]!
      if (!member.subscribes) continue
      if (!member.hearsItself && member.connectionId === connectionId) continue
      member.onFrame(frame)
      heardCount++
    }
    count(told.messages, frame, heardCount)
  }
}

/** Gives it to one seat, live or not, if it is for its ears. */
export function give(seat: Seat, item: BroadcastItem, told: Traffics): void {
  const frame = giveItem(seat, item)
  if (frame === undefined) return
  const whole = item.frames[seat.row.variantId]
  count(item.isPresence === true ? told.presence : told.messages, frame, 1, whole)
}

function count(traffic: Traffic, frame: Frame, times: number, whole = frame): void {
  traffic.add(times * frame.itemCount, times * frame.itemBytes, times * whole.itemBytes)
}
