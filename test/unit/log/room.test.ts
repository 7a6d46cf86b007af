import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import {
  ampleRoom, fullerOf, fullestShare, isFullFor, type LogFill, roomOf
} from '../../../src/log/room.ts'

const MIB = 1024 * 1024
const unbounded = { bytes: 5, bytesMax: Infinity }

/** Streams of 100 bytes with so many taken; the account has no bound. */
function filled(...bytes: number[]): LogFill {
  return { streams: bytes.map((each) => ({ bytes: each, bytesMax: 100 })), account: unbounded }
}

t.test('[6] admission stops at the mark, stream by stream', async (t) => {
  const room = roomOf(filled(79, 80, 100), ampleRoom)
  t.same(room.isFull, [false, true, true])
  t.same([0, 1, 2, 3, 4, 4093].map((partition) => isFullFor(partition, room)),
    [false, true, true, false, true, true])
})

t.test('[6] a full account stops all of them', async (t) => {
  const fill = { ...filled(10, 20), account: { bytes: 81, bytesMax: 100 } }
  t.same(roomOf(fill, ampleRoom).isFull, [true, true])
  t.equal(fullestShare(fill), 0.81)
})

t.test('[6] once stopped it goes on only below the lower mark', async (t) => {
  const full = roomOf(filled(80, 10), ampleRoom)
  const still = roomOf(filled(76, 76), full)
  t.same(still.isFull, [true, false])
  t.same(roomOf(filled(74, 76), still).isFull, [false, false])
})

t.test('what nobody bounds is never full, nor is what nobody has looked at', async (t) => {
  const fill = { streams: [unbounded, unbounded], account: unbounded }
  t.same(roomOf(fill, ampleRoom).isFull, [false, false])
  t.equal(roomOf(fill, ampleRoom).partitionBytesMax, limits.partitionLogBytesMax)
  t.equal(fullestShare(fill), 0)
  t.notOk(isFullFor(7, ampleRoom))
})

t.test('[6] a partition may take its share of a small stream only', async (t) => {
  const streams = [{ bytes: 0, bytesMax: 64 * MIB }, unbounded]
  t.equal(roomOf({ streams, account: unbounded }, ampleRoom).partitionBytesMax, 8 * MIB)
  const account = { bytes: 0, bytesMax: 64 * MIB }
  t.equal(roomOf({ streams, account }, ampleRoom).partitionBytesMax, 4 * MIB)
})

t.test('[22] the archive is full before the log is, and stops nothing else', async (t) => {
  const of = (archived: number, stored: number, storedMax = 100): LogFill => ({
    streams: [{ bytes: 1, bytesMax: Infinity }],
    account: { bytes: stored, bytesMax: storedMax },
    archive: { bytes: archived, bytesMax: Infinity }
  })
  t.equal(roomOf(of(60, 69), ampleRoom).isArchiveFull, undefined)
  const full = roomOf(of(60, 70), ampleRoom)
  t.same([full.isArchiveFull, full.isFull], [true, [false]])
  t.equal(roomOf(of(60, 66), full).isArchiveFull, true, 'until it is below a lower mark')
  t.equal(roomOf(of(60, 64), full).isArchiveFull, undefined)
  t.equal(roomOf(of(0, 75), ampleRoom).isArchiveFull, undefined, 'it has nothing of all that')
  t.equal(roomOf(of(60, 75, Infinity), ampleRoom).isArchiveFull, undefined)
})

t.test('[6] of two bounds the one counts that is nearer', async (t) => {
  const half = { bytes: 50, bytesMax: 100 }
  const third = { bytes: 100, bytesMax: 300 }
  t.equal(fullerOf(third, half), half)
  t.equal(fullerOf(half, third), half)
  t.equal(fullerOf(unbounded, third), third)
  t.equal(fullerOf(half, unbounded), half)
})
