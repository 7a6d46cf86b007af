/** The questions of a worker's core to where statistics are kept, and their answers. */

import type { StatsStore } from '../node/ports.ts'
import type { StatsAnswer, StatsRequest } from '../stats/port.ts'

/** Has a store answer a question. */
export async function answerStats(
  store: StatsStore, question: StatsRequest
): Promise<StatsAnswer> {
  const { ticket, kind } = question
  switch (kind) {
    case 'put': {
      const { key, expectedSeq, bytes, ttlMs } = question
      return { kind, ticket, outcome: await store.put(key, expectedSeq, bytes, ttlMs) }
    }
    case 'list':
      return { kind, ticket, page: await store.list(question.path, question.from) }
    case 'names':
      return { kind, ticket, names: await store.names(question.path) }
    case 'remove':
      return { kind: 'removed', ticket, isDone: await store.remove(question.key) }
  }
}
