/**
 * The heart of a worker's shell: inputs go to the core as they come, and once everything that is
 * due has been handled the outbox is drained. "Everything that is due" is what the event loop had
 * ready in its poll phase: the drain runs in the check phase right after it. Under load a drain
 * carries much, when idle it follows its only input at once; no timer is involved.
 */

import type { Archive, Bus, Clock, Log, StatsStore, WorkerInput } from '../node/ports.ts'
import type { Outbox } from '../node/outbox.ts'
import type { Worker } from '../node/worker.ts'
import type { ArchiveAnswer, ArchiveRequest } from '../log/archive.ts'
import type { LogRequest } from '../log/port.ts'
import { answerStats } from './stats-answers.ts'

export interface PumpPorts {
  readonly clock: Clock
  readonly bus: Bus
  readonly log: Log
  readonly stats: StatsStore
  readonly archive: Archive
  /** Somebody has a newer view than this worker was given. */
  onViewHeard(version: number, from: string | undefined): void
  /** The worker has what the view of this version gave it, and has read ahead. */
  onSettled(viewVersion: number): void
  /** The worker knows all that was ever revoked; said once. */
  onRevokedKnown(): void
  /** What the worker has counted is written. */
  onFlushed(): void
  note(text: string): void
}

export class Pump {
  readonly #worker: Worker
  readonly #outbox: Outbox
  readonly #ports: PumpPorts
  #isDrainDue = false
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Infinity
  #turnCount = 0
  #heardVersion = 0
  #knowsRevoked = false

  constructor(worker: Worker, outbox: Outbox, ports: PumpPorts) {
    this.#worker = worker
    this.#outbox = outbox
    this.#ports = ports
  }

  /** How many inputs were handled: what shows that the worker lives. */
  get turnCount(): number {
    return this.#turnCount
  }

  /** Handles one input now; the outbox is drained soon. */
  input(input: WorkerInput): void {
    this.#turnCount++
    this.#worker.turn(input, this.#ports.clock.now())
    if (this.#isDrainDue) return
    this.#isDrainDue = true
    setImmediate(() => this.#drain())
  }

  #drain(): void {
    this.#isDrainDue = false
    const now = this.#ports.clock.now()
    if (this.#worker.nextDeadlineMs() <= now.monoMs) {
      this.#worker.turn({ kind: 'deadline' }, now)
    }
    this.#worker.settle(now)
    for (const request of this.#outbox.takeLogRequests()) this.#perform(request)
    for (const request of this.#outbox.takeStatsRequests()) {
      void answerStats(this.#ports.stats, request).then((answer) => {
        this.input({ kind: 'stats', answer })
      })
    }
    for (const request of this.#outbox.takeArchiveRequests()) void this.#archive(request)
    for (const { to, frame } of this.#outbox.takeFrames()) this.#ports.bus.send(to, frame)
    for (const socket of this.#outbox.drainSockets()) this.input({ kind: 'socketFull', socket })
    for (const { responder, response } of this.#outbox.takeResponses()) {
      responder.respond(response)
    }
    for (const text of this.#outbox.takeNotes()) this.#ports.note(text)
    this.#tellHeardView()
    const settled = this.#outbox.takeSettled()
    if (settled !== undefined) this.#ports.onSettled(settled)
    if (this.#outbox.takeFlushed()) this.#ports.onFlushed()
    this.#tellRevokedKnown()
    this.#arm(now.monoMs)
  }

  #tellHeardView(): void {
    const heard = this.#outbox.takeHeardView()
    if (heard === undefined || heard.version <= this.#heardVersion) return
    this.#heardVersion = heard.version
    this.#ports.onViewHeard(heard.version, heard.from)
  }

  #tellRevokedKnown(): void {
    if (this.#knowsRevoked || !this.#worker.knowsRevoked) return
    this.#knowsRevoked = true
    this.#ports.onRevokedKnown()
  }

  /** One real timer, for the earliest deadline. */
  #arm(nowMs: number): void {
    const atMs = this.#worker.nextDeadlineMs()
    if (atMs === this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    if (atMs === Infinity) return
    this.#timer = setTimeout(() => {
      this.#timerAtMs = Infinity
      this.input({ kind: 'deadline' })
    }, Math.max(0, Math.ceil(atMs - nowMs)))
  }

  #perform(request: LogRequest): void {
    const { log } = this.#ports
    const { ticket, partition } = request
    switch (request.kind) {
      case 'read':
        void log.read(partition, request.from).then((outcome) => {
          this.input({ kind: 'log', answer: { kind: 'read', ticket, outcome } })
        })
        return
      case 'append':
        void log.append(partition, request.expectedSeq, request.bytes).then((outcome) => {
          this.input({ kind: 'log', answer: { kind: 'append', ticket, outcome } })
        })
        return
      case 'trim':
        void log.trim(partition, request.below)
        return
      case 'release':
        log.release(partition)
        return
    }
  }

  async #archive(request: ArchiveRequest): Promise<void> {
    const { archive } = this.#ports
    this.input({ kind: 'archive', answer: await answerArchive(archive, request) })
  }
}

async function answerArchive(
  archive: Archive, request: ArchiveRequest
): Promise<ArchiveAnswer> {
  const { shelf, ticket } = request
  switch (request.kind) {
    case 'last':
      return { kind: 'record', ticket, outcome: await archive.last(shelf) }
    case 'next':
      return { kind: 'record', ticket, outcome: await archive.next(shelf, request.from) }
    case 'page': {
      const { from, countMax } = request
      return { kind: 'page', ticket, outcome: await archive.page(shelf, from, countMax) }
    }
    case 'append': {
      const { expectedSeq, bytes, keptMs } = request
      const outcome = await archive.append(shelf, expectedSeq, bytes, keptMs)
      return { kind: 'append', ticket, outcome }
    }
    case 'trim':
      await archive.trim(shelf, request.below)
      return { kind: 'trimmed', ticket }
  }
}
