/** What every implementation of the `Archive` port does, as one suite (rule 22). */

import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Shelf } from '../../../src/log/archive.ts'
import type { LogRecord } from '../../../src/log/port.ts'
import type { Archive } from '../../../src/node/ports.ts'
import { bytesOf, text } from '../log/log-contract.ts'

const HOUR_MS = 3_600_000
const TRIES_MAX = 500
const PAUSE_MS = 10

/** One archive, shared by everybody who opens it. */
export interface ArchiveHouse {
  /** A handle like that of another worker. */
  open(): Promise<Archive>
}

/** Appends and gives the sequence; throws if it was not stored. */
export async function kept(
  archive: Archive, shelf: Shelf, expectedSeq: number, words: string, keptMs = HOUR_MS
): Promise<number> {
  const outcome = await archive.append(shelf, expectedSeq, bytesOf(words), keptMs)
  if (outcome.kind !== 'appended') throw new Error(`${words}: ${JSON.stringify(outcome)}`)
  return outcome.seq
}

/** A page as soon as it is there: a copy may lag. */
async function pageOf(
  archive: Archive, shelf: Shelf, from: number, countMax: number, count: number
): Promise<readonly LogRecord[]> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const outcome = await archive.page(shelf, from, countMax)
    if (outcome.kind === 'page' && outcome.records.length === count) return outcome.records
    await delay(PAUSE_MS)
  }
  throw new Error(`${count} records from ${from} on never came`)
}

async function lastOf(archive: Archive, shelf: Shelf): Promise<LogRecord | undefined> {
  const outcome = await archive.last(shelf)
  if (outcome.kind !== 'record') throw new Error(outcome.reason)
  return outcome.record
}

export async function archiveContract(t: Test, house: ArchiveHouse): Promise<void> {
  let no = 0
  const fresh = (of: Shelf['of'] = 'messages'): Shelf =>
    ({ partition: ++no, channel: `app/any name: ${no} *.>\u00e9`, of })

  await t.test('[22] appends follow each other, or are refused', async (t) => {
    const [one, other] = [await house.open(), await house.open()]
    const shelf = fresh()
    t.equal(await lastOf(one, shelf), undefined)
    const first = await kept(one, shelf, 0, 'a')
    const second = await kept(other, shelf, first, 'b')
    t.ok(second > first)
    t.match(await one.append(shelf, first, bytesOf('c'), HOUR_MS), { kind: 'conflict' })
    t.match(await one.append(shelf, 0, bytesOf('c'), HOUR_MS), { kind: 'conflict' })
    const last = await lastOf(one, shelf)
    t.same([last?.seq, text(last!.bytes)], [second, 'b'])
  })

  await t.test('[22] shelves know nothing of each other', async (t) => {
    const archive = await house.open()
    const messages = fresh()
    const presence = { ...messages, of: 'presence' as const }
    const first = await kept(archive, messages, 0, 'm1')
    await kept(archive, presence, 0, 'p1')
    await kept(archive, fresh(), 0, 'other')
    await kept(archive, messages, first, 'm2')
    const page = await pageOf(archive, messages, 1, 10, 2)
    t.same(page.map(({ bytes }) => text(bytes)), ['m1', 'm2'])
    t.equal(text((await lastOf(archive, presence))!.bytes), 'p1')
  })

  await t.test('[22] what is let go is what lies below, of that shelf alone', async (t) => {
    const archive = await house.open()
    const [shelf, other] = [fresh('last'), fresh('last')]
    const untouched = await kept(archive, other, 0, 'other')
    let seq = 0
    for (const words of ['a', 'b', 'c']) seq = await kept(archive, shelf, seq, words)
    await archive.trim(shelf, seq)
    const page = await pageOf(archive, shelf, 1, 10, 1)
    t.same(page.map((each) => [each.seq, text(each.bytes)]), [[seq, 'c']])
    t.ok(await kept(archive, shelf, seq, 'd') > seq, 'appends go on behind it')
    t.equal((await lastOf(archive, other))?.seq, untouched)
    await archive.trim(fresh('last'), 5)
  })

  await t.test('[22] pages begin where they are asked to, and end with their number', async (t) => {
    const archive = await house.open()
    const shelf = fresh()
    const seqs: number[] = []
    for (let at = 0; at < 12; at++) {
      seqs.push(await kept(archive, shelf, seqs.at(-1) ?? 0, String(at)))
      await kept(archive, fresh(), 0, 'between')
    }
    const all = await pageOf(archive, shelf, 1, 100, 12)
    t.same(all.map(({ seq }) => seq), seqs)
    const some = await pageOf(archive, shelf, seqs[3]!, 4, 4)
    t.same(some.map(({ bytes }) => text(bytes)), ['3', '4', '5', '6'])
    const behind = await pageOf(archive, shelf, seqs[3]! + 1, 1, 1)
    t.same(behind.map(({ bytes }) => text(bytes)), ['4'])
    const next = await archive.next(shelf, seqs[6]! + 1)
    t.same(next.kind === 'record' && next.record?.seq, seqs[7])
    t.same(await archive.next(shelf, seqs.at(-1)! + 1), { kind: 'record', record: undefined })
    t.same(await archive.page(shelf, seqs.at(-1)! + 1, 5), {
      kind: 'page', records: [], isEnd: true
    })
  })

  await t.test('[22] a record goes when its time is over; the shelf begins again', async (t) => {
    const archive = await house.open()
    const shelf = fresh()
    const first = await kept(archive, shelf, 0, 'short', 1_000)
    const second = await kept(archive, shelf, first, 'long')
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const outcome = await archive.page(shelf, 1, 5)
      if (outcome.kind === 'page' && outcome.records[0]?.seq === second) break
      await delay(PAUSE_MS)
    }
    const page = await pageOf(archive, shelf, 1, 5, 1)
    t.same(page.map(({ bytes }) => text(bytes)), ['long'])
    const third = await kept(archive, shelf, second, 'short', 1_000)
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if ((await lastOf(archive, shelf))?.seq === second) break
      await delay(PAUSE_MS)
    }
    t.equal((await lastOf(archive, shelf))?.seq, second, 'the one before is the last again')
    t.ok(await kept(archive, shelf, second, 'again') > third)
    const alone = fresh()
    const gone = await kept(archive, alone, 0, 'gone', 1_000)
    for (let tries = 0; tries < TRIES_MAX && await lastOf(archive, alone); tries++) {
      await delay(PAUSE_MS)
    }
    t.equal(await lastOf(archive, alone), undefined)
    t.match(await archive.append(alone, gone, bytesOf('x'), HOUR_MS), { kind: 'conflict' })
    t.ok(await kept(archive, alone, 0, 'again') > gone, 'sequences are never given out again')
  })
}
