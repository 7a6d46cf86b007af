import {
  type ArchiveAnswer, type ArchiveAsk, decodeArchived, type ShelfKind
} from '../../../src/log/archive.ts'
import type { AppendOutcome, LogRecord } from '../../../src/log/port.ts'

const STEP = 7

/**
 * The shelves of one channel, answered when the test says so; `mood` replaces what an append comes
 * to.
 */
export class TestArchive {
  readonly #shelves = new Map<ShelfKind, LogRecord[]>()
  readonly asked: ArchiveAsk[] = []
  mood: ((store: () => AppendOutcome, of: ShelfKind) => AppendOutcome) | undefined
  isSilent = false
  /** What pages are read from: a copy that may lag. */
  copy = (): LogRecord[] => this.records
  #open: (() => void)[] = []

  askArchive(request: ArchiveAsk, onAnswer: (answer: ArchiveAnswer) => void): void {
    this.asked.push(request)
    this.#open.push(() => onAnswer({ ...this.#answerTo(request), ticket: 1 } as ArchiveAnswer))
  }

  /** Those of the shelf of messages. */
  get records(): LogRecord[] {
    return this.recordsOf('messages')
  }

  recordsOf(of: ShelfKind): LogRecord[] {
    const records = this.#shelves.get(of) ?? []
    this.#shelves.set(of, records)
    return records
  }

  settle(): void {
    while (!this.isSilent && this.#open.length > 0) this.#open.shift()!()
  }

  seqs(of: ShelfKind = 'messages'): number[] {
    return this.recordsOf(of).flatMap(({ bytes }) =>
      decodeArchived(bytes)!.publications.map(({ seq }) => seq))
  }

  #answerTo(request: ArchiveAsk): object {
    const { of } = request.shelf
    const records = this.recordsOf(of)
    if (request.kind === 'last') {
      return { kind: 'record', outcome: { kind: 'record', record: records.at(-1) } }
    }
    if (request.kind === 'next') {
      const record = records.find(({ seq }) => seq >= request.from)
      return { kind: 'record', outcome: { kind: 'record', record } }
    }
    if (request.kind === 'page') {
      const copy = of === 'messages' ? this.copy() : records
      const wanted = copy.filter(({ seq }) => seq >= request.from)
      const page = wanted.slice(0, request.countMax)
      const isEnd = page.length === wanted.length
      return { kind: 'page', outcome: { kind: 'page', records: page, isEnd } }
    }
    if (request.kind === 'trim') {
      records.splice(0, records.findIndex(({ seq }) => seq >= request.below))
      return { kind: 'trimmed' }
    }
    const store = (): AppendOutcome => {
      const lastSeq = records.at(-1)?.seq ?? 0
      if (request.expectedSeq !== lastSeq) return { kind: 'conflict', lastSeq }
      const seq = lastSeq + STEP
      records.push({ seq, bytes: request.bytes })
      return { kind: 'appended', seq }
    }
    return { kind: 'append', outcome: this.mood === undefined ? store() : this.mood(store, of) }
  }
}
