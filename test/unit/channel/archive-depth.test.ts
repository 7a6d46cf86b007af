/** What a page of a deep shelf costs: so many questions to the archive, wherever it begins. */

import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { type ArchivePart, ArchiveReading } from '../../../src/channel/archive-reading.ts'
import { Archiver } from '../../../src/channel/archiver.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import type { ArchiveAnswer, ArchiveAsk, Shelf } from '../../../src/log/archive.ts'
import type { LogRecord } from '../../../src/log/port.ts'
import type { HistoryPlace, HistoryQuestion } from '../../../src/peer/question-message.ts'
import { publication } from './parts.ts'

const SHELF: Shelf = { partition: 1, channel: 'app/kept:a', of: 'messages' }
const LINEAGE = 'L'
/** Sequences of a shelf that shares its stream with others are so far apart. */
const STEP = 9
const DEEPEST = 100_000
const LIMIT = 100
/** Of a page that goes on from another: two per hundred publications, and the last record. */
const GOING_ON_MAX = 5

/** One shelf, whose questions are counted. */
class CountingArchive {
  readonly #records: LogRecord[] = []
  readonly #open: (() => void)[] = []
  count = 0

  askArchive(request: ArchiveAsk, onAnswer: (answer: ArchiveAnswer) => void): void {
    this.count++
    this.#open.push(() => onAnswer({ ...this.#answerTo(request), ticket: 1 } as ArchiveAnswer))
  }

  settle(): void {
    for (let run = this.#open.shift(); run !== undefined; run = this.#open.shift()) run()
  }

  get lastSeq(): number {
    return this.#records.at(-1)?.seq ?? 0
  }

  #answerTo(request: ArchiveAsk): object {
    const records = this.#records
    switch (request.kind) {
      case 'last':
        return { kind: 'record', outcome: { kind: 'record', record: records.at(-1) } }
      case 'next': {
        const record = records[Math.ceil(Math.max(0, request.from - STEP) / STEP)]
        return { kind: 'record', outcome: { kind: 'record', record } }
      }
      case 'page': {
        const first = Math.ceil(Math.max(0, request.from - STEP) / STEP)
        const page = records.slice(first, first + request.countMax)
        const isEnd = first + page.length === records.length
        return { kind: 'page', outcome: { kind: 'page', records: page, isEnd } }
      }
      case 'append':
        records.push({ seq: this.lastSeq + STEP, bytes: request.bytes })
        return { kind: 'append', outcome: { kind: 'appended', seq: this.lastSeq } }
      case 'trim':
        throw new Error('nothing is let go here')
    }
  }
}

/** A shelf of so many publications, one in each record, as an archiver writes it. */
function shelfOf(count: number): CountingArchive {
  const archive = new CountingArchive()
  const archiver = new Archiver(SHELF, {
    archive, deadlines: new Deadlines(), random: new Random('depth'), epoch: 1, lineage: LINEAGE,
    backlog: new Backlog(), nowMs: () => 0, confirm: () => undefined, disproves: () => false,
    onRolledBack: () => undefined, onStored: () => undefined, onKnown: () => undefined
  })
  for (let seq = 1; seq <= count; seq++) {
    archiver.add(publication(seq, { keptMs: 3_600_000 }))
    archiver.flush()
    archive.settle()
  }
  return archive
}

/** A page that begins behind a place, or at the beginning; and what it cost. */
function pageOf(
  archive: CountingArchive, isBackwards: boolean, from: HistoryPlace | undefined
): { readonly part: ArchivePart, readonly seqs: number[], readonly cost: number } {
  const question: HistoryQuestion = {
    kind: 'history', of: 'messages', isBackwards, startMs: undefined, endMs: undefined,
    until: undefined, countMax: LIMIT, from
  }
  const bounds = {
    lineage: LINEAGE, endSeq: Infinity, sinceMs: 0, toldCount: 0, toldBytes: 0
  }
  const before = archive.count
  let part: ArchivePart | undefined
  new ArchiveReading(SHELF, question, bounds, archive, (read) => { part = read }).begin()
  archive.settle()
  if (part === undefined) throw new Error('it was not read')
  return { part, seqs: part.publications.map(({ seq }) => seq), cost: archive.count - before }
}

t.test('[22] a page costs a bounded number of questions at any depth', async (t) => {
  const archive = shelfOf(DEEPEST + 2 * LIMIT)
  const total = DEEPEST + 2 * LIMIT
  const halvings = Math.ceil(Math.log2(archive.lastSeq))
  for (const isBackwards of [false, true]) {
    const direction = isBackwards ? 'backwards' : 'forwards'
    /** The seq at so many publications from where the direction begins. */
    const seqAt = (depth: number): number => isBackwards ? total + 1 - depth : depth
    const seqsFrom = (depth: number): number[] =>
      Array.from({ length: LIMIT }, (_, at) => seqAt(depth + at))
    const first = pageOf(archive, isBackwards, undefined)
    t.same(first.seqs, seqsFrom(1))
    t.ok(first.cost <= GOING_ON_MAX, `${direction} from the beginning: ${first.cost}`)
    for (const depth of [1, 1_000, DEEPEST]) {
      const last = publication(seqAt(depth))
      const place = { ms: last.timestamp, counter: last.counter, isIncluded: false }
      // Its record: the shelf has one for each.
      const mark = seqAt(depth) * STEP
      const goingOn = pageOf(archive, isBackwards, { ...place, mark })
      t.same(goingOn.seqs, seqsFrom(depth + 1))
      t.ok(goingOn.cost <= GOING_ON_MAX, `${direction} at ${depth}: ${goingOn.cost}`)
      const searched = pageOf(archive, isBackwards, place)
      t.same(searched.seqs, seqsFrom(depth + 1))
      t.ok(searched.cost <= halvings + GOING_ON_MAX + 2,
        `${direction} searched for at ${depth}: ${searched.cost}`)
    }
  }
})
