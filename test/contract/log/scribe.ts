/** Writing without an end through whatever fails, for tests of what is stored. */

import { setImmediate as immediate } from 'node:timers/promises'
import type { AppendOutcome, LogRecord } from '../../../src/log/port.ts'
import type { Log } from '../../../src/node/ports.ts'
import { until } from './jetstream-world.ts'
import { bytesOf, text } from './log-contract.ts'

/** What a scribe writes on: a partition of the log, or a shelf of the archive. */
export interface Scroll {
  append(expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome>
  /** The first record from `seq` on, if one is seen. */
  next(seq: number): Promise<LogRecord | undefined>
}

export function partitionScroll(log: Log, partition: number): Scroll {
  return {
    append: (expectedSeq, bytes) => log.append(partition, expectedSeq, bytes),
    next: async (seq) => {
      const page = await log.read(partition, seq)
      return page.kind === 'page' ? page.records[0] : undefined
    }
  }
}

/**
 * A master's writing: one append under way, the same bytes again while the outcome is not known,
 * and a look at what stands there on a conflict (rule 2).
 */
export class Scribe {
  readonly acknowledged: string[] = []
  readonly outcomes: string[] = []
  readonly #scroll: Scroll
  #lastSeq = 0
  #isEnough = false

  constructor(scroll: Scroll) {
    this.#scroll = scroll
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  async run(): Promise<void> {
    for (let no = 0; !this.#isEnough; no++) await this.#write(`record ${no}`)
  }

  enough(): void {
    this.#isEnough = true
  }

  /** Waits until `count` more are acknowledged. */
  async more(count: number): Promise<void> {
    const before = this.acknowledged.length
    await until('more is stored', async () => this.acknowledged.length >= before + count)
  }

  async #write(words: string): Promise<void> {
    for (;;) {
      const outcome = await this.#scroll.append(this.#lastSeq, bytesOf(words))
      this.outcomes.push(outcome.kind)
      if (outcome.kind === 'appended') {
        this.#lastSeq = outcome.seq
        break
      }
      // What is refused at once must leave the others a turn.
      await immediate()
      if (outcome.kind !== 'conflict') continue
      const first = await this.#scroll.next(this.#lastSeq + 1)
      if (first === undefined) continue
      if (text(first.bytes) !== words) throw new Error(`${text(first.bytes)} instead of ${words}`)
      this.#lastSeq = first.seq
      break
    }
    this.acknowledged.push(words)
  }
}
