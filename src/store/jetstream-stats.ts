/**
 * Statistics in NATS JetStream: one stream per ring, whose subjects are the keys of records. It
 * keeps the last message of a subject only, and lets each go after the time it was given. Who
 * writes expects a subject's last sequence, as with a log (store/jetstream.ts).
 *
 * The stream is made by whichever node comes first; of a stream that was lost nothing depends but
 * the numbers that were in it.
 */

import { headers, type NatsConnection } from 'nats'
import type { StatsRecords, StatsStore } from '../node/ports.ts'
import type { PutOutcome } from '../stats/port.ts'
import { appendOutcome } from './append-outcome.ts'
import { Gate } from './gate.ts'
import { askApi, wordsOf } from './jetstream-api.ts'
import { lastSeqOf, readPage } from './jetstream-page.ts'
import { statsStreamName, statsSubject } from './log-names.ts'
import { Requests } from './requests.ts'

const PUT_MS = 2_000
/** Questions under way, of either kind; others wait, and above the second number fail. */
const UNDER_WAY_MAX = 32
const WAITING_MAX = 8_192
const RETRY_MS = 2_000

export class JetStreamStats implements StatsStore {
  readonly #requests: Requests
  readonly #prefix: string
  readonly #stream: string
  readonly #puts = new Gate(UNDER_WAY_MAX, WAITING_MAX)
  readonly #reads = new Gate(UNDER_WAY_MAX, WAITING_MAX)

  /** `prefix` is that of the ring's subjects (bus/subjects.ts). */
  constructor(connection: NatsConnection, prefix: string) {
    this.#requests = new Requests(connection)
    this.#prefix = prefix
    this.#stream = statsStreamName(prefix)
  }

  async put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome> {
    const outcome = await this.#puts.run(() => this.#put(key, expectedSeq, bytes, ttlMs))
    return outcome ?? { kind: 'refused' }
  }

  async list(path: string, from: number): Promise<StatsRecords | undefined> {
    const filter = this.#filterOf(path)
    const page = await this.#reads.run(() => readPage(this.#requests, this.#stream, filter, from))
    if (page?.kind !== 'page') return undefined
    const records = page.records.map(({ seq, subject, bytes }) =>
      ({ key: this.#keyOf(subject), seq, bytes }))
    return { records, isEnd: page.isEnd }
  }

  async names(path: string): Promise<readonly string[] | undefined> {
    const answer = await askApi<{ state?: { subjects?: Record<string, number> | null } }>(
      this.#requests, `STREAM.INFO.${this.#stream}`, { subjects_filter: this.#filterOf(path) }
    )
    if (answer.kind !== 'answered') return undefined
    return Object.keys(answer.value.state?.subjects ?? {}).map((each) => this.#keyOf(each))
  }

  async remove(key: string): Promise<boolean> {
    const range = { filter: statsSubject(this.#prefix, key) }
    const answer = await askApi(this.#requests, `STREAM.PURGE.${this.#stream}`, range)
    return answer.kind === 'answered'
  }

  async #put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome> {
    const subject = statsSubject(this.#prefix, key)
    const conditions = headers()
    conditions.set('Nats-Expected-Last-Subject-Sequence', String(expectedSeq))
    conditions.set('Nats-TTL', String(Math.ceil(ttlMs / 1_000)))
    const answer = await this.#requests.ask({
      subject, bytes, headers: conditions, timeoutMs: PUT_MS
    })
    if ('failure' in answer) return { kind: answer.failure.mayHaveArrived ? 'unknown' : 'refused' }
    const outcome = appendOutcome(answer.reply.data, this.#stream)
    if (outcome.kind === 'appended') return { kind: 'written', seq: outcome.seq }
    if (outcome.kind !== 'conflictSomewhere') return outcome
    const lastSeq = await lastSeqOf(this.#requests, this.#stream, subject)
    return lastSeq === undefined ? { kind: 'busy' } : { kind: 'conflict', lastSeq }
  }

  #filterOf(path: string): string {
    if (!path.endsWith('/')) return statsSubject(this.#prefix, path)
    return `${statsSubject(this.#prefix, path.slice(0, -1))}.>`
  }

  #keyOf(subject: string): string {
    return subject.slice(statsSubject(this.#prefix, '').length).replaceAll('.', '/')
  }
}

/** The stream of one ring, and how many copies it is to have. */
export interface StatsStream {
  readonly connection: NatsConnection
  readonly prefix: string
  readonly redundancy: number
}

/** Sees to it that the stream is there, again and again until it is; problems are noted once. */
export async function keepStatsStream(
  stream: StatsStream,
  { note, signal }: { note: (text: string) => void; signal: AbortSignal }
): Promise<void> {
  let noted: string | undefined
  while (!signal.aborted) {
    const problem = await ensureStatsStream(stream)
    if (problem === undefined) return
    if (problem !== noted) note(`statistics are not kept yet: ${problem}`)
    noted = problem
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

/** A problem in words, or undefined once the stream is there with so many copies. */
export async function ensureStatsStream(
  { connection, prefix, redundancy }: StatsStream
): Promise<string | undefined> {
  const requests = new Requests(connection)
  const name = statsStreamName(prefix)
  const found = await askApi<{ config: { num_replicas: number } }>(requests, `STREAM.INFO.${name}`)
  if (found.kind === 'answered' && found.value.config.num_replicas === redundancy) return undefined
  const method = found.kind === 'answered' ? 'UPDATE' : 'CREATE'
  const config = {
    name,
    description: 'Ringcast: statistics',
    subjects: [statsSubject(prefix, '>')],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    num_replicas: redundancy,
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_msg_ttl: true
  }
  const answer = await askApi(requests, `STREAM.${method}.${name}`, config)
  return answer.kind === 'answered' ? undefined : `the stream ${name}: ${wordsOf(answer)}`
}
