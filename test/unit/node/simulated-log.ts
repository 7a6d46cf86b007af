/**
 * The log port in virtual time (rules 1 and 2): what is asked takes effect on its way there, the
 * answer comes later, and either may be the last thing that an asker ever does. Sequences are
 * shared by all partitions, so a partition's own grow with holes.
 */

import type { AppendOutcome, LogAnswer, LogRecord, LogRequest } from '../../../src/log/port.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import type { Publication } from '../../../src/peer/message.ts'
import { pageOf, PartitionRecords } from '../../support/partition-records.ts'

/** What shall become of an append: done, or one of the outcomes that prove less. */
export type AppendFate = 'fine' | 'refused' | 'busy' | 'unknown, happened' | 'unknown, did not'

const PAGE_RECORDS = 7

export class SimulatedLog {
  readonly #partitions = new Map<number, PartitionRecords>()
  #seq = 0

  /** Does what is asked, and says what to answer; trims and releases have no answer. */
  perform(request: LogRequest, fate: AppendFate): LogAnswer | undefined {
    const { ticket, partition } = request
    if (request.kind === 'read') {
      const outcome = pageOf(this.records(partition), request.from, PAGE_RECORDS)
      return { kind: 'read', ticket, outcome }
    }
    if (request.kind === 'trim') this.#partitions.get(partition)?.trim(request.below)
    if (request.kind !== 'append') return undefined
    return { kind: 'append', ticket, outcome: this.#append(request, fate) }
  }

  /** What a log in the memory of its master does when the mastership ends. */
  forget(partition: number): void {
    this.#partitions.delete(partition)
  }

  records(partition: number): LogRecord[] {
    return this.#partitions.get(partition)?.all ?? []
  }

  /** The epochs of a partition, in the order in which they were claimed. */
  epochs(partition: number): number[] {
    return this.#entries(partition).flatMap((entry) =>
      (entry.kind === 'epoch' ? [entry.epoch] : []))
  }

  /** Everything that was ever committed on a channel. */
  publications(partition: number, channel: string): Publication[] {
    return this.#entries(partition).flatMap((entry) =>
      (entry.kind === 'publication' && entry.channel === channel ? [entry.publication] : []))
  }

  #entries(partition: number) {
    return this.records(partition).flatMap(({ bytes }) => decodeAppend(bytes)!.entries)
  }

  #append(request: LogRequest & { kind: 'append' }, fate: AppendFate): AppendOutcome {
    const reason = 'simulated'
    if (fate === 'refused') return { kind: 'refused', reason }
    if (fate === 'busy') return { kind: 'busy' }
    if (fate === 'unknown, did not') return { kind: 'unknown', reason }
    const { partition, expectedSeq, bytes } = request
    const log = this.#partitions.get(partition) ?? new PartitionRecords()
    this.#partitions.set(partition, log)
    const outcome = log.append(expectedSeq, () => ({ seq: ++this.#seq, bytes: bytes.slice() }))
    return fate === 'unknown, happened' ? { kind: 'unknown', reason } : outcome
  }
}
