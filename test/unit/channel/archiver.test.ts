import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { Random } from '../../../src/base/random.ts'
import { type ArchivePart, ArchiveReading } from '../../../src/channel/archive-reading.ts'
import { Archiver } from '../../../src/channel/archiver.ts'
import { ChannelArchive } from '../../../src/channel/channel-archive.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import { decodeArchived, type Shelf } from '../../../src/log/archive.ts'
import type { Publication } from '../../../src/peer/message.ts'
import type { HistoryQuestion } from '../../../src/peer/question-message.ts'
import { TestArchive } from './test-archive.ts'

const SHELF: Shelf = { partition: 1, channel: 'app/kept:a', of: 'messages' }
const BEGIN = 1_000

function publication(seq: number, bytes = 10): Publication {
  return {
    seq, entry: seq, id: `c:${seq}`, idSpace: 'connection', connectionId: 'c',
    timestamp: BEGIN + seq, counter: 0, messageCount: 1, payload: new Uint8Array(bytes),
    keptMs: 3_600_000
  }
}

class Bench {
  readonly stored: number[] = []
  readonly deadlines = new Deadlines()
  readonly backlog = new Backlog()
  readonly archiver: Archiver
  readonly archive: TestArchive
  readonly confirmations: (() => void)[] = []
  past: number | undefined
  /** How far our log goes. */
  loggedSeq = Infinity
  isRolledBack = false
  nowMs = 0

  constructor(archive: TestArchive, lineage = 'L') {
    this.archive = archive
    this.archiver = new Archiver(SHELF, {
      archive, deadlines: this.deadlines, random: new Random('archiver'), epoch: 1, lineage,
      backlog: this.backlog,
      nowMs: () => this.nowMs,
      confirm: (run) => void this.confirmations.push(run),
      disproves: ({ seq }) => seq > this.loggedSeq,
      onRolledBack: () => { this.isRolledBack = true },
      onStored: (publications) => void this.stored.push(...publications.map(({ seq }) => seq)),
      onKnown: ({ ms }) => { this.past = ms }
    })
  }

  add(first: number, last: number): void {
    for (let seq = first; seq <= last; seq++) this.archiver.add(publication(seq))
    this.archiver.flush()
  }

  settle(): void {
    for (let turn = 0; turn < 20; turn++) {
      this.archive.settle()
      this.nowMs += 500
      this.deadlines.fire(this.nowMs)
    }
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)

t.test('[22] all is stored once, in order, whatever becomes of appends', async (t) => {
  const archive = new TestArchive()
  const bench = new Bench(archive)
  let tries = 0
  archive.mood = (store) => {
    const unknown = { kind: 'unknown', reason: 'no answer' } as const
    switch (++tries % 4) {
      case 0: return store()
      case 1: return { kind: 'refused', reason: 'full' }
      case 2: return unknown
      default: store()
        return unknown
    }
  }
  for (let seq = 1; seq <= 50; seq++) {
    bench.add(seq, seq)
    bench.settle()
  }
  t.same(archive.seqs(), upTo(50))
  t.same(bench.stored, upTo(50))
  t.equal(bench.backlog.bytes, 0)
  t.ok(bench.archiver.isIdle)
})

t.test('[22] the next master goes on behind the last record, whoever wrote it', async (t) => {
  const archive = new TestArchive()
  const first = new Bench(archive)
  first.add(1, 5)
  first.settle()
  const next = new Bench(archive)
  next.add(3, 8)
  next.settle()
  t.same(next.stored, [3, 4, 5, 6, 7, 8], 'what is there is stored, too')
  first.add(6, 7)
  first.settle()
  t.same(archive.seqs(), upTo(8), 'a late one adds nothing')
  t.same(first.stored, upTo(7))
})

t.test('[22] another lineage is ended first, by who is the master', async (t) => {
  const archive = new TestArchive()
  const former = new Bench(archive, 'old')
  former.add(1, 3)
  former.settle()
  const bench = new Bench(archive, 'new')
  bench.add(1, 2)
  bench.settle()
  t.same([archive.records.length, bench.past], [1, undefined], 'nothing without a confirmation')
  for (const run of bench.confirmations.splice(0)) run()
  bench.settle()
  t.equal(bench.past, BEGIN + 3)
  t.same(archive.records.map(({ bytes }) => decodeArchived(bytes)!.lineage), ['old', 'new', 'new'])
  former.add(4, 4)
  former.settle()
  t.same(archive.seqs(), [1, 2, 3, 1, 2])
})

t.test('[4, 22] what only the archive has proves a rollback, to who is the master', async (t) => {
  const archive = new TestArchive()
  const former = new Bench(archive)
  former.add(1, 9)
  former.settle()
  const bench = new Bench(archive)
  bench.loggedSeq = 5
  bench.add(5, 5)
  bench.settle()
  t.same([bench.stored, bench.past, bench.isRolledBack], [[], undefined, false])
  for (const run of bench.confirmations.splice(0)) run()
  t.ok(bench.isRolledBack)
  t.same(archive.seqs(), upTo(9))
})

t.test('[22] silence and refusals are trouble; the bound of what waits', async (t) => {
  const archive = new TestArchive()
  const bench = new Bench(archive)
  archive.isSilent = true
  bench.add(1, 1)
  t.notOk(bench.archiver.isInTrouble(bench.nowMs))
  t.ok(bench.archiver.isInTrouble(bench.nowMs + archiveLimits.archiveSilentMs))
  archive.isSilent = false
  bench.settle()
  t.notOk(bench.archiver.isInTrouble(bench.nowMs))
  archive.mood = () => ({ kind: 'refused', reason: 'full' })
  bench.add(2, 2)
  bench.settle()
  t.ok(bench.archiver.isInTrouble(bench.nowMs))
  bench.archiver.add(publication(3, archiveLimits.archiveWaitingBytesMax))
  t.notOk(bench.backlog.hasRoom)
  bench.archiver.stop()
  t.equal(bench.backlog.bytes, 0)
})

t.test('[16, 22] what waits for the past keeps its order in times of trouble', async (t) => {
  const archive = new TestArchive()
  archive.isSilent = true
  let nowMs = 0
  const ran: string[] = []
  const kept = new ChannelArchive('app/kept:a', 'L', 1, {
    partition: 1, archive, deadlines: new Deadlines(), random: new Random('kept'),
    backlog: new Backlog(), hasRoom: true, nowMs: () => nowMs, confirm: () => undefined,
    disproves: () => false, onRolledBack: () => undefined
  }, { onStored: () => undefined, onPast: () => undefined })
  kept.begin(['messages', 'presence'])
  t.ok(kept.holds(() => void ran.push('first')))
  nowMs += archiveLimits.archiveSilentMs
  if (!kept.holds(() => void ran.push('held'))) ran.push('second')
  t.same(ran, ['first', 'second'])
  t.match(kept.refusal(true), { code: 50005 })
  t.equal(kept.refusal(false)?.code, 50005)
})

/** Reads a whole shelf by pages of `limit`; gives seqs, and requests per page. */
function readAll(
  archive: TestArchive, isBackwards: boolean, limit: number, more: Partial<HistoryQuestion> = {}
): { seqs: number[]; costs: number[] } {
  const [seqs, costs]: [number[], number[]] = [[], []]
  let from = more.from
  for (;;) {
    const question: HistoryQuestion = {
      kind: 'history', of: 'messages', isBackwards, startMs: undefined, endMs: undefined,
      until: undefined, countMax: limit, ...more, from
    }
    const bounds = { lineage: 'L', endSeq: Infinity, sinceMs: 0, toldCount: 0, toldBytes: 0 }
    const before = archive.asked.length
    let part: ArchivePart | undefined
    new ArchiveReading(SHELF, question, bounds, archive, (read) => { part = read }).begin()
    archive.settle()
    if (part === undefined) throw new Error('it was not read')
    costs.push(archive.asked.length - before)
    seqs.push(...part.publications.map(({ seq }) => seq))
    const last = part.publications.at(-1)
    if (part.isWhole || last === undefined) return { seqs, costs }
    const mark = part.marks.at(-1)!
    from = { ms: last.timestamp, counter: last.counter, isIncluded: false, mark }
  }
}

function shelfOf(count: number, perRecord: number): TestArchive {
  const archive = new TestArchive()
  const bench = new Bench(archive)
  for (let seq = 1; seq <= count; seq += perRecord) {
    bench.add(seq, Math.min(count, seq + perRecord - 1))
    archive.settle()
  }
  return archive
}

t.test('[22] pages forwards and backwards, at the same cost at any depth', async (t) => {
  for (const perRecord of [1, 3, 100]) {
    const archive = shelfOf(3_000, perRecord)
    const forwards = readAll(archive, false, 100)
    t.same(forwards.seqs, upTo(3_000))
    const backwards = readAll(archive, true, 100)
    t.same(backwards.seqs, upTo(3_000).reverse())
    t.ok(Math.max(...forwards.costs) <= 5, `${Math.max(...forwards.costs)} requests`)
    t.ok(Math.max(...backwards.costs) <= 5, `${Math.max(...backwards.costs)} requests`)
  }
})

t.test('[22] without a mark a place is searched for', async (t) => {
  const archive = shelfOf(2_000, 3)
  const at = (seq: number) => ({ ms: BEGIN + seq, counter: 0, isIncluded: true })
  const since = readAll(archive, false, 1_000, { from: at(1_500) })
  t.same(since.seqs, upTo(2_000).slice(1_499))
  t.ok(since.costs[0]! <= 25, `${since.costs[0]} requests`)
  const until = readAll(archive, true, 1_000, { from: at(700) })
  t.same(until.seqs, upTo(700).reverse())
  const between = readAll(archive, true, 50, { startMs: BEGIN + 300, endMs: BEGIN + 450 })
  t.same(between.seqs, upTo(450).slice(299).reverse())
  const until5 = { lineage: 'L', seq: 5, epoch: 1, entry: 5 }
  t.same(readAll(archive, true, 10, { until: until5 }).seqs, [5, 4, 3, 2, 1])
})

t.test('[22] a hole in an answer is not told as history', async (t) => {
  const archive = shelfOf(300, 1)
  archive.copy = () => archive.records.toSpliced(150, 1)
  t.throws(() => readAll(archive, false, 1_000), /not read/)
  t.throws(() => readAll(archive, true, 1_000), /not read/)
})

t.test('[22] nor is the end of a copy that lags, wherever a page begins', async (t) => {
  const archive = shelfOf(300, 1)
  const at = (seq: number) => ({ ms: BEGIN + seq, counter: 0, isIncluded: true })
  const mark = archive.records[279]!.seq
  for (const count of [0, 100, 250, 279, 299]) {
    archive.copy = () => archive.records.slice(0, count)
    t.throws(() => readAll(archive, false, 1_000), /not read/)
    const pages = (from: HistoryQuestion['from']) => () => readAll(archive, true, 30, { from })
    for (const read of [pages(undefined), pages(at(280)), pages({ ...at(280), mark })]) {
      try {
        const { seqs } = read()
        t.same(seqs, upTo(seqs[0]!).reverse(), 'what is told is whole')
      } catch (error) {
        t.match(error, /not read/)
      }
    }
  }
})

t.test('[22] a hole of what has had its time is gone over, both ways', async (t) => {
  for (const [first, end] of [[150, 151], [90, 280], [299, 300], [20, 299]] as const) {
    const archive = shelfOf(300, 1)
    archive.records.splice(first, end - first)
    const left = [...upTo(first), ...upTo(300).slice(end)]
    for (const limit of [50, 1_000]) {
      t.same(readAll(archive, false, limit).seqs, left, `${first} to ${end}`)
      t.same(readAll(archive, true, limit).seqs, left.toReversed(), `${first} to ${end}`)
    }
  }
})

t.test('[22] what has had its time is not there, and no hole', async (t) => {
  const archive = shelfOf(300, 1)
  archive.records.splice(0, 100)
  t.same(readAll(archive, false, 100).seqs, upTo(300).slice(100))
  t.same(readAll(archive, true, 70).seqs, upTo(300).slice(100).reverse())
})
