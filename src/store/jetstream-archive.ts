/**
 * The replicated archive: a subject per shelf in a few streams of NATS JetStream, with as many
 * copies as the log has. Appends expect the subject's last sequence, as the log's do, and say how
 * long the message lives. Pages are direct gets; single records are read from the leader.
 *
 * It must never make a stream (jetstream-streams.ts does), and never say *refused* of what may
 * have been stored.
 */

import { headers, type NatsConnection } from 'nats'
import type { RecordOutcome, Shelf } from '../log/archive.ts'
import type { AppendOutcome, ReadOutcome } from '../log/port.ts'
import type { LogPlan } from '../node/member-ports.ts'
import type { Archive } from '../node/ports.ts'
import { appendOutcome } from './append-outcome.ts'
import { Gate } from './gate.ts'
import { askApi, wordsOf } from './jetstream-api.ts'
import { readPage } from './jetstream-page.ts'
import { archiveStreamName, shelfSubject, streamIndexOf } from './log-names.ts'
import { Requests } from './requests.ts'

const EXPECTED = 'Nats-Expected-Last-Subject-Sequence'
const APPEND_MS = 2_000
const READS_MAX = 16
const READS_WAITING_MAX = 4_096
const NO_MESSAGE = 10037

interface Stored {
  readonly message?: { readonly seq?: number; readonly data?: string }
}

export class JetStreamArchive implements Archive {
  readonly #requests: Requests
  readonly #prefix: string
  readonly #reads = new Gate(READS_MAX, READS_WAITING_MAX)
  #plan: LogPlan | undefined

  constructor(connection: NatsConnection, prefix: string) {
    this.#requests = new Requests(connection)
    this.#prefix = prefix
  }

  /** What the view says about the log; until then nothing is read and nothing stored. */
  use(plan: LogPlan): void {
    this.#plan = plan
  }

  last(shelf: Shelf): Promise<RecordOutcome> {
    return this.#one(shelf, (subject) => ({ last_by_subj: subject }))
  }

  next(shelf: Shelf, from: number): Promise<RecordOutcome> {
    return this.#one(shelf, (subject) => ({ seq: Math.max(1, from), next_by_subj: subject }))
  }

  async page(shelf: Shelf, from: number, countMax: number): Promise<ReadOutcome> {
    const place = this.#placeOf(shelf)
    if (place === undefined) return { kind: 'unreadable', reason: 'the view has no log yet' }
    const outcome = await this.#reads.run(() =>
      readPage(this.#requests, place.stream, place.subject, from, countMax))
    return outcome ?? { kind: 'unreadable', reason: 'too many reads wait' }
  }

  async append(
    shelf: Shelf, expectedSeq: number, bytes: Uint8Array, keptMs: number
  ): Promise<AppendOutcome> {
    const place = this.#placeOf(shelf)
    if (place === undefined) return { kind: 'refused', reason: 'the view has no log yet' }
    const head = headers()
    head.set(EXPECTED, String(expectedSeq))
    head.set('Nats-TTL', String(Math.max(1, Math.ceil(keptMs / 1_000))))
    const answer = await this.#requests.ask({
      subject: place.subject, bytes, headers: head, timeoutMs: APPEND_MS
    })
    if ('failure' in answer) {
      const { mayHaveArrived, reason } = answer.failure
      return { kind: mayHaveArrived ? 'unknown' : 'refused', reason }
    }
    const outcome = appendOutcome(answer.reply.data, place.stream)
    // Whoever is told of a conflict reads the last record anyway.
    return outcome.kind === 'conflictSomewhere' ? { kind: 'conflict', lastSeq: 0 } : outcome
  }

  async trim(shelf: Shelf, below: number): Promise<void> {
    const place = this.#placeOf(shelf)
    if (place === undefined) return
    const { stream, subject } = place
    // JetStream purges what is below `seq`.
    await askApi(this.#requests, `STREAM.PURGE.${stream}`, { filter: subject, seq: below })
  }

  async #one(shelf: Shelf, questionOf: (subject: string) => object): Promise<RecordOutcome> {
    const place = this.#placeOf(shelf)
    if (place === undefined) return { kind: 'unreadable', reason: 'the view has no log yet' }
    const outcome = await this.#reads.run(() => this.#read(place.stream, questionOf(place.subject)))
    return outcome ?? { kind: 'unreadable', reason: 'too many reads wait' }
  }

  /** By the stream's leader. */
  async #read(stream: string, question: object): Promise<RecordOutcome> {
    const answer = await askApi<Stored>(this.#requests, `STREAM.MSG.GET.${stream}`, question)
    if (answer.kind === 'error' && answer.code === NO_MESSAGE) {
      return { kind: 'record', record: undefined }
    }
    if (answer.kind !== 'answered') return { kind: 'unreadable', reason: wordsOf(answer) }
    const { seq, data = '' } = answer.value.message ?? {}
    if (seq === undefined) return { kind: 'unreadable', reason: 'the answer has no message' }
    return { kind: 'record', record: { seq, bytes: Buffer.from(data, 'base64') } }
  }

  #placeOf(shelf: Shelf): { readonly stream: string; readonly subject: string } | undefined {
    const plan = this.#plan
    if (plan === undefined) return undefined
    const index = streamIndexOf(shelf.partition, plan)
    const stream = archiveStreamName(this.#prefix, plan, index)
    return { stream, subject: shelfSubject(this.#prefix, plan, shelf) }
  }
}
