import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { type Claimant, Recovery } from '../../../src/log/recovery.ts'
import type { RecoveredLog } from '../../../src/log/replay.ts'
import { LogWriter, type WriterStart } from '../../../src/log/writer.ts'
import { publication, TestLog } from './test-log.ts'

class Rig {
  readonly log = new TestLog()
  readonly deadlines = new Deadlines()
  readonly committed: number[] = []
  isDeposed = false
  isRolledBack = false
  readonly heardViews: number[] = []
  nowMs = 0

  writer(start: Partial<WriterStart> = {}): LogWriter {
    const whole = { partition: 1, epoch: 7, lastSeq: 0, nextEntry: 1, snapshotSeq: 0, ...start }
    return new LogWriter(whole, {
      onCommitted: (entries, first) => {
        for (const at of entries.keys()) this.committed.push(first + at)
      },
      onDeposed: () => {
        this.isDeposed = true
      },
      onLandedLate: () => undefined,
      onRolledBack: () => {
        this.isRolledBack = true
      }
    }, this.log, this.deadlines, new Random('writer'), this.nowMs)
  }

  later(): void {
    this.nowMs += 10_000
    this.deadlines.fire(this.nowMs)
  }

  claim(viewVersion: number, doubt: Pick<Claimant, 'known' | 'mustStartLineage'> = {}) {
    let claimed: { start: WriterStart; log: RecoveredLog } | undefined
    const notes: string[] = []
    const claimant = {
      partition: 1, viewVersion: () => viewVersion, incarnation: 'n', workerGeneration: 1, ...doubt
    }
    new Recovery(claimant, {
      onClaimed: (start, log) => {
        claimed = { start, log }
      },
      onViewHeard: (version) => this.heardViews.push(version),
      note: (text) => notes.push(text)
    }, {
      log: this.log,
      deadlines: this.deadlines,
      random: new Random(`claim/${viewVersion}`),
      nowMs: () => this.nowMs
    })
    return { claimed: () => claimed, notes }
  }
}

t.test('[rule 2] one append is under way; what comes meanwhile goes together', async (t) => {
  const rig = new Rig()
  const writer = rig.writer()
  writer.add(publication(1))
  writer.flush(0)
  for (const no of [2, 3, 4]) writer.add(publication(no))
  writer.flush(0)
  t.equal(rig.log.questions.length, 1)
  rig.log.answer()
  t.same(rig.committed, [1])
  writer.flush(0)
  rig.log.answer()
  t.same(rig.committed, [1, 2, 3, 4])
  const second = decodeAppend(rig.log.records[1]!.bytes)
  t.match(second, { epoch: 7, previousSeq: 3, firstEntry: 2, entries: { length: 3 } })
})

t.test('[rule 2] unknown: the same bytes again; that it landed is found out', async (t) => {
  for (const hadHappened of [true, false]) {
    const rig = new Rig()
    const writer = rig.writer()
    writer.add(publication(1))
    writer.flush(0)
    const first = rig.log.questions[0]!
    if (hadHappened) rig.log.store(first)
    rig.log.answer({ kind: 'unknown', reason: 'no answer' })
    t.same(rig.committed, [], 'nothing is called committed')
    rig.later()
    t.equal((rig.log.questions[0] as { bytes?: Uint8Array }).bytes, (first as never)['bytes'])
    rig.log.answer()
    if (hadHappened) rig.log.answer()
    t.same(rig.committed, [1], `had happened: ${hadHappened}`)
    t.equal(rig.log.records.length, 1)
    t.notOk(rig.isDeposed)
  }
})

t.test('[rule 2] a conflict with a newer epoch deposes, and nothing is committed', async (t) => {
  const rig = new Rig()
  const old = rig.writer()
  old.add(publication(1))
  old.flush(0)
  const late = rig.log.questions.shift()!
  const claim = rig.claim(1)
  rig.log.answer()
  rig.log.answer()
  t.ok(claim.claimed())
  rig.log.questions.unshift(late)
  rig.log.answer()
  rig.log.answer()
  t.ok(rig.isDeposed)
  t.same(rig.committed, [])
  t.equal(rig.log.records.length, 1, 'the late append is refused by the log')
})

t.test('[rule 4] an empty log gives a new lineage, one with history keeps its own', async (t) => {
  const rig = new Rig()
  const first = rig.claim(1)
  rig.log.answer()
  rig.log.answer()
  const { start, log: { lineage } } = first.claimed()!
  const writer = rig.writer(start)
  writer.add(publication(start.nextEntry))
  writer.flush(0)
  rig.log.answer()
  const second = rig.claim(2)
  rig.log.answer()
  rig.log.answer()
  t.equal(second.claimed()!.log.lineage, lineage)
  t.ok(second.claimed()!.start.epoch > start.epoch)
  const { entries } = second.claimed()!.log
  t.same(entries.map(({ entry }) => entry.kind), ['epoch', 'publication', 'epoch'])
  const other = new Rig().claim(3)
  t.equal(other.claimed(), undefined, 'nothing is claimed before the log said so')
})

t.test('[rule 2] a claim that meets a newer entry reads on and claims above it', async (t) => {
  const rig = new Rig()
  const slow = rig.claim(1)
  rig.log.answer()
  const held = rig.log.questions.shift()!
  const quick = rig.claim(1)
  rig.log.answer()
  rig.log.answer()
  rig.log.questions.unshift(held)
  rig.log.answer()
  rig.later()
  rig.log.answer()
  rig.log.answer()
  t.ok(slow.claimed()!.start.epoch > quick.claimed()!.start.epoch, 'each attempt is above the last')
  t.equal(slow.claimed()!.log.lineage, quick.claimed()!.log.lineage)
})

t.test('[4] a log that lost what it had accepted is noticed, not at first look', async (t) => {
  const rig = new Rig()
  const writer = rig.writer({ lastSeq: 30 })
  writer.add(publication(1))
  writer.flush(0)
  for (let look = 0; look < 4; look++) {
    rig.log.answer({ kind: 'conflict', lastSeq: 12 })
    rig.log.answer()
    t.notOk(rig.isRolledBack, `look ${look}`)
    rig.later()
  }
  rig.log.answer({ kind: 'conflict', lastSeq: 12 })
  rig.log.answer()
  t.ok(rig.isRolledBack)
  t.notOk(rig.isDeposed)
  t.same(rig.committed, [])
})

t.test('[11] the word of a master is as old as the append that began last', async (t) => {
  const rig = new Rig()
  rig.nowMs = 100
  const writer = rig.writer()
  t.equal(writer.confirmedAtMs, 100, 'its claim was accepted')
  writer.add({ kind: 'confirm' })
  const { nextCounter } = writer
  writer.flush(200)
  t.equal(writer.confirmedAtMs, 100, 'a question proves nothing')
  rig.log.answer({ kind: 'unknown', reason: 'late' })
  rig.later()
  rig.log.answer()
  t.equal(writer.confirmedAtMs, 200)
  t.equal(writer.confirmedCounter, nextCounter)
})
