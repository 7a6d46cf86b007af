/** A partition's log whose answers the test decides; questions wait until it does. */

import { encodeAppend, encodeEntry, type Entry } from '../../../src/log/entry.ts'
import type {
  AppendOutcome,
  LogAnswer,
  LogOutbox,
  LogRecord,
  LogRequest,
  ReadOutcome
} from '../../../src/log/port.ts'
import { pageOf, PartitionRecords } from '../../support/partition-records.ts'

export type Question = LogRequest & { onAnswer?: ((answer: LogAnswer) => void) | undefined }

export class TestLog implements LogOutbox {
  readonly questions: Question[] = []
  /** All that was ever asked. */
  readonly asked: Question[] = []
  readonly #held = new PartitionRecords()
  #ticket = 0

  get records(): LogRecord[] {
    return this.#held.all
  }

  set records(records: LogRecord[]) {
    this.#held.all = records
  }

  ask(request: Parameters<LogOutbox['ask']>[0], onAnswer?: (answer: LogAnswer) => void): void {
    const question = { ...request, ticket: ++this.#ticket, onAnswer } as Question
    this.questions.push(question)
    this.asked.push(question)
  }

  get lastSeq(): number {
    return this.#held.lastSeq
  }

  /** Does what an append asks, without answering. */
  store(question: Question): AppendOutcome {
    if (question.kind !== 'append') throw new Error('not an append')
    const { expectedSeq, bytes } = question
    return this.#held.append(expectedSeq, () => ({ seq: this.lastSeq + 3, bytes }))
  }

  /** Answers the oldest question, honestly unless told otherwise. */
  answer(outcome?: AppendOutcome | ReadOutcome): void {
    const question = this.questions.shift()!
    const { ticket, onAnswer } = question
    if (question.kind === 'append') {
      const given = (outcome as AppendOutcome | undefined) ?? this.store(question)
      onAnswer?.({ kind: 'append', ticket, outcome: given })
    } else if (question.kind === 'read') {
      const given = outcome as ReadOutcome | undefined
      const page = pageOf(this.records, question.from, Infinity)
      onAnswer?.({ kind: 'read', ticket, outcome: given ?? page })
    } else if (question.kind === 'trim') {
      this.#held.trim(question.below)
    }
  }

  /** Answers honestly until nobody asks. */
  answerAll(): void {
    while (this.questions.length > 0) this.answer()
  }
}

/** Writes records as a correct master would. */
export class Author {
  readonly log: TestLog
  epoch = 65_537
  nextEntry = 1
  #counter = 0

  constructor(log: TestLog) {
    this.log = log
  }

  /** One record of these entries; returns its sequence. */
  write(...entries: Entry[]): number {
    const previousSeq = this.log.lastSeq
    const head = {
      epoch: this.epoch, counter: this.#counter++, previousSeq, firstEntry: this.nextEntry,
      snapshotSeq: 0
    }
    this.nextEntry += entries.length
    const seq = previousSeq + 3
    this.log.records.push({ seq, bytes: encodeAppend(head, entries.map(encodeEntry)) })
    return seq
  }

  begin(lineage: string, startsLineage = true): number {
    return this.write({
      kind: 'epoch', epoch: this.epoch, lineage, startsLineage, viewVersion: 1, incarnation: 'x',
      workerGeneration: 1
    })
  }

  publish(seq: number): number {
    return this.write(publication(seq, this.nextEntry))
  }
}

/** A publication of channel `app/c`. */
export function publication(seq: number, entry = seq): Entry {
  return {
    kind: 'publication',
    channel: 'app/c',
    publication: {
      seq, entry, id: `c:${seq}`, idSpace: 'connection', connectionId: 'c', timestamp: seq,
      counter: 0, messageCount: 1, payload: new Uint8Array([seq])
    }
  }
}
