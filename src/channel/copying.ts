/**
 * Publishes that are acknowledged once another region has them (`acknowledge: global`,
 * docs/decisions/0024-regions.md): committed here, and nobody is told so before one other region
 * has said that its log has them, too. Subscribers are told at once.
 *
 *   committed here ──a region has written it──▶ released
 *      │  └──let go of here and old, so that no region can be told it──▶ lapsed: never released
 *      └──no region takes what is born here, or none says so in time: the next one is asked to
 *
 * A region says what it has as a stretch of our log: `after` this, and up to that, without a gap.
 * So it does not matter how often it says it, how late, or to which of our masters; what it says of
 * another lineage of ours is of no use. Whoever takes the channel over finds in the log what needs
 * a copy, and in the snapshot what had none; it is told again what each region has.
 */

import type { Size } from '../base/sizes.ts'
import { limits } from '../base/limits.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import type { IdSpace, Standing } from '../peer/message.ts'
import type { RelayWritten } from '../peer/relay-message.ts'

/** A publish that waits for its copy. */
export interface Uncopied {
  readonly seq: number
  readonly id: string
  readonly idSpace: IdSpace
}

interface Waiting extends Uncopied {
  readonly sinceMs: number
}

export interface CopyingPorts {
  readonly epoch: number
  readonly lineage: string
  /** True if a region is told what is born here. */
  isHeard(): boolean
  /**
   * Asks one of the other regions, the next with every `turn`, to take what is born here after a
   * place, whether anybody uses the channel there or not; false: there is none.
   */
  askToHold(since: Standing, turn: number): boolean
  later(afterMs: number, run: (nowMs: number) => void): void
}

/** The channel's master. */
export interface CopyingOwner {
  /** Another region has it. */
  onCopied(publish: Uncopied): void
  /** None can have it any more. */
  onLapsed(publish: Uncopied): void
}

export class Copying {
  readonly #ports: CopyingPorts
  readonly #owner: CopyingOwner
  /** In order of seq. */
  #waiting: Waiting[] = []
  #turn = 0
  #isAsking = false
  /** When a region was last asked to hold the channel. */
  #askedAtMs = -Infinity

  constructor(ports: CopyingPorts, owner: CopyingOwner) {
    this.#ports = ports
    this.#owner = owner
  }

  /** What a snapshot keeps. */
  get waiting(): readonly Uncopied[] {
    return this.#waiting
  }

  *sizes(): Generator<Size> {
    yield ['uncopiedMax', this.#waiting.length]
  }

  /** Why no more can be taken, if that is so. */
  refusal(): ErrorInfo | undefined {
    if (this.#waiting.length < limits.uncopiedMax) return undefined
    return errors.unavailable('Too much waits for another region').info
  }

  /** It is committed here, or was found so. */
  add({ seq, id, idSpace }: Uncopied, nowMs: number): void {
    this.#waiting.push({ seq, id, idSpace, sinceMs: nowMs })
    const isStale = nowMs - this.#askedAtMs > limits.heldAbroadMs / 2
    if (this.#ports.isHeard() ? isStale : !this.#isAsking) this.#ask(nowMs)
    else this.#askLater()
  }

  /** A region has what was born here after one place, up to another. */
  onWritten({ lineage, after, seq: through }: RelayWritten): void {
    if (lineage !== this.#ports.lineage) return
    const copied = this.#waiting.filter(({ seq }) => seq > after && seq <= through)
    if (copied.length === 0) return
    this.#waiting = this.#waiting.filter(({ seq }) => seq <= after || seq > through)
    for (const publish of copied) this.#owner.onCopied(publish)
  }

  /**
   * Nothing up to this seq can be read here any more. What is let go of for its size alone may have
   * been told before, and is waited for as long as all.
   */
  onTrimmed(throughSeq: number, nowMs: number): void {
    const horizonMs = nowMs - limits.tailMs
    const kept = this.#waiting.findIndex(({ seq, sinceMs }) => {
      return seq > throughSeq || sinceMs > horizonMs
    })
    if (kept === 0) return
    const lapsed = this.#waiting.splice(0, kept === -1 ? this.#waiting.length : kept)
    for (const publish of lapsed) this.#owner.onLapsed(publish)
  }

  /** Asks once more while something waits: the region that was asked may not be there. */
  #askLater(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#ports.later(limits.holdAgainMs, (nowMs) => this.#again(nowMs))
  }

  #again(nowMs: number): void {
    this.#isAsking = false
    if (this.#waiting.length === 0) return
    this.#turn++
    this.#askedAtMs = -Infinity
    this.#ask(nowMs)
  }

  #ask(nowMs: number): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const { lineage, epoch } = this.#ports
    const since = { lineage, seq: first.seq - 1, epoch, entry: 0 }
    if (this.#ports.askToHold(since, this.#turn)) this.#askedAtMs = nowMs
    this.#askLater()
  }
}
