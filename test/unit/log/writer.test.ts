import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { decodeAppend, type Entry } from '../../../src/log/entry.ts'
import type {
  AppendOutcome,
  LogAnswer,
  LogOutbox,
  LogRecord,
  LogRequest
} from '../../../src/log/port.ts'
import { type Claimant, Recovery } from '../../../src/log/recovery.ts'
import type { RecoveredLog } from '../../../src/log/replay.ts'
import { LogWriter, type WriterStart } from '../../../src/log/writer.ts'

type Question = LogRequest & { onAnswer?: ((answer: LogAnswer) => void) | undefined }

/** A log whose answers the test decides; questions wait until it does. */
class TestLog implements LogOutbox {
  records: LogRecord[] = []
  readonly questions: Question[] = []
  #ticket = 0

  ask(request: Parameters<LogOutbox['ask']>[0], onAnswer?: (answer: LogAnswer) => void): void {
    this.questions.push({ ...request, ticket: ++this.#ticket, onAnswer } as Question)
  }

  get lastSeq(): number {
    return this.records.at(-1)?.seq ?? 0
  }

  /** Does what an append asks, without answering. */
  store(question: Question): AppendOutcome {
    if (question.kind !== 'append') throw new Error('not an append')
    if (question.expectedSeq !== this.lastSeq) return { kind: 'conflict', lastSeq: this.lastSeq }
    const seq = this.lastSeq + 3
    this.records.push({ seq, bytes: question.bytes })
    return { kind: 'appended', seq }
  }

  /** Answers the oldest question, honestly unless told otherwise. */
  answer(outcome?: AppendOutcome): void {
    const question = this.questions.shift()!
    const { ticket, onAnswer } = question
    if (question.kind === 'append') {
      onAnswer?.({ kind: 'append', ticket, outcome: outcome ?? this.store(question) })
    } else if (question.kind === 'read') {
      const records = this.records.filter(({ seq }) => seq >= question.from)
      onAnswer?.({ kind: 'read', ticket, outcome: { kind: 'page', records, isEnd: true } })
    }
  }
}

function publication(no: number): Entry {
  return {
    kind: 'publication',
    channel: 'app/c',
    publication: {
      seq: no, entry: no, id: `c:${no}`, idSpace: 'connection', connectionId: 'c', timestamp: no,
      counter: 0, messageCount: 1, payload: new Uint8Array([no])
    }
  }
}

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
  t.match(second, { append: { epoch: 7, previousSeq: 3, firstEntry: 2, entries: { length: 3 } } })
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
