/**
 * The rows of a group: attachments that want the same bytes sit together. A row's index is the
 * variantId by which the group and its ChannelClient speak of it.
 */

import { assert } from '../base/assert.ts'
import type { Variant } from '../peer/message.ts'
import type { Row, Seat } from './seat.ts'

/** The row of a variant; an empty one is used again before another is made. */
export function rowFor(rows: Row[], variant: Variant): Row {
  for (const row of rows) if (isSameVariant(row.variant, variant)) return row
  const unused = rows.find((row) => row.seatCount === 0)
  if (unused !== undefined) {
    unused.variant = variant
    return unused
  }
  const row: Row = {
    variantId: rows.length, variant, live: [], seatCount: 0, messagesTold: 'nothing',
    isPresenceTold: false
  }
  rows.push(row)
  return row
}

function isSameVariant(a: Variant, b: Variant): boolean {
  // The name says what its filter is.
  return a.format === b.format && a.wireName === b.wireName && a.occupancy === b.occupancy &&
    a.delta === b.delta && a.isWithoutEcho === b.isWithoutEcho
}

/** The seat is live: it is given what its row is given. */
export function enterRow(seat: Seat): void {
  seat.state = 'live'
  seat.at = seat.row.live.push(seat) - 1
}

/** The seat is live no more; the last of the row takes its place. */
export function leaveRow(seat: Seat): void {
  const { live } = seat.row
  const last = live.pop()!
  if (last === seat) return
  assert(live[seat.at] === seat, 'a live seat stands where it says')
  live[seat.at] = last
  last.at = seat.at
}
