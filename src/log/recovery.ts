/**
 * Taking a partition over: read its log to what looks like the end, then claim it by appending
 * an Epoch that expects the last record read (rule 2). Only the accepted Epoch proves that the
 * end was the end; from then on the former master's appends are refused by the log.
 *
 *   reading ──page──▶ reading ──end──▶ claiming ──appended──▶ done
 *    ▲  │ unreadable: again, later      │ conflict: somebody wrote meanwhile: read on
 *    │  │                               │ unknown, busy, refused: the same bytes again
 *    └──┴─ a flaw, or shorter than we know it was: from the beginning, a few times, and if it
 *          stays so, a new lineage (rule 4)
 *
 * With warning (rule 12) it is the same, begun sooner: a recovery that is *awaited* reads to the
 * end and rests there; when the partition is wanted it reads what came after, and claims.
 *
 * It must never serve, never let a claim with an unknown outcome go, and never begin a new lineage
 * for what a lagging copy or a trim under way has shown.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import { epochOf, nextEpoch, SALT_COUNT, viewVersionOf } from '../peer/epoch.ts'
import { encodeAppend, encodeEntry, type EpochEntry } from './entry.ts'
import type { AppendOutcome, LogOutbox, ReadOutcome, ReadPage } from './port.ts'
import { type RecoveredLog, Replay } from './replay.ts'
import type { WriterStart } from './writer.ts'

const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 2_000
/** A log without a past says nothing of attempts elsewhere: the first is drawn from so many. */
const FIRST_ATTEMPTS = 32_768
/** So many readings must show a flaw before it is believed. */
const READINGS = 5
/**
 * How long a view that the log has already seen is waited for (rule 2). Then it is claimed without:
 * the one who knew that view may be dead, and with the API away (rule 10) nobody else can tell it.
 * The log fences either way, and an Epoch stands above those of the newer view by its number.
 */
const VIEW_WAIT_MS = 3_000

/** How far a log surely went. */
export interface KnownLog {
  readonly lastSeq: number
  readonly epoch: number
  readonly lineage: string | undefined
  /** Lineages that had ended before that one. */
  readonly formers?: ReadonlySet<string>
}

/** Who claims. */
export interface Claimant {
  readonly partition: number
  readonly incarnation: string
  readonly workerGeneration: number
  /** The version of the view held now; a log may have seen a newer one. */
  viewVersion(): number
  /** Nothing is read or claimed before: another claimant goes first (rule 2). */
  readonly restsUntilMs?: number
  /** What the claimant knows to have been in this log: a log without it was rolled back. */
  readonly known?: KnownLog
  /** True where the continuity of what is known was disproved otherwise: its lineage ends. */
  readonly mustStartLineage?: boolean
}

/** What the owner of a recovery hears. */
export interface RecoveryOwner {
  /** The partition is ours in `start.epoch`; this is what we go on from. */
  onClaimed(start: WriterStart, log: RecoveredLog): void
  /** The log has seen this view, and we have not. */
  onViewHeard(viewVersion: number): void
  note(text: string): void
}

export interface RecoveryPorts {
  /** May so many bytes be kept for a claim that has not begun? */
  mayHold?(bytes: number): boolean
  readonly log: LogOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  nowMs(): number
}

/** One takeover of one partition. */
export class Recovery {
  readonly #claimant: Claimant
  readonly #owner: RecoveryOwner
  readonly #ports: RecoveryPorts
  #replay = new Replay()
  /** How far the log surely went. */
  #known: KnownLog | undefined
  #flawCount = 0
  #retryMs = RETRY_FIRST_MS
  #retry: Deadline | undefined
  #viewWaitUntilMs: number | undefined
  #isStopped = false
  /** True until `claim`: nothing is claimed yet. */
  #isAwaited: boolean
  #isRead = false
  #isResting = false
  #heldBytes = 0
  #conflictCount = 0

  /** Begins to read; `isAwaited`: claims nothing before `claim` is called. */
  constructor(
    claimant: Claimant, owner: RecoveryOwner, ports: RecoveryPorts, isAwaited = false
  ) {
    this.#claimant = claimant
    this.#isAwaited = isAwaited
    this.#known = claimant.known
    this.#owner = owner
    this.#ports = ports
    const { restsUntilMs = 0 } = claimant
    if (restsUntilMs > ports.nowMs()) this.#rest(restsUntilMs)
    else this.#read()
  }

  /** True while nobody wanted the partition. */
  get isAwaited(): boolean {
    return this.#isAwaited
  }

  /** True once what was there to be read beforehand has been read. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** The bytes that were read and wait for the claim. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Takes the partition over now. `lastSeq`: where the former master says that its log ends; if
   * that was read already, it is claimed at once.
   */
  claim(lastSeq?: number): void {
    if (!this.#isAwaited) return
    this.#isAwaited = false
    if (!this.#isRead) return
    this.#heldBytes = 0
    if (lastSeq !== undefined && lastSeq === this.#replay.lastSeq) this.#judge()
    else this.#read()
  }

  /** Whoever was waited for need not be any more. */
  goOn(): void {
    if (!this.#isResting) return
    this.#ports.deadlines.cancel(this.#retry)
    this.#isResting = false
    this.#read()
  }

  /** Gives the takeover up (the view changed its mind). A claim that lands later is harmless. */
  stop(): void {
    this.#isStopped = true
    this.#ports.deadlines.cancel(this.#retry)
  }

  #rest(untilMs: number): void {
    this.#isResting = true
    this.#retry = this.#ports.deadlines.at(untilMs, () => this.goOn())
  }

  #read(): void {
    const { partition } = this.#claimant
    const from = this.#replay.lastSeq + 1
    this.#ports.log.ask({ kind: 'read', partition, from }, (answer) => {
      if (!this.#isStopped && answer.kind === 'read') this.#onRead(answer.outcome)
    })
  }

  #onRead(outcome: ReadOutcome): void {
    if (outcome.kind === 'unreadable') {
      this.#later(() => this.#read())
      return
    }
    for (const record of outcome.records) this.#replay.take(record)
    if (this.#isAwaited) {
      this.#onReadAhead(outcome)
      return
    }
    const { newerFormat } = this.#replay
    if (newerFormat !== undefined) {
      // Passing it over would lose what it says; whoever can read it is to take the partition.
      this.#owner.note(`its log is of format ${newerFormat}, of a later release`)
      this.#anew()
    } else if (!outcome.isEnd) {
      this.#read()
    } else {
      this.#judge()
    }
  }

  /** What is wrong with it, if anything, is for the claim to find out. */
  #onReadAhead({ records, isEnd }: ReadPage): void {
    for (const { bytes } of records) this.#heldBytes += bytes.byteLength
    const hasRoom = this.#ports.mayHold?.(this.#heldBytes) ?? true
    if (!hasRoom) {
      this.#replay = new Replay()
      this.#heldBytes = 0
    }
    this.#isRead = isEnd || !hasRoom || this.#replay.newerFormat !== undefined
    if (!this.#isRead) this.#read()
  }

  #judge(): void {
    const { viewVersion } = this.#claimant
    const seen = viewVersionOf(this.#replay.lastEpoch)
    const nowMs = this.#ports.nowMs()
    if (seen > viewVersion()) {
      this.#viewWaitUntilMs ??= nowMs + VIEW_WAIT_MS
      this.#owner.onViewHeard(seen)
      if (nowMs < this.#viewWaitUntilMs) {
        this.#later(() => this.#read())
        return
      }
    }
    const flaw = this.#flaw()
    if (flaw === undefined) {
      const { mustStartLineage, known } = this.#claimant
      // A lineage that has begun since, by a claim of ours that landed too, is not disproved.
      const isDisproved = mustStartLineage === true && this.#replay.lineage === known?.lineage
      this.#claim(isDisproved)
    } else if (++this.#flawCount < READINGS) {
      this.#anew()
    } else {
      this.#owner.note(`${flaw}; continuity is lost`)
      this.#claim(true)
    }
  }

  #flaw(): string | undefined {
    const known = this.#known
    const { lastSeq, lastEpoch, lineage, flaw } = this.#replay
    if (known === undefined) return flaw
    // Where a lineage of its own begins, somebody else has noticed before us; its epoch may be any,
    // for it need not know ours. One that had ended before ours has come back.
    const isOurs = lineage === undefined || lineage === known.lineage ||
      (known.formers?.has(lineage) === true && lastEpoch < known.epoch)
    // Sequences are given out again: a log that goes as far may still have lost what we know.
    const isLost = isOurs && lastEpoch < known.epoch
    if (lastSeq < known.lastSeq && isOurs) {
      return `the log ends at ${lastSeq}, and was at ${known.lastSeq}`
    }
    return isLost ? `the log has lost epoch ${known.epoch}` : flaw
  }

  #anew(): void {
    const { lastSeq, lastEpoch, lineage } = this.#replay
    const known = this.#known
    if (lastSeq > (known?.lastSeq ?? 0)) {
      const formers = this.#replay.formers.union(known?.formers ?? new Set<string>())
      this.#known = { lastSeq, epoch: Math.max(lastEpoch, known?.epoch ?? 0), lineage, formers }
    }
    this.#replay = new Replay()
    this.#later(() => this.#read())
  }

  #claim(startsLineage: boolean): void {
    const replay = this.#replay
    if (startsLineage) replay.disown()
    const { partition, viewVersion, incarnation, workerGeneration } = this.#claimant
    const { lastSeq, nextEntry: firstEntry, snapshotSeq } = replay
    const epoch = this.#nextEpoch()
    const lineage = replay.lineage ?? this.#ports.random.id(10)
    const entry: EpochEntry = {
      kind: 'epoch',
      epoch,
      lineage,
      startsLineage: replay.lineage === undefined,
      viewVersion: viewVersion(),
      incarnation,
      workerGeneration
    }
    const head = { epoch, counter: -1, previousSeq: lastSeq, firstEntry, snapshotSeq }
    const bytes = encodeAppend(head, [encodeEntry(entry)])
    const append = { kind: 'append' as const, partition, expectedSeq: lastSeq, bytes }
    const ask = (): void => this.#ports.log.ask(append, (answer) => {
      if (this.#isStopped || answer.kind !== 'append') return
      const { outcome } = answer
      if (outcome.kind === 'appended') this.#onClaimed(outcome.seq, bytes, epoch, lineage)
      else this.#onNotClaimed(outcome, startsLineage, ask)
    })
    ask()
  }

  /**
   * Above every epoch of this log. A log that was lost, or is a master's own, has forgotten what
   * this view's other attempts were; clients have not, and would take what a former master says
   * for this one's.
   */
  #nextEpoch(): number {
    const viewVersion = this.#claimant.viewVersion()
    const lastEpoch = Math.max(this.#replay.lastEpoch, this.#known?.epoch ?? 0)
    const salt = this.#ports.random.below(SALT_COUNT)
    const next = nextEpoch(viewVersion, lastEpoch, salt)
    if (this.#replay.lineage !== undefined) return next
    const attempt = 1 + this.#ports.random.below(FIRST_ATTEMPTS)
    return Math.max(next, epochOf(viewVersion, attempt, salt))
  }

  #onClaimed(seq: number, bytes: Uint8Array, epoch: number, lineage: string): void {
    const replay = this.#replay
    replay.take({ seq, bytes })
    const { partition } = this.#claimant
    const { nextEntry, snapshotSeq } = replay
    const start = { partition, epoch, lastSeq: seq, nextEntry, snapshotSeq }
    this.#owner.onClaimed(start, replay.recovered(lineage))
  }

  /**
   * Conflict: somebody appended meanwhile, or an earlier try of ours landed; read on and claim
   * above whatever epoch is found (a claim of ours that landed is only one more epoch). The first
   * time at once: what the former master had under way has landed. What was
   * disowned for a flaw is read anew: the reading may have been that of a lagging copy. So is a
   * log that is shorter now than what was read.
   */
  #onNotClaimed(outcome: AppendOutcome, hadDisowned: boolean, again: () => void): void {
    if (outcome.kind !== 'conflict') this.#later(again)
    else if (hadDisowned || outcome.lastSeq < this.#replay.lastSeq) this.#anew()
    else if (this.#conflictCount++ === 0) this.#read()
    else this.#later(() => this.#read())
  }

  #later(run: () => void): void {
    const { deadlines, random } = this.#ports
    const pauseMs = random.jitter(this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
    this.#retry = deadlines.at(this.#ports.nowMs() + pauseMs, () => {
      if (!this.#isStopped) run()
    })
  }
}
