/**
 * Reading a stream of JetStream by direct gets: answered by any copy, so perhaps by one that lags,
 * in pages of bounded size, without a consumer. A page is checked to be whole: each message names
 * the one before it.
 */

import type { Msg } from 'nats'
import { askApi, encodedJson } from './jetstream-api.ts'
import type { Failure, Requests } from './requests.ts'

const READ_MS = 3_000
const PAGE_RECORDS = 256
/** A page ends with the record that passes this; so it is at most one record larger. */
const PAGE_BYTES = 1024 * 1024
const END_OF_BATCH = 204
const NOT_FOUND = 404
const NO_MESSAGE = 10037
const EVERYTHING_BELOW = '.>'

export interface PageRecord {
  readonly seq: number
  readonly subject: string
  readonly bytes: Uint8Array
}

export type PageOutcome =
  | { readonly kind: 'page'; readonly records: readonly PageRecord[]; readonly isEnd: boolean }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** The messages of a subject, or of all below one (`a.b.>`), from a sequence on. */
export function readPage(
  requests: Requests, stream: string, filter: string, from: number, countMax = PAGE_RECORDS
): Promise<PageOutcome> {
  const request = {
    seq: Math.max(1, from), next_by_subj: filter, batch: countMax, max_bytes: PAGE_BYTES
  }
  return new Promise((resolve) => {
    const page = new Page(filter)
    const onReply = (reply: Msg): boolean => {
      const outcome = page.onReply(reply)
      if (outcome !== undefined) resolve(outcome)
      return outcome !== undefined
    }
    const onFailure = ({ reason }: Failure): void => resolve({ kind: 'unreadable', reason })
    const subject = `$JS.API.DIRECT.GET.${stream}`
    const bytes = encodedJson(request)
    requests.send({ subject, bytes, timeoutMs: READ_MS }, onReply, onFailure)
  })
}

/** A subject's last sequence as the stream's leader has it, 0 for none; undefined: unknown. */
export async function lastSeqOf(
  requests: Requests, stream: string, subject: string
): Promise<number | undefined> {
  const answer = await askApi<{ message?: { seq?: number } }>(
    requests, `STREAM.MSG.GET.${stream}`, { last_by_subj: subject }
  )
  if (answer.kind === 'answered') return answer.value.message?.seq
  return answer.kind === 'error' && answer.code === NO_MESSAGE ? 0 : undefined
}

function isOf(filter: string, subject: string): boolean {
  if (!filter.endsWith(EVERYTHING_BELOW)) return subject === filter
  return subject.startsWith(filter.slice(0, -1))
}

/** One page as its messages come in. */
class Page {
  readonly #filter: string
  readonly #records: PageRecord[] = []

  constructor(filter: string) {
    this.#filter = filter
  }

  /** The outcome, once the page is whole or proven not to be. */
  onReply(reply: Msg): PageOutcome | undefined {
    const code = reply.headers?.code ?? 0
    const header = (name: string): string => reply.headers?.get(name) ?? ''
    if (code === NOT_FOUND && this.#records.length === 0) {
      return { kind: 'page', records: [], isEnd: true }
    }
    const isMessage = code === 0
    if (!isMessage && code !== END_OF_BATCH) {
      return { kind: 'unreadable', reason: `${code} ${reply.headers?.description ?? ''}` }
    }
    const before = this.#records.at(-1)?.seq ?? 0
    if (Number(header('Nats-Last-Sequence')) !== before) {
      return { kind: 'unreadable', reason: 'a part of the answer was lost' }
    }
    if (!isMessage) {
      const isEnd = header('Nats-Num-Pending') === '0'
      return { kind: 'page', records: this.#records, isEnd }
    }
    const seq = Number(header('Nats-Sequence'))
    const subject = header('Nats-Subject')
    if (!isOf(this.#filter, subject) || !(seq > before)) {
      return { kind: 'unreadable', reason: 'an answer that was not asked for' }
    }
    // A copy: what came is a part of the connection's buffer, which it would keep alive.
    this.#records.push({ seq, subject, bytes: reply.data.slice() })
    return undefined
  }
}
