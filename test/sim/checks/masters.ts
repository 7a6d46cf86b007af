/**
 * At most one committing master per partition and epoch (rule 2): every append of an epoch is of
 * the worker's life that began it, epochs only grow, nothing of an earlier one comes after a later
 * one, and the chain joins: sequences, entry numbers, serials.
 */

import type { Accepted } from '../log.ts'
import type { Taken } from '../ledger.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

interface Mastership {
  epoch: number
  writer: string
  lastSeq: number
  nextEntry: number
  lineage: string
  isFirst: boolean
  /** The last serial of each channel, as text. */
  readonly serials: Map<string, string>
}

export class Masters implements Check {
  readonly #partitions = new Map<number, Mastership>()
  takeoverCount = 0

  onRolledBack(partition: number): void {
    // What comes next may follow on any of what is left.
    this.#partitions.delete(partition)
  }

  onAppended(taken: Taken, { partition, seq, writer }: Accepted) {
    const { append, epoch, lineage, committed, isStray } = taken
    if (isStray) return
    const what = `partition ${partition}, epoch ${append.epoch}`
    let known = this.#partitions.get(partition)
    if (known === undefined || known.lineage !== lineage) {
      known = { epoch: append.epoch - 1, writer, lastSeq: append.previousSeq, lineage,
        nextEntry: append.firstEntry, serials: new Map(), isFirst: true }
      this.#partitions.set(partition, known)
    }
    if (epoch !== undefined) {
      if (epoch <= known.epoch) {
        throw new Violation('masters', `${what} begins after epoch ${known.epoch}`)
      }
      this.takeoverCount++
      known.epoch = epoch
      known.writer = writer
    }
    if (known.epoch === append.epoch - 1 && known.isFirst) known.epoch = append.epoch
    known.isFirst = false
    if (append.epoch !== known.epoch || writer !== known.writer) {
      throw new Violation('masters', `${what}: ${writer} appends in the time of ${known.writer}`)
    }
    if (append.previousSeq !== known.lastSeq || append.firstEntry !== known.nextEntry) {
      throw new Violation('masters', `${what}: the chain does not join`)
    }
    known.lastSeq = seq
    known.nextEntry += append.entries.length
    for (const { channel, timestamp, counter, origin } of committed) {
      // What was born elsewhere keeps the serial that it has there.
      if (origin !== undefined) continue
      const serial = `${timestamp} ${String(counter).padStart(3, '0')}`
      if (serial <= (known.serials.get(channel) ?? '')) {
        throw new Violation('masters', `${what}: a serial of ${channel} goes back`)
      }
      known.serials.set(channel, serial)
    }
  }
}
