/** What every implementation of the `Log` port does, as one suite (rules 1 and 2). */

import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { AppendOutcome, LogRecord } from '../../../src/log/port.ts'
import type { Log } from '../../../src/node/ports.ts'

const READ_TRIES_MAX = 500
const READ_PAUSE_MS = 10

/** One log, shared by everybody who opens it. */
export interface LogHouse {
  /** A handle like that of another worker. */
  open(): Promise<Log>
  /** Partitions that no other test of this house uses. */
  fresh(): number
}

/** Counts partitions for `LogHouse.fresh`. */
export function freshPartitions(): () => number {
  let next = 0
  return () => next++
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export function bytesOf(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

/** Appends and gives the sequence; throws if it was not stored. */
export async function stored(
  log: Log, partition: number, expectedSeq: number, words: string
): Promise<number> {
  const outcome = await log.append(partition, expectedSeq, bytesOf(words))
  if (outcome.kind !== 'appended') throw new Error(`${words}: ${JSON.stringify(outcome)}`)
  return outcome.seq
}

/** Appends each of `words` after the one before; gives the last sequence. */
export async function storedAll(
  log: Log, partition: number, words: readonly string[], expectedSeq = 0
): Promise<number> {
  let lastSeq = expectedSeq
  for (const word of words) lastSeq = await stored(log, partition, lastSeq, word)
  return lastSeq
}

/** Everything from `from` on, page by page. */
export async function readAll(log: Log, partition: number, from = 1): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (;;) {
    const outcome = await log.read(partition, (records.at(-1)?.seq ?? from - 1) + 1)
    if (outcome.kind !== 'page') throw new Error(outcome.reason)
    records.push(...outcome.records)
    if (outcome.isEnd) return records
    if (outcome.records.length === 0) throw new Error('a page of nothing that is not the end')
  }
}

export async function wordsIn(log: Log, partition: number): Promise<string[]> {
  return (await readAll(log, partition)).map(({ bytes }) => text(bytes))
}

/**
 * Reads until what is read is `expected`, then asserts it. A read may be answered by a copy that
 * lags, so none proves anything by itself; that a copy catches up is what is waited for.
 */
async function sees(
  t: Test, read: () => Promise<unknown>, expected: unknown, message?: string
): Promise<void> {
  const wanted = JSON.stringify(expected)
  const isSo = async (): Promise<boolean> => JSON.stringify(await read()) === wanted
  for (let tries = 0; tries < READ_TRIES_MAX && !(await isSo()); tries++) await delay(READ_PAUSE_MS)
  t.same(await read(), expected, message ?? 'what is read is what was stored')
}

/** A reading of `count` records, as soon as there is one. */
async function seen(log: Log, partition: number, count: number): Promise<LogRecord[]> {
  for (let tries = 0; ; tries++) {
    const records = await readAll(log, partition)
    if (records.length >= count || tries === READ_TRIES_MAX) return records
    await delay(READ_PAUSE_MS)
  }
}

/** Runs the suite; the house is built once. */
export async function logContract(t: Test, house: LogHouse): Promise<void> {
  await appending(t, house)
  await reading(t, house)
  await trimming(t, house)
  await racing(t, house)
}

async function appending(t: Test, house: LogHouse): Promise<void> {
  await t.test('[1] a record is stored after the one that was expected', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    const first = await stored(log, partition, 0, 'one')
    const second = await stored(log, partition, first, 'two')
    t.ok(first > 0)
    t.ok(second > first)
    await sees(t, () => wordsIn(log, partition), ['one', 'two'])
  })

  await t.test('[2] a wrong expectation is a conflict that names the last sequence', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    const conflict = (lastSeq: number): AppendOutcome => ({ kind: 'conflict', lastSeq })
    t.same(await log.append(partition, 7, bytesOf('after nothing')), conflict(0))
    const first = await stored(log, partition, 0, 'one')
    const lastSeq = await stored(log, partition, first, 'two')
    for (const wrong of [0, first, lastSeq + 1, lastSeq + 1_000]) {
      t.same(await log.append(partition, wrong, bytesOf('never')), conflict(lastSeq))
    }
    await sees(t, () => wordsIn(log, partition), ['one', 'two'])
  })

  await t.test('[1] partitions know nothing of each other', async (t) => {
    const log = await house.open()
    const partitions = Array.from({ length: 96 }, () => house.fresh())
    await Promise.all(partitions.map((partition) => {
      return storedAll(log, partition, [`${partition} a`, `${partition} b`, `${partition} c`])
    }))
    const found = () => Promise.all(partitions.map((partition) => wordsIn(log, partition)))
    await sees(t, found, partitions.map((no) => [`${no} a`, `${no} b`, `${no} c`]))
  })

  await t.test('[1] who opens the log later finds what was stored, and goes on', async (t) => {
    const partition = house.fresh()
    const before = await house.open()
    const lastSeq = await storedAll(before, partition, ['one', 'two'])
    before.release(partition)
    const after = await house.open()
    await sees(t, () => wordsIn(after, partition), ['one', 'two'])
    t.equal((await seen(after, partition, 2)).at(-1)?.seq, lastSeq)
    await stored(after, partition, lastSeq, 'three')
    t.same(await before.append(partition, lastSeq, bytesOf('late')).then(({ kind }) => kind),
      'conflict')
    await sees(t, () => wordsIn(before, partition), ['one', 'two', 'three'])
  })
}

async function reading(t: Test, house: LogHouse): Promise<void> {
  await t.test('a log without records is a page of nothing', async (t) => {
    const log = await house.open()
    t.same(await log.read(house.fresh(), 1), { kind: 'page', records: [], isEnd: true })
  })

  await t.test('what does not fit into a page comes with the next, in order', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    const words = Array.from({ length: 600 }, (_, no) => `record ${no}`)
    await storedAll(log, partition, words)
    await sees(t, () => wordsIn(log, partition), words)
    await sees(t, async () => (await log.read(partition, 1) as { isEnd: boolean }).isEnd, false)
    const records = await seen(log, partition, words.length)
    t.ok(records.every(({ seq }, at) => at === 0 || seq > records[at - 1]!.seq))
  })

  await t.test('a read begins where it was asked to', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    await storedAll(log, partition, ['one', 'two', 'three', 'four'])
    const all = await seen(log, partition, 4)
    for (const [at, { seq }] of all.entries()) {
      await sees(t, () => readAll(log, partition, seq), all.slice(at))
    }
    t.same(await log.read(partition, all.at(-1)!.seq + 1),
      { kind: 'page', records: [], isEnd: true })
  })

  await t.test('large records come back as they were, in pages of bounded size', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    const large = (no: number): Uint8Array => new Uint8Array(700_000).fill(no)
    let lastSeq = 0
    for (const no of [1, 2, 3, 4, 5]) {
      const outcome = await log.append(partition, lastSeq, large(no))
      if (outcome.kind !== 'appended') return t.fail(JSON.stringify(outcome))
      lastSeq = outcome.seq
    }
    const records = await seen(log, partition, 5)
    t.equal(records.length, 5)
    await sees(t, async () => (await log.read(partition, 1) as { isEnd: boolean }).isEnd, false)
    for (const [at, { bytes }] of records.entries()) {
      t.ok(Buffer.compare(bytes, large(at + 1)) === 0, `record ${at + 1}`)
    }
  })
}

async function trimming(t: Test, house: LogHouse): Promise<void> {
  await t.test('[6] a trim takes what is below, and nothing else', async (t) => {
    const log = await house.open()
    const [partition, other] = [house.fresh(), house.fresh()]
    await storedAll(log, other, ['elsewhere', 'elsewhere too'])
    await storedAll(log, partition, ['one', 'two', 'three', 'four'])
    const all = await seen(log, partition, 4)
    await log.trim(partition, all[2]!.seq)
    await sees(t, () => readAll(log, partition), all.slice(2))
    await log.trim(partition, all[1]!.seq)
    await sees(t, () => readAll(log, partition), all.slice(2), 'a trim below what is gone')
    await sees(t, () => wordsIn(log, other), ['elsewhere', 'elsewhere too'])
  })

  await t.test('[6] no trim takes the last record, so the log never seems new', async (t) => {
    const log = await house.open()
    const partition = house.fresh()
    const lastSeq = await storedAll(log, partition, ['one', 'two', 'three'])
    for (const below of [lastSeq + 1, Number.MAX_SAFE_INTEGER]) await log.trim(partition, below)
    await sees(t, () => wordsIn(log, partition), ['three'])
    t.same(await log.append(partition, 0, bytesOf('as new')), { kind: 'conflict', lastSeq })
    await storedAll(log, partition, ['four', 'five'], lastSeq)
    await sees(t, () => wordsIn(log, partition), ['three', 'four', 'five'])
    await log.trim(house.fresh(), 100)
  })
}

async function racing(t: Test, house: LogHouse): Promise<void> {
  await t.test('[2] of two who expect the same, one is stored', async (t) => {
    const [a, b] = [await house.open(), await house.open()]
    const partition = house.fresh()
    let lastSeq = 0
    const winners: string[] = []
    for (let round = 0; round < 40; round++) {
      const outcomes = await Promise.all([
        a.append(partition, lastSeq, bytesOf(`a${round}`)),
        b.append(partition, lastSeq, bytesOf(`b${round}`))
      ])
      const won = outcomes.findIndex(({ kind }) => kind === 'appended')
      const lost = outcomes[1 - won]!
      if (won < 0 || !['conflict', 'busy'].includes(lost.kind)) {
        return t.fail(JSON.stringify(outcomes))
      }
      const winner = outcomes[won]!
      if (winner.kind === 'appended') lastSeq = winner.seq
      if (lost.kind === 'conflict') t.equal(lost.lastSeq, lastSeq)
      winners.push(`${'ab'[won]}${round}`)
    }
    await sees(t, () => wordsIn(a, partition), winners)
  })

  await t.test('[2] many who append and retry lose nothing and repeat nothing', async (t) => {
    const logs = await Promise.all([house.open(), house.open(), house.open(), house.open()])
    const partition = house.fresh()
    const acknowledged: [number, string][] = []
    await Promise.all(logs.map(async (log, who) => {
      let lastSeq = 0
      for (let no = 0; no < 25;) {
        const words = `${who}/${no}`
        const outcome = await log.append(partition, lastSeq, bytesOf(words))
        if (outcome.kind === 'appended') {
          acknowledged.push([outcome.seq, words])
          no++
        }
        if (outcome.kind === 'appended') lastSeq = outcome.seq
        else if (outcome.kind === 'conflict') lastSeq = outcome.lastSeq
        else if (outcome.kind !== 'busy') throw new Error(JSON.stringify(outcome))
      }
    }))
    const inOrder = acknowledged.sort(([a], [b]) => a - b)
    const found = async (): Promise<[number, string][]> => {
      return (await readAll(logs[0]!, partition)).map(({ seq, bytes }) => [seq, text(bytes)])
    }
    await sees(t, found, inOrder)
    t.equal(inOrder.length, 100)
  })
}
