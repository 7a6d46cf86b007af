import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { epochOf, unsalted } from '../../../src/peer/epoch.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { type Claimant, Recovery } from '../../../src/log/recovery.ts'
import type { RecoveredLog } from '../../../src/log/replay.ts'
import { snapshotEntries } from '../../../src/log/snapshot.ts'
import type { WriterStart } from '../../../src/log/writer.ts'
import { Author, TestLog } from './test-log.ts'

class Rig {
  readonly log = new TestLog()
  readonly author = new Author(this.log)
  readonly deadlines = new Deadlines()
  readonly heardViews: number[] = []
  readonly notes: string[] = []
  claimed: { start: WriterStart; log: RecoveredLog } | undefined
  viewVersion = 1
  nowMs = 0

  recover(doubt: Pick<Claimant, 'known' | 'mustStartLineage'> = {}): void {
    const claimant = { partition: 1, incarnation: 'n', workerGeneration: 1, ...doubt }
    new Recovery({ ...claimant, viewVersion: () => this.viewVersion }, {
      onClaimed: (start, log) => {
        this.claimed = { start, log }
      },
      onViewHeard: (version) => this.heardViews.push(version),
      note: (text) => this.notes.push(text)
    }, {
      log: this.log,
      deadlines: this.deadlines,
      random: new Random('recovery'),
      nowMs: () => this.nowMs
    })
  }

  /** Answers honestly and lets time pass until the claim is accepted. */
  finish(): RecoveredLog {
    for (let round = 0; round < 50 && this.claimed === undefined; round++) {
      this.log.answerAll()
      this.later()
    }
    return this.claimed!.log
  }

  later(): void {
    this.nowMs += 2_500
    this.deadlines.fire(this.nowMs)
  }

  /** Writes a snapshot in the middle of other traffic; returns where it begins. */
  snapshot(asOf: number, state = new Uint8Array([1, 2, 3])): number {
    const [chunk, end] = snapshotEntries('s', asOf, state, 'lin', [[65_536, 1]])
    const seq = this.author.write(chunk!)
    this.author.publish(77)
    this.author.write(end!)
    return seq
  }
}

function kinds({ entries }: RecoveredLog): string[] {
  return entries.map(({ entry }) => entry.kind)
}

t.test('[6] state as of the snapshot, and every entry after it, those between its chunks too',
  async (t) => {
    const rig = new Rig()
    rig.author.begin('lin')
    for (let seq = 1; seq <= 3; seq++) rig.author.publish(seq)
    const first = rig.snapshot(4)
    rig.author.publish(78)
    rig.log.records = rig.log.records.filter(({ seq }) => seq >= first)
    rig.recover()
    const log = rig.finish()
    t.equal(log.lineage, 'lin', 'the snapshot carries it on')
    t.same(log.state, new Uint8Array([1, 2, 3]))
    t.equal(log.asOf, 4)
    t.equal(log.epochEnds.get(65_536), 1)
    t.same(kinds(log), ['snapshot', 'publication', 'snapshotEnd', 'publication', 'epoch'])
    t.equal(rig.claimed!.start.nextEntry, 10)
    t.equal(rig.claimed!.start.snapshotSeq, first)
  })

t.test('[6] a snapshot that was never ended, or is torn, is none', async (t) => {
  for (const fault of ['open', 'torn'] as const) {
    const rig = new Rig()
    rig.author.begin('lin')
    rig.author.publish(1)
    const [chunk, end] = snapshotEntries('s', 2, new Uint8Array([1]), 'lin', [])
    rig.author.write(chunk!)
    if (fault === 'torn') rig.author.write({ ...end!, digest: 1 } as never)
    rig.recover()
    const log = rig.finish()
    t.equal(log.state, undefined, fault)
    t.equal(log.lineage, 'lin')
    t.equal(log.asOf, 0)
  }
})

t.test('[6] a hole that a trim under way has made is gone at the next reading', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.author.publish(1)
  rig.snapshot(2)
  rig.recover()
  const [epoch, , ...rest] = rig.log.records
  rig.log.answer({ kind: 'page', records: [epoch!, ...rest], isEnd: true })
  const log = rig.finish()
  t.equal(log.lineage, 'lin')
  t.same(rig.notes, [])
})

t.test('[4] a hole that stays is lost continuity: a new lineage', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  for (let seq = 1; seq <= 3; seq++) rig.author.publish(seq)
  rig.log.records.splice(2, 1)
  rig.recover()
  const log = rig.finish()
  t.not(log.lineage, 'lin')
  t.same(kinds(log), ['epoch'])
  t.match(rig.notes, [/continuity is lost/])
  t.equal(rig.claimed!.start.nextEntry, 6, 'entries are numbered on')
  const again = new Rig()
  again.log.records = rig.log.records
  again.recover()
  t.equal(again.finish().lineage, log.lineage, 'what was disowned is not stumbled over again')
  t.same(again.notes, [])
})

t.test('[4] what came first is gone without a snapshot: a new lineage', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.author.publish(1)
  rig.author.publish(2)
  rig.log.records.shift()
  rig.recover()
  t.not(rig.finish().lineage, 'lin')
})

t.test('[4, A4] a log shorter than its master knows it was has been rolled back', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  const { epoch } = rig.author
  rig.recover({ known: { lastSeq: 9, epoch, lineage: 'lin' } })
  const log = rig.finish()
  t.not(log.lineage, 'lin')
  t.match(rig.notes, [/ends at 3, and was at 9/])
})

t.test('[2, 4] a copy that lags is no rollback: the log itself says how far it goes', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.author.publish(1)
  rig.author.publish(2)
  const { epoch } = rig.author
  rig.recover({ known: { lastSeq: 9, epoch, lineage: 'lin' } })
  const lagging = rig.log.records.slice(0, 1)
  for (let reading = 0; reading < 5; reading++) {
    rig.log.answer({ kind: 'page', records: lagging, isEnd: true })
    if (rig.log.questions.length === 0) rig.later()
  }
  t.equal(rig.log.questions[0]!.kind, 'append', 'now it is believed, if the log agrees')
  const log = rig.finish()
  t.equal(log.lineage, 'lin')
  t.same(kinds(log), ['epoch', 'publication', 'publication', 'epoch'])
})

t.test('[4] a log that somebody else has begun anew is his, however short it is', async (t) => {
  const rig = new Rig()
  rig.author.begin('new')
  const { epoch } = rig.author
  rig.recover({ known: { lastSeq: 9, epoch: epoch + 500, lineage: 'lin' } })
  const log = rig.finish()
  t.equal(log.lineage, 'new')
  t.same(rig.notes, [])
  t.ok(rig.claimed!.start.epoch > epoch + 500, 'above what the former log has seen, too')
})

t.test('[4, A4] a former lineage that has come back is not gone on with', async (t) => {
  for (const lastSeq of [3, 9]) {
    const rig = new Rig()
    rig.author.begin('former')
    rig.author.publish(1)
    const { epoch } = rig.author
    const formers = new Set(['former'])
    rig.recover({ known: { lastSeq, epoch: epoch + 500, lineage: 'lin', formers } })
    const log = rig.finish()
    t.notOk(['former', 'lin'].includes(log.lineage), `what we wrote at ${lastSeq} is not there`)
    t.match(rig.notes, [lastSeq === 9 ? /ends at 6, and was at 9/ : /has lost epoch/])
    t.same([...log.formers], ['former'], 'nor will it be next time')
  }
})

t.test('[4] a former lineage that a newer epoch goes on with is his who began that', async (t) => {
  const rig = new Rig()
  rig.author.begin('former')
  const { epoch } = rig.author
  const formers = new Set(['former'])
  rig.recover({ known: { lastSeq: 9, epoch: epoch - 1, lineage: 'lin', formers } })
  t.equal(rig.finish().lineage, 'former')
})

t.test('[4, A4] a log made anew during the claim is read anew, and is another', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.author.publish(1)
  rig.recover()
  rig.log.answer()
  rig.log.records = []
  const log = rig.finish()
  t.not(log.lineage, 'lin')
  t.match(rig.notes, [/ends at 0, and was at 6/])
})

t.test('[2, 4] what a former master appends to a log that was rolled back proves it', async (t) => {
  for (const isLater of [false, true]) {
    const rig = new Rig()
    rig.author.epoch = isLater ? epochOf(1, 2) : epochOf(1, 3)
    rig.author.begin('lin')
    rig.author.publish(1)
    rig.author.epoch = epochOf(1, 3)
    rig.author.begin('lin', false)
    // Its sequence and its number are those that the log was to give out next.
    if (!isLater) rig.author.epoch = epochOf(1, 2)
    rig.author.publish(2)
    rig.recover()
    t.equal(rig.finish().lineage === 'lin', isLater)
    t.same(rig.notes.length, isLater ? 0 : 1)
  }
})

t.test('[2, 4] so does what it appends in an epoch that was never begun there', async (t) => {
  const rig = new Rig()
  rig.author.epoch = epochOf(1, 2)
  rig.author.begin('lin')
  rig.author.epoch = epochOf(1, 3)
  rig.author.publish(1)
  rig.recover()
  t.not(rig.finish().lineage, 'lin')
  t.match(rig.notes, [/never begun/])
})

t.test('[2, 4] so does a claim of who had read it before, in whatever epoch', async (t) => {
  for (const no of [2, 9]) {
    const rig = new Rig()
    rig.author.epoch = epochOf(1, 5)
    rig.author.begin('new')
    rig.author.publish(1)
    // Made anew, the log has come just as far as it had when it was read.
    rig.author.epoch = epochOf(1, no)
    rig.author.begin('old', false)
    rig.author.publish(2)
    rig.recover()
    t.notOk(['new', 'old'].includes(rig.finish().lineage))
    t.match(rig.notes, [no === 2 ? /the epoch of 9 had ended/ : /the lineage of 9 had ended/])
  }
})

t.test('[4] whoever disproved continuity begins a new lineage', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.author.publish(1)
  rig.recover({ known: { lastSeq: 6, epoch: 65_537, lineage: 'lin' }, mustStartLineage: true })
  const log = rig.finish()
  t.not(log.lineage, 'lin')
  t.equal(log.coveredThrough, 2, 'what is disowned may be trimmed')
})

t.test('[2, 4] a new lineage whose beginning was not heard to land is begun once', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  const { lastSeq } = rig.log
  rig.recover({ known: { lastSeq, epoch: 65_537, lineage: 'lin' }, mustStartLineage: true })
  rig.log.answer()
  const [claim] = rig.log.questions
  rig.log.store(claim!)
  rig.log.answer({ kind: 'unknown', reason: 'no answer in time' })
  const { lineage } = rig.finish()
  const begun = rig.log.records.flatMap(({ bytes }) => decodeAppend(bytes)!.entries)
    .flatMap((entry) => (entry.kind === 'epoch' && entry.startsLineage ? [entry.lineage] : []))
  t.equal(begun.length, 2, 'that of the first master, and the new one')
  t.equal(lineage, begun[1])
})

t.test('[2] a claim below a view that the log has seen waits for that view', async (t) => {
  const rig = new Rig()
  rig.author.epoch = epochOf(7, 1)
  rig.author.begin('lin')
  rig.recover()
  rig.log.answer()
  t.same(rig.heardViews, [7])
  t.same(rig.log.questions, [], 'nothing is claimed meanwhile')
  rig.viewVersion = 8
  rig.finish()
  t.equal(unsalted(rig.claimed!.start.epoch), epochOf(8, 1))
})

t.test('[2] a view that nobody can give is waited for no longer than a bound', async (t) => {
  const rig = new Rig()
  rig.author.epoch = epochOf(7, 1)
  rig.author.begin('lin')
  rig.recover()
  rig.finish()
  const epoch = unsalted(rig.claimed!.start.epoch)
  t.equal(epoch, epochOf(7, 2), 'still above what the log has seen')
})

t.test('records of a later release are not passed over', async (t) => {
  const rig = new Rig()
  rig.author.begin('lin')
  rig.log.records.push({ seq: 6, bytes: new Uint8Array([0x91, 0x63]) })
  rig.recover()
  for (let round = 0; round < 20; round++) {
    rig.log.answerAll()
    rig.later()
  }
  t.equal(rig.claimed, undefined)
  t.match(rig.notes[0], /format 99/)
})
