/**
 * Messages that are told together, where a namespace says so (protocol 7.11): those of an interval,
 * which begins with the first of them, in one frame. Where it says that they are conflated only the
 * last of each name is told. They were committed and acknowledged before, and each node puts
 * together what its own attachments are told; history and resumes know nothing of it.
 *
 *   nothing waits ──a message──▶ some wait ──the interval is over, a bound, an event of presence,
 *         ▲                          │       anything else that says where the channel stands
 *         └──────────told────────────┘
 *
 * Its cost is that of one frame per interval and variant, and one write per attachment. Those that
 * do not hear themselves, or are told deltas, are told each message in a frame of its own: what is
 * left of a batch without somebody's own messages would be another frame for each of them.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Publication, Standing } from '../peer/message.ts'

/** What the rules of a channel say. */
export interface Batching {
  readonly intervalMs: number
  /** True: of the messages of one name only the last is told. */
  readonly isConflating: boolean
}

/** What is told at once, contiguous and in order. */
export interface Batch {
  readonly publications: readonly Publication[]
  /** Where the channel stands after them. */
  readonly standing: Standing
  /** In a frame each, in one frame, or that without what is conflated away. */
  readonly how: 'singly' | 'together' | 'conflated'
}

export interface BatcherPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** What the rules say now. */
  batching(): Batching | undefined
  tell(batch: Batch): void
}

export class Batcher {
  readonly #ports: BatcherPorts
  #waiting: Publication[] = []
  #standing: Standing | undefined
  #bytes = 0
  #how: Batch['how'] = 'together'
  #due: Deadline | undefined

  constructor(ports: BatcherPorts) {
    this.#ports = ports
  }

  *sizes(): Generator<Size> {
    yield ['togetherBytesMax', this.#bytes]
  }

  /** Tells committed publications, contiguous and in order, now or when their batch is whole. */
  take(publications: readonly Publication[], standing: Standing): void {
    const batching = this.#ports.batching()
    if (batching === undefined && this.#waiting.length === 0) {
      this.#ports.tell({ publications, standing, how: 'singly' })
      return
    }
    if (batching !== undefined) this.#how = batching.isConflating ? 'conflated' : 'together'
    for (const publication of publications) {
      const { seq, entry, owner } = publication
      const here = { ...standing, seq, entry }
      if (owner === undefined) this.#add(publication, here)
      else this.#tellPresence(publication, here)
    }
    if (batching === undefined) this.flush()
    else if (this.#waiting.length > 0) this.#due ??= this.#later(batching.intervalMs)
  }

  /** Tells what waits, so that its attachments stand where the channel does. */
  flush(): void {
    this.#ports.deadlines.cancel(this.#due)
    this.#due = undefined
    if (this.#waiting.length === 0) return
    const publications = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    this.#ports.tell({ publications, standing: this.#standing!, how: this.#how })
  }

  /** Nobody is there to be told any more. */
  close(): void {
    this.#waiting = []
    this.flush()
  }

  #add(publication: Publication, here: Standing): void {
    const { length } = publication.payload
    if (this.#bytes + length > limits.togetherBytesMax) this.flush()
    this.#waiting.push(publication)
    this.#bytes += length
    this.#standing = here
    if (this.#bytes > limits.togetherBytesMax) this.flush()
  }

  /** It is known who is present where the channel stands, so nobody may stand elsewhere. */
  #tellPresence(publication: Publication, standing: Standing): void {
    this.flush()
    this.#ports.tell({ publications: [publication], standing, how: 'singly' })
  }

  #later(ms: number): Deadline {
    return this.#ports.deadlines.at(this.#ports.nowMs() + ms, () => {
      this.#due = undefined
      this.flush()
    })
  }
}
