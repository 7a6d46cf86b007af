import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import {
  type Append, decodeAppend, encodeAppend, encodeEntry, type Entry
} from '../../../src/log/entry.ts'
import type {
  AppendOutcome, LogAnswer, LogOutbox, LogRecord, LogRequest, ReadOutcome
} from '../../../src/log/port.ts'
import { Recovery } from '../../../src/log/recovery.ts'
import type { WriterStart } from '../../../src/log/writer.ts'
import { epochOf, unsalted } from '../../../src/peer/epoch.ts'

type Question = LogRequest & { onAnswer?: ((answer: LogAnswer) => void) | undefined }

function publication(no: number): Entry {
  return {
    kind: 'publication', channel: 'app/c',
    publication: {
      seq: no, entry: no, id: `c:${no}`, idSpace: 'connection', connectionId: 'c', timestamp: no,
      counter: 0, messageCount: 1, payload: new Uint8Array([no])
    }
  }
}

function epochEntry(epoch: number, lineage: string): Entry {
  const writer = { viewVersion: 1, incarnation: 'n', workerGeneration: 1 }
  return { kind: 'epoch', epoch, lineage, startsLineage: true, ...writer }
}

/** A takeover with a log that answers when and as the test says. */
class Takeover implements LogOutbox {
  records: LogRecord[]
  readonly questions: Question[] = []
  readonly found: string[] = []
  readonly broken: string[] = []
  readonly deadlines = new Deadlines()
  readonly recovery: Recovery
  claimed: { start: WriterStart; lineage: string } | undefined
  nowMs = 0

  constructor(records: LogRecord[] = [], seed = 'takeover', viewVersion = 1) {
    this.records = records
    const claimant = {
      partition: 1, viewVersion: () => viewVersion, incarnation: 'n', workerGeneration: 1
    }
    this.recovery = new Recovery(claimant, {
      onClaimed: (start, log) => {
        if (this.claimed !== undefined) throw new Error('claimed twice')
        this.claimed = { start, lineage: log.lineage }
        for (const { entry, number } of log.entries) {
          const what = entry.kind === 'publication' ? String(entry.publication.seq) : entry.kind
          this.found.push(`${number}: ${what}`)
        }
      },
      onViewHeard: () => undefined,
      note: (text) => void this.broken.push(text)
    }, {
      log: this, deadlines: this.deadlines, random: new Random(seed), nowMs: () => this.nowMs
    })
  }

  ask(request: Parameters<LogOutbox['ask']>[0], onAnswer?: (answer: LogAnswer) => void): void {
    this.questions.push({ ...request, ticket: 0, onAnswer } as Question)
  }

  /** Answers the question that is open with this, or honestly. */
  answer(outcome?: AppendOutcome | ReadOutcome): void {
    const question = this.questions.shift()!
    const { ticket, onAnswer } = question
    if (question.kind === 'read') {
      const records = this.records.filter(({ seq }) => seq >= question.from)
      const honest = { kind: 'page' as const, records, isEnd: true }
      onAnswer?.({ kind: 'read', ticket, outcome: (outcome as ReadOutcome) ?? honest })
    } else if (question.kind === 'append') {
      const told = outcome as AppendOutcome | undefined
      const honest = told ?? this.#append(question.expectedSeq, question.bytes)
      onAnswer?.({ kind: 'append', ticket, outcome: honest })
    }
  }

  later(): void {
    this.nowMs += 10_000
    this.deadlines.fire(this.nowMs)
  }

  #append(expectedSeq: number, bytes: Uint8Array): AppendOutcome {
    const lastSeq = this.records.at(-1)?.seq ?? 0
    if (expectedSeq !== lastSeq) return { kind: 'conflict', lastSeq }
    this.records.push({ seq: lastSeq + 3, bytes })
    return { kind: 'appended', seq: lastSeq + 3 }
  }
}

/** A log of one epoch and some publishes, two to a record. */
function history(recordCount: number, epoch = epochOf(1, 1)): LogRecord[] {
  const records: LogRecord[] = []
  let firstEntry = 1
  for (let no = 0; no < recordCount; no++) {
    const entries = no === 0 ? [epochEntry(epoch, 'line')]
      : [publication(2 * no - 1), publication(2 * no)]
    const previousSeq = records.at(-1)?.seq ?? 0
    const head = { epoch, counter: no - 1, previousSeq, firstEntry, snapshotSeq: 0 }
    records.push({ seq: previousSeq + 3, bytes: encodeAppend(head, entries.map(encodeEntry)) })
    firstEntry += entries.length
  }
  return records
}

const lastOf = (takeover: Takeover): Append => decodeAppend(takeover.records.at(-1)!.bytes)!

t.test('[2] a log is read page by page, and claimed at what proves to be its end', async (t) => {
  const takeover = new Takeover(history(5))
  const { records } = takeover
  for (const page of [records.slice(0, 2), [], records.slice(2, 4)]) {
    takeover.answer({ kind: 'page', records: page, isEnd: false })
  }
  t.match(takeover.questions[0], { kind: 'read', from: records[3]!.seq + 1 })
  takeover.answer()
  t.match(takeover.questions[0], { kind: 'append', expectedSeq: records[4]!.seq })
  t.equal(takeover.claimed, undefined, 'nothing is claimed before the log said so')
  takeover.answer()
  t.same(takeover.found.join(), '1: epoch,2: 1,3: 2,4: 3,5: 4,6: 5,7: 6,8: 7,9: 8,10: epoch')
  t.match(takeover.claimed, { lineage: 'line', start: { lastSeq: 18, nextEntry: 11 } })
  const { epoch } = takeover.claimed!.start
  t.equal(unsalted(epoch), epochOf(1, 2))
  t.match(lastOf(takeover), { previousSeq: 15, firstEntry: 10, epoch })
})

t.test('[2] what the end hid is read before the claim is tried again', async (t) => {
  const all = history(4)
  const takeover = new Takeover(all.slice(0, 2))
  takeover.answer()
  takeover.records.push(...all.slice(2))
  takeover.answer()
  t.equal(takeover.claimed, undefined)
  takeover.later()
  takeover.answer()
  takeover.answer()
  t.same(takeover.found.join(), '1: epoch,2: 1,3: 2,4: 3,5: 4,6: 5,7: 6,8: epoch')
  t.equal(takeover.claimed?.lineage, 'line')
})

t.test('[2] unreadable, refused, busy, unknown: again, a claim with its bytes', async (t) => {
  const takeover = new Takeover(history(2))
  takeover.answer({ kind: 'unreadable', reason: 'test' })
  t.equal(takeover.questions.length, 0, 'not at once')
  takeover.later()
  takeover.answer()
  const { bytes } = takeover.questions[0] as { bytes: Uint8Array }
  const reason = 'test'
  for (const outcome of [
    { kind: 'refused', reason }, { kind: 'busy' }, { kind: 'unknown', reason }
  ] as const) {
    takeover.answer(outcome)
    takeover.later()
    t.equal((takeover.questions[0] as { bytes: Uint8Array }).bytes, bytes, outcome.kind)
    t.equal(takeover.questions.length, 1)
  }
  takeover.answer()
  t.ok(takeover.claimed)
})

t.test('[2] a claim of which nobody knew landed: it is one epoch more, and ours', async (t) => {
  const takeover = new Takeover(history(2))
  takeover.answer()
  const { bytes } = takeover.questions[0] as { bytes: Uint8Array }
  takeover.records.push({ seq: 9, bytes })
  takeover.answer({ kind: 'unknown', reason: 'test' })
  takeover.later()
  takeover.answer()
  takeover.later()
  takeover.answer()
  takeover.answer()
  t.match(takeover.claimed, { lineage: 'line', start: { nextEntry: 6 } })
  t.equal(unsalted(takeover.claimed!.start.epoch), epochOf(1, 3))
})

t.test('[2] two claims of one attempt, of which the log forgot the first, differ', async (t) => {
  const epochs = ['a', 'b'].map((seed) => {
    const takeover = new Takeover(history(2), seed)
    takeover.answer()
    takeover.answer()
    return takeover.claimed!.start.epoch
  })
  t.same(epochs.map(unsalted), [epochOf(1, 2), epochOf(1, 2)])
  t.not(epochs[0], epochs[1])
})

t.test('[4] a history that does not join is forgotten, and a new lineage says so', async (t) => {
  const whole = history(5)
  const damages: [string, LogRecord[]][] = [
    ['a record before 12 is gone', [...whole.slice(0, 2), ...whole.slice(3)]],
    ['the record at 9 cannot be read',
      [...whole.slice(0, 2), { seq: 9, bytes: new Uint8Array([1]) }]],
    ['the record at 3 cannot be read', [{ seq: 3, bytes: new Uint8Array() }, ...whole.slice(1)]]
  ]
  for (const [reason, records] of damages) {
    const takeover = new Takeover(records)
    while (takeover.claimed === undefined) {
      if (takeover.questions.length > 0) takeover.answer()
      else takeover.later()
    }
    t.match(takeover.broken[0], reason)
    t.not(takeover.claimed?.lineage, 'line')
    t.same(takeover.found.map((each) => each.split(' ')[1]), ['epoch'], 'nothing of it is shown')
    const next = new Takeover(takeover.records, 'the next one')
    next.answer()
    next.answer()
    t.equal(next.claimed?.lineage, takeover.claimed?.lineage, 'and that lineage holds')
    t.ok(next.claimed!.start.epoch > takeover.claimed!.start.epoch)
  }
})

t.test('[A5] an epoch is above every one that stands in the log, behind a hole too', async (t) => {
  const records = history(2)
  const epoch = epochOf(1, 50_000)
  const head = { epoch, counter: -1, previousSeq: 99, firstEntry: 40, snapshotSeq: 0 }
  records.push({ seq: 102, bytes: encodeAppend(head, [encodeEntry(epochEntry(epoch, 'line'))]) })
  const takeover = new Takeover(records)
  takeover.answer()
  takeover.answer()
  t.ok(takeover.claimed!.start.epoch > epoch)
})

t.test('[A5, 9] masters whose logs begin empty in one view have epochs of their own', async (t) => {
  const epochs = Array.from({ length: 20 }, (_, no) => {
    const takeover = new Takeover([], `life ${no}`, 3)
    takeover.answer()
    takeover.answer()
    return takeover.claimed!.start.epoch
  })
  t.equal(new Set(epochs).size, 20, 'or one\'s deliveries would pass for the other\'s')
  for (const epoch of epochs) t.ok(epoch > epochOf(3, 0) && epoch < epochOf(4, 0))
  const later = new Takeover([], 'later', 4)
  later.answer()
  later.answer()
  t.ok(later.claimed!.start.epoch > Math.max(...epochs), 'and a later view\'s are above')
})

t.test('a takeover that was given up says and asks nothing any more', async (t) => {
  for (const answeredCount of [0, 1]) {
    const takeover = new Takeover(history(3))
    for (let count = 0; count < answeredCount; count++) takeover.answer()
    const found = takeover.found.length
    takeover.recovery.stop()
    takeover.answer()
    takeover.later()
    t.equal(takeover.questions.length, 0)
    t.equal(takeover.claimed, undefined)
    t.equal(takeover.found.length, found)
  }
  const waiting = new Takeover(history(3))
  waiting.answer({ kind: 'unreadable', reason: 'test' })
  waiting.recovery.stop()
  waiting.later()
  t.equal(waiting.questions.length, 0, 'nor does its retry')
})
