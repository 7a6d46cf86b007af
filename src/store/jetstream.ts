/**
 * The replicated log: a subject per partition in a few streams of NATS JetStream. A record is a
 * message, its number the message's sequence in the stream; an append expects the subject's last
 * sequence, which the stream's leader checks before it proposes the message and every copy checks
 * again before it stores it. That check is the fence (rule 2).
 *
 * Reads are direct gets: answered by any copy, so perhaps by one that lags, in pages of bounded
 * size, without a consumer. A page is checked to be whole: each message names the one before it.
 *
 * It must never make or change a stream (jetstream-streams.ts does, for the proposer only), and
 * never say *refused* of what may have been stored.
 */

import { headers, type NatsConnection } from 'nats'
import type { AppendOutcome, ReadOutcome } from '../log/port.ts'
import type { LogPlan } from '../node/member-ports.ts'
import type { Log } from '../node/ports.ts'
import { appendOutcome } from './append-outcome.ts'
import { Gate } from './gate.ts'
import { askApi } from './jetstream-api.ts'
import { lastSeqOf, readPage } from './jetstream-page.ts'
import { partitionSubject, streamIndexOf, streamName } from './log-names.ts'
import { Requests } from './requests.ts'

const EXPECTED = 'Nats-Expected-Last-Subject-Sequence'
/** Below what a publish may take, so that there is time for another try. */
const APPEND_MS = 2_000
/** Reads under way; others wait, and above the second number are turned away. */
const READS_MAX = 16
const READS_WAITING_MAX = 8_192
const TRIMS_MAX = 2
const TRIMS_WAITING_MAX = 4_096

/** Where one partition is kept. */
interface Shelf {
  readonly stream: string
  readonly subject: string
}

export class JetStreamLog implements Log {
  readonly #requests: Requests
  readonly #prefix: string
  readonly #reads = new Gate(READS_MAX, READS_WAITING_MAX)
  readonly #trims = new Gate(TRIMS_MAX, TRIMS_WAITING_MAX)
  #plan: LogPlan | undefined

  constructor(connection: NatsConnection, prefix: string) {
    this.#requests = new Requests(connection)
    this.#prefix = prefix
  }

  /** Of the log in use. */
  get generation(): string | undefined {
    return this.#plan?.generation
  }

  /** What the view says about the log; until then nothing is read and nothing stored. */
  use(plan: LogPlan): void {
    this.#plan = plan
  }

  read(partition: number, from: number): Promise<ReadOutcome> {
    return this.#reads.run(() => this.#page(partition, from)).then((outcome) => {
      return outcome ?? { kind: 'unreadable', reason: 'too many reads wait' }
    })
  }

  async append(
    partition: number, expectedSeq: number, bytes: Uint8Array
  ): Promise<AppendOutcome> {
    const shelf = this.#shelfOf(partition)
    if (shelf === undefined) return { kind: 'refused', reason: 'the view has no log yet' }
    const expectation = headers()
    expectation.set(EXPECTED, String(expectedSeq))
    const { subject, stream } = shelf
    const answer = await this.#requests.ask({
      subject, bytes, headers: expectation, timeoutMs: APPEND_MS
    })
    if ('failure' in answer) {
      const { mayHaveArrived, reason } = answer.failure
      return { kind: mayHaveArrived ? 'unknown' : 'refused', reason }
    }
    const outcome = appendOutcome(answer.reply.data, stream)
    if (outcome.kind !== 'conflictSomewhere') return outcome
    const lastSeq = await this.#lastSeq(shelf)
    return lastSeq === undefined ? { kind: 'busy' } : { kind: 'conflict', lastSeq }
  }

  /** Purges below `below`, but never the last record: an emptied subject would expect 0 again. */
  async trim(partition: number, below: number): Promise<void> {
    await this.#trims.run(async () => {
      const shelf = this.#shelfOf(partition)
      const lastSeq = shelf === undefined ? undefined : await this.#lastSeq(shelf)
      if (shelf === undefined || lastSeq === undefined || lastSeq === 0) return
      const range = { filter: shelf.subject, seq: Math.min(below, lastSeq) }
      await askApi(this.#requests, `STREAM.PURGE.${shelf.stream}`, range)
    })
  }

  /** Another worker may master the partition now: the log is there for it as it was for us. */
  release(): void {
    // Nothing is held for a partition.
  }

  #shelfOf(partition: number): Shelf | undefined {
    const plan = this.#plan
    if (plan === undefined) return undefined
    const stream = streamName(this.#prefix, plan, streamIndexOf(partition, plan))
    return { stream, subject: partitionSubject(this.#prefix, plan, partition) }
  }

  #page(partition: number, from: number): Promise<ReadOutcome> {
    const shelf = this.#shelfOf(partition)
    if (shelf === undefined) {
      return Promise.resolve({ kind: 'unreadable', reason: 'the view has no log yet' })
    }
    return readPage(this.#requests, shelf.stream, shelf.subject, from).then((outcome) => {
      if (outcome.kind === 'unreadable') return outcome
      return { ...outcome, records: outcome.records.map(({ seq, bytes }) => ({ seq, bytes })) }
    })
  }

  #lastSeq({ stream, subject }: Shelf): Promise<number | undefined> {
    return lastSeqOf(this.#requests, stream, subject)
  }
}
