/**
 * The end of a mastership with warning (rule 12): the view gave the partition to an heir. What is
 * under way is written to its end first, unless that takes long or the heir is quicker; either way
 * the log decides (rule 3). The heir is told where the log ends, as far as is known here: one that
 * waits takes over then, and one that serves and knows less was taken for gone (rule 10).
 */

import type { Deadline } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { LogWriter } from '../log/writer.ts'
import type { Place } from '../peer/place.ts'
import type { PartitionPorts } from './partition-ports.ts'

export class Handover {
  readonly #partition: number
  readonly #heir: Place
  readonly #writer: LogWriter
  readonly #ports: PartitionPorts
  readonly #onOver: () => void
  readonly #waits: Deadline

  /** `onOver` is called once nothing is waited for; not at once. */
  constructor(
    partition: number, heir: Place, writer: LogWriter, ports: PartitionPorts, onOver: () => void
  ) {
    this.#partition = partition
    this.#heir = heir
    this.#writer = writer
    this.#ports = ports
    this.#onOver = onOver
    const untilMs = ports.now().monoMs + limits.handOverMs
    this.#waits = ports.deadlines.at(untilMs, () => this.#end())
  }

  /** Ends the wait if nothing is under way any more. */
  judge(): void {
    if (this.#writer.isIdle) this.#end()
  }

  /** Nobody waits any more, and nothing is said. */
  stop(): void {
    this.#ports.deadlines.cancel(this.#waits)
  }

  #end(): void {
    const { lastSeq } = this.#writer
    this.#ports.send(this.#heir, { kind: 'handedOver', partition: this.#partition, lastSeq })
    this.#onOver()
  }
}
