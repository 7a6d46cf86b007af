/**
 * The region's revocations, as a log of their own: a partition that no View knows and nobody
 * masters. Every worker reads all of it, and any worker appends to it: compare-and-append puts
 * them in one order, and whoever finds that another was first reads on and tries again.
 *
 *   unknown ──read to the end, own mark appended──▶ known ──told, or time──▶ reading on, known
 *
 * No read proves an end (rule 2), so a worker that begins appends a mark: once that is accepted,
 * it has read all that came before. From then on it is told by those who store (`revoked`), and
 * looks by itself now and then, so that nothing said in vain is missed.
 *
 * One question is under way at a time. An append whose outcome is unknown is repeated, the same
 * bytes and the same expectation, until it is stored or found to be; nothing else goes on
 * meanwhile. Each read begins with the last record that is known: a log that has not that one, or
 * another in its place, was rolled back or trimmed: it is read anew, and what it has lost is
 * stored again.
 */

import {
  decodeRevocations, encodeRevocations, endOf, type Revocation, Revocations
} from '../auth/revocation.ts'
import { assert, exhaustive } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import type { AppendOutcome, LogOutbox, LogRecord, ReadOutcome } from '../log/port.ts'

/** No View has so many partitions. */
export const REVOCATIONS_PARTITION = 65_536
const RECORD_OVERHEAD_BYTES = 100
/** So often a copy may not have what must be there. */
const VAIN_MAX = 6

export interface RevocationLogPorts {
  readonly outbox: LogOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  /** These were not known before. */
  onRevocations(revocations: readonly Revocation[]): void
  /** Revocations were stored, and others are to read so far. */
  onStored(seq: number): void
}

/** Stored; surely not, and it may be tried again; or there is no room. */
export type StoreOutcome = 'stored' | 'refused' | 'full'

interface Waiting {
  readonly revocations: readonly Revocation[]
  readonly onOutcome: (outcome: StoreOutcome) => void
}

/** What is being appended, or may have been. */
interface Append {
  readonly id: string
  readonly bytes: Uint8Array
  readonly expectedSeq: number
  readonly carried: readonly Waiting[]
  mayBeStored: boolean
}

/** A record that was read; at its end it means nothing any more. */
interface Held {
  readonly seq: number
  readonly id: string | undefined
  readonly byteLength: number
  readonly endMs: number
}

export class RevocationLog {
  readonly #ports: RevocationLogPorts
  readonly #known = new Revocations()
  #held: Held[] = []
  #heldBytes = 0
  #lastSeq = 0
  /** The log is known to go so far. */
  #heardSeq = 0
  /** Reads in a row that brought nothing of what must be there. */
  #vainCount = 0
  #waiting: Waiting[] = []
  #append: Append | undefined
  /** Another append came before this one, or this one twice: reading shows which. */
  #doubtful: Append | undefined
  #isAsking = false
  #isKnown = false
  #isBegun = false
  #isWanted = false
  #looks = false
  /** What a log that is read anew has; undefined: it is not. */
  #found: Revocations | undefined
  #droppedCount = 0
  #retryMs: number = limits.revocationRetryMs
  #pause: Deadline | undefined
  #nextLook: Deadline | undefined

  constructor(ports: RevocationLogPorts) {
    this.#ports = ports
  }

  get known(): Revocations {
    return this.#known
  }

  *sizes(): Generator<Size> {
    yield ['revocationsWaitingMax', this.#waiting.length]
    yield ['revocationLogBytesMax', this.#heldBytes]
  }

  /** How many deadlines it has, always. */
  get beatCount(): number {
    return this.#isWanted ? 1 : 0
  }

  /** Everything that was stored before this worker began is known. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /**
   * Reads everything, once. `isWanted`: there are tokens that can be revoked, and it is looked for
   * more from then on; else being told is enough.
   */
  want(isWanted: boolean): void {
    const isNew = !this.#isBegun || (isWanted && !this.#isWanted)
    this.#isBegun = true
    this.#isWanted = isWanted
    if (isNew) this.#look()
  }

  /** Stores revocations, at most `revokeTargetsMax`; `onOutcome` is called once. */
  store(
    revocations: readonly Revocation[], onOutcome: (outcome: StoreOutcome) => void
  ): void {
    assert(revocations.length <= limits.revokeTargetsMax, 'one append carries what is stored')
    const isFull = this.#waiting.length >= limits.revocationsWaitingMax ||
      this.#heldBytes >= limits.revocationLogBytesMax
    if (isFull) {
      onOutcome('full')
      return
    }
    this.#waiting.push({ revocations, onOutcome })
    this.#step()
  }

  /** Another worker has stored something. */
  onStoredElsewhere(seq: number): void {
    this.#heardSeq = Math.max(this.#heardSeq, seq)
    this.#look()
  }

  #look(): void {
    const { deadlines, random, now } = this.#ports
    this.#looks = true
    deadlines.cancel(this.#nextLook)
    const pauseMs = random.jitter(limits.revocationLookMs, 0.2)
    this.#nextLook = deadlines.at(now().monoMs + pauseMs, () => {
      if (!this.#isWanted) return
      this.#forgetDead()
      this.#look()
    })
    this.#step()
  }

  /** Asks the next question, if there is one and none is under way. */
  #step(): void {
    if (this.#isAsking || this.#pause !== undefined) return
    if (this.#append !== undefined) this.#write(this.#append)
    else if (this.#looks || this.#lastSeq < this.#heardSeq) this.#read()
    else if (this.#waiting.length > 0 || (this.#isBegun && !this.#isKnown)) this.#begin()
  }

  /** Waits, longer each time, and goes on. */
  #rest(): void {
    const { deadlines, random, now } = this.#ports
    const pauseMs = random.jitter(this.#retryMs, 0.3)
    this.#retryMs = Math.min(this.#retryMs * 2, limits.revocationRetryMaxMs)
    this.#pause = deadlines.at(now().monoMs + pauseMs, () => {
      this.#pause = undefined
      this.#step()
    })
  }

  // -- reading --------------------------------------------------------------------------------

  #read(): void {
    this.#isAsking = true
    const from = Math.max(1, this.#lastSeq)
    this.#ports.outbox.ask({ kind: 'read', partition: REVOCATIONS_PARTITION, from }, (answer) => {
      this.#isAsking = false
      if (answer.kind === 'read') this.#onRead(answer.outcome)
    })
  }

  #onRead(outcome: ReadOutcome): void {
    if (outcome.kind === 'unreadable') {
      this.#rest()
      return
    }
    const { records, isEnd } = outcome
    const isNews = records.length > 0 && records.at(-1)!.seq > this.#lastSeq
    if (this.#isAnotherLog(records)) {
      this.#readAnew()
    } else {
      for (const record of records) this.#take(record)
      if (isEnd && !isNews && this.#isInVain(records)) {
        this.#rest()
        return
      }
      if (isEnd) this.#onEnd()
    }
    this.#retryMs = limits.revocationRetryMs
    this.#step()
  }

  /** Everything was read that anybody is known to have written. */
  #onEnd(): void {
    if (this.#lastSeq < this.#heardSeq) return
    this.#looks = false
    const doubtful = this.#doubtful
    this.#doubtful = undefined
    // It was not stored, and never will be: the log has gone on.
    if (doubtful !== undefined) this.#waiting.unshift(...doubtful.carried)
    this.#restoreLost()
  }

  /** The log was rolled back, or the last record that is known was trimmed behind newer ones. */
  #isAnotherLog(records: readonly LogRecord[]): boolean {
    const [first] = records
    const last = this.#held.at(-1)
    if (first === undefined || last === undefined) return false
    return first.seq !== last.seq || decodeRevocations(first.bytes)?.id !== last.id
  }

  /**
   * A copy that lags has not what must be there: it is asked again, so many times. Then it is
   * taken for lost.
   */
  #isInVain(records: readonly LogRecord[]): boolean {
    const hasLast = this.#lastSeq === 0 || records.length > 0
    if (hasLast && this.#lastSeq >= this.#heardSeq) {
      this.#vainCount = 0
      return false
    }
    // The log is read again: how long it was away before has no part in how soon that is.
    if (this.#vainCount === 0) this.#retryMs = limits.revocationRetryMs
    if (++this.#vainCount < VAIN_MAX) return true
    this.#vainCount = 0
    if (!hasLast) this.#readAnew()
    else this.#heardSeq = this.#lastSeq
    return false
  }

  /** Takes note of a record, whoever wrote it. */
  #take({ seq, bytes }: LogRecord): void {
    if (seq <= this.#lastSeq) return
    this.#lastSeq = seq
    this.#vainCount = 0
    const record = decodeRevocations(bytes)
    const revocations = record?.revocations ?? []
    const endMs = revocations.reduce((latest, each) => Math.max(latest, endOf(each)), 0)
    const byteLength = bytes.byteLength + RECORD_OVERHEAD_BYTES
    this.#held.push({ seq, id: record?.id, byteLength, endMs })
    this.#heldBytes += byteLength
    for (const each of revocations) this.#found?.add(each)
    const fresh = revocations.filter((each) => this.#known.add(each))
    if (fresh.length > 0) this.#ports.onRevocations(fresh)
    const own = [this.#append, this.#doubtful].find((append) => append?.id === record?.id)
    if (own !== undefined) this.#onStored(own, seq)
  }

  #readAnew(): void {
    this.#found = new Revocations()
    this.#held = []
    this.#heldBytes = 0
    this.#lastSeq = 0
    this.#heardSeq = 0
    this.#looks = true
  }

  /** What a log has lost is stored again by all who know it; one of them is enough. */
  #restoreLost(): void {
    const found = this.#found
    if (found === undefined) return
    this.#found = undefined
    const lost = this.#known.all(this.#ports.now().wallMs).filter((each) => !found.covers(each))
    for (let at = 0; at < lost.length; at += limits.revokeTargetsMax) {
      const revocations = lost.slice(at, at + limits.revokeTargetsMax)
      this.#waiting.push({ revocations, onOutcome: () => undefined })
    }
  }

  // -- writing --------------------------------------------------------------------------------

  /** Begins an append of what waits, as much as one can carry; of nothing, it is a mark. */
  #begin(): void {
    const carried: Waiting[] = []
    const revocations: Revocation[] = []
    for (const each of this.#waiting) {
      if (revocations.length + each.revocations.length > limits.revokeTargetsMax) break
      carried.push(each)
      revocations.push(...each.revocations)
    }
    this.#waiting = this.#waiting.slice(carried.length)
    const id = this.#ports.random.id(12)
    const bytes = encodeRevocations({ id, revocations })
    const append = { id, bytes, expectedSeq: this.#lastSeq, carried, mayBeStored: false }
    this.#append = append
    this.#write(append)
  }

  #write({ bytes, expectedSeq }: Append): void {
    this.#isAsking = true
    const partition = REVOCATIONS_PARTITION
    this.#ports.outbox.ask({ kind: 'append', partition, expectedSeq, bytes }, (answer) => {
      this.#isAsking = false
      if (answer.kind === 'append') this.#onAppend(this.#append!, answer.outcome)
    })
  }

  #onAppend(append: Append, outcome: AppendOutcome): void {
    switch (outcome.kind) {
      case 'appended':
        this.#retryMs = limits.revocationRetryMs
        this.#take({ seq: outcome.seq, bytes: append.bytes })
        this.#step()
        return
      case 'conflict':
        this.#append = undefined
        this.#doubtful = append
        if (outcome.lastSeq < append.expectedSeq) this.#readAnew()
        this.#heardSeq = outcome.lastSeq
        this.#looks = true
        this.#step()
        return
      case 'refused':
        if (!append.mayBeStored) {
          this.#append = undefined
          for (const { onOutcome } of append.carried) onOutcome('refused')
        }
        this.#rest()
        return
      case 'unknown':
        append.mayBeStored = true
        this.#rest()
        return
      case 'busy':
        this.#rest()
        return
      default:
        exhaustive(outcome, 'append outcome')
    }
  }

  #onStored(append: Append, seq: number): void {
    this.#append = undefined
    this.#doubtful = undefined
    this.#isKnown = true
    if (append.carried.length > 0) this.#ports.onStored(seq)
    for (const { onOutcome } of append.carried) onOutcome('stored')
    this.#forgetDead()
    if (this.#droppedCount < limits.revocationsDeadMax) return
    this.#droppedCount = 0
    const below = this.#held[0]!.seq
    this.#ports.outbox.ask({ kind: 'trim', partition: REVOCATIONS_PARTITION, below })
  }

  /** Lets go of the oldest records, as far as they mean nothing any more; never of the last. */
  #forgetDead(): void {
    const { wallMs } = this.#ports.now()
    let count = 0
    while (count + 1 < this.#held.length && this.#held[count]!.endMs <= wallMs) {
      this.#heldBytes -= this.#held[count++]!.byteLength
    }
    this.#held.splice(0, count)
    this.#droppedCount += count
    this.#known.prune(wallMs)
  }
}
