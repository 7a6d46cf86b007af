/** Where statistics are kept, at once and in memory. */

import { exhaustive } from '../../src/base/assert.ts'
import type { StatsAnswer, StatsRecord, StatsRequest } from '../../src/stats/port.ts'

interface Kept extends StatsRecord {
  readonly untilMs: number
}

export class FuzzStats {
  readonly #records = new Map<string, Kept>()
  #seq = 0

  /** Answers, and forgets what has had its time. */
  perform(request: StatsRequest, nowMs: number): StatsAnswer {
    const { ticket } = request
    switch (request.kind) {
      case 'put': {
        const { key, expectedSeq, bytes, ttlMs } = request
        const lastSeq = this.#living(nowMs).find((each) => each.key === key)?.seq ?? 0
        if (lastSeq !== expectedSeq) {
          return { ticket, kind: 'put', outcome: { kind: 'conflict', lastSeq } }
        }
        const seq = ++this.#seq
        this.#records.delete(key)
        this.#records.set(key, { key, seq, bytes, untilMs: nowMs + ttlMs })
        return { ticket, kind: 'put', outcome: { kind: 'written', seq } }
      }
      case 'list': {
        const { path, from } = request
        const records = this.#living(nowMs).filter(({ key, seq }) =>
          seq >= from && (path.endsWith('/') ? key.startsWith(path) : key === path))
        return { ticket, kind: 'list', page: { records, isEnd: true } }
      }
      case 'names': {
        const keys = this.#living(nowMs).map(({ key }) => key)
        return { ticket, kind: 'names', names: keys.filter((key) => key.startsWith(request.path)) }
      }
      case 'remove':
        this.#records.delete(request.key)
        return { ticket, kind: 'removed', isDone: true }
      default:
        return exhaustive(request, 'question')
    }
  }

  /** In order of `seq`, as they were written. */
  #living(nowMs: number): readonly Kept[] {
    for (const [key, { untilMs }] of this.#records) if (untilMs <= nowMs) this.#records.delete(key)
    return [...this.#records.values()]
  }
}
