/**
 * One partition's log, and masters that take it over from each other. Questions to the log wait
 * until the test has them answered, honestly or not; the log itself is always right.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { PartitionMaster } from '../../../src/channel/partition.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import { keepsNothing } from '../../../src/channel/channel-archive.ts'
import { TailPool } from '../../../src/channel/tail.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import type { AppendOutcome, LogAnswer, LogOutbox, LogRecord } from '../../../src/log/port.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import type { Join, PeerMessage, PublishOp } from '../../../src/peer/message.ts'
import { type Place, placeKey } from '../../../src/peer/place.ts'
import { CHANNEL, op } from './parts.ts'
import { oneMeter } from '../../support/meters.ts'

type Request = Parameters<LogOutbox['ask']>[0]

interface Question {
  readonly request: Request
  readonly onAnswer: ((answer: LogAnswer) => void) | undefined
}

/** Compare-and-append, as the port promises it. */
export class SharedLog {
  records: LogRecord[] = []
  releaseCount = 0

  get lastSeq(): number {
    return this.records.at(-1)?.seq ?? 0
  }

  store(expectedSeq: number, bytes: Uint8Array): AppendOutcome {
    if (expectedSeq !== this.lastSeq) return { kind: 'conflict', lastSeq: this.lastSeq }
    const seq = this.lastSeq + 2
    this.records.push({ seq, bytes })
    return { kind: 'appended', seq }
  }

  /** Ids of all publications, in the order of the log, with their places. */
  content(): string[] {
    return this.records.flatMap(({ bytes }) => decodeAppend(bytes)!.entries).map((entry) => {
      if (entry.kind === 'epoch') return `epoch ${entry.lineage}`
      if (entry.kind !== 'publication') return entry.kind
      return `${entry.publication.seq} ${entry.publication.id}`
    })
  }
}

/** One master of the partition, in its own world of clock, log questions and peers. */
export class PartitionBench {
  readonly deadlines = new Deadlines()
  readonly log: SharedLog
  readonly master: PartitionMaster
  readonly notes: string[] = []
  monoMs = 0
  wallMs = 5_000_000
  isDeposed = false
  questions: Question[] = []
  #isDirty = false
  #sent: { to: string; message: PeerMessage }[] = []

  constructor(log: SharedLog, viewVersion = 1, seed = 'partition') {
    this.log = log
    const incarnation = `m${viewVersion}`
    const claimant = {
      partition: 9, viewVersion: () => viewVersion, incarnation, workerGeneration: 1
    }
    this.master = new PartitionMaster(claimant, {
      log: { ask: (request, onAnswer) => this.#ask(request, onAnswer) },
      archive: { askArchive: () => undefined },
      backlog: new Backlog(),
      keeping: keepsNothing,
      tails: new TailPool(),
      meters: oneMeter(),
      room: () => ampleRoom,
      deadlines: this.deadlines,
      random: new Random(`${seed}/${viewVersion}`),
      now: () => ({ monoMs: this.monoMs, wallMs: this.wallMs }),
      send: (place, message) => void this.#sent.push({ to: placeKey(place), message }),
      homes: () => [],
      onActivity: () => undefined,
      onUsed: () => undefined,
      askToHold: () => false, sayWritten: () => undefined,
      wakeRelay: () => undefined,
      others: () => 'none',
      otherRegions: () => [],
      toRegions: () => new Map(), countAbroad: () => undefined,
      askAbroad: (_channel, _question, onAnswers) => onAnswers(new Map()),
      regionGraceMs: () => limits.regionGraceMs,
      region: 'here',
      isAlive: () => true,
      wantsFlush: () => {
        this.#isDirty = true
      },
      onDeposed: () => {
        this.isDeposed = true
      },
      fateOf: () => 'listed',
      mayReadAhead: () => true,
      onViewHeard: () => undefined,
      note: (text) => void this.notes.push(text)
    })
  }

  #ask(request: Request, onAnswer?: (answer: LogAnswer) => void): void {
    if (request.kind === 'release') this.log.releaseCount++
    else this.questions.push({ request, onAnswer })
  }

  /** End of a turn. */
  flush(): void {
    if (!this.#isDirty) return
    this.#isDirty = false
    this.master.flush(this.monoMs)
  }

  /** Answers the oldest question, honestly unless told otherwise. */
  answer(outcome?: AppendOutcome): void {
    const { request, onAnswer } = this.questions.shift()!
    if (request.kind === 'append') {
      const honest = outcome ?? this.log.store(request.expectedSeq, request.bytes)
      onAnswer?.({ kind: 'append', ticket: 0, outcome: honest })
    } else if (request.kind === 'trim') {
      this.log.records = this.log.records.filter(({ seq }) => seq >= request.below)
    } else if (request.kind === 'read') {
      const records = this.log.records.filter(({ seq }) => seq >= request.from)
      onAnswer?.({ kind: 'read', ticket: 0, outcome: { kind: 'page', records, isEnd: true } })
    }
    this.flush()
  }

  /** Turns and honest answers until nothing more is asked. */
  settle(): this {
    this.flush()
    while (this.questions.length > 0) this.answer()
    return this
  }

  pass(ms: number): void {
    this.monoMs += ms
    this.deadlines.fire(this.monoMs)
    this.flush()
  }

  /** A long time in which the log answers what it is asked. */
  live(ms: number): void {
    for (let at = 0; at < ms; at += 10_000) {
      this.pass(10_000)
      this.settle()
    }
  }

  join(place: Place, over: Partial<Join> = {}): void {
    this.master.onMessage(place, {
      kind: 'join', channel: CHANNEL, joinNo: 1, clientId: placeKey(place), viewVersion: 1,
      from: undefined, wantsDeliveries: true, ...over
    })
  }

  publish(place: Place, opNo: number, what: string | PublishOp, channel = CHANNEL): void {
    this.master.onMessage(place, {
      kind: 'publish', channel, clientId: placeKey(place), epoch: this.master.epoch, opNo,
      answeredThrough: 0, op: typeof what === 'string' ? op(what) : what
    })
  }

  /** What was sent to a place since the last call. */
  sent(place: Place): PeerMessage[] {
    const key = placeKey(place)
    const found = this.#sent.filter(({ to }) => to === key).map(({ message }) => message)
    this.#sent = this.#sent.filter(({ to }) => to !== key)
    return found
  }
}
