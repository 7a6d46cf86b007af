/**
 * The main thread's hold on its workers: starts them, joins each pair by a MessagePort, notices
 * when one ends, makes no turn or has lost its mesh, and starts its heir as a new generation. A
 * worker's death is a small one: its sockets drop, its parts are lost, the node goes on.
 *
 *   starting ──listening──▶ running ──exit──────────────────────────▶ waiting ──▶ starting (heir)
 *                              │ silent for too long: ended             ▲
 *                              └ without mesh, while the node has it ───┘ its clients are told
 */

import { MessageChannel, type Transferable, Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker, WorkerStart, WorkerStatus } from './thread-messages.ts'

/** How long it takes to be believed of a worker; its state is looked at twelve times meanwhile. */
const PATIENCE_MS = 12_000
const CHECKS = 12
const BEGINNING_FACTOR = 3
/** How long a worker may take to tell its clients. */
const DISMISS_MS = 250
const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 5_000
/** A worker that lived this long starts its heir without a pause. */
const STEADY_MS = 30_000

export interface SupervisorOptions {
  readonly workers: number
  /** The module that a worker thread runs. */
  readonly entry: URL
  /** A worker that is silent, or alone without mesh, for so long is ended. */
  readonly patienceMs?: number
  /** What a new thread is started with, and what of it is transferred. */
  startOf(worker: number, generation: number): { start: WorkerStart; transfer: Transferable[] }
}

export interface SupervisorEvents {
  /** A worker said something that is not the supervisor's own business. */
  onMessage(worker: number, message: FromWorker): void
  /** A worker started anew: the generations of all of them. */
  onGenerations(generations: readonly number[]): void
  note(level: 'info' | 'warn', text: string): void
  /** Whether the main thread's own mesh is up: an outage of all ends nobody. */
  isMeshUp(): boolean
}

interface Thread {
  readonly worker: number
  generation: number
  thread: Worker | undefined
  port: number
  /** It, or one before it. */
  hasListened: boolean
  status: WorkerStatus | undefined
  heardAtMs: number
  /** Since when it is without mesh, though the main thread is not. */
  aloneSinceMs: number
  isDismissed: boolean
  startedAtMs: number
  pauseMs: number
  restart: NodeJS.Timeout | undefined
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #events: SupervisorEvents
  readonly #threads: Thread[] = []
  /** What every worker has to know; an heir is told the same. */
  readonly #known = new Map<string, ToWorker>()
  readonly #patienceMs: number
  #check: NodeJS.Timeout | undefined
  #isStopping = false

  constructor(options: SupervisorOptions, events: SupervisorEvents) {
    this.#options = options
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
    this.#events = events
    for (let worker = 0; worker < options.workers; worker++) {
      this.#threads.push({
        worker,
        generation: 0,
        thread: undefined,
        port: 0,
        hasListened: false,
        status: undefined,
        heardAtMs: 0,
        aloneSinceMs: Infinity,
        isDismissed: false,
        startedAtMs: 0,
        pauseMs: RESTART_FIRST_MS,
        restart: undefined
      })
    }
  }

  /** The generation of each worker. */
  get generations(): number[] {
    return this.#threads.map((thread) => thread.generation)
  }

  /** What each worker last said of itself; undefined for one that has not spoken yet. */
  get statuses(): (WorkerStatus | undefined)[] {
    return this.#threads.map((thread) => thread.status)
  }

  /** Which workers made a turn lately. */
  get turning(): boolean[] {
    const nowMs = performance.now()
    return this.#threads.map(({ thread, heardAtMs }) => {
      return thread !== undefined && nowMs - heardAtMs < this.#patienceMs / 2
    })
  }

  /** The workers that listen. */
  get listening(): number[] {
    return this.#threads.filter(({ port }) => port > 0).map(({ worker }) => worker)
  }

  /** True when every worker has listened, and one does: an heir's siblings listen meanwhile. */
  get isListening(): boolean {
    return this.#threads.every(({ hasListened }) => hasListened) && this.listening.length > 0
  }

  start(): void {
    for (const thread of this.#threads) this.#spawn(thread)
    this.#check = setInterval(() => this.#lookAtAll(), this.#patienceMs / CHECKS)
  }

  /** Tells every worker, now and whenever one is started anew, until something newer is told. */
  tellAll(message: ToWorker): void {
    this.#known.set(message.kind, message)
    for (const { thread } of this.#threads) thread?.postMessage(message)
  }

  /** Tells one worker, once. */
  tell(worker: number, message: ToWorker): void {
    this.#threads[worker]?.thread?.postMessage(message)
  }

  /** Ends all workers and resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearInterval(this.#check)
    const ends = this.#threads.map(async ({ thread, restart }) => {
      clearTimeout(restart)
      await thread?.terminate()
    })
    await Promise.all(ends)
  }

  #spawn(thread: Thread): void {
    thread.generation++
    thread.restart = undefined
    const { start, transfer } = this.#options.startOf(thread.worker, thread.generation)
    const spawned = new Worker(this.#options.entry, {
      workerData: start,
      transferList: transfer,
      name: `worker-${thread.worker}`
    })
    thread.thread = spawned
    thread.status = undefined
    thread.port = 0
    thread.aloneSinceMs = Infinity
    thread.isDismissed = false
    thread.heardAtMs = performance.now()
    thread.startedAtMs = thread.heardAtMs
    spawned.on('message', (message: FromWorker) => this.#onMessage(thread, message))
    spawned.on('error', (error) => {
      const cause = error instanceof Error ? error.stack : String(error)
      this.#events.note('warn', `worker ${thread.worker} failed: ${cause}`)
    })
    spawned.on('exit', () => this.#onExit(thread, spawned))
    this.#joinSiblings(thread)
    for (const message of this.#known.values()) spawned.postMessage(message)
    if (thread.generation > 1) this.#events.onGenerations(this.generations)
  }

  #joinSiblings(thread: Thread): void {
    for (const other of this.#threads) {
      if (other === thread || other.thread === undefined) continue
      const { port1, port2 } = new MessageChannel()
      const mine: ToWorker = { kind: 'sibling', worker: other.worker, port: port1 }
      const theirs: ToWorker = { kind: 'sibling', worker: thread.worker, port: port2 }
      thread.thread?.postMessage(mine, [port1])
      other.thread.postMessage(theirs, [port2])
    }
  }

  #onMessage(thread: Thread, message: FromWorker): void {
    if (message.kind === 'status') {
      // Said by a timer of the worker's own loop: that it was said shows that the loop turns.
      thread.status = message.status
      thread.heardAtMs = performance.now()
    } else if (message.kind === 'listening') {
      thread.port = message.port
      thread.hasListened = true
    }
    this.#events.onMessage(thread.worker, message)
  }

  #onExit(thread: Thread, ended: Worker): void {
    if (thread.thread !== ended || this.#isStopping) return
    thread.thread = undefined
    thread.port = 0
    const livedMs = performance.now() - thread.startedAtMs
    thread.pauseMs = livedMs > STEADY_MS ? RESTART_FIRST_MS
      : Math.min(thread.pauseMs * 2, RESTART_MAX_MS)
    this.#events.note('warn', `worker ${thread.worker} ended; its heir starts`)
    thread.restart = setTimeout(() => this.#spawn(thread), thread.pauseMs)
  }

  #lookAtAll(): void {
    const nowMs = performance.now()
    const isMeshUp = this.#events.isMeshUp()
    for (const thread of this.#threads) {
      const isAlone = isMeshUp && thread.status?.isMeshUp === false
      thread.aloneSinceMs = isAlone ? Math.min(thread.aloneSinceMs, nowMs) : Infinity
      this.#lookAt(thread, nowMs)
    }
  }

  #lookAt(all: Thread, nowMs: number): void {
    const { worker, thread, status, heardAtMs, aloneSinceMs, isDismissed } = all
    if (thread === undefined) return
    // One that begins may have to wait for NATS, and for its turn on a busy machine.
    const silenceMs = (status === undefined ? BEGINNING_FACTOR : 1) * this.#patienceMs
    if (nowMs - heardAtMs >= silenceMs) {
      this.#events.note('warn', `worker ${worker} makes no turn; it is ended`)
      void thread.terminate()
    } else if (nowMs - aloneSinceMs >= this.#patienceMs && !isDismissed) {
      this.#events.note('warn', `worker ${worker} alone has no mesh; it is ended`)
      this.#dismiss(all, thread)
    }
  }

  /** Its clients are told to come again: they would sit there deaf (scenario E1). */
  #dismiss(thread: Thread, ended: Worker): void {
    thread.isDismissed = true
    ended.postMessage({ kind: 'drain', withinMs: 0 } satisfies ToWorker)
    setTimeout(() => void ended.terminate(), DISMISS_MS)
  }
}
